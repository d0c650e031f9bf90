"""A request that is sent again under its idempotency token is answered again and done once."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etholake import aws
from etholake.settings import Settings
from local_mock.athena.models import AthenaBackend, Execution
from local_mock.repeats import Repeats

SCOPE = "AWS4-HMAC-SHA256 Credential=someone/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def environ(service: str, operation: str, body: bytes) -> dict[str, Any]:
    import io

    return {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "", "wsgi.input": io.BytesIO(body),
        "HTTP_AUTHORIZATION": SCOPE.format(service), "HTTP_X_AMZ_TARGET": f"Any.{operation}",
    }  # fmt: skip


class Counted:
    """An application that numbers its answers."""

    def __init__(self, status: str = "200 OK", wait: float = 0) -> None:
        self.calls, self.status, self.wait = 0, status, wait

    def __call__(self, _: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.calls += 1
        time.sleep(self.wait)
        start_response(self.status, [("X-Number", str(self.calls))])
        return [str(self.calls).encode()]


def ask(app: Any, service: str, operation: str, body: bytes) -> tuple[str, bytes]:
    statuses: list[str] = []
    blocks = app(environ(service, operation, body), lambda status, *_: statuses.append(status))
    return statuses[0], b"".join(blocks)


def test_a_repetition_gets_the_first_answer_and_other_tokens_their_own() -> None:
    inner = Counted()
    app = Repeats(inner)
    first = b'{"PipelineName": "p", "ClientRequestToken": "t1"}'
    other = b'{"PipelineName": "q", "ClientRequestToken": "t1"}'
    assert ask(app, "sagemaker", "CreatePipeline", first) == ask(app, "sagemaker", "CreatePipeline", first)
    assert inner.calls == 1
    status, body = ask(app, "sagemaker", "CreatePipeline", other)
    assert status.startswith("400")
    assert b"Idempotent parameters do not match" in body
    ask(app, "sagemaker", "DeletePipeline", other)
    ask(app, "sagemaker", "CreatePipeline", first.replace(b"t1", b"t2"))
    ask(app, "sagemaker", "ListPipelines", b"{}")
    assert inner.calls == 4


def test_a_failed_request_may_be_tried_again() -> None:
    inner = Counted("500 Internal Server Error")
    app = Repeats(inner)
    for _ in range(2):
        ask(app, "sagemaker", "CreatePipeline", b'{"ClientRequestToken": "t"}')
    assert inner.calls == 2


def test_a_repetition_that_overtakes_the_first_waits_for_it() -> None:
    inner = Counted(wait=0.1)
    app = Repeats(inner)
    answers: list[tuple[str, bytes]] = []
    form = b"Action=CreateStack&StackName=s&ClientRequestToken=t"
    threads = [
        threading.Thread(target=lambda: answers.append(ask(app, "cloudformation", "CreateStack", form)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inner.calls == 1
    assert len(set(answers)) == 1


def test_an_execution_is_found_by_its_token_after_a_restart() -> None:
    backend = AthenaBackend("us-east-1", "123456789012")
    request = {
        "QueryString": "SELECT 1", "ClientRequestToken": uuid.uuid4().hex,
        "ResultConfiguration": {"OutputLocation": "s3://bucket/out/"},
    }  # fmt: skip
    run = Execution(request, "primary", "s3://bucket/out/")
    backend.add(run)  # what a restart does with every execution that it finds
    assert backend.start(request) == run.id


@pytest.mark.server
def test_an_insert_that_is_sent_twice_is_written_once(mock_settings: Settings) -> None:
    athena, s3 = aws.client(mock_settings, "athena"), aws.client(mock_settings, "s3")
    tag = uuid.uuid4().hex[:8]
    s3.create_bucket(Bucket=f"repeats-{tag}")
    output = {"OutputLocation": f"s3://repeats-{tag}/out/"}

    def run(sql: str, token: str) -> str:
        id_: str = athena.start_query_execution(
            QueryString=sql, ClientRequestToken=token, ResultConfiguration=output
        )["QueryExecutionId"]
        while True:
            status = athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]["Status"]
            if status["State"] in ("SUCCEEDED", "FAILED"):
                assert status["State"] == "SUCCEEDED", status
                return id_
            time.sleep(0.02)

    tokens = [uuid.uuid4().hex for _ in range(4)]
    run(f"CREATE DATABASE repeats_{tag}", tokens[0])
    run(
        f"CREATE EXTERNAL TABLE repeats_{tag}.t (a int) STORED AS PARQUET LOCATION 's3://repeats-{tag}/t/'",
        tokens[1],
    )
    insert = f"INSERT INTO repeats_{tag}.t VALUES (1)"
    assert run(insert, tokens[2]) == run(insert, tokens[2])
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        run(insert.replace("(1)", "(2)"), tokens[2])
    count = run(f"SELECT count(*) FROM repeats_{tag}.t", tokens[3])
    rows = athena.get_query_results(QueryExecutionId=count)["ResultSet"]["Rows"]
    assert rows[1]["Data"][0]["VarCharValue"] == "1"
