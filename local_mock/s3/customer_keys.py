"""Server-side encryption with the client's key (SSE-C): the protocol, without encryption of the plain file.

The key is never kept; its MD5 is. Without the same key an object is not given out.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

from local_mock.s3.errors import S3Error
from local_mock.s3.request import Request

__all__ = ["COPY_SOURCE", "CUSTOMER_KEY", "check_key_of", "customer_headers", "sent_key_md5"]

CUSTOMER_KEY = ":customer-key-md5"  # where an object's sidecar keeps it
COPY_SOURCE = "x-amz-copy-source-"
_NAME = "server-side-encryption-customer-"


def sent_key_md5(request: Request, prefix: str = "x-amz-") -> str:
    """Return the base64 MD5 of the key that came with a request, '' without one.

    Raises S3Error for a key that is none.
    """
    algorithm, key, md5 = (request.header(f"{prefix}{_NAME}{part}") for part in ("algorithm", "key", "key-md5"))
    if not (algorithm or key or md5):
        return ""
    if algorithm != "AES256" or not key:
        message = "Requests specifying Server Side Encryption with Customer provided keys must provide "
        message += "an appropriate secret key and the algorithm AES256."
        raise S3Error("InvalidArgument", message)
    try:
        raw = base64.b64decode(key, validate=True)
    except binascii.Error as err:
        raise S3Error("InvalidArgument", "The secret key was invalid for the specified algorithm.") from err
    if len(raw) != 32:
        raise S3Error("InvalidArgument", "The secret key was invalid for the specified algorithm.")
    value = base64.b64encode(hashlib.md5(raw, usedforsecurity=False).digest()).decode()
    if md5 and md5 != value:
        raise S3Error("InvalidArgument", "The calculated MD5 hash of the key did not match the hash provided.")
    return value


def check_key_of(headers: Mapping[str, str], request: Request, prefix: str = "x-amz-") -> None:
    """Raise S3Error unless the request has the key of an object with these headers (none, if it has none)."""
    sent, wanted = sent_key_md5(request, prefix), headers.get(CUSTOMER_KEY, "")
    if wanted and not sent:
        raise S3Error(
            "InvalidRequest",
            "The object was stored using a form of Server Side Encryption. The correct parameters must be "
            "provided to retrieve the object.",
        )
    if sent and not wanted:
        raise S3Error("InvalidRequest", "The encryption parameters are not applicable to this object.")
    if sent != wanted:
        raise S3Error("AccessDenied", "The key that was given is not the one that the object was stored with.")


def customer_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that tell a client which key an object has; {} without one."""
    md5 = headers.get(CUSTOMER_KEY)
    return {f"x-amz-{_NAME}algorithm": "AES256", f"x-amz-{_NAME}key-MD5": md5} if md5 else {}
