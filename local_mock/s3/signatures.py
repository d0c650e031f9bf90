"""Signatures that a request carries without a header: presigned URLs (versions 4 and 2) and POST policies.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html (version 2). Signatures in the header
`Authorization` are not checked: every client of this machine may do all, and SDKs sign that header right.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote

from local_mock.options import DUMMY_KEY
from local_mock.s3.addressing import bucket_of_host
from local_mock.s3.errors import S3Error
from local_mock.s3.request import Request

__all__ = ["check_presigned", "parse_scope", "secrets_of", "signature_v2", "signing_key"]

# Secret keys that clients of local servers use; the access key itself is one more (`minio`/`minio`). The last is
# what `mock_aws` of moto sets.
DUMMY_SECRETS = (DUMMY_KEY, "test", "testing", "FOOBARSECRET")
_V4 = (
    "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)  # fmt: skip
_V2 = ("AWSAccessKeyId", "Signature", "Expires")
_LONGEST_S = 7 * 24 * 3600
_CLOCK_SKEW_S = 15 * 60
# Parameters of the query that version 2 signs.
_SIGNED_V2 = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "encryption", "inventory", "lifecycle",
    "location", "logging", "metrics", "notification", "object-lock", "ownershipControls", "partNumber", "policy",
    "publicAccessBlock", "replication", "requestPayment", "response-cache-control", "response-content-disposition",
    "response-content-encoding", "response-content-language", "response-content-type", "response-expires",
    "restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId",
    "versioning", "versions", "website",
})  # fmt: skip


def check_presigned(request: Request, wait: Callable[[], None] = lambda: None) -> None:
    """Refuse a presigned URL that is incomplete, over, not yet valid, or signed for another request.

    `wait` returns when IAM and STS know their keys (a server that has just started loads them).

    Raises
    ------
    S3Error : AuthorizationQueryParametersError, AccessDenied, InvalidAccessKeyId or SignatureDoesNotMatch, as S3.
    """
    query = request.query
    version_4 = any(name in query for name in _V4)
    version_2 = "Signature" in query or "AWSAccessKeyId" in query
    if not (version_4 or version_2):
        return
    if request.header("authorization") or (version_4 and version_2):
        raise S3Error("InvalidArgument", "Only one auth mechanism allowed; only the query string or the header.")
    wait()
    if version_4:
        _check_v4(request)
    else:
        _check_v2(request)


def _check_v4(request: Request) -> None:
    query = request.query
    if missing := [name for name in _V4 if not query.get(name)]:
        raise _malformed(f"Query-string authentication version 4 requires the parameters {', '.join(missing)}.")
    if query["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
        raise _malformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256".')
    scope = parse_scope(query["X-Amz-Credential"])
    signed_at = _time_of(query["X-Amz-Date"])
    if not query["X-Amz-Expires"].lstrip("-").isdecimal():
        raise _malformed("X-Amz-Expires should be a number.")
    lasts = int(query["X-Amz-Expires"][:12])
    if lasts < 0:
        raise _malformed("X-Amz-Expires must be non-negative.")
    if lasts > _LONGEST_S:
        raise _malformed("X-Amz-Expires must be less than a week (in seconds); that is 604800.")
    if not query["X-Amz-Date"].startswith(scope.date):
        raise _malformed("Invalid credential date: it must be that of X-Amz-Date.")
    now = time.time()
    if now < signed_at - _CLOCK_SKEW_S:
        raise S3Error("AccessDenied", "Request is not yet valid.")
    if now > signed_at + lasts:
        raise S3Error("AccessDenied", "Request has expired.")
    text = _to_sign(request, scope)
    given = query["X-Amz-Signature"]
    if not any(_same(_hex(signing_key(s, scope), text), given) for s in secrets_of(scope.access_key)):
        raise _mismatch()


def _to_sign(request: Request, scope: CredentialScope) -> str:
    """Return the string to sign of a presigned request. Raises S3Error if a header is left unsigned."""
    signed = request.query["X-Amz-SignedHeaders"].lower().split(";")
    headers = {name.lower(): value for name, value in request.all_headers.items()} | {
        "host": request.environ.get("HTTP_HOST", "")
    }
    if "host" not in signed:
        raise S3Error("AccessDenied", "There were headers present in the request which were not signed: host.")
    loose = [name for name in headers if name.startswith("x-amz-") and name not in signed]
    loose = [name for name in loose if name != "x-amz-content-sha256"]
    if loose:
        names = ", ".join(sorted(loose))
        raise S3Error("AccessDenied", f"There were headers present in the request which were not signed: {names}.")
    pairs = sorted(
        (quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~"))
        for name, _, value in (item.partition("=") for item in request.raw_query.split("&") if item)
        if name != "X-Amz-Signature"
    )
    canonical = "\n".join((
        request.method,
        quote(unquote(request.raw_path, errors="surrogateescape"), safe="/-_.~", errors="surrogateescape"),
        "&".join(f"{name}={value}" for name, value in pairs),
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed),
        "",
        ";".join(signed),
        headers.get("x-amz-content-sha256") or request.query.get("X-Amz-Content-Sha256") or "UNSIGNED-PAYLOAD",
    ))  # fmt: skip
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return f"AWS4-HMAC-SHA256\n{request.query['X-Amz-Date']}\n{scope.text}\n{digest}"


def _check_v2(request: Request) -> None:
    query = request.query
    if any(not query.get(name) for name in _V2):
        raise S3Error(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters.",
        )
    if not query["Expires"].lstrip("-").isdecimal():
        raise S3Error("AccessDenied", "Invalid date (should be seconds since epoch).")
    if time.time() > int(query["Expires"][:20]):
        raise S3Error("AccessDenied", "Request has expired.")
    texts = [_to_sign_v2(request, request.raw_path)]
    if not request.key and not request.raw_path.endswith("/"):  # SDKs sign a bucket's address with a slash
        texts.append(_to_sign_v2(request, request.raw_path + "/"))
    computed = [signature_v2(secret, text) for secret in secrets_of(query["AWSAccessKeyId"]) for text in texts]
    if not any(_same(signature, query["Signature"]) for signature in computed):
        raise _mismatch()


def _to_sign_v2(request: Request, path: str) -> str:
    headers = request.all_headers
    amazon = sorted(
        f"{name.lower()}:{value.strip()}" for name, value in headers.items() if name.lower().startswith("x-amz-")
    )
    # SDKs put the headers that they sign into the query of a presigned URL
    amazon += sorted(
        f"{name.lower()}:{value.strip()}"
        for name, value in request.query.items()
        if name.lower().startswith("x-amz-") and name.lower() not in headers
    )
    virtual = bucket_of_host(request.environ.get("HTTP_HOST", ""))
    parameters = sorted(
        f"{name}={request.query[name]}" if request.query[name] else name
        for name in request.query
        if name in _SIGNED_V2
    )
    resource = (f"/{virtual}" if virtual else "") + path
    resource += "?" + "&".join(parameters) if parameters else ""
    return "\n".join((
        request.method, request.header("content-md5"), request.header("content-type"), request.query["Expires"],
        *amazon, resource,
    ))  # fmt: skip


@dataclass(frozen=True)
class CredentialScope:
    """Whose key signed, for which day (yyyymmdd) and region."""

    access_key: str
    date: str
    region: str

    @property
    def text(self) -> str:
        """The scope as it is signed: without the access key."""
        return f"{self.date}/{self.region}/s3/aws4_request"


def parse_scope(credential: str) -> CredentialScope:
    """Return the parts of ``<access key>/<yyyymmdd>/<region>/s3/aws4_request``.

    Raises
    ------
    S3Error : AuthorizationQueryParametersError.
    """
    access_key, *rest = credential.rsplit("/", 4)
    if len(rest) != 4 or rest[2:] != ["s3", "aws4_request"] or not (rest[0].isdecimal() and len(rest[0]) == 8):
        raise _malformed(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
            '"<YOUR-AKID>/YYYYMMDD/REGION/s3/aws4_request".'
        )
    return CredentialScope(access_key, rest[0], rest[1])


def signing_key(secret: str, scope: CredentialScope) -> bytes:
    """Return the key of signature version 4 for one day, region and S3."""
    key = f"AWS4{secret}".encode()
    for part in (scope.date, scope.region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signature_v2(secret: str, text: str) -> str:
    """Return the base64 signature of version 2."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1")).decode()


