"""Presigned URLs and form uploads: what is signed holds, everything else is refused as S3 refuses it."""

import base64
import datetime
import http.client
import json
import urllib.parse
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config

from etholake import aws
from etholake.settings import Settings

FORM = "multipart/form-data; boundary=b"


def client_of(settings: Settings, signature: str = "s3v4", key: str = "etholake", secret: str = "etholake") -> Any:
    config = Config(signature_version=signature, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=settings.endpoint_url, config=config, aws_access_key_id=key,
                        aws_secret_access_key=secret)  # fmt: skip


def form_of(name: str, value: bytes) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n--b--\r\n"


def code_of(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


@pytest.fixture(params=["s3v4", "s3"])
def signer(request: pytest.FixtureRequest, mock_settings: Settings) -> Any:
    """A client that signs with version 4, then 2."""
    return client_of(mock_settings, request.param)


def test_a_presigned_url_is_good_for_what_it_was_signed_for(signer: Any, bucket: str, s3: Any) -> None:
    target = {"Bucket": bucket, "Key": "a b/ü+&=?'%2F~"}
    put = signer.generate_presigned_url("put_object", Params=target)
    assert requests.put(put, data=b"by url").status_code == 200
    get = signer.generate_presigned_url(
        "get_object", Params=target | {"ResponseContentType": "text/x-mine", "ResponseCacheControl": "no-store"}
    )
    answer = requests.get(get)
    assert (answer.content, answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (
        b"by url", "text/x-mine", "no-store")  # fmt: skip
    listing = signer.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket, "Prefix": "a b/"})
    assert b"<KeyCount>1</KeyCount>" in requests.get(listing).content
    with_meta = signer.generate_presigned_url(
        "put_object", Params={"Bucket": bucket, "Key": "m", "Metadata": {"who": "me"}, "ContentType": "text/plain"}
    )
    assert code_of(requests.put(with_meta, data=b"", headers={"x-amz-meta-who": "you"}))[0] == 403
    answer = requests.put(with_meta, data=b"", headers={"x-amz-meta-who": "me", "Content-Type": "text/plain"})
    assert answer.status_code == 200
    assert s3.head_object(Bucket=bucket, Key="m")["Metadata"] == {"who": "me"}


def test_a_presigned_url_is_good_for_nothing_else(signer: Any, bucket: str, s3: Any) -> None:
    for key in ("k", "other"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"kept")
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    mismatch = (403, "SignatureDoesNotMatch")
    assert requests.get(url).status_code == 200
    assert code_of(requests.put(url, data=b"new")) == mismatch
    assert code_of(requests.delete(url)) == mismatch
    assert code_of(requests.get(url.replace(f"{bucket}/k?", f"{bucket}/other?"))) == mismatch
    longer = url.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601").replace("&Expires=1", "&Expires=2")
    longer = longer.replace("?Expires=1", "?Expires=2")
    assert longer != url
    assert code_of(requests.get(longer)) == mismatch
    assert code_of(requests.get(url + "&response-content-type=text/html")) == mismatch
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"


def test_a_url_of_version_4_is_checked_before_its_signature(mock_settings: Settings, bucket: str, s3: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    url = client_of(mock_settings).generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))

    def answer(headers: dict[str, str] | None = None, **changed: str | None) -> tuple[int, str]:
        changes = {"X-Amz-" + name.replace("_", "-"): value for name, value in changed.items()}
        new = {name: value for name, value in (query | changes).items() if value is not None}
        address = parts._replace(query=urllib.parse.urlencode(new)).geturl()
        return code_of(requests.get(address, headers=headers))

    malformed = (400, "AuthorizationQueryParametersError")
    for changed in (
        {"Expires": None}, {"Expires": "x"}, {"Expires": "-1"}, {"Expires": "604801"}, {"Expires": "9" * 5000},
        {"Date": "today"}, {"Date": None}, {"Credential": "a/b"}, {"Credential": None}, {"Algorithm": "MD5"},
        {"SignedHeaders": None}, {"Signature": ""},
    ):  # fmt: skip
        assert (changed, answer(None, **changed)) == (changed, malformed)  # type: ignore[arg-type]
    now = datetime.datetime.now(datetime.UTC)

    def at(moment: datetime.datetime) -> dict[str, str]:
        credential = f"etholake/{moment:%Y%m%d}/us-east-1/s3/aws4_request"
        return {"Date": f"{moment:%Y%m%dT%H%M%SZ}", "Credential": credential}

    assert answer(**at(now - datetime.timedelta(hours=2))) == (403, "AccessDenied")  # over
    assert answer(**at(now + datetime.timedelta(hours=2))) == (403, "AccessDenied")  # not yet
    assert answer(SignedHeaders="date") == (403, "AccessDenied")
    assert answer({"x-amz-copy-source": f"{bucket}/k"}) == (403, "AccessDenied")  # a header that is not signed
    assert answer({"Authorization": "AWS a:b"}) == (400, "InvalidArgument")
    assert answer() == (200, "")


