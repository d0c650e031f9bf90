"""Headers: those kept of a put, those that describe an object, conditions and ranges. No store here.

An object's sidecar keeps headers by their names in lower case. Names that begin with ':' are our own (ACL, sizes
of parts, restore time) and are never sent as they are.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Callable, Mapping
from itertools import groupby
from urllib.parse import parse_qsl

from local_mock.s3.acl import ACL, grants_of_headers
from local_mock.s3.checksums import checksum_of
from local_mock.s3.customer_keys import CUSTOMER_KEY, customer_headers, sent_key_md5
from local_mock.s3.errors import S3Error, no_such_key
from local_mock.s3.locks import HOLD, MODE, UNTIL, lock_headers
from local_mock.s3.request import Request, http_date, parse_tags
from local_mock.s3.store import DEFAULT_TYPE, StoredObject

__all__ = [
    "ARCHIVED", "CLASS", "PARTS", "RESTORED", "checksum_markup", "content_of_part", "copy_range", "describe",
    "encryption", "failed_condition", "invalid_state", "is_archived", "matches", "pack_sizes", "part_sizes",
    "range_of", "read_condition", "seconds", "sent_headers", "sent_tags", "write_condition",
]  # fmt: skip

CLASS = "x-amz-storage-class"
PARTS, RESTORED = ":parts", ":restored-until"
ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")  # not to be read before a RestoreObject
_CLASSES = (
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER",
    "DEEP_ARCHIVE", "OUTPOSTS", "GLACIER_IR", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS",
)  # fmt: skip
_KEPT = (
    "cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires",
    "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled", CLASS, "x-amz-website-redirect-location",
)  # fmt: skip
_RANGE = re.compile(r"bytes=(\d{1,19}-\d{0,19}|-\d{1,19})")
_COPY_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})")


def sent_headers(request: Request) -> dict[str, str]:
    """Return the headers to keep of a put: content type and the like, the user's metadata, ACL, lock, key."""
    headers = {name: value for name in _KEPT if (value := request.header(name))}
    sent = request.all_headers | request.query
    headers |= {name: value for name, value in sent.items() if name.startswith("x-amz-meta-")}
    encoding = [e for e in headers.pop("content-encoding", "").split(",") if e.strip() not in ("", "aws-chunked")]
    if encoding:
        headers["content-encoding"] = ",".join(encoding)
    if sum(len(k) + len(v) for k, v in headers.items() if k.startswith("x-amz-meta-")) > 8192:
        raise S3Error("InvalidArgument", "Your metadata headers exceed the maximum allowed metadata size.")
    if headers.get(CLASS, "STANDARD") not in _CLASSES:
        raise S3Error("InvalidStorageClass", "The storage class you specified is not valid")
    headers |= lock_headers(*(request.header(name) for name in (MODE, UNTIL, HOLD)))
    if grants := grants_of_headers(request.header):
        headers[ACL] = grants
    if md5 := sent_key_md5(request):
        headers[CUSTOMER_KEY] = md5
    return {"content-type": DEFAULT_TYPE} | headers


def sent_tags(request: Request) -> dict[str, str]:
    return parse_tags(parse_qsl(request.header("x-amz-tagging"), keep_blank_values=True))


def describe(stored: StoredObject) -> dict[str, str]:
    """Return the headers that describe an object."""
    kept = {k: v for k, v in stored.row.headers.items() if not k.startswith(("x-amz-checksum-", ":"))}
    headers = {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": http_date(stored.modified),
        "Accept-Ranges": "bytes",
        "Content-Type": kept.pop("content-type", DEFAULT_TYPE),
        **{name if name.startswith("x-amz-") else name.title(): value for name, value in kept.items()},
        **encryption(stored.row.headers),
    }
    if headers.get(CLASS) == "STANDARD":
        del headers[CLASS]  # S3 names the others only
    if until := stored.row.headers.get(RESTORED):
        headers["x-amz-restore"] = f'ongoing-request="false", expiry-date="{until}"'
    if stored.row.tags:
        headers["x-amz-tagging-count"] = str(len(stored.row.tags))
    return headers


