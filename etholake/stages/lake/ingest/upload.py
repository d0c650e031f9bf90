"""Upload one file to one object.

The object's SHA-256 is of the bytes that were sent, whatever happens to the file meanwhile. A small file is read
once, and what was read is sent. A large one is read twice, for the checksum and for the upload: S3 is given the
CRC32 of the first reading and refuses other bytes (a multipart upload is compared before it is completed), and the
file's times must be the same afterwards.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any

from etholake.stages.lake.ingest.checksum_cache import FileState
from etholake.stages.lake.ingest.folder import RawFile
from etholake.stages.lake.ingest.reading import Body, ChangedError, Reading, read
from etholake.stages.lake.ingest.resumed_upload import ResumedUpload
from etholake.stages.lake.ingest.zone import CHECKSUM, RawZoneBucket, etag_of

__all__ = ["Outcome", "bring"]

# "When your object size reaches 100 MB, you should consider using multipart uploads": at most 10,000 parts.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
MULTIPART_BYTES = 100_000_000
PART_BYTES = 16 << 20
MAX_PARTS = 10_000
_ATTEMPTS = 3  # at a file that changes while it is read


@dataclass(frozen=True)
class Outcome:
    """The outcome of one file: `error` and `unreadable` (sentences) say why its object is not what the file is."""

    file: RawFile
    state: FileState | None = None
    etag: str = ""
    uploaded: bool = False
    unreadable: str = ""
    error: Exception | None = None


def bring(zone: RawZoneBucket, file: RawFile, state: FileState | None) -> Outcome:
    """Make the object have the file's bytes; `state` is the remembered one. Failures are returned, not raised."""
    from botocore.exceptions import BotoCoreError, ClientError

    for _ in range(_ATTEMPTS):
        try:
            with file.path.open("rb", buffering=0) as stream:
                return _bring(zone, Reading(file, stream), state)
        except ChangedError:
            state = None
        except (BotoCoreError, ClientError) as err:
            return Outcome(file, error=err)
        except OSError as err:
            reason = err.strerror or str(err)
            text = f"{file.path} cannot be read ({reason}) and was not uploaded: mend it, run again."
            return Outcome(file, unreadable=text)
    text = f"{file.path} changed while it was read, {_ATTEMPTS} times: let its writer finish, run again."
    return Outcome(file, unreadable=text)


def _bring(zone: RawZoneBucket, reading: Reading, before: FileState | None) -> Outcome:
    file, state = reading.file, reading.look(before)
    etag = _etag_if_there(zone, file.key, state)
    if etag:
        return Outcome(file, state, etag)
    if reading.digests[0] != state.sha256:
        raise ChangedError
    if reading.content is not None:
        answer = zone.s3.put_object(**_request(zone, file.key, state), Body=reading.content)
    else:
        answer = _put_large(zone, reading, state)
        reading.require_unchanged()
    return Outcome(file, state, etag_of(answer), uploaded=True)


def _etag_if_there(zone: RawZoneBucket, key: str, state: FileState) -> str:
    """Return the ETag of the object if it has these bytes, else ''.

    An object without an entry in the manifest (after a killed run, or a write by others) is asked for the checksum
    that it carries.
    """
    if key not in zone.present:
        return ""
    checksum = zone.checksum_of(key)
    if checksum is not None:
        return zone.present[key] if checksum == state.sha256 else ""
    head = zone.head(key)
    same = head["Metadata"].get(CHECKSUM) == state.sha256 and head["ContentLength"] == state.size
    return etag_of(head) if same else ""


def _request(zone: RawZoneBucket, key: str, state: FileState) -> dict[str, Any]:
    return {"Bucket": zone.bucket, "Key": key, "Metadata": {CHECKSUM: state.sha256}}


def _put_large(zone: RawZoneBucket, reading: Reading, state: FileState) -> Any:
    from botocore.exceptions import ClientError

    if reading.size >= MULTIPART_BYTES:
        return _put_parts(zone, reading, state)
    checksum = base64.b64encode(reading.digests[1].to_bytes(4, "big")).decode()
    body = Body(reading.stream, reading.size)
    try:
        return zone.s3.put_object(**_request(zone, reading.file.key, state), Body=body, ChecksumCRC32=checksum)
    except ClientError:
        reading.require_unchanged()  # else that is why S3 refused it
        raise


def _put_parts(zone: RawZoneBucket, reading: Reading, state: FileState) -> Any:
    """Upload part after part, with one part in memory: the concurrency is over files.

    An upload of the same bytes that was cut off (a killed run, a lost connection) goes on: the parts that S3 has
    and that are equal to the file's are not sent again.
    """
    size = max(PART_BYTES, -(-reading.size // MAX_PARTS))
    resumed = ResumedUpload.open(zone, _request(zone, reading.file.key, state), size)
    sent, parts = 0, []
    try:
        reading.stream.seek(0)
        for number in range(1, -(-reading.size // size) + 1):
            part = read(reading.stream, size)
            sent = zlib.crc32(part, sent)
            parts.append({"PartNumber": number, "ETag": resumed.bring(number, part)})
        if sent != reading.digests[1]:
            raise ChangedError
        return resumed.complete(parts)
    except (ChangedError, OSError):  # other bytes: what was sent is of no use
        resumed.abort()
        raise
