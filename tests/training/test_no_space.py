"""A write without space ends a training with a sentence, and the next run finishes as if nothing had happened."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import training_run  # type: ignore[import-not-found]

from etholake.errors import DataError, no_space
from etholake.models.network_model import WEIGHTS

CHILD = Path(__file__).with_name("no_space_child.py")


def job(folder: Path, limit: int) -> subprocess.CompletedProcess[str]:
    """Run the training job with files of at most `limit` bytes (0: any)."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "SM_MODEL_DIR": str(folder / "model"),
               "SM_OUTPUT_DATA_DIR": str(folder / "output"), "SM_OUTPUT_FAILURE": str(folder / "failure"),
               "PYTHONPATH": str(CHILD.parents[2])}  # fmt: skip
    command = [sys.executable, str(CHILD), str(limit), str(folder / "checkpoints")]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
def test_a_training_without_space_says_so_and_goes_on_afterwards(tmp_path: Path) -> None:
    training_run.run(tmp_path / "whole")
    stopped = job(tmp_path, limit=3000)  # of the first checkpoint already
    assert stopped.returncode == 1
    assert "A file could not be written for lack of space" in stopped.stderr.splitlines()[-1]
    assert "Traceback" not in stopped.stderr
    assert "ulimit -f" in (tmp_path / "failure").read_text()
    assert not (tmp_path / "model" / WEIGHTS).exists()
    again = job(tmp_path, limit=0)
    assert again.returncode == 0, again.stderr
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("whole", "model")]
    assert reports[0] == reports[1], "losses and the final score"
    assert (tmp_path / "model" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_lack_of_space_is_recognised_whoever_reports_it(number: int) -> None:
    error = OSError(number, os.strerror(number), "a/b.parquet")
    for err in (error, RuntimeError(f"I/O error: {os.strerror(number)} (os error {number})")):
        assert os.strerror(number) in str(no_space(err))
    wrapped = DataError("Could not write.")
    wrapped.__cause__ = error
    assert "a/b.parquet" in str(no_space(wrapped))


def test_numpy_keeps_no_number_and_is_recognised_too() -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OSError, match="requested and") as caught,
    ):
        np.zeros(100_000).tofile(full)
    assert "requested and" in str(no_space(caught.value))


def test_other_errors_are_not_lack_of_space() -> None:
    assert no_space(OSError(errno.EACCES, "Permission denied")) is None
    assert no_space(RuntimeError("I/O error: Permission denied (os error 13)")) is None
    assert no_space(ValueError("28")) is None