def encryption(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that tell how an object is encrypted: as asked for, else S3's default since 2023."""
    if customer := customer_headers(headers):
        return customer
    asked = {k: v for k, v in headers.items() if k.startswith("x-amz-server-side-encryption")}
    return asked or {"x-amz-server-side-encryption": "AES256"}


def is_archived(headers: Mapping[str, str]) -> bool:
    """Return whether an object cannot be read: of an archive's storage class, and not restored now."""
    return headers.get(CLASS) in ARCHIVED and (seconds(headers.get(RESTORED, "")) or 0) < time.time()


def invalid_state(headers: Mapping[str, str]) -> S3Error:
    """Return the error of a read or restore that the storage class of an object does not allow."""
    message = "The operation is not valid for the object's storage class"
    return S3Error("InvalidObjectState", message, StorageClass=headers.get(CLASS, "STANDARD"))


def checksum_markup(headers: Mapping[str, str]) -> str:
    algorithm, kind, value = checksum_of(headers)
    tag = f"Checksum{algorithm}"
    return f"<{tag}>{value}</{tag}><ChecksumType>{kind}</ChecksumType>" if algorithm else ""


# --- conditions -------------------------------------------------------------------------------------------
def read_condition(request: Request, stored: StoredObject) -> None:
    """Conditional reads: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html."""
    wanted, unwanted = request.header("if-match"), request.header("if-none-match")
    since = seconds(request.header("if-modified-since"))
    before = seconds(request.header("if-unmodified-since"))
    modified = int(stored.modified)
    if wanted and not matches(wanted, stored.etag):
        raise failed_condition("If-Match")
    if before is not None and not wanted and modified > before:
        raise failed_condition("If-Unmodified-Since")
    if (unwanted and matches(unwanted, stored.etag)) or (since is not None and not unwanted and modified <= since):
        described = {"ETag": f'"{stored.etag}"', "Last-Modified": http_date(stored.modified)}
        raise S3Error("NotModified", "Not Modified", described)


def failed_condition(name: str) -> S3Error:
    message = "At least one of the pre-conditions you specified did not hold"
    return S3Error("PreconditionFailed", message, Condition=name)


def write_condition(request: Request) -> Callable[[StoredObject | None], None] | None:
    """Conditional writes: If-None-Match: * (only if there is none), If-Match (only over that one); else None."""
    wanted, unwanted = request.header("if-match"), request.header("if-none-match")
    if not wanted and not unwanted:
        return None

    def check(present: StoredObject | None) -> None:
        if unwanted and present is not None and matches(unwanted, present.etag):
            raise failed_condition("If-None-Match")
        if wanted and present is None:
            raise no_such_key(request.key)
        if wanted and present is not None and not matches(wanted, present.etag):
            raise failed_condition("If-Match")

    return check


def matches(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in [e.strip().removeprefix("W/").strip('"') for e in header.split(",")]


def seconds(text: str) -> float | None:
    """Return the seconds since 1970 of an HTTP date; None for one that cannot be read, as S3 ignores it."""
    if not text:
        return None
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


# --- ranges and parts -------------------------------------------------------------------------------------
def range_of(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte (inclusive) that a Range header asks for; None if there is none, or many."""
    match = _RANGE.fullmatch(header.strip())
    if not match:
        return None
    start, _, stop = match.group(1).partition("-")
    first = int(start) if start else max(0, size - int(stop))
    last = min(int(stop), size - 1) if start and stop else size - 1
    if start and stop and int(stop) < int(start):
        return None  # not a range at all: ignored, as RFC 9110 has it
    if first >= size or first > last:
        details = {"ActualObjectSize": str(size), "RangeRequested": header.strip()}
        raise S3Error(
            "InvalidRange",
            "The requested range is not satisfiable",
            {"Content-Range": f"bytes */{size}"},
            **details,
        )
    return first, last


def copy_range(header: str, size: int) -> tuple[int, int]:
    """Return the first and last byte (inclusive) of x-amz-copy-source-range; all bytes without one."""
    if not header:
        return 0, size - 1
    match = _COPY_RANGE.fullmatch(header.strip())
    if not match or int(match.group(1)) > int(match.group(2)):
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
        )
    first, last = int(match.group(1)), int(match.group(2))
    if last >= size:
        raise S3Error("InvalidRange", f"Range specified is not valid for source object of size: {size}")
    return first, last


def pack_sizes(sizes: list[int]) -> str:
    """Return the sizes of the parts of an object, to be kept with it: runs of (how many, bytes)."""
    return json.dumps([[len(list(run)), size] for size, run in groupby(sizes)])


def part_sizes(headers: Mapping[str, str]) -> list[int]:
    """Return the sizes of the parts in bytes; [] of an object that did not come in parts."""
    return [size for count, size in json.loads(headers.get(PARTS, "[]")) for _ in range(count)]


def content_of_part(number: int, stored: StoredObject) -> tuple[int, int, int]:
    """Return first byte and length of a part, and the number of parts (0: the object did not come in parts)."""
    sizes = part_sizes(stored.row.headers)
    if not 1 <= number <= (len(sizes) or 1):
        raise S3Error("InvalidPartNumber", "The requested partnumber is not satisfiable")
    if not sizes:
        return 0, stored.size, 0
    return sum(sizes[: number - 1]), sizes[number - 1], len(sizes)
