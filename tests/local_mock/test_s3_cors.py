"""CORS: a bucket's own rules open its objects to the origins that they name, and nothing else."""

from types import SimpleNamespace
from typing import Any

import pytest
import requests

from etholake.settings import Settings
from local_mock.s3.cors import matching_rule

LAB = "https://lab.example"
RULES = [
    {"AllowedOrigins": [LAB, "http://*.site.example"], "AllowedMethods": ["GET", "PUT"],
     "AllowedHeaders": ["x-amz-*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60},
    {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]},
]  # fmt: skip


@pytest.fixture
def opened(s3: Any, bucket: str) -> str:
    """A bucket with rules and an object `k`."""
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    return bucket


def rule(origins: list[str], methods: list[str], headers: list[str] | None = None) -> Any:
    return SimpleNamespace(allowed_origins=origins, allowed_methods=methods, allowed_headers=headers)


def test_the_first_rule_that_fits_is_taken() -> None:
    first, second = (
        rule(["http://*.a.b", "http://x*"], ["GET"], ["x-*", "content-type"]),
        rule(["*"], ["GET", "PUT"]),
    )
    rules = [first, second]
    assert matching_rule(rules, "http://www.a.b", "GET") == (first, "http://*.a.b")
    assert matching_rule(rules, "http://x", "GET") == (first, "http://x*")
    assert matching_rule(rules, "http://.a.b.c", "GET") == (second, "*")
    assert matching_rule(rules, "http://www.a.b", "GET", ["x-a", "content-type"]) == (first, "http://*.a.b")
    assert matching_rule(rules, "http://www.a.b", "GET", ["if-match"]) is None
    assert matching_rule(rules, "null", "PUT") == (second, "*")
    assert matching_rule(rules, "null", "DELETE") is None
    assert matching_rule([rule(["http://aa*aa"], ["GET"])], "http://aaa", "GET") is None  # start and end overlap


def preflight(settings: Settings, path: str, origin: str, method: str, headers: str = "") -> requests.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return requests.options(f"{settings.endpoint_url}{path}", headers=asked)


def access(answer: requests.Response) -> dict[str, str]:
    return {k.lower(): v for k, v in answer.headers.items() if k.lower().startswith("access-control")}


def test_a_preflight_is_answered_by_the_rule(mock_settings: Settings, opened: str) -> None:
    answer = preflight(mock_settings, f"/{opened}/k", LAB, "PUT", "x-amz-meta-a, X-Amz-Date")
    assert answer.status_code == 200
    assert access(answer) == {
        "access-control-allow-origin": LAB,
        "access-control-allow-methods": "GET, PUT",
        "access-control-allow-headers": "x-amz-meta-a, x-amz-date",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "ETag",
        "access-control-max-age": "60",
    }
    assert access(preflight(mock_settings, f"/{opened}/k", "null", "HEAD"))["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("path", "origin", "method", "headers"),
    [
        ("/{bucket}/k", "https://evil.example", "GET", ""),
        ("/{bucket}/k", "https://lab.example.evil.example", "GET", ""),
        ("/{bucket}/k", LAB, "DELETE", ""),
        ("/{bucket}/k", LAB, "PUT", "authorization"),
        ("/", LAB, "GET", ""),
        ("/no-such-bucket/k", LAB, "GET", ""),
        ("/moto-api/reset", LAB, "PUT", ""),
        ("/_local_mock/health", LAB, "GET", ""),
    ],
)
def test_all_other_preflights_are_refused(
    mock_settings: Settings, opened: str, path: str, origin: str, method: str, headers: str
) -> None:
    answer = preflight(mock_settings, path.format(bucket=opened), origin, method, headers)
    assert (answer.status_code, access(answer)) == (403, {})


def test_requests_follow_the_rules_and_settings_stay_closed(mock_settings: Settings, opened: str, s3: Any) -> None:
    url, lab = f"{mock_settings.endpoint_url}/{opened}", {"Origin": LAB}
    answer = requests.get(f"{url}/k", headers=lab)
    assert (answer.content, access(answer)["access-control-allow-origin"]) == (b"kept", LAB)
    assert requests.get(f"{url}?list-type=2", headers=lab).status_code == 200
    assert requests.put(f"{url}/new", data=b"x", headers=lab).status_code == 200
    for method, address in (("DELETE", f"{url}/k"), ("POST", f"{url}/k?uploads"), ("POST", f"{url}?delete"),
                            ("PUT", f"{url}?cors"), ("PUT", f"{url}?policy"), ("PUT", url), ("DELETE", url),
                            ("GET", mock_settings.endpoint_url)):  # fmt: skip
        answer = requests.request(method, address, headers=lab)
        assert (answer.status_code, access(answer)) == (403, {})
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=opened)["Contents"]] == ["k", "new"]
    s3.delete_bucket_cors(Bucket=opened)
    assert "CORS is not enabled for this bucket" in requests.get(f"{url}/k", headers=lab).text


def test_an_open_bucket_opens_no_other_one(mock_settings: Settings, opened: str, s3: Any) -> None:
    secret = f"{opened}-secret"
    s3.create_bucket(Bucket=secret)
    s3.put_object(Bucket=secret, Key="k", Body=b"secret")
    url = f"{mock_settings.endpoint_url}/{opened}/copy"
    for source in (f"{secret}/k", f"/{secret}/k", f"%2F{secret}%2Fk"):
        answer = requests.put(url, headers={"Origin": LAB, "x-amz-copy-source": source})
        assert answer.status_code == 403
        assert requests.put(f"{url}?x-amz-copy-source={source}", headers={"Origin": LAB}).status_code == 403
    answer = requests.put(url, headers={"Origin": LAB, "x-amz-copy-source": f"{opened}/k"})
    assert answer.status_code == 200
    signed = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/glue/aws4_request, SignedHeaders=h, Signature=s"
    answer = requests.put(url, headers={"Origin": LAB, "Authorization": signed})  # another service, by its path
    assert answer.status_code == 403
