"""S3's own error codes with their HTTP status, as the SDKs expect them.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. `InsufficientStorage` is ours: a disk
can be full.
"""

from __future__ import annotations

__all__ = ["S3Error", "no_such_bucket", "no_such_key"]

STATUS = {
    "AccessDenied": 403,
    "AccessForbidden": 403,
    "AuthorizationQueryParametersError": 400,
    "BadDigest": 400,
    "BadRequest": 400,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "IncompleteBody": 400,
    "InsufficientStorage": 507,
    "InternalError": 500,
    "InvalidArgument": 400,
    "InvalidObjectState": 403,
    "InvalidPart": 400,
    "InvalidPartNumber": 416,
    "InvalidPartOrder": 400,
    "InvalidPolicyDocument": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidStorageClass": 400,
    "InvalidTag": 400,
    "KeyTooLongError": 400,
    "MalformedACLError": 400,
    "MalformedPOSTRequest": 400,
    "MalformedXML": 400,
    "MaxPostPreDataLengthExceededError": 400,
    "MethodNotAllowed": 405,
    "MalformedPolicy": 400,
    "MaxMessageLengthExceeded": 400,
    "MissingRequestBodyError": 400,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchObjectLockConfiguration": 404,
    "NoSuchUpload": 404,
    "NoSuchVersion": 404,
    "NotImplemented": 501,
    "NotModified": 304,
    "ObjectNotInActiveTierError": 403,
    "PreconditionFailed": 412,
    "SignatureDoesNotMatch": 403,
}


class S3Error(Exception):
    """An answer that is an error: `code` (of `STATUS`), a sentence, headers, and further elements of its XML."""

    def __init__(self, code: str, message: str, headers: dict[str, str] | None = None, **details: str) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, STATUS[code]
        self.headers, self.details = headers or {}, details


def no_such_key(key: str) -> S3Error:
    return S3Error("NoSuchKey", "The specified key does not exist.", Key=key)


def no_such_bucket(bucket: str) -> S3Error:
    return S3Error("NoSuchBucket", "The specified bucket does not exist", BucketName=bucket)