def secrets_of(access_key: str) -> list[str]:
    """Return the secret keys that may belong to an access key: the one that IAM or STS gave, else the dummies."""
    from local_mock.context import ACCOUNT

    iam, sts = sys.modules.get("moto.iam.models"), sys.modules.get("moto.sts.models")
    if iam is not None:
        for user in iam.iam_backends[ACCOUNT]["aws"].users.values():
            for key in user.access_keys:
                if key.access_key_id == access_key:
                    return [str(key.secret_access_key)]
    if sts is not None:
        role = sts.sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
        if role is not None:
            return [str(role.secret_access_key)]
    return [*DUMMY_SECRETS, access_key]


def _hex(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), "sha256").hex()


def _same(computed: str, given: str) -> bool:
    return hmac.compare_digest(computed.encode(), given.encode("utf-8", "surrogateescape"))


def _time_of(text: str) -> float:
    try:
        return datetime.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC).timestamp()
    except ValueError as err:
        raise _malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\".") from err


def _malformed(message: str) -> S3Error:
    return S3Error("AuthorizationQueryParametersError", message)


def _mismatch() -> S3Error:
    return S3Error(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and "
        f"signing method. (local_mock takes the secret keys {', '.join(DUMMY_SECRETS)}, the access key itself, "
        "and those that its IAM and STS gave.)",
    )
