"""One file to one object.

The object's SHA-256 is of the bytes that were sent, whatever happens to the file meanwhile: S3 is given the
checksum with the upload and refuses other bytes, and a multipart upload is compared before it is completed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import time
from dataclasses import dataclass
from io import FileIO
from typing import Any

from etholake.stages.ingest.folder import RawFile
from etholake.stages.ingest.footers import check
from etholake.stages.ingest.known import Seen
from etholake.stages.ingest.zone import CHECKSUM, RawZone, etag_of

__all__ = ["Outcome", "bring"]

SMALL_BYTES = 1 << 20  # at most so much is read whole
_BLOCK = 1 << 20
# "When your object size reaches 100 MB, you should consider using multipart uploads": at most 10,000 parts.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
MULTIPART_BYTES = 100_000_000
PART_BYTES = 16 << 20
MAX_PARTS = 10_000
_ATTEMPTS = 3  # at a file that changes while it is read


@dataclass(frozen=True)
class Outcome:
    """What became of one file: `error` and `unreadable` (sentences) say why its object is not what the file is."""

    file: RawFile
    seen: Seen | None = None
    etag: str = ""
    uploaded: bool = False
    unreadable: str = ""
    error: Exception | None = None


class _ChangedError(Exception):
    """The file's bytes are not those that were seen."""


def bring(zone: RawZone, file: RawFile, seen: Seen | None) -> Outcome:
    """See to it that the object has the file's bytes; `seen`: what is known of them. What fails is returned."""
    from botocore.exceptions import BotoCoreError, ClientError

    for _ in range(_ATTEMPTS):
        try:
            with file.path.open("rb", buffering=0) as stream:
                return _bring(zone, file, stream, seen)
        except _ChangedError:
            seen = None
        except (BotoCoreError, ClientError) as err:
            return Outcome(file, error=err)
        except OSError as err:
            reason = err.strerror or str(err)
            text = f"{file.path} cannot be read ({reason}) and was not uploaded: mend it, run again."
            return Outcome(file, unreadable=text)
    text = f"{file.path} changed while it was read, {_ATTEMPTS} times, and was not uploaded: "
    return Outcome(file, unreadable=text + "let its writer finish, run again.")


def _bring(zone: RawZone, file: RawFile, stream: FileIO, seen: Seen | None) -> Outcome:
    from botocore.exceptions import ClientError

    content, seen = _look(file, stream, seen)
    etag = _etag_if_there(zone, file.key, seen)
    if etag:
        return Outcome(file, seen, etag)
    try:
        if seen.size >= MULTIPART_BYTES:
            etag = _put_parts(zone, file.key, stream, seen)
        else:
            etag = _put(zone, file.key, _Body(stream, seen.size) if content is None else content, seen)
    except ClientError as err:
        if content is None and _sha256(stream) != seen.sha256:  # and so S3 refused them
            raise _ChangedError from err
        raise
    return Outcome(file, seen, etag, uploaded=True)


def _etag_if_there(zone: RawZone, key: str, seen: Seen) -> str:
    """ETag of the object if it has these bytes, else ''. An object that the manifest does not speak of (after a
    killed run, or a write by others) is asked for the checksum that it carries."""
    if key not in zone.present:
        return ""
    checksum = zone.says(key)
    if checksum is not None:
        return zone.present[key] if checksum == seen.sha256 else ""
    head = zone.head(key)
    same = head["Metadata"].get(CHECKSUM) == seen.sha256 and head["ContentLength"] == seen.size
    return etag_of(head) if same else ""


def _put(zone: RawZone, key: str, body: Any, seen: Seen) -> str:
    answer = zone.s3.put_object(
        Bucket=zone.bucket,
        Key=key,
        Body=body,
        Metadata={CHECKSUM: seen.sha256},
        ChecksumSHA256=base64.b64encode(bytes.fromhex(seen.sha256)).decode(),
    )
    return etag_of(answer)


def _put_parts(zone: RawZone, key: str, stream: FileIO, seen: Seen) -> str:
    """Multipart, part after part: the concurrency is over files. Memory: one part."""
    at = {"Bucket": zone.bucket, "Key": key}
    made = zone.s3.create_multipart_upload(**at, Metadata={CHECKSUM: seen.sha256})
    upload = at | {"UploadId": made["UploadId"]}
    size = max(PART_BYTES, -(-seen.size // MAX_PARTS))
    sent, parts = hashlib.sha256(), []
    try:
        stream.seek(0)
        for number in range(1, -(-seen.size // size) + 1):
            part = _read(stream, size)
            sent.update(part)
            etag = zone.s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        if sent.hexdigest() != seen.sha256:
            raise _ChangedError
        return etag_of(zone.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}))
    except BaseException:
        with contextlib.suppress(Exception):
            zone.s3.abort_multipart_upload(**upload)
        raise


class _Body:
    """`size` bytes of a file for an HTTP client, which reads them as often as it sends them.

    Reads answer with more than they are asked for: the client asks for 16 KiB at a time, which costs more than
    the transfer. Should the file have become shorter, or unreadable, zeros follow: the request is then complete,
    and S3 refuses it by its checksum.
    """

    def __init__(self, stream: FileIO, size: int) -> None:
        self._stream, self._size, self._at = stream, size, 0

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._at
        want = left if size < 0 else min(left, max(size, _BLOCK))
        try:
            data = os.pread(self._stream.fileno(), want, self._at) if want else b""
        except OSError:
            data = b""
        data = data or bytes(want)
        self._at += len(data)
        return data

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = min(max(start + offset, 0), self._size)
        return self._at


def _look(file: RawFile, stream: FileIO, seen: Seen | None) -> tuple[bytes | None, Seen]:
    """(the bytes if they are few, what they are). Reads what has to be read; raises `_ChangedError`."""
    status, read_ns = os.fstat(stream.fileno()), time.time_ns()
    state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    content = _read(stream, status.st_size + 1) if status.st_size <= SMALL_BYTES else None
    if seen is None or not seen.is_of(*state):
        digest = _sha256(stream) if content is None else hashlib.sha256(content).hexdigest()
        now = RawFile(file.path, file.key, file.kind, *state)
        problems = tuple(text.removeprefix(str(file.path)) for text in check(now, content))
        seen = Seen.at(status, digest, problems, read_ns)
    elif content is not None and hashlib.sha256(content).hexdigest() != seen.sha256:
        raise _ChangedError
    after = os.fstat(stream.fileno())
    if state != (after.st_size, after.st_mtime_ns, after.st_ctime_ns) or (
        content is not None and len(content) != status.st_size
    ):
        raise _ChangedError
    return content, seen


def _read(stream: FileIO, size: int) -> bytes:
    """Up to `size` bytes, fewer only at the end of the file."""
    data = stream.read(size)
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def _sha256(stream: FileIO) -> str:
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()
