"""The signed policy of a form upload: who signed it, until when it holds, which fields and sizes it allows.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html. boto3's
`generate_presigned_post` makes such policies.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_mock.s3.errors import S3Error
from local_mock.s3.signatures import parse_scope, secrets_of, signature_v2, signing_key

__all__ = ["PostPolicy"]

# Fields that no condition has to name.
_FREE = frozenset({"policy", "file", "x-amz-signature", "awsaccesskeyid", "signature", "bucket"})


@dataclass(frozen=True)
class PostPolicy:
    """A policy whose signature is right.

    `conditions` are triples (operator, field in lower case, value); `smallest` and `largest` bound the file, in
    bytes.
    """

    expires: datetime.datetime
    conditions: tuple[tuple[str, str, str], ...]
    smallest: int = 0
    largest: int = 5 << 30  # S3's limit on one POST

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> PostPolicy:
        """Return the policy of a form.

        Raises
        ------
        S3Error : AccessDenied (no policy), SignatureDoesNotMatch, InvalidPolicyDocument.
        """
        text = fields.get("policy", "")
        if not text:
            raise S3Error("AccessDenied", "Access Denied: a form upload needs a signed policy.")
        _check_signature(text, fields)
        try:
            document = json.loads(base64.b64decode(text, validate=True))
            expires = datetime.datetime.fromisoformat(document["expiration"])
            given = document["conditions"]
        except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as err:
            raise _invalid(f"{type(err).__name__}: {err}") from err
        if not isinstance(given, list):
            raise _invalid("'conditions' must be a list.")
        return cls(expires.replace(tzinfo=expires.tzinfo or datetime.UTC), *_conditions(given))

    def check(self, fields: Mapping[str, str]) -> None:
        """Refuse a form whose time is over, that breaks a condition, or has a field that none names."""
        if datetime.datetime.now(datetime.UTC) > self.expires:
            raise _denied("Policy expired.")
        for operator, name, value in self.conditions:
            given = fields.get(name, "")
            if not (given == value if operator == "eq" else given.startswith(value)):
                raise _denied(f"Policy Condition failed: {json.dumps([operator, f'${name}', value])}")
        named = {name for _, name, _ in self.conditions}
        extra = [f for f in fields if f not in named | _FREE and not f.startswith("x-ignore-")]
        if extra:
            raise _denied(f"Extra input fields: {', '.join(sorted(extra))}")
        if "bucket" not in named:
            raise _denied("Extra input fields: bucket")

    def check_size(self, size: int, *, ended: bool) -> None:
        """Refuse a file of `size` bytes so far that is too large, or, at its end, too small."""
        if size > self.largest:
            raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
        if ended and size < self.smallest:
            raise S3Error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size.")


def _check_signature(policy: str, fields: Mapping[str, str]) -> None:
    """Raise S3Error if neither version of the signature is there, or it is another one."""
    if fields.get("x-amz-signature"):
        if fields.get("x-amz-algorithm") != "AWS4-HMAC-SHA256":
            raise S3Error("InvalidArgument", "X-Amz-Algorithm only supports 'AWS4-HMAC-SHA256'.")
        scope = parse_scope(fields.get("x-amz-credential", ""))
        computed = [
            hmac.digest(signing_key(secret, scope), policy.encode(), "sha256").hex()
            for secret in secrets_of(scope.access_key)
        ]
        given = fields["x-amz-signature"]
    elif fields.get("signature") and fields.get("awsaccesskeyid"):
        computed = [signature_v2(secret, policy) for secret in secrets_of(fields["awsaccesskeyid"])]
        given = fields["signature"]
    else:
        raise S3Error("AccessDenied", "Access Denied: the policy of the form is not signed.")
    if not any(hmac.compare_digest(one.encode(), given.encode()) for one in computed):
        raise S3Error(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and "
            "signing method.",
        )


def _conditions(given: list[Any]) -> tuple[tuple[tuple[str, str, str], ...], int, int]:
    """Return the conditions, and the smallest and largest size. Raises S3Error InvalidPolicyDocument."""
    conditions: list[tuple[str, str, str]] = []
    smallest, largest = 0, PostPolicy.largest
    for condition in given:
        match condition:
            case dict() if len(condition) == 1 and all(isinstance(v, str) for v in condition.values()):
                conditions += [("eq", str(name).lower(), str(value)) for name, value in condition.items()]
            case ["eq" | "starts-with" as operator, str(name), str(value)] if name.startswith("$"):
                conditions.append((operator, name[1:].lower(), value))
            case ["content-length-range", int(low) | str(low), int(high) | str(high)] if all(
                str(n).isdecimal() and len(str(n)) < 20 for n in (low, high)
            ):
                smallest, largest = max(smallest, int(low)), min(largest, int(high))
            case _:
                raise _invalid(f"the condition {json.dumps(condition)[:200]} is none.")
    return tuple(conditions), smallest, largest


def _denied(reason: str) -> S3Error:
    return S3Error("AccessDenied", f"Invalid according to Policy: {reason}")


def _invalid(reason: str) -> S3Error:
    return S3Error("InvalidPolicyDocument", f"The content of the form does not meet the conditions: {reason}")
