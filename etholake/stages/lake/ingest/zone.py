"""Read the raw zone of a bucket and the manifest of the last run, write the manifest, remove objects."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etholake import aws
from etholake.contract import RAW_ZONE
from etholake.errors import AwsError
from etholake.objects import delete_objects, list_objects
from etholake.settings import Settings
from etholake.stages.lake.ingest.threads import each

__all__ = ["CHECKSUM", "MANIFEST", "RawZoneBucket", "etag_of"]

MANIFEST = f"{RAW_ZONE}/_MANIFEST.json"
CHECKSUM = "sha256"  # name of the object's user metadata, and in the manifest's entry
_DATES = re.compile(rb"<LastModified>[^<]*</LastModified>")
_this_thread = threading.local()


@dataclass(frozen=True)
class RawZoneBucket:
    """ETag by key in `present`; in `manifest`, by key, the checksum, ETag and size that our last run left."""

    s3: Any
    bucket: str
    present: Mapping[str, str]
    manifest: Mapping[str, Mapping[str, Any]]

    @staticmethod
    def read(settings: Settings) -> RawZoneBucket:
        """Return the raw zone as it is now. Raises AwsError if the bucket is not there."""
        s3 = aws.client(settings, "s3")
        try:
            manifest = json.loads(s3.get_object(Bucket=settings.bucket, Key=MANIFEST)["Body"].read())
        except s3.exceptions.NoSuchBucket as err:
            raise AwsError(
                f"Bucket '{settings.bucket}' is not there on target {settings.target}: run `make deploy` first."
            ) from err
        except (s3.exceptions.NoSuchKey, ValueError):
            manifest = {}
        content = manifest if isinstance(manifest, dict) else {}
        entries = {key: entry for key, entry in content.items() if isinstance(entry, dict)}
        return RawZoneBucket(s3, settings.bucket, _list(s3, settings.bucket), entries)

    def checksum_of(self, key: str) -> str | None:
        """Return an object's SHA-256 by the manifest; None if its entry is not of the object that is there."""
        entry = self.manifest.get(key)
        if entry is None or key not in self.present or entry.get("etag") != self.present[key]:
            return None
        return str(entry.get(CHECKSUM))

    def head(self, key: str) -> Mapping[str, Any]:
        """Return HeadObject's answer; one without a checksum if the object has gone since the list was made."""
        from botocore.exceptions import ClientError

        try:
            head: Mapping[str, Any] = self.s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as err:
            if err.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return {"Metadata": {}, "ContentLength": -1}
            raise
        return head

    def write_manifest(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Write one line a file, in the order of the keys; do nothing if the manifest is unchanged."""
        if entries == self.manifest:
            return
        ordered = sorted(entries.items())
        lines = (f"{json.dumps(key)}: {json.dumps(entry, sort_keys=True)}" for key, entry in ordered)
        body = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
        self.s3.put_object(Bucket=self.bucket, Key=MANIFEST, Body=body, ContentType="application/json")

    def remove(self, keys: Sequence[str], threads: int) -> int:
        """Delete those of the objects that this stage uploaded: by the manifest, else by the mark they carry.

        Returns how many; raises AwsError that names those which could not be removed.
        """

        def ours(key: str) -> str:
            return key if self.checksum_of(key) is not None or CHECKSUM in self.head(key)["Metadata"] else ""

        chosen = sorted(filter(None, each(threads, ours, keys)))
        delete_objects(self.s3, self.bucket, chosen)
        return len(chosen)


def etag_of(answer: Mapping[str, Any]) -> str:
    """Return the ETag of an answer, without its quotes."""
    return str(answer["ETag"]).strip('"')


def _list(s3: Any, bucket: str) -> dict[str, str]:
    """Return the ETag by key of the raw zone, without the manifest."""
    s3.meta.events.register("before-parse.s3.ListObjectsV2", _drop_dates, unique_id="etholake-drop-dates")
    _this_thread.wants_no_dates = True
    try:
        items = list_objects(s3, bucket, f"{RAW_ZONE}/")
        return {item["Key"]: etag_of(item) for item in items if item["Key"] != MANIFEST}
    finally:
        _this_thread.wants_no_dates = False


def _drop_dates(response_dict: dict[str, Any], **_: Any) -> None:
    """Remove the dates from an answer: botocore takes 60 µs to read each, most of a re-run without changes.

    The client is shared: other threads' lists keep their dates.
    """
    if getattr(_this_thread, "wants_no_dates", False):
        response_dict["body"] = _DATES.sub(b"", response_dict["body"])
