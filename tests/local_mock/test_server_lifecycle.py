"""Start, find and stop; locks, ports, loopback; errors of what is absent."""

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etholake import aws
from etholake.settings import Settings
from local_mock import lifecycle, watch
from local_mock.errors import UsageError
from local_mock.faults import operation_of, service_of
from local_mock.options import Options, from_environment
from local_mock.server import is_held

pytestmark = pytest.mark.server  # each test starts servers of its own


@pytest.fixture
def options(tmp_path: Path) -> Iterator[Options]:
    made = Options(port=0, state_dir=tmp_path / "state", s3_root=tmp_path / "s3")
    yield made
    lifecycle.down(made)


@pytest.mark.server
def test_up_finds_what_runs_and_down_ends_it(options: Options, tmp_path: Path, capfd: Any) -> None:
    assert lifecycle.running(options) is None
    first = lifecycle.up(options)
    assert first.started
    second = lifecycle.up(options)
    assert (second.pid, second.port, second.started) == (first.pid, first.port, False)
    with pytest.raises(UsageError, match=r"S3 folder .* runs already"):
        lifecycle.up(Options(port=0, state_dir=options.state_dir, s3_root=tmp_path / "other"))
    with pytest.raises(UsageError, match=rf"S3 folder .* in use by another local_mock \(process {first.pid}\)"):
        lifecycle.up(Options(port=0, state_dir=tmp_path / "other", s3_root=options.s3_root))
    assert lifecycle.down(options)
    assert lifecycle.running(options) is None
    assert not lifecycle.down(options)
    assert not Path(f"/proc/{first.pid}").exists()
    assert capfd.readouterr() == ("", "")


def test_a_signal_that_another_thread_takes_ends_the_server() -> None:
    """A main thread that waits on a lock is not woken by it: a server once slept through Ctrl-C."""
    code = """
import os, signal, threading, time
from local_mock.server import _stop_pipe
with _stop_pipe() as (stopped, _):
    other = threading.Thread(target=time.sleep, args=(60,), daemon=True)
    other.start()
    killer = threading.Timer(0.2, lambda: signal.pthread_kill(other.ident, signal.SIGINT))
    killer.start()
    print(os.read(stopped, 1) == bytes([signal.SIGINT]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.server
def test_locks_outlive_no_kill(options: Options) -> None:
    first = lifecycle.up(options)
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
    assert lifecycle.running(options) is None
    second = lifecycle.up(options)
    assert second.started
    os.kill(second.pid, signal.SIGINT)
    for _ in range(500):
        if lifecycle.running(options) is None and not (options.state_dir / "mock.json").exists():
            break
        time.sleep(0.02)
    assert os.waitstatus_to_exitcode(os.waitpid(second.pid, 0)[1]) == 0


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.long)])
def test_up_right_after_kill_starts_a_new_server_every_time(options: Options, times: int) -> None:
    """The killed server's lock and mock.json are still there when `up` looks."""
    server = lifecycle.up(options)
    for _ in range(times):
        killed = server.pid
        os.kill(killed, signal.SIGKILL)
        began = time.monotonic()
        server = lifecycle.up(options)
        assert server.started
        assert server.pid != killed
        assert time.monotonic() - began < 30
        with urllib.request.urlopen(f"{server.url}/", timeout=10) as answer:
            assert answer.status == 200


def test_a_stopping_server_is_waited_for(options: Options) -> None:
    """A suspended process looks like a dying one: it holds its lock, its mock.json is there, nothing answers."""
    dying = lifecycle.up(options)
    os.kill(dying.pid, signal.SIGSTOP)
    assert lifecycle.running(options) is None
    later = threading.Timer(1.0, os.kill, (dying.pid, signal.SIGKILL))
    later.start()
    server = lifecycle.up(options)
    assert server.started
    assert server.pid != dying.pid


