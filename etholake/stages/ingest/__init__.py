"""Stage ingest: a folder in the MABe layout to the raw zone, bytes as received.

Incremental by checksum (SHA-256, cached per path, size and times in the state folder), concurrent, resumable: a
killed run leaves whole objects only, and the next one uploads the rest. The lake mirrors one folder: what was
ingested before and is gone from the folder is removed, and the summary says so; objects that others put into the
raw zone are left alone. A damaged file is uploaded as it is, and reported: the curation quarantines it, and the
raw zone stays the record of what a lab sent.

`folder` lists the files, `footers` looks into them, `known` remembers what was found, `upload` brings one file to
its object. A file is read by the thread that uploads it; memory does not grow with the size of files, and per file
it is what names and checksums take.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.contract import RAW_ZONE
from etholake.errors import AwsError, raise_collected
from etholake.progress import OnProgress
from etholake.settings import Settings
from etholake.stages import StageResult
from etholake.stages.ingest.folder import RawFile, list_folder, list_strays, scan
from etholake.stages.ingest.footers import check
from etholake.stages.ingest.known import Known, Seen
from etholake.stages.ingest.upload import CHECKSUM, Outcome, RawZone, each

__all__ = ["MANIFEST", "RawFile", "check", "list_folder", "list_strays", "run"]

MANIFEST = f"{RAW_ZONE}/_MANIFEST.json"
GIVE_UP_AFTER = 10  # files in a row that got no answer from S3, each after botocore's own retries
_SHOWN = 20


def run(settings: Settings, data: Path, on_progress: OnProgress | None = None) -> StageResult:
    """Make the raw zone say what the folder says.

    Returns
    -------
    StageResult
        `details`: `uploaded, unchanged, removed, bytes`, and `bad_files` (sentences with the remedy).

    Raises
    ------
    DataError
        The folder is not in the layout, a folder in it cannot be read, or one video id stands in two labs.
    AwsError
        Files could not be uploaded (those are named) or removed: the others are there, and a re-run goes on.
    """
    files, strays = scan(data)
    known = Known(data, Path(settings.state_dir) / "ingest-checksums.json")
    s3 = aws.client(settings, "s3")
    manifest = _read_manifest(s3, settings)
    zone = RawZone(s3, settings.bucket, _list(s3, settings.bucket), manifest)
    seen = {file.key: known.find(file) for file in files}
    todo = [f for f in files if (before := seen[f.key]) is None or zone.says(f.key) != before.sha256]
    outcomes, failed = _bring(settings.ingest_threads, zone, todo, known, on_progress)
    known.keep_only(seen.keys())
    known.save()
    etags = {key: zone.present.get(key, "") for key in seen} | {o.file.key: o.etag for o in outcomes}
    seen |= {o.file.key: o.seen for o in outcomes}
    _write_manifest(zone, {key: _entry(zone, key, what, etags[key]) for key, what in seen.items()})
    what = "Files that could not be uploaded; the others are there, run the same command again"
    raise_collected(AwsError, what, failed)
    removed = _remove(zone, sorted(zone.present.keys() - seen.keys()), settings.ingest_threads)
    bad = sorted(o.unreadable for o in outcomes if o.unreadable)
    bad += [f"{file.path}{text}" for file in files if (now := seen[file.key]) for text in now.problems] + strays
    return _result(outcomes, sum(now is not None for now in seen.values()), removed, bad)


def _result(outcomes: Sequence[Outcome], readable: int, removed: int, bad: list[str]) -> StageResult:
    sizes = [o.seen.size for o in outcomes if o.uploaded and o.seen]
    details = {
        "uploaded": len(sizes), "unchanged": readable - len(sizes), "removed": removed, "bytes": sum(sizes),
        "bad_files": bad,
    }  # fmt: skip
    if not sizes and not removed:
        summary = f"all {readable} files are in the raw zone with the same checksum{_bad(bad)}"
        return StageResult("ingest", "unchanged", summary, details)
    summary = f"{len(sizes)} of {readable} files uploaded ({sum(sizes) / 1e6:.1f} MB)"
    summary += f", {removed} removed that are gone from the folder" if removed else ""
    return StageResult("ingest", "done", summary + _bad(bad), details)


def _bad(problems: Sequence[str]) -> str:
    if not problems:
        return ""
    more = f"\n  - … and {len(problems) - _SHOWN} more (--json lists all)" if len(problems) > _SHOWN else ""
    return f"; {len(problems)} files need a look:" + "".join(f"\n  - {p}" for p in problems[:_SHOWN]) + more


def _bring(
    threads: int, zone: RawZone, files: Sequence[RawFile], known: Known, on_progress: OnProgress | None
) -> tuple[list[Outcome], list[str]]:
    """What became of the files, and sentences on those that could not be uploaded. Gives up if S3 is not there."""
    from botocore.exceptions import BotoCoreError

    outcomes: list[Outcome] = []
    failed: list[str] = []
    in_a_row = 0
    for done, outcome in enumerate(each(threads, lambda f: zone.bring(f, known.find(f)), files), start=1):
        if outcome.error is not None:
            failed.append(f"{outcome.file.path}: {outcome.error}")
        elif outcome.seen is not None:
            known.add(outcome.file, outcome.seen)
        outcomes.append(outcome)
        in_a_row = in_a_row + 1 if isinstance(outcome.error, BotoCoreError) else 0
        if on_progress:
            on_progress(done, len(files), outcome.file.path.name)
        if in_a_row == GIVE_UP_AFTER and done < len(files):
            failed.append(f"{len(files) - done} more were not tried after {in_a_row} in a row without an answer.")
            break
    return outcomes, sorted(failed)


# --- the raw zone -----------------------------------------------------------------------------------------
def _read_manifest(s3: Any, settings: Settings) -> dict[str, dict[str, Any]]:
    try:
        manifest = json.loads(s3.get_object(Bucket=settings.bucket, Key=MANIFEST)["Body"].read())
    except s3.exceptions.NoSuchBucket as err:
        raise AwsError(
            f"Bucket '{settings.bucket}' is not there on target {settings.target}: run `make deploy` first."
        ) from err
    except (s3.exceptions.NoSuchKey, ValueError):
        return {}
    found = manifest if isinstance(manifest, dict) else {}
    return {key: entry for key, entry in found.items() if isinstance(entry, dict)}


def _write_manifest(zone: RawZone, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """One line a file, in the order of the keys; not written if it says what the last one said."""
    entries = {key: entry for key, entry in entries.items() if entry}
    if entries != zone.manifest:
        lines = (
            f"{json.dumps(key)}: {json.dumps(entry, sort_keys=True)}" for key, entry in sorted(entries.items())
        )
        body = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
        zone.s3.put_object(Bucket=zone.bucket, Key=MANIFEST, Body=body, ContentType="application/json")


def _entry(zone: RawZone, key: str, seen: Seen | None, etag: str) -> Mapping[str, Any]:
    """What the manifest says of an object: of a file that could not be brought, what it said, if that holds."""
    if seen is not None:
        return {CHECKSUM: seen.sha256, "etag": etag, "size": seen.size}
    return zone.manifest[key] if zone.says(key) is not None else {}


def _list(s3: Any, bucket: str) -> dict[str, str]:
    """ETag by key of the raw zone, without the manifest."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{RAW_ZONE}/")
    items = (item for page in pages for item in page.get("Contents", []))
    return {item["Key"]: item["ETag"].strip('"') for item in items if item["Key"] != MANIFEST}


def _remove(zone: RawZone, keys: Sequence[str], threads: int) -> int:
    """Delete those of the objects that this stage uploaded. Returns how many; raises AwsError with those left."""
    ours = sorted(key for key, is_ours in each(threads, lambda key: (key, zone.is_ours(key)), keys) if is_ours)
    problems = []
    for start in range(0, len(ours), 1000):
        objects = [{"Key": key} for key in ours[start : start + 1000]]
        answer = zone.s3.delete_objects(Bucket=zone.bucket, Delete={"Objects": objects, "Quiet": True})
        problems += [f"{e['Key']}: {e.get('Message', e['Code'])}" for e in answer.get("Errors", [])]
    what = "Objects whose files are gone from the folder could not be removed; run the same command again"
    raise_collected(AwsError, what, problems)
    return len(ours)
