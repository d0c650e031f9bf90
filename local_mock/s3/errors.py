"""S3's own error codes with their HTTP status, as the SDKs expect them.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. `KeyConflict` and
`InsufficientStorage` are ours: a folder cannot be a file, and a disk can be full.
"""

from __future__ import annotations

__all__ = ["S3Error", "no_such_bucket", "no_such_key"]

STATUS = {
    "AccessDenied": 403,
    "AccessForbidden": 403,
    "AuthorizationQueryParametersError": 400,
    "BadDigest": 400,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "IncompleteBody": 400,
    "InsufficientStorage": 507,
    "InvalidArgument": 400,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidPolicyDocument": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidTag": 400,
    "KeyConflict": 409,
    "KeyTooLongError": 400,
    "MalformedPOSTRequest": 400,
    "MalformedXML": 400,
    "MaxPostPreDataLengthExceededError": 400,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NoSuchVersion": 404,
    "NotImplemented": 501,
    "NotModified": 304,
    "PreconditionFailed": 412,
    "SignatureDoesNotMatch": 403,
}


class S3Error(Exception):
    """An answer that is an error: `code` (of `STATUS`) and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, STATUS[code]


def no_such_key(key: str) -> S3Error:
    return S3Error("NoSuchKey", f"The specified key does not exist: {key}")


def no_such_bucket(bucket: str) -> S3Error:
    return S3Error("NoSuchBucket", f"The specified bucket does not exist: {bucket}")
