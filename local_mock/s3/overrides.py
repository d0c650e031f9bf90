"""The `response-…` parameters of GetObject, by which a signed URL overrides headers of the answer.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (overriding response header values).
"""

from __future__ import annotations

import re

from local_mock.s3.errors import S3Error
from local_mock.s3.request import Request

__all__ = ["overrides"]

_HEADERS = {
    f"response-{name.lower()}": name
    for name in (
        "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Expires",
    )
}  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def overrides(request: Request) -> dict[str, str]:
    """Return the headers that a signed request overrides.

    Raises
    ------
    S3Error : InvalidArgument (the value would end the header's line), InvalidRequest (the request is not signed).
    """
    asked = {_HEADERS[name]: value for name, value in request.query.items() if name in _HEADERS}
    if not asked:
        return {}
    if not (request.header("authorization") or "X-Amz-Signature" in request.query or "Signature" in request.query):
        raise S3Error(
            "InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests."
        )
    for name, value in asked.items():
        if _CONTROL.search(value):
            raise S3Error("InvalidArgument", f"Header value of {name} cannot contain control characters.")
    return {name: value.encode("utf-8", "replace").decode("latin-1") for name, value in asked.items()}  # as WSGI
