"""A job's folder and its interpreter have paths that a shell takes as one word, wherever the server lies."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from local_mock import plain_paths

ODD = 'Maus\' "Käfig" $1 & co'


def test_a_job_folder_is_plain_and_empty(tmp_path: Path) -> None:
    wanted = tmp_path / "state" / "job"
    (wanted / "old").mkdir(parents=True)
    assert plain_paths.job_folder(wanted) == wanted
    assert list(wanted.iterdir()) == []
    made = plain_paths.job_folder(tmp_path / ODD / "job")
    assert plain_paths.is_plain(made)
    assert made.is_dir()
    made.rmdir()


def test_the_interpreter_of_an_odd_environment_runs_by_a_plain_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plain_paths.interpreter_folder.__wrapped__() == Path(sys.executable).parent
    odd = tmp_path / ODD / ".venv"
    venv.create(odd, symlinks=True)
    monkeypatch.setattr(sys, "executable", str(odd / "bin" / "python"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = plain_paths.interpreter_folder.__wrapped__()
    assert folder == plain_paths.interpreter_folder.__wrapped__()  # the link is made once
    assert plain_paths.is_plain(folder)
    # As the SDK's driver writes it: without quotes.
    script = "import sys; print(sys.prefix != sys.base_prefix, len(sys.prefix.split()))"
    done = subprocess.run(f'{folder}/python -c "{script}"', shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "1"]
