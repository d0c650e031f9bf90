"""The tutorials that are command lines or files, run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.test_own_folder import lab

from etholake.simulate import simulate
from local_mock.sagemaker.hosting import free_port

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
pytestmark = pytest.mark.server


def blocks(name: str, language: str) -> list[str]:
    """Return the fenced blocks of a language in a tutorial."""
    return re.findall(rf"```{language}\n(.*?)```", (TUTORIALS / f"{name}.md").read_text(), re.DOTALL)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of a shell in an empty folder, with the command on its path; the mock is stopped at the end."""
    port = free_port()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ETHOLAKE_", "AWS_", "MABE_", "TARGET"))}
    kept |= {"PORT": str(port), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}
    yield kept
    subprocess.run(["etholake", "down"], cwd=tmp_path, env=kept, check=False, capture_output=True)


@pytest.mark.long
@pytest.mark.parametrize("name", ["pose-lab", "video-lab", "aws"])
def test_its_commands_run(name: str, environment: dict[str, str], tmp_path: Path) -> None:
    if name == "pose-lab":
        lab(tmp_path / "my_lab")
    if name == "aws":
        simulate(tmp_path / "data", labs=1, videos=3, seconds=20, seed=0, dirt=0, test_videos=0)
    lines = [line for block in blocks(name, "bash") for line in block.splitlines()]
    assert len(lines) > 10
    for line in lines:
        done = subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.slow
def test_the_project_of_local_mock_is_tested_as_the_tutorial_says(tmp_path: Path) -> None:
    files = re.findall(
        r'```python title="([\w.]+)"\n(.*?)```', (TUTORIALS / "local-mock.md").read_text(), re.DOTALL
    )
    assert [name for name, _ in files] == ["job.py", "test_sales.py"]
    for name, text in files:
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "local_mock.pytest_plugin", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "2 passed" in done.stdout
