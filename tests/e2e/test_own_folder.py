"""README's commands for a lab's own folder, run as they are written, on a small generated folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from formats.lab_folder import boris_csv, deeplabcut_csv, video_file

from local_mock.sagemaker.hosting import free_port

ROOT = Path(__file__).resolve().parents[2]
FRAMES, FPS, BOUT = 1500, 30, 60
pytestmark = [pytest.mark.server, pytest.mark.long]


def commands(folder: Path, data: Path, video: str) -> list[list[str]]:
    """Return the lines of the README's block, with this test's folders in the place of its examples."""
    section = (ROOT / "README.md").read_text().split("## Your own folder", 1)[1]
    block = re.search(r"```\n(.*?)```", section, re.DOTALL)
    assert block is not None
    lines = [line.split("  #")[0].strip() for line in block[1].splitlines() if line.strip()]
    assert [line.split()[:2] for line in lines] == [["make", "import"], ["make", "up"], ["make", "video"]]
    replaced = {"~/my_lab": str(folder), "OUT=data": f"OUT={data}", "DATA=data": f"DATA={data}", "<name>": video}
    words = []
    for line in lines:
        command = line
        for example, own in replaced.items():
            command = command.replace(example, own if "=" in own else shlex.quote(own))
        words.append(shlex.split(command))
    return words


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    port = free_port()
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("ETHOLAKE_", "AWS_", "MABE_", "MAKE"))}
    keep |= {"ETHOLAKE_STATE_DIR": str(tmp_path / "state"), "ETHOLAKE_S3_ROOT": str(tmp_path / "s3")}
    yield keep | {"PORT": str(port)}
    subprocess.run(["make", "down"], cwd=ROOT, env=keep | {"PORT": str(port)}, check=False)


def lab(folder: Path) -> None:
    """Three videos in which mouse a follows b for two seconds of four; their BORIS logs say so."""
    for number in range(3):
        random = np.random.default_rng(number)
        follows = (np.arange(FRAMES) // BOUT) % 2 == 0
        angle = np.arange(FRAMES) * 0.03 + number
        away = np.where(follows, 0.4, 3.0)
        body = np.stack([np.linspace(-20, 20, 3), np.zeros(3)], axis=1)
        centres = [320 + 150 * np.stack([np.cos(a), np.sin(a)], axis=1) for a in (angle - away, angle)]
        xy = np.stack(centres, axis=1)[:, :, None] + body + random.normal(0, 1, (FRAMES, 2, 3, 2))
        deeplabcut_csv(folder / f"day {number}.csv", xy, ("nose", "body_center", "tail_base"), ("a", "b"))
        bouts = [(f / FPS, (f + BOUT) / FPS, "a", "follow") for f in range(0, FRAMES, 2 * BOUT)]
        boris_csv(folder / "labels" / f"day {number}.csv", f"day {number}.mp4", bouts, length=FRAMES / FPS)
        video_file(folder / f"day {number}.mp4", FRAMES, FPS, (640, 640))


def test_the_three_commands_of_the_readme(environment: dict[str, str], tmp_path: Path) -> None:
    lab(tmp_path / "my lab")
    for words in commands(tmp_path / "my lab", tmp_path / "data", "day 1"):
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    page = re.search(r"dist/video-\d+\.html", done.stdout)
    assert page is not None
    text = (ROOT / page[0]).read_text(encoding="utf-8")
    (ROOT / page[0]).unlink()
    assert '"name": "day 1"' in text or "day 1" in text
