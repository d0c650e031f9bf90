"""Multipart uploads: parts are files below ``<s3_root>/.local_mock/uploads/<id>/``, so they survive a restart.

Completion streams the parts into one file in blocks: memory does not grow with the object.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local_mock.s3.checksums import combine_crc, composite, header_of
from local_mock.s3.errors import S3Error
from local_mock.s3.headers import PARTS, pack_sizes
from local_mock.s3.store import StoredObject, full_disk
from local_mock.s3.versions import Versions

__all__ = ["MIN_PART_BYTES", "Part", "Uploads", "checksum_kind"]

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MIN_PART_BYTES = 5 * 1024 * 1024
MAX_PARTS = 10_000
_UPLOAD = ":upload"  # where an object's sidecar keeps the upload that it came from


@dataclass(frozen=True)
class Part:
    """One uploaded part. `etag`: hex MD5; `checksum`: base64 as sent, '' if none; `size` in bytes."""

    number: int
    etag: str
    size: int
    checksum: str
    modified: float


class Uploads:
    """The open uploads of a store."""

    def __init__(self, versions: Versions) -> None:
        self.versions, self.store = versions, versions.store
        self._folder = self.store.private / "uploads"

    def create(self, bucket: str, key: str, headers: dict[str, str], tags: dict[str, str], **options: str) -> str:
        """Open an upload; `options`: checksum algorithm and type. Returns its id."""
        self.store.check(bucket, key)  # refuse a bad key now, not after the transfer
        upload_id = uuid.uuid4().hex
        folder = self._folder / upload_id
        folder.mkdir(parents=True)
        _write_json(
            folder / "upload.json", {"bucket": bucket, "key": key, "headers": headers, "tags": tags, **options}
        )
        return upload_id

    def get(self, bucket: str, key: str, upload_id: str) -> dict[str, Any]:
        """Return the arguments that `create` was given. Raises S3Error NoSuchUpload."""
        if upload_id.isalnum():
            with contextlib.suppress(OSError, ValueError):
                text = (self._folder / upload_id / "upload.json").read_text(encoding="utf-8")
                upload: dict[str, Any] = json.loads(text)
                if (upload["bucket"], upload["key"]) == (bucket, key):
                    return upload
        raise S3Error(
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
            "aborted or completed.",
            UploadId=upload_id,
        )

    def add(self, upload_id: str, temporary: Path, part: Part) -> None:
        """Make a finished temporary file part `part.number`, replacing an earlier one."""
        if not 1 <= part.number <= MAX_PARTS:
            raise S3Error(
                "InvalidArgument",
                "Part number must be an integer between 1 and 10000, inclusive",
                ArgumentName="partNumber",
                ArgumentValue=str(part.number),
            )
        folder = self._folder / upload_id
        with full_disk():
            (folder / f"{part.number:05d}.json").unlink(missing_ok=True)
            temporary.replace(folder / f"{part.number:05d}.part")
            _write_json(folder / f"{part.number:05d}.json", asdict(part))

    def parts(self, upload_id: str) -> list[Part]:
        """Return the parts received so far, by number."""
        files = sorted((self._folder / upload_id).glob("[0-9]*.json"))
        return [Part(**json.loads(path.read_text(encoding="utf-8"))) for path in files]

    def open_of(self, bucket: str) -> list[tuple[str, str, float, dict[str, Any]]]:
        """Return (key, upload id, time, what `create` was told) of the open uploads of a bucket, by key and id."""
        uploads = []
        for path in self._folder.glob("*/upload.json"):
            with contextlib.suppress(OSError, ValueError):
                upload = json.loads(path.read_text(encoding="utf-8"))
                if upload["bucket"] == bucket:
                    uploads.append((upload["key"], path.parent.name, path.stat().st_mtime, upload))
        return sorted(uploads, key=lambda item: item[:2])

    def abort(self, upload_id: str) -> None:
        shutil.rmtree(self._folder / upload_id, ignore_errors=True)

    def complete(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        wanted: list[tuple[int, str]],
        condition: Callable[[StoredObject | None], None] | None = None,
    ) -> StoredObject:
        """Join the parts `wanted` ((number, ETag), ascending) into the object."""
        try:
            upload = self.get(bucket, key, upload_id)
        except S3Error:
            done = self.store.find(bucket, key)
            if done is not None and done.row.headers.get(_UPLOAD) == upload_id:
                return done  # a client repeats the request when the answer was lost
            raise
        chosen = _choose(wanted, {part.number: part for part in self.parts(upload_id)})
        digest = hashlib.md5(b"".join(bytes.fromhex(p.etag) for p in chosen), usedforsecurity=False)
        headers = upload["headers"] | _object_checksum(upload, chosen)
        headers[_UPLOAD] = upload_id
        headers[PARTS] = pack_sizes([part.size for part in chosen])
        with self.store.incoming() as (temporary, file):
            for part in chosen:
                with (self._folder / upload_id / f"{part.number:05d}.part").open("rb") as source:
                    _append(source.fileno(), file.fileno(), part.size)
            stored = self.versions.commit(
                temporary, bucket, key, f"{digest.hexdigest()}-{len(chosen)}", headers, upload["tags"], condition
            )
        self.abort(upload_id)
        return stored


def _choose(wanted: list[tuple[int, str]], have: dict[int, Part]) -> list[Part]:
    numbers = [number for number, _ in wanted]
    if not wanted:
        raise S3Error(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
    if numbers != sorted(set(numbers)):
        raise S3Error(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. The parts list must be in order by part number.",
        )
    for number, etag in wanted:
        if number not in have or have[number].etag != etag.strip('"'):
            raise S3Error("InvalidPart", f"Part {number} was not uploaded, or its ETag is not the one given.")
    chosen = [have[number] for number in numbers]
    for part in chosen[:-1]:
        if part.size < MIN_PART_BYTES:
            raise S3Error(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed object size.",
                PartNumber=str(part.number),
                ProposedSize=str(part.size),
                MinSizeAllowed=str(MIN_PART_BYTES),
            )
    return chosen


def checksum_kind(upload: dict[str, Any]) -> str:
    """Return COMPOSITE or FULL_OBJECT, as an upload was opened; '' without a checksum."""
    algorithm, kind = upload.get("algorithm", ""), str(upload.get("checksum_type") or "")
    return kind or {"": "", "CRC64NVME": "FULL_OBJECT"}.get(algorithm, "COMPOSITE")


def _object_checksum(upload: dict[str, Any], parts: list[Part]) -> dict[str, str]:
    """Return the header with the whole object's checksum, {} if the parts came without one."""
    algorithm = upload.get("algorithm", "")
    if not algorithm or any(not part.checksum for part in parts):
        return {}
    kind = checksum_kind(upload)
    value = (
        combine_crc(algorithm, [(part.checksum, part.size) for part in parts])
        if kind == "FULL_OBJECT"
        else composite(algorithm, [part.checksum for part in parts])
    )
    return {header_of(algorithm): value, "x-amz-checksum-type": kind} if value else {}


def _append(source: int, target: int, size: int) -> None:
    """Copy `size` bytes between open files inside the kernel, in blocks."""
    left, offset = size, 0
    while left:
        sent = os.sendfile(target, source, offset, min(left, 1 << 24))
        if not sent:
            raise S3Error("InvalidPart", "A part is shorter than it was when it was uploaded.")
        left, offset = left - sent, offset + sent


def _write_json(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(path)
