"""The gate: which names and origins are answered, the secret of the controls, and the same rules before pages."""

import http.client
import json
import stat
import urllib.parse
from collections.abc import Callable, Mapping
from email.message import Message
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from etholake.pages import loopback
from etholake.settings import Settings
from local_mock.browsers import Visit, is_own_host
from local_mock.gate import SECRET_HEADER, secret_of

RULES = [is_own_host, loopback.is_own_host]
OURS = [
    "127.0.0.1:4566",
    "127.8.0.1:4566",
    "localhost:4566",
    "LOCALHOST.:4566",
    "[::1]:4566",
    "bucket.localhost:4566",
]
OTHER_PORTS = ["localhost", "localhost:4567", "127.0.0.1:80"]
OTHERS = [
    "", "evil.example", "evil.example:4566", "127.0.0.1.evil.example:4566", "localhost.evil.example:4566",
    "evillocalhost:4566", "0.0.0.0:4566", "10.0.0.1:4566",
    "[::2]:4566", "127.0.0.1:4566@evil.example", "evil.example/127.0.0.1:4566", "localhost:4566:1",
    "2130706433:4566", "localhost.localstack.cloud.evil.example:4566", "amazonaws.com.evil.example:4566",
    "localhost :4566", "::1",
]  # fmt: skip


@pytest.mark.parametrize("own", RULES)
def test_only_names_of_this_machine_are_ours(own: Callable[[str, int], bool]) -> None:
    assert [host for host in OURS if not own(host, 4566)] == []
    assert [host for host in OTHERS if own(host, 4566)] == []
    assert own("localhost", 80)


def test_another_port_is_a_tunnel_to_the_mock_and_another_site_to_a_page() -> None:
    assert [host for host in OTHER_PORTS if not is_own_host(host, 4566)] == []
    assert [host for host in OTHER_PORTS if loopback.is_own_host(host, 4566)] == []


def test_the_mock_also_takes_the_names_that_aws_clients_send() -> None:
    proxied = ["s3.us-east-1.amazonaws.com", "bucket.s3.amazonaws.com:80", "glue.cn-north-1.amazonaws.com.cn"]
    stack = ["localhost.localstack.cloud:4566", "bucket.s3.localhost.localstack.cloud:4566"]
    assert [host for host in [*proxied, *stack] if not is_own_host(host, 4566)] == []
    assert not is_own_host("bucket.s3.amazonaws.com:9999", 4566)
    assert not is_own_host("evilamazonaws.com", 4566)


def foreign_mock(headers: Mapping[str, str]) -> bool:
    names = {"Host": "HTTP_HOST", "Origin": "HTTP_ORIGIN"} | {
        f"Sec-Fetch-{n}": f"HTTP_SEC_FETCH_{n.upper()}" for n in ("Site", "Mode", "Dest")
    }
    visit = Visit.of({"REQUEST_METHOD": "GET"} | {names[name]: value for name, value in headers.items()})
    return visit.is_foreign and not visit.is_navigation


def foreign_page(headers: Mapping[str, str]) -> bool:
    message = Message()
    for name, value in headers.items():
        message[name] = value
    return loopback.is_foreign(message, to_a_page=True)


@pytest.mark.parametrize("foreign", [foreign_mock, foreign_page])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"Origin": "http://127.0.0.1:4566"}, False),
        ({"Origin": "http://127.0.0.1:4566", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, True),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": ""}, True),
        ({"Origin": "https://127.0.0.1:4566"}, True),
        ({"Origin": "http://127.0.0.1:4567"}, True),
        ({"Origin": "http://localhost:4566"}, True),
        ({"Origin": "http://evil.example"}, True),
    ],
)
def test_a_page_of_another_origin_is_told_from_a_program_and_from_a_tab(
    foreign: Callable[[Mapping[str, str]], bool], headers: dict[str, str], expected: bool
) -> None:
    assert foreign({"Host": "127.0.0.1:4566"} | headers) is expected


def ask(settings: Settings, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    """Status and body of a request with just these headers (`_` stands for `-`)."""
    connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=60)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path, skip_host="Host" in given, skip_accept_encoding=True)
    for name, value in ({"Content-Length": str(len(body))} | given).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


GLUE = {
    "X_Amz_Target": "AWSGlue.GetDatabases",
    "Content_Type": "application/x-amz-json-1.1",
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/glue/aws4_request, SignedHeaders=h, "
    "Signature=s",
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("given", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
                                   {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}])  # fmt: skip