def test_an_old_mock_json_and_another_program_at_its_port_are_not_taken_for_a_server(options: Options) -> None:
    options.state_dir.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_port}"
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, options.state_dir / "mock.lock"])
        announced = {"pid": holder.pid, "port": other.server_port, "url": url, "s3_root": "", "s3_endpoint": None}
        (options.state_dir / "mock.json").write_text(json.dumps(announced))
        while is_held(options.state_dir / "mock.lock") != holder.pid:
            time.sleep(0.01)
        assert lifecycle.running(options) is None
        holder.kill()
        holder.wait()
        assert lifecycle.up(options).started
        other.shutdown()


HOLDER = """
import fcntl, os, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(str(os.getpid())); file.flush(); time.sleep(100)
"""


def test_several_callers_at_once_get_one_server(options: Options) -> None:
    with ThreadPoolExecutor(4) as pool:
        servers = list(pool.map(lambda _: lifecycle.up(options), range(4)))
    assert len({server.pid for server in servers}) == 1
    assert [server.started for server in servers].count(True) == 1
    lifecycle.down(options)
    text = str(options.state_dir).encode()
    left = [p.name for p in Path("/proc").glob("[0-9]*") if text in _command_line(p)]
    assert left == []  # a server that lost the race does not take the place of the one that has ended


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_the_process_that_it_was_started_for(options: Options, signum: int) -> None:
    """So do its children: here the JVM's stand-in, which the killed server can stop no more."""
    owner = subprocess.Popen(["sleep", "100"])
    server = lifecycle.up(replace(options, ends_with=(os.getpid(), owner.pid)))
    assert watch.is_alive(server.pid)
    owner.send_signal(signum)  # not waited for: it stays a zombie
    deadline = time.monotonic() + 20
    while watch.is_alive(server.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not watch.is_alive(server.pid)
    assert not (options.state_dir / "mock.json").exists()  # it ended in order
    owner.wait()


def test_a_server_for_a_process_that_is_gone_ends_at_once(options: Options) -> None:
    owner = subprocess.Popen(["true"])
    owner.wait()
    called = threading.Event()
    watch.call_at_end_of((owner.pid,), called.set)
    assert called.wait(5)


def test_without_process_descriptors_the_end_is_found_by_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    owner = subprocess.Popen(["sleep", "100"])
    called = threading.Event()
    watch.call_at_end_of((owner.pid,), called.set)
    assert not called.wait(0.3)
    owner.kill()
    assert called.wait(5)
    owner.wait()


def test_whom_a_server_ends_with_comes_from_the_environment() -> None:
    assert from_environment({watch.VARIABLE: "12,34"}).ends_with == (12, 34)
    with pytest.raises(UsageError, match="LOCAL_MOCK_ENDS_WITH must be process ids like 1234,5678, but got 'me'"):
        from_environment({watch.VARIABLE: "me"})


def test_options_come_from_the_environment_and_unknown_ones_are_refused() -> None:
    environ = {"LOCAL_MOCK_PORT": "4711", "LOCAL_MOCK_STATE_DIR": "here", "LOCAL_MOCK_REGION": "", "HOME": "/"}
    assert from_environment(environ) == Options(port=4711, state_dir=Path("here"))
    assert from_environment(environ, port=0, region=None).port == 0
    with pytest.raises(UsageError, match=r"LOCAL_MOCK_PROT is unknown. Did you mean LOCAL_MOCK_PORT\?"):
        from_environment({"LOCAL_MOCK_PROT": "1"})
    with pytest.raises(UsageError, match="LOCAL_MOCK_PORT must be a whole number, but got 'x'"):
        from_environment({"LOCAL_MOCK_PORT": "x"})
    with pytest.raises(UsageError, match=r"port must be 0\.\.65535, but got 70000"):
        Options(port=70000)


def test_a_port_in_use_is_a_clear_error(options: Options) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        taken = Options(port=port, state_dir=options.state_dir, s3_root=options.s3_root)
        with pytest.raises(UsageError, match=f"Port {port} on 127.0.0.1 cannot be used: Address already in use"):
            lifecycle.up(taken)


def test_it_listens_on_loopback_only(mock_settings: Settings) -> None:
    wanted = f"{mock_settings.port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    assert [a for a in listening if a.endswith(":" + wanted)] == [f"0100007F:{wanted}"]
    if Path("/proc/net/tcp6").exists():
        assert f":{wanted} " not in Path("/proc/net/tcp6").read_text()


def test_health_and_logs(mock_settings: Settings) -> None:
    with urllib.request.urlopen(f"{mock_settings.endpoint_url}/_local_mock/health") as answer:
        assert json.load(answer) == {"status": "running"}
    aws.client(mock_settings, "s3").list_buckets()
    state = Path(mock_settings.state_dir)
    assert "GET / -> 200" in (state / "local_mock.log").read_text()
    assert (state / "local_mock.out").read_text().splitlines()[0].startswith("local_mock answers at http://127.")


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("glue", "ListBlueprints", {}),
        ("athena", "CreateNotebook", {"WorkGroup": "primary", "Name": "n"}),
        ("appflow", "ListFlows", {}),
        ("quicksight", "DescribeAnalysis", {"AwsAccountId": "123456789012", "AnalysisId": "a"}),
        ("iam", "GetOrganizationsAccessReport", {"JobId": "x" * 36}),
        ("cloudformation", "DescribeType", {"Type": "RESOURCE", "TypeName": "AWS::S3::Bucket"}),
        ("stepfunctions", "ValidateStateMachineDefinition", {"definition": "{}"}),
    ],
)
def test_absent_operations_answer_501_once(
    mock_settings: Settings, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    import botocore

    client = aws.client(mock_settings, service)
    with pytest.raises(ClientError, match=f"local_mock does not implement {service}:{operation}") as error:
        getattr(client, botocore.xform_name(operation))(**parameters)
    metadata = error.value.response["ResponseMetadata"]
    assert error.value.response["Error"]["Code"] == "NotImplemented"
    assert (metadata["HTTPStatusCode"], metadata["RetryAttempts"]) == (501, 0)


def test_state_only_services_still_answer(mock_settings: Settings) -> None:
    assert aws.client(mock_settings, "sts").get_caller_identity()["Account"] == "123456789012"
    key = aws.client(mock_settings, "kms").create_key()["KeyMetadata"]["KeyId"]
    assert key in [k["KeyId"] for k in aws.client(mock_settings, "kms").list_keys()["Keys"]]


def test_service_and_operation_are_read_from_a_request() -> None:
    scope = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/{}/aws4_request, SignedHeaders=h, Signature=s"
    environ = {"HTTP_AUTHORIZATION": scope.format("states"), "HTTP_X_AMZ_TARGET": "AWSStepFunctions.TestState"}
    assert service_of(environ) == "stepfunctions"
    assert operation_of(environ, "stepfunctions") == "TestState"
    environ = {"HTTP_AUTHORIZATION": scope.format("sagemaker"), "PATH_INFO": "/endpoints/e/invocations"}
    assert service_of(environ) == "sagemaker-runtime"
    assert operation_of(environ | {"REQUEST_METHOD": "POST"}, "sagemaker-runtime") == "InvokeEndpoint"
    assert operation_of({}, "iam", "Action=GetRole&Version=2010-05-08") == "GetRole"
    assert service_of({}) is None


def test_a_process_that_nobody_has_reaped_is_gone() -> None:
    """The parent of a server that was started by a script may be a container's first process, which never asks."""
    code = "import os, sys\nif (pid := os.fork()) == 0: os._exit(0)\nprint(pid, flush=True)\nsys.stdin.read()"
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until = time.monotonic() + 10
    while not lifecycle._is_gone(pid) and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(pid, 0)  # it still has its entry
    assert lifecycle._is_gone(pid)
    assert not lifecycle._is_gone(parent.pid)
    parent.communicate()
