"""Malformed requests to the mock's services: 4xx (501 for what is absent), never 500, never a dropped line.

The requests are made from seeds (`request_mutator.request`). One alone, as Python:
``from request_mutator import request; request(SEED)`` with `tests/fuzz` on the path.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from request_mutator import SERVICES, Request, request

from local_mock import faults, lifecycle
from local_mock.options import Options

SHORT, LONG, BLOCK = 500, 3000, 500
LONGEST_S = 20.0  # SQS waits for messages as long as a request asks it to


class Asker:
    """One connection to a mock of this module's own: what fuzzing leaves there troubles no other test."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, asked: Request) -> tuple[int, bytes]:
        self._connection.request(asked.method, asked.path, asked.body, asked.headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    folder = tmp_path_factory.mktemp("fuzzed")
    options = Options(port=0, state_dir=folder / "state", s3_root=folder / "s3", ends_with=(os.getpid(),))
    made = Asker(lifecycle.up(options).port)
    made.ask(
        Request(0, "sts", "", "GET", "/?Action=GetCallerIdentity", {}, b"", ())
    )  # once all services are there
    yield made
    lifecycle.down(options)


def fuzz(asker: Asker, first: int, last: int) -> Counter[int]:
    """Ask all of these seeds; fail with every one that was not answered as it should be."""
    statuses: Counter[int] = Counter()
    problems = []
    for seed in range(first, last):
        asked, began = request(seed), time.monotonic()
        where = f"seed {seed}: {asked.service}:{asked.operation} ({', '.join(asked.steps)})"
        try:
            status, body = asker.ask(asked)
        except (http.client.HTTPException, OSError) as err:
            pytest.fail(f"{where}: no answer: {err!r}", pytrace=False)
        statuses[status] += 1
        if status >= 500 and status != 501:
            problems.append(f"{where}: {status} {body[:300]!r}")
        if time.monotonic() - began > LONGEST_S:
            problems.append(f"{where}: took {time.monotonic() - began:.0f} s")
    assert not problems, "\n".join(problems)
    return statuses


@pytest.mark.server
@pytest.mark.slow
def test_malformed_requests_are_the_clients_fault(asker: Asker) -> None:
    statuses = fuzz(asker, 0, SHORT)
    assert statuses[400] > SHORT / 4, statuses  # most reach a service, and are refused there
    assert statuses[501] < SHORT * 0.6, statuses


@pytest.mark.server
@pytest.mark.slow
def test_an_update_of_an_open_table_format_is_refused(asker: Asker) -> None:
    """Seed 1977 updates a Glue table without a TableInput, which AWS's model does not require."""
    assert fuzz(asker, 1977, 1978) == {400: 1}


@pytest.mark.server
@pytest.mark.long
@pytest.mark.parametrize("first", range(SHORT, SHORT + LONG, BLOCK))
def test_many_more_malformed_requests(asker: Asker, first: int) -> None:
    fuzz(asker, first, first + BLOCK)


def test_a_seed_remakes_its_request() -> None:
    assert [request(seed) for seed in range(20)] == [request(seed) for seed in range(20)]
    assert {request(seed).service for seed in range(400)} == set(SERVICES)


# --- whose fault it is ------------------------------------------------------------------------------------
def answered(app: Any, service: str = "sns") -> tuple[int, dict[str, Any] | str]:
    """The status and body of a request to a service behind `guard`."""
    scope = f"a/20260101/us-east-1/{service}/aws4_request"
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "Action=Publish",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }  # fmt: skip
    heads: list[str] = []
    chunks = faults.guard(app, lambda _: True)(environ, lambda status, _: heads.append(status))
    text = b"".join(chunks).decode()
    return int(heads[0].split()[0]), json.loads(text) if text.startswith("{") else text


def test_what_moto_cannot_take_apart_is_the_requests_fault(caplog: pytest.LogCaptureFixture) -> None:
    from moto.utilities.arns import parse_arn

    def app(environ: Any, start_response: Any) -> Any:
        return parse_arn("no-arn")

    status, body = answered(app)
    assert (status, "<Code>ValidationException</Code>" in str(body)) == (400, True), body
    assert "moto cannot process this request of sns:Publish: ValueError" in str(body)
    status, body = answered(app, "athena")
    assert (status, body["__type"]) == (400, "InvalidRequestException")  # type: ignore[index]
    assert "parse_arn" in caplog.text  # the trace is kept: it may be a fault of moto's after all


def test_a_fault_of_our_own_and_one_of_the_machine_stay_what_they_are() -> None:
    from moto.utilities import arns

    def ours(environ: Any, start_response: Any) -> Any:
        raise KeyError("x")

    def machine(environ: Any, start_response: Any) -> Any:
        raise exec(compile("raise OSError(5, 'I/O error')", "moto", "exec"), arns.__dict__)

    for app in (ours, machine):
        status, body = answered(app, "glue")
        assert (status, body["__type"]) == (500, "InternalFailure"), body  # type: ignore[index]


@pytest.mark.server
def test_an_operation_that_is_none_is_named(asker: Asker) -> None:
    scope = "a/20260101/us-east-1/{}/aws4_request"
    for service, code in (("iam", b"<Code>InvalidAction</Code>"), ("dynamodb", b"UnknownOperationException")):
        signed = f"AWS4-HMAC-SHA256 Credential={scope.format(service)}, SignedHeaders=host, Signature=0"
        headers = {"Authorization": signed, "Content-Type": "application/x-www-form-urlencoded"}
        if service == "dynamodb":
            headers |= {"X-Amz-Target": "DynamoDB_20120810.X", "Content-Type": "application/x-amz-json-1.0"}
        body = b"Action=X&Version=2010-05-08" if service == "iam" else b"{}"
        status, answer = asker.ask(Request(0, service, "X", "POST", "/", headers, body, ()))
        assert (status, code in answer) in [(400, True), (501, False)], answer
