"""Start, find and stop; locks, ports, loopback; errors of what is absent."""

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etholake import aws
from etholake.settings import Settings
from local_mock import lifecycle
from local_mock.errors import UsageError
from local_mock.faults import operation_of, service_of
from local_mock.options import Options


@pytest.fixture
def options(tmp_path: Path) -> Iterator[Options]:
    made = Options(port=0, state_dir=tmp_path / "state", s3_root=tmp_path / "s3")
    yield made
    lifecycle.down(made)


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
        health = json.load(answer)
    assert health["s3_root"] == str(Path(mock_settings.s3_root).resolve())
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
    started = time.monotonic()
    with pytest.raises(ClientError, match=f"local_mock does not implement {service}:{operation}") as error:
        getattr(client, botocore.xform_name(operation))(**parameters)
    metadata = error.value.response["ResponseMetadata"]
    assert error.value.response["Error"]["Code"] == "NotImplemented"
    assert (metadata["HTTPStatusCode"], metadata["RetryAttempts"]) == (501, 0)
    assert time.monotonic() - started < 10


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
