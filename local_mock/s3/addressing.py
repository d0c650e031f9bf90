"""Virtual-hosted addresses: which bucket a `Host` names, and the same request with the bucket in its path.

Clients send `<bucket>.localhost` (boto3 with `endpoint_url=http://localhost:…`), LocalStack's
`<bucket>.s3.<region>.localhost.localstack.cloud`, or through an HTTP proxy AWS's own
`<bucket>.s3.<region>.amazonaws.com`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

__all__ = ["bucket_of_host", "in_path_style"]

_DOMAIN = r"(?:localhost|localhost\.localstack\.cloud|amazonaws\.com|amazonaws\.com\.cn)"
_S3_NAME = re.compile(
    rf"(?:(?P<bucket>.+)\.)?s3[.-](?:(?:dualstack|fips)[.-])*(?:[a-z]{{2}}(?:-[a-z]+)+-\d[.-])?{_DOMAIN}"
)
_PLAIN_NAME = re.compile(r"(?P<bucket>.+)\.(?:localhost\.localstack\.cloud|localhost)")


@lru_cache(maxsize=1024)
def bucket_of_host(host: str) -> str:
    """Return the bucket that a `Host` header (with or without a port) names; '' for path-style addresses."""
    name = host.partition(":")[0].lower().removesuffix(".")
    match = _S3_NAME.fullmatch(name) or (
        None if name == "localhost.localstack.cloud" else _PLAIN_NAME.fullmatch(name)
    )
    return (match["bucket"] or "") if match else ""


def in_path_style(environ: dict[str, Any], port: int) -> dict[str, Any]:
    """Return a WSGI request with its bucket in the path, as moto's S3 expects it; unchanged if it is there."""
    bucket = bucket_of_host(environ.get("HTTP_HOST", ""))
    raw = environ.get("RAW_URI") or environ.get("PATH_INFO", "/")
    if not raw.startswith("/"):  # an absolute URL, as sent to a proxy
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    elif not bucket:
        return environ
    if bucket:
        raw = f"/{bucket}{raw}"
    return environ | {
        "PATH_INFO": f"/{bucket}{environ.get('PATH_INFO', '/')}" if bucket else environ.get("PATH_INFO", "/"),
        "RAW_URI": raw,
        "REQUEST_URI": raw,
        "HTTP_HOST": f"127.0.0.1:{port}",
    }
