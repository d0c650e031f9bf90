"""Children of the mock: how they end, and that nothing of them survives."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local_mock.context import Context
from local_mock.data import FolderData
from local_mock.process import Child, ChildResult, running_children

pytestmark = pytest.mark.server  # the children are started through local_mock

ENV = {"PATH": os.environ["PATH"]}
ROOT = Path(__file__).parents[2]


def child(tmp_path: Path, script: str, **options: float) -> Child:
    return Child(["sh", "-c", script], env=ENV, cwd=tmp_path, log_path=tmp_path / "logs" / "child.log", **options)


def wait_for(path: Path, n_lines: int = 1) -> list[int]:
    """The process ids that a script has written to a file."""
    for _ in range(500):
        if path.exists() and len(path.read_text().split()) >= n_lines:
            return [int(word) for word in path.read_text().split()]
        time.sleep(0.02)
    raise AssertionError(f"{path} was not written")


def gone(pids: list[int], seconds: float = 5.0) -> bool:
    """Whether all processes end (a zombie has ended) within a time."""
    for _ in range(int(seconds / 0.02)):
        if not any(_alive(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_exit_code_and_both_streams_reach_the_log(tmp_path: Path) -> None:
    started = child(tmp_path, "echo one; echo two >&2; echo three; exit 3")
    assert started.wait() == ChildResult(3, timed_out=False, stopped=False)
    assert started.tail(2) == "two\nthree"
    assert started not in running_children()


def test_a_signal_shows_as_a_negative_code(tmp_path: Path) -> None:
    assert child(tmp_path, "kill -SEGV $$").wait().returncode == -signal.SIGSEGV
    assert child(tmp_path, "kill -KILL $$").wait().returncode == -signal.SIGKILL


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    missing = Child(["no-such-command"], env=ENV, cwd=tmp_path, log_path=tmp_path / "log")
    assert missing.wait().returncode == 127
    assert "Cannot start no-such-command" in missing.tail()


def test_time_limit_kills_one_that_ignores_sigterm_and_its_detached_child(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = (
        f"trap '' TERM; setsid sleep 100 & echo $! >> {pids}; echo $$ >> {pids}; while true; do sleep 0.1; done"
    )
    started = child(tmp_path, script, timeout_s=0.5)
    children = wait_for(pids, 2)
    result = started.wait()
    assert result.timed_out
    assert not result.stopped
    assert gone(children)


def test_stop_asks_first(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'echo asked; exit 0' TERM; echo $$ > {ready}; while true; do sleep 0.05; done"
    started = child(tmp_path, script)
    wait_for(ready)
    started.stop(grace_s=5)
    assert started.wait().stopped
    assert started.tail(1) == "asked"


def test_what_a_finished_job_leaves_running_is_ended(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = child(tmp_path, f"setsid sleep 100 & echo $! > {pids}")
    assert started.wait().returncode == 0
    assert gone(wait_for(pids))


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_children_and_grandchildren_die_with_the_parent(tmp_path: Path, signum: int) -> None:
    pids = tmp_path / "pids"
    parent = f"""
import os, threading, time
from pathlib import Path
from local_mock.process import Child
def start():  # from a thread that ends at once, as a request does
    Child(["sh", "-c", "setsid sleep 100 & echo $! >> {pids}; echo $$ >> {pids}; sleep 100"],
          env=dict(os.environ), cwd=Path("{tmp_path}"), log_path=Path("{tmp_path}/log"))
thread = threading.Thread(target=start); thread.start(); thread.join()
time.sleep(100)
"""
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT)
    children = wait_for(pids, 2)
    time.sleep(0.2)
    assert all(map(_alive, children))
    process.send_signal(signum)
    process.wait(10)
    assert gone(children)


def test_environment_of_a_job_has_nothing_of_the_parents_settings(tmp_path: Path) -> None:
    parent = {
        "LOCAL_MOCK_PORT": "1", "AWS_PROFILE": "mine", "AWS_SECRET_ACCESS_KEY": "real",
        "PYTHONPATH": "/x", "HOME": "/home/me", "PATH": "/bin",
    }  # fmt: skip
    context = Context(tmp_path / "s3", tmp_path, 4711, "eu-west-1", FolderData(tmp_path / "s3"))
    env = context.child_environment(parent)
    assert not {"LOCAL_MOCK_PORT", "AWS_PROFILE", "PYTHONPATH"} & set(env)
    assert env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4711"
    assert env["AWS_SECRET_ACCESS_KEY"] == "local_mock"
    assert env["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert env["LOCAL_MOCK_S3_MOUNT"] == str(tmp_path / "s3")
    assert env["PATH"] == f"{Path(sys.executable).parent}:/bin"
    assert env["HOME"] == "/home/me"
    elsewhere = Context(tmp_path, tmp_path, 1, "us-east-1", FolderData(tmp_path), "http://127.0.0.1:4566")
    env = elsewhere.child_environment(parent)
    assert "LOCAL_MOCK_S3_MOUNT" not in env
    assert env["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:4566"