def test_an_old_url_of_version_2_and_an_incomplete_one(mock_settings: Settings, bucket: str) -> None:
    signer = client_of(mock_settings, "s3")
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=-5)
    assert "Request has expired." in requests.get(url).text
    assert code_of(requests.get(url.partition("&Expires")[0])) == (403, "AccessDenied")
    ever = {"AWSAccessKeyId": "a", "Signature": "s", "Expires": "9" * 5000}
    assert code_of(requests.get(f"{mock_settings.endpoint_url}/{bucket}/k", params=ever))[0] == 403


def test_keys_of_iam_and_sts_sign_with_their_own_secrets(mock_settings: Settings, bucket: str, s3: Any) -> None:
    iam, sts = aws.client(mock_settings, "iam"), aws.client(mock_settings, "sts")
    name = f"user-{bucket}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    role = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="session")["Credentials"]
    pairs = {key["AccessKeyId"]: key["SecretAccessKey"], role["AccessKeyId"]: role["SecretAccessKey"]}
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    target = {"Bucket": bucket, "Key": "k"}
    for access_key, secret in pairs.items():
        for used, code in ((secret, 200), ("etholake", 403), (access_key, 403)):
            signer = client_of(mock_settings, key=access_key, secret=used)
            assert requests.get(signer.generate_presigned_url("get_object", Params=target)).status_code == code
    for access_key, secret in (("test", "test"), ("a-role", "local_mock"), ("mine", "mine")):
        signer = client_of(mock_settings, key=access_key, secret=secret)
        assert requests.get(signer.generate_presigned_url("get_object", Params=target)).status_code == 200


