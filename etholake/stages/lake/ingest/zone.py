"""The raw zone of a bucket: what lies there, what the last run said of it (the manifest), removing from it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etholake import aws
from etholake.contract import RAW_ZONE
from etholake.errors import AwsError, raise_collected
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
        """As it is now. Raises AwsError if the bucket is not there."""
        s3 = aws.client(settings, "s3")
        try:
            manifest = json.loads(s3.get_object(Bucket=settings.bucket, Key=MANIFEST)["Body"].read())
        except s3.exceptions.NoSuchBucket as err:
            raise AwsError(
                f"Bucket '{settings.bucket}' is not there on target {settings.target}: run `make deploy` first."
            ) from err
        except (s3.exceptions.NoSuchKey, ValueError):
            manifest = {}
        found = manifest if isinstance(manifest, dict) else {}
        known = {key: entry for key, entry in found.items() if isinstance(entry, dict)}
        return RawZoneBucket(s3, settings.bucket, _list(s3, settings.bucket), known)

    def says(self, key: str) -> str | None:
        """SHA-256 of an object by the manifest; None if it does not speak of the object that is there."""
        entry = self.manifest.get(key)
        if entry is None or key not in self.present or entry.get("etag") != self.present[key]:
            return None
        return str(entry.get(CHECKSUM))

    def head(self, key: str) -> Mapping[str, Any]:
        """HeadObject; that of an object without a checksum if it is gone since the list was made."""
        from botocore.exceptions import ClientError

        try:
            head: Mapping[str, Any] = self.s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as err:
            if err.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return {"Metadata": {}, "ContentLength": -1}
            raise
        return head

    def write_manifest(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """One line a file, in the order of the keys; not written if it says what the last one said."""
        if entries == self.manifest:
            return
        ordered = sorted(entries.items())
        lines = (f"{json.dumps(key)}: {json.dumps(entry, sort_keys=True)}" for key, entry in ordered)
        body = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
        self.s3.put_object(Bucket=self.bucket, Key=MANIFEST, Body=body, ContentType="application/json")

    def remove(self, keys: Sequence[str], threads: int) -> int:
        """Delete those of the objects that this stage uploaded: by the manifest, else by the mark they carry.

        Returns how many; raises AwsError with those that are left.
        """

        def ours(key: str) -> str:
            return key if self.says(key) is not None or CHECKSUM in self.head(key)["Metadata"] else ""

        chosen = sorted(filter(None, each(threads, ours, keys)))
        problems = []
        for start in range(0, len(chosen), 1000):
            objects = [{"Key": key} for key in chosen[start : start + 1000]]
            answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
            problems += [f"{e['Key']}: {e.get('Message', e['Code'])}" for e in answer.get("Errors", [])]
        what = "Objects whose files are gone from the folder could not be removed; run the same command again"
        raise_collected(AwsError, what, problems)
        return len(chosen)


def etag_of(answer: Mapping[str, Any]) -> str:
    """The ETag of an answer, without its quotes."""
    return str(answer["ETag"]).strip('"')


def _list(s3: Any, bucket: str) -> dict[str, str]:
    """ETag by key of the raw zone, without the manifest."""
    s3.meta.events.register("before-parse.s3.ListObjectsV2", _drop_dates, unique_id="etholake-drop-dates")
    _this_thread.wants_no_dates = True
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{RAW_ZONE}/")
        items = (item for page in pages for item in page.get("Contents", []))
        return {item["Key"]: etag_of(item) for item in items if item["Key"] != MANIFEST}
    finally:
        _this_thread.wants_no_dates = False


def _drop_dates(response_dict: dict[str, Any], **_: Any) -> None:
    """botocore's reading of dates takes 60 µs an object, most of a re-run that finds nothing to do. The client is
    shared: other threads' lists keep their dates."""
    if getattr(_this_thread, "wants_no_dates", False):
        response_dict["body"] = _DATES.sub(b"", response_dict["body"])
