"""Go on with a multipart upload that was cut off.

S3 keeps the parts of an upload until it is completed or aborted (the bucket's lifecycle rule aborts old ones). A
small object in the state zone remembers which upload belongs to which bytes, so that only parts that are missing,
or whose MD5 is another one, are sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etholake.contract import STATE_ZONE
from etholake.digest import fingerprint
from etholake.stages.lake.ingest.zone import RawZoneBucket

__all__ = ["ResumedUpload"]


@dataclass(frozen=True)
class ResumedUpload:
    """An upload under way: `present` has the ETag of the parts that S3 holds already, by number."""

    s3: Any
    where: Mapping[str, str]
    record: Mapping[str, str]
    present: Mapping[int, str]

    @staticmethod
    def open(zone: RawZoneBucket, request: Mapping[str, Any], part_bytes: int) -> ResumedUpload:
        """Return the upload that an earlier run began for this request and these parts, else a new one."""
        name = fingerprint(request["Key"], sorted(request["Metadata"].items()), part_bytes)
        record = {"Bucket": zone.bucket, "Key": f"{STATE_ZONE}/uploads/{name}.json"}
        where = {"Bucket": zone.bucket, "Key": request["Key"]}
        upload_id = _remembered(zone.s3, record)
        if upload_id is not None:
            with contextlib.suppress(zone.s3.exceptions.ClientError):  # it was aborted meanwhile
                present = _parts(zone.s3, where | {"UploadId": upload_id})
                return ResumedUpload(zone.s3, where | {"UploadId": upload_id}, record, present)
        upload_id = zone.s3.create_multipart_upload(**request)["UploadId"]
        zone.s3.put_object(**record, Body=json.dumps({"upload": upload_id}).encode())
        return ResumedUpload(zone.s3, where | {"UploadId": upload_id}, record, {})

    def bring(self, number: int, part: bytes) -> str:
        """Send a part unless S3 has it; return its ETag."""
        etag = self.present.get(number)
        # The ETag of a part is its MD5 unless the bucket encrypts with a KMS key: then it is sent again.
        if etag is not None and etag.strip('"') == hashlib.md5(part, usedforsecurity=False).hexdigest():
            return etag
        return str(self.s3.upload_part(**self.where, PartNumber=number, Body=part)["ETag"])

    def complete(self, parts: Sequence[Mapping[str, Any]]) -> Any:
        """Make the object of the parts; return S3's answer."""
        answer = self.s3.complete_multipart_upload(**self.where, MultipartUpload={"Parts": list(parts)})
        self.s3.delete_object(**self.record)
        return answer

    def abort(self) -> None:
        """Remove what was sent; a failure is left to the bucket's lifecycle rule."""
        with contextlib.suppress(Exception):
            self.s3.abort_multipart_upload(**self.where)
        with contextlib.suppress(Exception):
            self.s3.delete_object(**self.record)


def _remembered(s3: Any, record: Mapping[str, str]) -> str | None:
    try:
        content = json.loads(s3.get_object(**record)["Body"].read())
    except (s3.exceptions.NoSuchKey, ValueError):
        return None
    upload = content.get("upload") if isinstance(content, dict) else None
    return upload if isinstance(upload, str) else None


def _parts(s3: Any, where: Mapping[str, str]) -> dict[int, str]:
    pages = s3.get_paginator("list_parts").paginate(**where)
    return {int(part["PartNumber"]): str(part["ETag"]) for page in pages for part in page.get("Parts", [])}
