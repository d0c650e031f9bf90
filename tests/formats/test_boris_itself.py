"""Exported projects are opened by BORIS's own code, and BORIS's own exports of them are read back.

BORIS stands in an environment of its own: `uv venv DIR && uv pip install --python DIR/bin/python boris-behav-obs`,
and `BORIS_PYTHON=DIR/bin/python` for this test, which is skipped without it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from etholake.formats.base import Bout, LabelRecording, ReadOptions
from etholake.formats.export.base import prepared
from etholake.formats.export.registry import EXPORTERS
from etholake.formats.labels.clock import in_frames
from etholake.formats.registry import detect

PYTHON = os.environ.get("BORIS_PYTHON", "")
CHILD = Path(__file__).with_name("boris_child.py")
pytestmark = [pytest.mark.long, pytest.mark.skipif(not PYTHON, reason="BORIS is not installed: set BORIS_PYTHON")]
BOUTS = (
    Bout("attack", 3, 40, "mouse1", "mouse2"),
    Bout("attack", 10, 50, "mouse2", "mouse1"),
    Bout("rear", 40, 41, "mouse1", "mouse1"),
    Bout("attack", 60, 61, "mouse1", "mouse2"),
)


@pytest.mark.parametrize("fps", [10.0, 25.0, 29.97, 30000 / 1001, 120.0])
def test_boris_opens_the_project_and_its_exports_come_back(fps: float, tmp_path: Path) -> None:
    recording = LabelRecording("video1", BOUTS, ("attack", "rear"), "frame", fps=fps, frame_count=100)
    (project,) = EXPORTERS.get("boris").write(prepared([recording]), tmp_path)
    command = [PYTHON, str(CHILD), str(project), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    theirs = json.loads(run.stdout)["video1"]
    expected = [(b.agent, b.action, b.target, b.start, b.stop) for b in BOUTS]
    assert sorted((s, c, m, round(a * fps), round(b * fps)) for s, c, m, a, b in theirs) == sorted(expected)
    for file, name in (("video1.tsv", "boris_tabular"), ("video1.aggregated.csv", "boris_aggregated")):
        path = tmp_path / file
        ((item, _),) = detect(path)
        assert item.name == name
        (read,) = item.read(path, ReadOptions())
        assert read.name == "video1"
        back = in_frames(read, fps)  # type: ignore[arg-type]
        assert sorted((b.agent, b.action, *b.modifiers, b.start, b.stop) for b in back.bouts) == sorted(expected)
