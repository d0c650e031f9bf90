"""``local-mock up | down | status | run``: what it prints, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).resolve().parents[2]


class Shell:
    """A working folder in which the command is run, with nothing of the caller's options."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("LOCAL_MOCK_", "AWS_"))}
        self.environment |= {"PYTHONPATH": str(ROOT), "LOCAL_MOCK_ENDS_WITH": str(os.getpid())}

    def run(self, *words: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "local_mock", *words],
            cwd=self.folder,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done
        return done


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.run("down")


def test_up_status_down(shell: Shell) -> None:
    assert json.loads(shell.run("status", "--json", code=1).stdout) == {"running": False}
    up: dict[str, Any] = json.loads(shell.run("up", "--json", "--port", "0").stdout)
    assert up["started"] is True
    assert up["env"]["AWS_ENDPOINT_URL"] == up["url"]
    assert {path.name for path in shell.folder.iterdir()} == {".local_mock", "s3_mock"}
    again = shell.run("up", LOCAL_MOCK_PORT="0")
    assert f"export AWS_ENDPOINT_URL={up['url']}" in again.stdout.splitlines()
    assert f"already running at {up['url']} (process {up['pid']})" in again.stderr
    status = json.loads(shell.run("status", "--json").stdout)
    assert status == {"running": True, "url": up["url"], "pid": up["pid"]}
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=up["url"], **keys).create_bucket(Bucket="made")
    assert (shell.folder / "s3_mock" / "made").is_dir()
    refused = shell.run("up", "--s3-root", "other", code=2)
    assert "s3_mock runs already in .local_mock, but other is wanted: stop it" in refused.stderr
    assert json.loads(shell.run("down", "--json").stdout) == {"stopped": True}
    assert shell.run("down").stdout == "no server runs in .local_mock\n"


def test_run_is_in_the_foreground(shell: Shell) -> None:
    command = [sys.executable, "-m", "local_mock", "run", "--port", "0"]
    process = subprocess.Popen(command, cwd=shell.folder, env=shell.environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("local_mock answers at http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["up", "--port", "70000"], "The port must be 0..65535, but got 70000."),
        (["sideways"], "invalid choice: 'sideways'"),
        ([], "the following arguments are required: up | down | status | run"),
    ],
)
def test_wrong_usage_is_exit_code_2(shell: Shell, words: list[str], message: str) -> None:
    assert message in shell.run(*words, code=2).stderr


def test_an_unknown_variable_is_exit_code_2(shell: Shell) -> None:
    done = shell.run("status", code=2, LOCAL_MOCK_STATEDIR="x")
    assert "LOCAL_MOCK_STATEDIR is unknown. Did you mean LOCAL_MOCK_STATE_DIR?" in done.stderr
