"""Requests that are malformed, deep, huge or of the wrong types: refused as AWS does, the server lives on."""

import contextlib
import gzip
import io
import json
import socket
import tarfile
from pathlib import Path
from typing import Any

import pytest
import requests

from etholake import aws
from etholake.settings import Settings
from local_mock.errors import DataError
from local_mock.sagemaker import archive

TARGETS = {
    "glue": "AWSGlue.CreateDatabase", "athena": "AmazonAthena.StartQueryExecution",
    "sagemaker": "SageMaker.CreateTrainingJob", "states": "AWSStepFunctions.CreateStateMachine",
    "events": "AWSEvents.PutRule", "logs": "Logs_20140328.CreateLogGroup", "ssm": "AmazonSSM.PutParameter",
    "kms": "TrentService.CreateKey", "dynamodb": "DynamoDB_20120810.CreateTable",
}  # fmt: skip


def signed(service: str) -> dict[str, str]:
    scope = f"a/20260101/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


def ask(settings: Settings, service: str, body: bytes, target: str = "") -> requests.Response:
    headers = signed(service) | {"X-Amz-Target": target or TARGETS[service]}
    headers["Content-Type"] = "application/x-amz-json-1.1"
    return requests.post(settings.endpoint_url, data=body, headers=headers, timeout=60)


