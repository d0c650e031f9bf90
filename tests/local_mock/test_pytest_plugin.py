"""The pytest plugin, in test runs of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local_mock import watch

pytestmark = pytest.mark.server  # each test starts servers of its own
pytest_plugins = ["pytester"]
PLUGIN = ("-p", "local_mock.pytest_plugin", "-q")


def test_it_does_nothing_until_a_fixture_is_used(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    pytester.makepyfile(
        """
        import os, sys

        def test_nothing_started(tmp_path_factory):
            assert "moto" not in sys.modules and "boto3" not in sys.modules
            assert os.environ.get("AWS_ENDPOINT_URL") is None
            assert not list(tmp_path_factory.getbasetemp().glob("local_mock*"))
        """
    )
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_buckets_are_clean_and_boto3_needs_no_configuration(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_PROFILE", "of-the-user")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    pytester.makepyfile(
        """
        import os
        import boto3
        import pytest

        @pytest.mark.parametrize("n", [1, 2])
        def test_bucket(local_mock, n):
            s3 = boto3.client("s3")
            assert s3.list_buckets()["Buckets"] == []
            s3.create_bucket(Bucket="mine")
            s3.put_object(Bucket="mine", Key="k", Body=b"1")
            s3.create_multipart_upload(Bucket="mine", Key="unfinished")
            assert (local_mock.s3_root / "mine" / "k").is_file()
            assert boto3.client("sts").get_caller_identity()["Account"] == "123456789012"

        def test_the_environment_is_given_back():
            assert os.environ["AWS_PROFILE"] == "of-the-user"
            assert "AWS_ENDPOINT_URL" not in os.environ
        """
    )
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=3)


def test_a_killed_test_run_leaves_no_server_behind(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(
        f"""
        import json, pathlib, time, urllib.request

        def test_killed(local_mock_server):
            state = next(local_mock_server.s3_root.parent.glob("state/mock.json"))
            pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(json.loads(state.read_text())["pid"]))
            time.sleep(100)
        """
    )
    run = subprocess.Popen([sys.executable, "-m", "pytest", *PLUGIN], cwd=pytester.path, stdout=subprocess.DEVNULL)
    server = _wait_for_pid(tmp_path / "pid")
    assert watch.is_alive(server)
    os.kill(run.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while watch.is_alive(server) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not watch.is_alive(server)
    run.wait()


def _wait_for_pid(path: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.is_file() and path.read_text():
            return int(json.loads(path.read_text()))
        time.sleep(0.02)
    raise AssertionError("The server did not start.")