def test_other_names_and_origins_are_refused_for_every_method(
    mock_settings: Settings, method: str, given: dict[str, str]
) -> None:
    assert ask(mock_settings, method, "/gate-bucket", **given)[0] == 403
    assert ask(mock_settings, method, "/", b"{}", **GLUE, **given)[0] == 403


def test_a_refusal_has_the_shape_of_its_service_and_says_what_to_do(mock_settings: Settings) -> None:
    wanted = f"Use http://127.0.0.1:{mock_settings.port} or http://localhost:{mock_settings.port}."
    status, text = ask(mock_settings, "POST", "/", b"{}", **GLUE, Host="evil.example")
    assert (status, json.loads(text)["__type"]) == (403, "AccessDenied")
    assert wanted in json.loads(text)["message"]
    status, text = ask(mock_settings, "GET", "/b/k", Host="evil.example")
    assert status == 403
    assert "<Code>AccessDenied</Code>" in text
    assert wanted in text
    assert ask(mock_settings, "POST", "/", b"{}", **GLUE)[0] == 200


def test_the_controls_need_the_secret_of_this_start(mock_settings: Settings) -> None:
    secret = {SECRET_HEADER.replace("-", "_"): secret_of(mock_settings.state_dir)}
    state = Path(mock_settings.state_dir) / "mock.json"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    for path in ("/moto-api/reset", "/moto-api/data.json", "/%6doto-api/reset", "//moto-api/reset",
                 "/_local_mock/interrupt/job", "/_local_mock/none"):  # fmt: skip
        for method in ("GET", "POST"):
            status, text = ask(mock_settings, method, path)
            assert (status, "needs the header X-Local-Mock-Secret" in text) == (403, True)
            assert ask(mock_settings, method, path, X_Local_Mock_Secret="wrong")[0] == 403
    assert ask(mock_settings, "GET", "/moto-api/data.json", **secret)[0] == 200
    assert ask(mock_settings, "POST", "/_local_mock/interrupt/none", **secret)[0] == 409
    assert ask(mock_settings, "GET", "/moto-api/data.json", **secret, Origin="http://evil.example")[0] == 403


def test_health_tells_a_stranger_nothing(mock_settings: Settings) -> None:
    assert ask(mock_settings, "GET", "/_local_mock/health") == (200, '{"status": "running"}')
    secret = {SECRET_HEADER.replace("-", "_"): secret_of(mock_settings.state_dir)}
    details = json.loads(ask(mock_settings, "GET", "/_local_mock/health", **secret)[1])
    assert details["s3_root"] == str(Path(mock_settings.s3_root).resolve())


def test_a_tab_reads_objects_only_and_shows_pages_in_a_sandbox(
    mock_settings: Settings, s3: Any, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="page", Body=b"<p>page", ContentType="text/html")
    tab = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    connection = http.client.HTTPConnection("127.0.0.1", mock_settings.port, timeout=60)
    connection.request("GET", f"/{bucket}/page", headers=tab)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"<p>page")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "allow-same-origin" not in answer.headers["Content-Security-Policy"]
    signed = urllib.parse.urlencode({"Action": "CreateUser", "UserName": "u", "Version": "2010-05-08",
        "X-Amz-Credential": "a/20260101/us-east-1/iam/aws4_request"})  # fmt: skip
    connection.request("GET", f"/?{signed}", headers=tab)  # a query that acts, of another service
    answer = connection.getresponse()
    assert (answer.status, b"web page of another origin" in answer.read()) == (403, True)
    connection.close()


@pytest.mark.parametrize("endpoint", ["http://localhost:{port}", "http://s3.us-east-1.amazonaws.com",
                                      "http://s3.localhost.localstack.cloud:{port}"])  # fmt: skip
def test_virtual_hosted_buckets_work_by_every_name(mock_settings: Settings, bucket: str, endpoint: str) -> None:
    """Names are sent to the mock as to a proxy: this machine need not resolve them."""
    proxy = mock_settings.endpoint_url
    client = boto3.client(
        "s3",
        endpoint_url=endpoint.format(port=mock_settings.port),
        config=Config(s3={"addressing_style": "virtual"}, proxies={"http": proxy}),
    )
    key = "a b/ü:c"
    client.put_object(Bucket=bucket, Key=key, Body=b"virtual")
    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"virtual"
    assert [o["Key"] for o in client.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})  # moto answers
    assert client.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "k", "Value": "v"}]
