"""One file to one object, and many of them at once.

The object's SHA-256 is of the bytes that were sent, whatever happens to the file meanwhile: S3 is given the
checksum with the upload and refuses other bytes, and a multipart upload is compared before it is completed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from queue import SimpleQueue
from typing import Any, TypeVar

from etholake.stages.ingest.folder import RawFile
from etholake.stages.ingest.footers import check
from etholake.stages.ingest.known import Seen

__all__ = ["CHECKSUM", "Outcome", "RawZone", "each"]

CHECKSUM = "sha256"  # name of the object's user metadata, and of the manifest's entry
SMALL_BYTES = 1 << 20  # at most so much is read whole
_BLOCK = 1 << 20
# "When your object size reaches 100 MB, you should consider using multipart uploads": at most 10,000 parts.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
MULTIPART_BYTES = 100_000_000
PART_BYTES = 16 << 20
MAX_PARTS = 10_000
_ATTEMPTS = 3  # at a file that changes while it is read

Item = TypeVar("Item")
Result = TypeVar("Result")


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


@dataclass(frozen=True)
class RawZone:
    """The raw zone of a bucket as it was listed: ETag by key in `present`, our last run's word in `manifest`."""

    s3: Any
    bucket: str
    present: Mapping[str, str]
    manifest: Mapping[str, Mapping[str, Any]]

    def says(self, key: str) -> str | None:
        """SHA-256 of an object by the manifest; None if it does not speak of the object that is there."""
        entry = self.manifest.get(key)
        if entry is None or key not in self.present or entry.get("etag") != self.present[key]:
            return None
        return str(entry.get(CHECKSUM))

    def is_ours(self, key: str) -> bool:
        """This stage uploaded the object: by the manifest, else by the mark that the object carries."""
        return self.says(key) is not None or CHECKSUM in self._head(key)["Metadata"]

    def bring(self, file: RawFile, seen: Seen | None) -> Outcome:
        """See to it that the object has the file's bytes. Raises nothing."""
        from botocore.exceptions import BotoCoreError, ClientError

        for _ in range(_ATTEMPTS):
            try:
                with file.path.open("rb", buffering=0) as stream:
                    return self._bring(file, stream, seen)
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

    def _bring(self, file: RawFile, stream: FileIO, seen: Seen | None) -> Outcome:
        from botocore.exceptions import ClientError

        content, seen = _look(file, stream, seen)
        etag = self._etag_if_there(file.key, seen)
        if etag:
            return Outcome(file, seen, etag)
        try:
            if seen.size >= MULTIPART_BYTES:
                etag = self._put_parts(file.key, stream, seen)
            else:
                etag = self._put(file.key, _Body(stream, seen.size) if content is None else content, seen)
        except ClientError as err:
            if content is None and _sha256(stream) != seen.sha256:  # and so S3 refused them
                raise _ChangedError from err
            raise
        return Outcome(file, seen, etag, uploaded=True)

    def _etag_if_there(self, key: str, seen: Seen) -> str:
        """ETag of the object if it has these bytes, else ''. An object that the manifest does not speak of (after
        a killed run, or a write by others) is asked for the checksum that it carries."""
        if key not in self.present:
            return ""
        checksum = self.says(key)
        if checksum is not None:
            return self.present[key] if checksum == seen.sha256 else ""
        head = self._head(key)
        same = head["Metadata"].get(CHECKSUM) == seen.sha256 and head["ContentLength"] == seen.size
        return _etag(head) if same else ""

    def _head(self, key: str) -> Mapping[str, Any]:
        from botocore.exceptions import ClientError

        try:
            head: Mapping[str, Any] = self.s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as err:
            if err.response["ResponseMetadata"]["HTTPStatusCode"] == 404:  # gone since the list was made
                return {"Metadata": {}, "ContentLength": -1}
            raise
        return head

    def _put(self, key: str, body: Any, seen: Seen) -> str:
        answer = self.s3.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=body,
            Metadata={CHECKSUM: seen.sha256},
            ChecksumSHA256=base64.b64encode(bytes.fromhex(seen.sha256)).decode(),
        )
        return _etag(answer)

    def _put_parts(self, key: str, stream: FileIO, seen: Seen) -> str:
        """Multipart, part after part: the concurrency is over files. Memory: one part."""
        at = {"Bucket": self.bucket, "Key": key}
        upload = at | {
            "UploadId": self.s3.create_multipart_upload(**at, Metadata={CHECKSUM: seen.sha256})["UploadId"]
        }
        size = max(PART_BYTES, -(-seen.size // MAX_PARTS))
        sent, parts = hashlib.sha256(), []
        try:
            stream.seek(0)
            for number in range(1, -(-seen.size // size) + 1):
                part = _read(stream, size)
                sent.update(part)
                etag = self.s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]
                parts.append({"PartNumber": number, "ETag": etag})
            if sent.hexdigest() != seen.sha256:
                raise _ChangedError
            return _etag(self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}))
        except BaseException:
            with contextlib.suppress(Exception):
                self.s3.abort_multipart_upload(**upload)
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


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')


def each(threads: int, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Results of `work` in the order of completion, for a list of `items`. What `work` raises is raised here.

    No future is made per item. Closing the iterator ends it when those begun are done.
    """
    feed, stop = iter(items), threading.Event()
    results: SimpleQueue[tuple[Result | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        for item in feed:  # a step of a list's iterator is atomic
            if stop.is_set():
                return
            try:
                results.put((work(item), None))
            except BaseException as err:
                results.put((None, err))

    with ThreadPoolExecutor(min(threads, len(items)) or 1) as pool:
        try:
            for _ in range(threads):
                pool.submit(run)
            for _ in items:
                result, error = results.get()
                if error is not None:
                    raise error
                yield result  # type: ignore[misc]
        finally:
            stop.set()
