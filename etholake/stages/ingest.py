"""Stage ingest: a folder in the MABe layout to the raw zone, bytes as received.

Incremental by checksum (SHA-256, cached per path, size and time in the state folder), concurrent, resumable: a
killed run leaves whole objects only, and the next one uploads the rest. The lake mirrors one folder: what was
ingested before and is gone from the folder is removed, and the summary says so; objects that others put into the
raw zone are left alone. A damaged file is uploaded as it is, and reported: the curation quarantines it, and the
raw zone stays the record of what a lab sent.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.contract import RAW_ANNOTATION_COLUMNS, RAW_TRACKING_COLUMNS, RAW_ZONE, SPLITS, raw_key
from etholake.errors import AwsError, DataError, raise_collected
from etholake.progress import OnProgress
from etholake.settings import Settings
from etholake.stages import StageResult

__all__ = ["MANIFEST", "RawFile", "check", "list_folder", "list_strays", "run"]

MANIFEST = f"{RAW_ZONE}/_MANIFEST.json"
KINDS = {"tracking": RAW_TRACKING_COLUMNS, "annotation": RAW_ANNOTATION_COLUMNS}
CHECKSUM = "sha256"  # name of the object's user metadata
_SHOWN = 20


@dataclass(frozen=True)
class RawFile:
    """One file of the folder and the object that it becomes."""

    path: Path
    key: str
    kind: str
    size: int
    modified_ns: int


def run(settings: Settings, data: Path, on_progress: OnProgress | None = None) -> StageResult:
    """Make the raw zone say what the folder says.

    Returns
    -------
    StageResult
        `details`: `uploaded, unchanged, removed, bytes`, and `bad_files` (sentences with the remedy).

    Raises
    ------
    DataError
        The folder is not in the layout, or one video id stands in two labs.
    AwsError
        Files could not be uploaded: all of them are named; the others are there, and a re-run goes on.
    """
    files = list_folder(data)
    s3 = aws.client(settings, "s3")
    sums, bad = _checksums(files, Path(settings.state_dir) / "ingest-checksums.json")
    manifest = _read_manifest(s3, settings)
    present = _list(s3, settings.bucket)
    listed = {f.key for f in files}
    files = [f for f in files if f.key in sums]
    todo = [f for f in files if not _is_there(s3, settings.bucket, f, sums[f.key], manifest, present)]
    ours = {key for key in present if key in manifest or _has_our_mark(s3, settings.bucket, key, listed)}
    gone = sorted(ours - listed)
    uploaded = _upload(s3, settings, todo, sums, on_progress)
    for start in range(0, len(gone), 1000):
        objects = [{"Key": key} for key in gone[start : start + 1000]]
        s3.delete_objects(Bucket=settings.bucket, Delete={"Objects": objects, "Quiet": True})
    bad += [problem for f in files for problem in check(f)] + list_strays(data)
    etags = _list(s3, settings.bucket) if todo else present
    wanted = {f.key: {CHECKSUM: sums[f.key], "etag": etags.get(f.key, ""), "size": f.size} for f in files}
    if wanted != manifest:
        body = json.dumps(wanted, indent=0, sort_keys=True).encode()
        s3.put_object(Bucket=settings.bucket, Key=MANIFEST, Body=body, ContentType="application/json")
    details = {
        "uploaded": len(todo), "unchanged": len(files) - len(todo), "removed": len(gone), "bytes": uploaded,
        "bad_files": bad,
    }  # fmt: skip
    if not todo and not gone:
        summary = f"all {len(files)} files are in the raw zone with the same checksum{_bad(bad)}"
        return StageResult("ingest", "unchanged", summary, details)
    summary = f"{len(todo)} of {len(files)} files uploaded ({uploaded / 1e6:.1f} MB)"
    summary += f", {len(gone)} removed that are gone from the folder" if gone else ""
    return StageResult("ingest", "done", summary + _bad(bad), details)


def _bad(problems: Sequence[str]) -> str:
    if not problems:
        return ""
    more = f"\n  - … and {len(problems) - _SHOWN} more (--json lists all)" if len(problems) > _SHOWN else ""
    return f"; {len(problems)} files need a look:" + "".join(f"\n  - {p}" for p in problems[:_SHOWN]) + more


# --- the folder -------------------------------------------------------------------------------------------
def list_folder(data: Path) -> list[RawFile]:
    """The files of a folder in the MABe layout, sorted by key.

    Raises DataError if it is not one, or if a video id stands in two labs (the tables know a video by its id).
    """
    if not data.is_dir():
        raise DataError(f"{data} is not a folder. Expected one in the MABe layout, with train.csv or test.csv.")
    tables = [data / f"{split}.csv" for split in SPLITS if (data / f"{split}.csv").is_file()]
    if not tables:
        found = ", ".join(sorted(p.name for p in data.iterdir())[:10]) or "nothing"
        raise DataError(
            f"{data} is not in the MABe layout: expected train.csv and/or test.csv beside train_tracking/<lab>/"
            f"<video>.parquet and train_annotation/<lab>/<video>.parquet, but found {found}."
        )
    files = [_file(table, raw_key(table.stem, "metadata"), "metadata") for table in tables]
    for split in SPLITS:
        for kind in KINDS:
            for path in sorted((data / f"{split}_{kind}").glob("*/*.parquet")):
                if not path.is_dir():
                    files.append(_file(path, raw_key(split, kind, path.parent.name, path.stem), kind))
    _refuse_repeated_ids(files, _check_metadata(tables))
    return sorted(files, key=lambda f: f.key)


def list_strays(data: Path) -> list[str]:
    """Files in the layout's folders that stand where the layout has none: sentences with the remedy, sorted."""
    strays = [
        path
        for split in SPLITS
        for kind in KINDS
        for path in sorted((data / f"{split}_{kind}").rglob("*"))
        if path.is_file() and not path.name.startswith(".")
        if path.suffix != ".parquet" or len(path.relative_to(data).parts) != 3
    ]
    return [
        f"{path} was not ingested: expected <lab>/<video>.parquet there; move or rename it." for path in strays
    ]