BODIES = {
    "half": b'{"Name": ', "no JSON": b"name", "deep": b"[" * 100_000, "deep objects": b'{"a":' * 50_000,
    "a list": b"[]", "a number": b"1", "a text": b'"x"', "NaN": b'{"a": NaN}', "a long number": b"9" * 5_000,
    "a large number": b'{"a": 1e999}', "no text": b"\xff\xfe\x00", "null": b"null",
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("service", TARGETS)
def test_json_that_is_none_is_the_clients_fault(mock_settings: Settings, service: str, body: bytes) -> None:
    answer = ask(mock_settings, service, body)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["__type"]


@pytest.mark.parametrize(
    ("service", "body", "where"),
    [
        ("glue", {"DatabaseInput": []}, "DatabaseInput must be of type structure, but is a list"),
        ("glue", {"DatabaseInput": {"Name": {"a": 1}}}, "DatabaseInput.Name must be of type string"),
        ("glue", {"DatabaseInput": {"Parameters": {"k": 1}}}, "DatabaseInput.Parameters.k must be of type string"),
        ("athena", {"QueryString": 1}, "QueryString must be of type string, but is a number"),
        ("athena", {"QueryString": "SELECT 1", "ExecutionParameters": [1]}, r"ExecutionParameters[0] must be"),
        ("sagemaker", {"StoppingCondition": {"MaxRuntimeInSeconds": 2**31}}, "2147483648, which is out of"),
        ("sagemaker", {"StoppingCondition": {"MaxRuntimeInSeconds": 2**70}}, "which is out of the range"),
        ("sagemaker", {"EnableNetworkIsolation": "yes"}, "must be of type boolean, but is a text"),
        ("glue", {"DatabaseInput": {"Name": "n", "CreateTableDefaultPermissions": [None]}}, "is null"),
        ("logs", {"logGroupName": ["x"]}, "logGroupName must be of type string, but is a list"),
    ],
)  # fmt: skip
def test_wrong_types_are_named(mock_settings: Settings, service: str, body: Any, where: str) -> None:
    answer = ask(mock_settings, service, json.dumps(body).encode())
    assert (answer.status_code, answer.json()["__type"]) == (400, "SerializationException")
    assert where in answer.json()["message"]


def test_a_member_that_is_missing_is_named(mock_settings: Settings) -> None:
    answer = ask(mock_settings, "glue", b'{"DatabaseInput": {"Description": "d"}}')
    assert (answer.status_code, answer.json()["__type"]) == (400, "ValidationException")
    assert "Value null at 'DatabaseInput.Name'" in answer.json()["message"]


def test_texts_within_a_request_are_bounded_too(mock_settings: Settings, bucket: str, s3: Any) -> None:
    deep = "[" * 100_000
    role = "arn:aws:iam::123456789012:role/a-role-name"
    for service, target, body in (
        ("states", "", {"name": "deep", "definition": deep, "roleArn": role}),
        ("sqs", "AmazonSQS.CreateQueue", {"QueueName": "q", "Attributes": {"RedrivePolicy": deep}}),
        ("events", "AWSEvents.PutRule", {"Name": "r", "EventPattern": deep}),
    ):
        answer = ask(mock_settings, service, json.dumps(body).encode(), target)
        assert 400 <= answer.status_code < 500, (service, answer.text)
    url = f"{mock_settings.endpoint_url}/{bucket}?policy"
    answer = requests.put(url, data=deep, headers=signed("s3"), timeout=60)
    assert (answer.status_code, "MalformedPolicy" in answer.text) == (400, True)


ENTITY = '<?xml version="1.0" encoding="{0}"?><!DOCTYPE a [<!ENTITY x "Enabled">]>'


@pytest.mark.parametrize(
    "query", ["versioning", "tagging", "cors", "lifecycle", "delete", "website", "encryption"]
)
@pytest.mark.parametrize(
    "body",
    [b"", b"<a", b"<a>" * 10_000, (ENTITY.format("UTF-8") + "<V><Status>&x;</Status></V>").encode(),
     (ENTITY.format("UTF-16") + "<V><Status>&x;</Status></V>").encode("utf-16"), b"x" * (5 << 20)],
    ids=["nothing", "half", "deep", "entity", "entity in UTF-16", "huge"],
)  # fmt: skip
def test_xml_that_is_none_is_the_clients_fault(
    mock_settings: Settings, bucket: str, query: str, body: bytes
) -> None:
    method = "POST" if query == "delete" else "PUT"
    url = f"{mock_settings.endpoint_url}/{bucket}?{query}"
    answer = requests.request(method, url, data=body, headers=signed("s3"), timeout=60)
    assert 400 <= answer.status_code < 500, answer.text
    assert "<Code>" in answer.text


RAW = {
    "a length that is none": b"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n",
    "an address that is none": b"GET http://[ HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "chunks that are none": b"PUT /b/k HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a signature that is none": b"POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: AWS4-HMAC-SHA256\r\n"
    b"Content-Length: 2\r\n\r\n{}",
    "a huge header": b"GET / HTTP/1.1\r\nHost: {host}\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: {host}\r\n" + b"X-A: b\r\n" * 200 + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a range that is none": b"GET /b/k HTTP/1.1\r\nHost: {host}\r\nRange: bytes=" + b"9" * 5000 + b"-\r\n\r\n",
    "a page of many digits": b"GET /b?max-keys=" + b"9" * 5000 + b" HTTP/1.1\r\nHost: {host}\r\n\r\n",
}


@pytest.mark.parametrize("text", RAW.values(), ids=RAW)
def test_http_that_is_none_is_answered_with_4xx(mock_settings: Settings, text: bytes) -> None:
    with socket.create_connection(("127.0.0.1", mock_settings.port), timeout=60) as connection:
        connection.sendall(text.replace(b"{host}", f"127.0.0.1:{mock_settings.port}".encode()))
        answer = connection.recv(65536)
    assert answer[:9] in (b"HTTP/1.0 ", b"HTTP/1.1 "), answer[:100]
    assert b"400" <= answer[9:12] < b"510", answer[:100]
    assert answer[9:12] not in (b"500", b"501", b"502", b"503", b"504")


SMUGGLED = b"PUT /framing/smuggled HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
FRAMES = {
    "both": (b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "two lengths": (b"Content-Length: 3\r\nContent-Length: 5\r\n", b"abcde"),
    "signed length": (b"Content-Length: +3\r\n", b"abc"),
    "length with _": (b"Content-Length: 0_3\r\n", b"abc"),
    "unknown coding": (b"Transfer-Encoding: xchunked\r\n", SMUGGLED),
    "two codings": (b"Transfer-Encoding: gzip, chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
    "no size": (b"Transfer-Encoding: chunked\r\n", b"zz\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
    "negative size": (b"Transfer-Encoding: chunked\r\n", b"-3\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
    "size with 0x": (b"Transfer-Encoding: chunked\r\n", b"0x3\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
    "size with _": (b"Transfer-Encoding: chunked\r\n", b"0_3\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
    "wrong size": (b"Transfer-Encoding: chunked\r\n", b"2\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
    "endless size": (b"Transfer-Encoding: chunked\r\n", b"3;" + b"x" * 9000 + b"\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
}


def sent_raw(settings: Settings, path: str, head: bytes, body: bytes) -> bytes:
    """Return all that is answered to a PUT of `path` with these lines of head, this body and what follows it."""
    auth = f"Authorization: {signed('s3')['Authorization']}\r\n".encode()
    request = b"PUT %b HTTP/1.1\r\nHost: localhost\r\n%b%b\r\n%b" % (path.encode(), auth, head, body)
    with socket.create_connection(("127.0.0.1", settings.port), timeout=30) as connection:
        connection.sendall(request)
        received = b""
        with contextlib.suppress(OSError):  # the server resets a connection of which it does not read the rest
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while block := connection.recv(65536):
                received += block
        return received


def test_a_body_whose_end_is_in_doubt_is_400_and_hides_no_request(mock_settings: Settings, s3: Any) -> None:
    s3.create_bucket(Bucket="framing")
    for name, (head, body) in FRAMES.items():
        answer = sent_raw(mock_settings, "/framing/k", head, body)
        assert answer.startswith(b"HTTP/1.1 400 "), name
        assert answer.count(b"HTTP/1.1 ") == 1, name
    assert "Contents" not in s3.list_objects_v2(Bucket="framing")


@pytest.mark.parametrize(
    "body",
    [
        b"3\r\nabc\r\n0\r\n\r\n",
        b"1;a=b\r\na\r\n002\r\nbc\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
    ],
)
def test_chunks_with_extensions_and_trailing_headers_are_read(
    mock_settings: Settings, bucket: str, s3: Any, body: bytes
) -> None:
    again = SMUGGLED.replace(b"/framing/smuggled", f"/{bucket}/next".encode())
    answer = sent_raw(mock_settings, f"/{bucket}/chunked", b"Transfer-Encoding: chunked\r\n", body + again)
    assert answer.count(b"HTTP/1.1 200 ") == 2, "what follows the last chunk is the next request"
    assert s3.get_object(Bucket=bucket, Key="chunked")["Body"].read() == b"abc"


def test_a_body_that_is_too_large_is_413(mock_settings: Settings) -> None:
    headers = signed("glue") | {"X-Amz-Target": TARGETS["glue"], "Content-Type": "application/x-amz-json-1.1"}
    with socket.create_connection(("127.0.0.1", mock_settings.port), timeout=60) as connection:
        lines = [f"Host: 127.0.0.1:{mock_settings.port}", "Content-Length: 99999999999"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall(("POST / HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n{").encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    chunks = (b" " * (1 << 20) for _ in range(11))
    answer = requests.post(mock_settings.endpoint_url, data=chunks, headers=headers, timeout=60)
    assert answer.status_code == 413


def test_stored_metadata_cannot_split_the_answer(mock_settings: Settings, bucket: str, s3: Any) -> None:
    url = f"{mock_settings.endpoint_url}/{bucket}/k?x-amz-meta-a=b%0d%0aSet-Cookie:%20a=b"
    assert requests.put(url, data=b"x", timeout=60).status_code in (200, 400)
    answer = requests.get(f"{mock_settings.endpoint_url}/{bucket}/k", timeout=60)
    assert "Set-Cookie" not in answer.headers


def tar_of(path: Path, *members: tarfile.TarInfo) -> Path:
    """A `.tar.gz` whose members are zeros."""

    class Zeros(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:  # type: ignore[override]
            return bytes(size)

    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, compresslevel=1) as sink:
        for member in members:
            sink.addfile(member, Zeros())
    return path


def member(name: str, size: int = 0, pax: dict[str, str] | None = None) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.pax_headers = size, pax or {}
    return info


def test_archives_that_unfold_to_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 8 << 20)
    monkeypatch.setattr(archive, "MAX_FILES", 50)
    out = tmp_path / "out"
    one = tar_of(tmp_path / "one.tar.gz", member("zeros", 9 << 20))
    many = tar_of(tmp_path / "many.tar.gz", *(member(f"z{n}", 1 << 20) for n in range(9)))
    files = tar_of(tmp_path / "files.tar.gz", *(member(f"f{n}") for n in range(51)))
    for path in (one, many, files):
        with pytest.raises(DataError, match=r"unfolds to more than .* it is refused"):
            archive.unpack(path, out)
        assert list(out.iterdir()) == []
    monkeypatch.setattr(archive, "MAX_BYTES", 64 << 20)
    header = tar_of(tmp_path / "header.tar.gz", member("f", pax={"comment": "x" * (17 << 20)}))
    with pytest.raises(DataError, match=r"has a header of more than 16 MiB"):
        archive.unpack(header, out)
    half = tmp_path / "half.tar.gz"
    half.write_bytes(one.read_bytes()[:-100])
    (tmp_path / "text.tar.gz").write_bytes(gzip.compress(b"no tar"))
    for path in (half, tmp_path / "text.tar.gz"):
        with pytest.raises(DataError, match="cannot be unpacked"):
            archive.unpack(path, out)
    good = tar_of(tmp_path / "good.tar.gz", member("a/b", 3), member("c"))
    assert archive.unpack(good, out) == ["a/b", "c"]
    assert (out / "a/b").read_bytes() == bytes(3)


def test_the_server_lives_on(mock_settings: Settings) -> None:
    assert aws.client(mock_settings, "sts").get_caller_identity()["Account"] == "123456789012"