def test_overridden_headers_are_s3s_own_and_one_line(mock_settings: Settings, bucket: str, s3: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    signer = client_of(mock_settings)
    injected = "text/html\r\nSet-Cookie: a=b\r\n\r\n<script>"
    for name in ("ResponseContentType", "ResponseContentDisposition"):
        params = {"Bucket": bucket, "Key": "k", name: injected}
        answer = requests.get(signer.generate_presigned_url("get_object", Params=params))
        assert (code_of(answer), "Set-Cookie" in answer.headers) == ((400, "InvalidArgument"), False)
    unsigned = f"{mock_settings.endpoint_url}/{bucket}/k"
    answer = requests.get(unsigned, params={"response-content-type": "text/html"})
    assert code_of(answer) == (400, "InvalidRequest")
    params = {"Bucket": bucket, "Key": "k", "ResponseContentDisposition": "attachment; filename=ü.csv"}
    answer = requests.get(signer.generate_presigned_url("get_object", Params=params))
    assert answer.headers["Content-Disposition"].encode("latin-1").decode() == "attachment; filename=ü.csv"


@pytest.mark.parametrize("signature", ["s3v4", "s3"])
def test_a_form_with_a_signed_policy_uploads(
    mock_settings: Settings, bucket: str, s3: Any, signature: str
) -> None:
    post = client_of(mock_settings, signature).generate_presigned_post(
        bucket,
        "in/${filename}",
        Fields={"Content-Type": "text/csv", "x-amz-meta-lab": "north", "success_action_status": "201"},
        Conditions=[
            ["starts-with", "$Content-Type", "text/"],
            {"x-amz-meta-lab": "north"},
            {"success_action_status": "201"},
            ["content-length-range", 1, 1 << 20],
        ],
    )
    content = bytes(range(256)) * 3000 + b"\r\n--b"
    answer = requests.post(post["url"], data=post["fields"], files={"file": ("a ü.csv", content)})
    assert answer.status_code == 201
    assert "<Key>in/a ü.csv</Key>" in answer.text
    response = s3.get_object(Bucket=bucket, Key="in/a ü.csv")
    assert (response["Body"].read(), response["ContentType"], response["Metadata"]) == (
        content,
        "text/csv",
        {"lab": "north"},
    )


@pytest.mark.parametrize("path", ["../../b", "/etc/b", "C:\\\\data\\\\b", "a/../b"])
def test_a_file_of_a_form_has_no_folder(mock_settings: Settings, bucket: str, s3: Any, path: str) -> None:
    post = client_of(mock_settings).generate_presigned_post(bucket, "in/${filename}")
    assert requests.post(post["url"], data=post["fields"], files={"file": (path, b"x")}).status_code == 204
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["in/b"]


def test_a_form_may_ask_for_a_redirect(mock_settings: Settings, bucket: str) -> None:
    target = "http://localhost:1/done?x=1"
    field = {"success_action_redirect": target}
    post = client_of(mock_settings).generate_presigned_post(bucket, "k", Fields=dict(field), Conditions=[field])
    answer = requests.post(post["url"], data=post["fields"], files={"file": b"x"}, allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{target}&bucket={bucket}&key=k&etag=")
    plain = client_of(mock_settings).generate_presigned_post(bucket, "k2")
    assert requests.post(plain["url"], data=plain["fields"], files={"file": b"x"}).status_code == 204


def refused(settings: Settings, bucket: str, fields: dict[str, str], size: int = 5) -> tuple[int, str]:
    answer = requests.post(f"{settings.endpoint_url}/{bucket}", data=fields, files={"file": b"x" * size})
    return code_of(answer)


def test_a_form_that_its_policy_does_not_allow_is_refused(mock_settings: Settings, bucket: str, s3: Any) -> None:
    signer = client_of(mock_settings)
    post = signer.generate_presigned_post(bucket, "k", Conditions=[["content-length-range", 4, 8]])
    fields = post["fields"]
    denied = (403, "AccessDenied")
    assert refused(mock_settings, bucket, {"key": "k"}) == denied
    assert refused(mock_settings, bucket, {"key": "k", "policy": fields["policy"]}) == denied
    assert refused(mock_settings, bucket, fields | {"key": "other"}) == denied
    assert refused(mock_settings, bucket, fields | {"x-amz-meta-more": "1"}) == denied
    assert refused(mock_settings, bucket, fields, 3) == (400, "EntityTooSmall")
    assert refused(mock_settings, bucket, fields, 9) == (400, "EntityTooLarge")
    wrong = client_of(mock_settings, secret="wrong").generate_presigned_post(bucket, "k")["fields"]
    assert refused(mock_settings, bucket, wrong) == (403, "SignatureDoesNotMatch")
    old = signer.generate_presigned_post(bucket, "k", ExpiresIn=-5)["fields"]
    assert refused(mock_settings, bucket, old) == denied
    document = json.loads(base64.b64decode(fields["policy"])) | {"expiration": "2099-01-01T00:00:00Z"}
    forged = base64.b64encode(json.dumps(document).encode()).decode()
    assert refused(mock_settings, bucket, fields | {"policy": forged}) == (403, "SignatureDoesNotMatch")
    other = f"{bucket}-other"
    s3.create_bucket(Bucket=other)
    assert refused(mock_settings, other, fields) == denied
    for name in (bucket, other):
        assert "Contents" not in s3.list_objects_v2(Bucket=name)
    assert refused(mock_settings, bucket, fields) == (204, "")


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"key=k&file=x", "application/x-www-form-urlencoded", (412, "PreconditionFailed")),
        (b"key=k&file=x&Action=None", "application/x-www-form-urlencoded", (403, "AccessDenied")),
        (b"<Delete><Object><Key>kept</Key></Object></Delete>", "text/plain", (412, "PreconditionFailed")),
        (b"", FORM, (400, "MalformedPOSTRequest")),
        (b"--b\r\n\r\nno disposition\r\n--b--\r\n", FORM, (400, "MalformedPOSTRequest")),
        (b"x" * 2_000_000, FORM, (400, "MalformedPOSTRequest")),
        (form_of("file", b"x"), FORM, (400, "InvalidArgument")),
        (form_of("key", b"k"), FORM, (400, "InvalidArgument")),
        (form_of("a", b"k" * 30000), FORM, (400, "MaxPostPreDataLengthExceededError")),
    ],
)  # fmt: skip
def test_other_posts_without_a_signature_change_nothing(
    mock_settings: Settings, bucket: str, s3: Any, body: bytes, kind: str, expected: tuple[int, str]
) -> None:
    s3.put_object(Bucket=bucket, Key="kept", Body=b"kept")
    url = f"{mock_settings.endpoint_url}/{bucket}"
    assert code_of(requests.post(url, data=body, headers={"Content-Type": kind})) == expected
    bearer = {"Content-Type": kind, "Authorization": "Bearer token"}
    assert code_of(requests.post(url, data=body, headers=bearer))[0] in (400, 403, 412)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"]


def test_a_form_that_ends_in_its_file_leaves_no_object(mock_settings: Settings, bucket: str, s3: Any) -> None:
    fields = client_of(mock_settings).generate_presigned_post(bucket, "k")["fields"]
    body = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ).encode()
    body += b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"x" * 100_000
    connection = http.client.HTTPConnection("127.0.0.1", mock_settings.port, timeout=60)
    connection.request("POST", f"/{bucket}", body, {"Content-Type": FORM})
    answer = connection.getresponse()
    assert (answer.status, b"MalformedPOSTRequest" in answer.read()) == (400, True)
    connection.close()
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