def _file(path: Path, key: str, kind: str) -> RawFile:
    try:
        status = path.stat()
    except OSError:  # a broken link, say: reading it will tell
        return RawFile(path, key, kind, 0, 0)
    return RawFile(path, key, kind, status.st_size, status.st_mtime_ns)


def _check_metadata(tables: Sequence[Path]) -> list[tuple[str, str, str]]:
    """(split, video id, lab) of every metadata row. Raises DataError for tables that cannot be used."""
    problems, named = [], []
    for table in tables:
        try:
            with table.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                columns = list(reader.fieldnames or [])
                if missing := [name for name in ("lab_id", "video_id") if name not in columns]:
                    problems.append(f"{table}: lacks the columns {missing}; found {columns[:6]}…")
                    continue
                named += [(table.stem, row["video_id"] or "", row["lab_id"] or "") for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as err:
            problems.append(f"{table}: cannot be read: {err}.")
    raise_collected(DataError, "Metadata that cannot be used; export the tables again", problems)
    return named


def _refuse_repeated_ids(files: Sequence[RawFile], named: Sequence[tuple[str, str, str]]) -> None:
    labs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for file in files:
        if file.kind != "metadata":
            labs[file.key.split("/")[1].partition("_")[0], file.path.stem].add(file.path.parent.name)
    for split, video, lab in named:
        if video and lab:
            labs[split, video].add(lab)
    problems = [
        f"{split} video {v}: {', '.join(sorted(at))}" for (split, v), at in sorted(labs.items()) if len(at) > 1
    ]
    raise_collected(DataError, "One video id in several labs; give each video an id of its own", problems)


def check(file: RawFile) -> list[str]:
    """What is wrong with a Parquet file, by its footer: sentences with the remedy; [] if it looks right."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.kind == "metadata":
        return []
    if file.size == 0:
        return [f"{file.path} is empty (0 bytes): copy or export it again."]
    try:
        schema = pq.read_schema(file.path)
    except (pa.ArrowException, OSError) as err:
        reason = str(err).splitlines()[0]
        return [f"{file.path} is not readable as Parquet ({reason}): copy or export it again."]
    columns = KINDS[file.kind]
    problems = []
    if missing := [name for name in columns if name not in schema.names]:
        problems.append(f"{file.path} lacks the columns {missing}: export it again with them.")
    if extra := [name for name in schema.names if name not in columns]:
        problems.append(f"{file.path} has columns that the layout does not know, {extra}: they will not be read.")
    wrong = {
        name: str(schema.field(name).type)
        for name, kind in columns.items()
        if schema.names.count(name) == 1 and not _holds(schema.field(name).type, kind)
    }
    if wrong:
        expected = ", ".join(f"{name} as {columns[name]} but got {found}" for name, found in wrong.items())
        problems.append(f"{file.path} has wrong types: expected {expected}; export it again.")
    return problems


def _holds(found: Any, kind: str) -> bool:
    """A column of the Arrow type `found` can be what the layout asks for (coercible numbers are accepted)."""
    from pyarrow import types

    if types.is_dictionary(found):
        found = found.value_type
    if kind == "string":
        return bool(types.is_string(found) or types.is_large_string(found))
    return bool(types.is_integer(found) or types.is_floating(found))


def _checksums(files: Sequence[RawFile], cache_file: Path) -> tuple[dict[str, str], list[str]]:
    """(SHA-256 per key, what cannot be read); computed only where size or time changed since the last run."""
    try:
        cache = json.loads(cache_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        cache = {}
    known: dict[str, list[Any]] = {}
    problems = []
    for file in files:
        name, state = str(file.path.resolve()), [file.size, file.modified_ns]
        before = cache.get(name, [])
        try:
            known[name] = before if before[:2] == state else [*state, _sha256(file.path)]
        except OSError as err:
            reason = err.strerror or str(err)
            problems.append(f"{file.path} cannot be read ({reason}) and was not uploaded: mend it, run again.")
    if known != cache:
        cache_file.parent.mkdir(parents=True, exist_ok=True)
        partial = cache_file.with_name(cache_file.name + ".partial")
        partial.write_text(json.dumps(known), encoding="utf-8")
        partial.replace(cache_file)
    read = [(file.key, known.get(str(file.path.resolve()))) for file in files]
    return {key: entry[2] for key, entry in read if entry is not None}, problems


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
    return manifest if isinstance(manifest, dict) else {}


def _list(s3: Any, bucket: str) -> dict[str, str]:
    """ETag by key of the raw zone, without the manifest."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{RAW_ZONE}/")
    items = (item for page in pages for item in page.get("Contents", []))
    return {item["Key"]: item["ETag"].strip('"') for item in items if item["Key"] != MANIFEST}


def _is_there(
    s3: Any, bucket: str, file: RawFile, checksum: str, manifest: Mapping[str, Any], present: Mapping[str, str]
) -> bool:
    """The object has the file's bytes: by the manifest while the object is the one it speaks of (same ETag), else
    (after a killed run, or a write by others) by the checksum in the object's own metadata."""
    if file.key not in present:
        return False
    entry = manifest.get(file.key, {})
    if entry.get("etag") == present[file.key]:
        return bool(entry.get(CHECKSUM) == checksum)
    head = s3.head_object(Bucket=bucket, Key=file.key)
    return bool(head["Metadata"].get(CHECKSUM) == checksum and head["ContentLength"] == file.size)


def _has_our_mark(s3: Any, bucket: str, key: str, listed: Collection[str]) -> bool:
    """An object that the folder does not have (those are not asked about) was uploaded by this stage."""
    return key not in listed and CHECKSUM in s3.head_object(Bucket=bucket, Key=key)["Metadata"]


def _upload(
    s3: Any, settings: Settings, files: Sequence[RawFile], sums: Mapping[str, str], on_progress: OnProgress | None
) -> int:
    """Upload concurrently. Returns the bytes; raises AwsError that names every file that failed."""
    problems = []
    with ThreadPoolExecutor(settings.ingest_threads) as pool:
        jobs = {pool.submit(_put, s3, settings.bucket, file, sums[file.key]): file for file in files}
        for done, job in enumerate(as_completed(jobs), start=1):
            if error := job.exception():
                problems.append(f"{jobs[job].path}: {error}")
            if on_progress:
                on_progress(done, len(files), jobs[job].path.name)
    what = "Files that could not be uploaded; the others are there, run the same command again"
    raise_collected(AwsError, what, sorted(problems))
    return sum(file.size for file in files)


def _put(s3: Any, bucket: str, file: RawFile, checksum: str) -> None:
    from boto3.s3.transfer import TransferConfig

    s3.upload_file(
        str(file.path),
        bucket,
        file.key,
        ExtraArgs={"Metadata": {CHECKSUM: checksum}},
        Config=TransferConfig(use_threads=False),  # the concurrency is ours: one thread a file
    )
