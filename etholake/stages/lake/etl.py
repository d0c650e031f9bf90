"""Stage etl: raw zone to curated tables. Starts the two Glue jobs, waits, and puts the catalog right.

The work is done by `glue_jobs/`; here stand only the requests, the waiting, and the summary. Unchanged raw
files, deployed code and settings start nothing: the catalog is made to say what the pointers in the bucket say
(it may have been lost with a restarted mock), and that is all.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from etholake import aws
from etholake.contract import CODE_ZONE, QUALITY_POINTER, RAW_ZONE, TABLES, parse_limits
from etholake.digest import fingerprint
from etholake.errors import AwsError, DataError
from etholake.lake import Lake
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.jobs import outputs_of, pauses, run_job
from etholake.stages.state import load_state, save_state

__all__ = ["inputs", "is_current", "job_arguments", "run", "save"]


STAGE = "etl"
# Stack output -> the name that `infra/` gives by default.
TRACKING_JOB = ("TrackingJobName", "etholake-curate-tracking")
TABLES_JOB = ("TablesJobName", "etholake-curate-tables")
RAW_CRAWLER = ("RawCrawlerName", "etholake-raw")
RAW_TABLE_PREFIX = "raw_"
# Tables of the lake that other stages write.
NOT_MADE_HERE = frozenset({
    "out_of_fold", "predictions", "scores", "score_details", "score_confusion", "score_calibration",
})  # fmt: skip
# What of the deployed package decides the curated tables; a change elsewhere need not curate again.
CURATION_CODE = ("etholake/curate/", "etholake/contract/", "etholake/lake.py", "etholake/storage.py")
GLUE_SCRIPTS = ("curate_tables.py", "curate_tracking.py")
_EMPTY_TARGET = re.compile(r"Nothing lies under s3://\S+\.\s*")  # no news: few labs have test tracks
_SUMS = ("rows_in", "rows_curated", "rows_quarantined", "rows_imputed")


def run(settings: Settings, on_progress: OnProgress | None = None) -> StageResult:
    """Bring the curated tables up to date with the raw zone.

    Returns
    -------
    StageResult
        `details`: the sums `rows_in, rows_curated, rows_quarantined, rows_imputed, files`, the same per lab
        under `labs`, and the job runs. `unchanged` if nothing had to be done.

    Raises
    ------
    DataError
        The raw zone is empty.
    AwsError
        A job or the crawler is not deployed or failed; the message has the service's reason.
    """
    tick = on_progress or silent
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    lake = Lake(s3, glue, settings.bucket, settings.database)
    digest, arguments = inputs(settings)
    before, registered = load_state(settings, STAGE), lake.register()
    if is_current(before, digest, registered):
        if not _raw_tables(glue, settings):
            _crawl(glue, settings, _at(tick, 2), outputs_of(settings).get(*RAW_CRAWLER))
        details = {**before["details"], "registered": registered}
        return StageResult(STAGE, "unchanged", "Raw files, code and settings are those of the last run.", details)
    outputs = outputs_of(settings)
    runs = {}
    for done, (output, default) in enumerate((TRACKING_JOB, TABLES_JOB)):  # the tables job merges both reports
        name = outputs.get(output, default)
        runs[name] = run_job(glue, name, arguments, _at(tick, done))
    tick(2, 3, "catalog")
    registered = lake.register()
    crawler = _crawl(glue, settings, _at(tick, 2), outputs.get(*RAW_CRAWLER))
    details = save(settings, lake, digest, registered, {"runs": runs, **crawler})
    tick(3, 3, "done")
    return StageResult(STAGE, "done", _sentence(details), details)


def job_arguments(settings: Settings, code_digest: str) -> dict[str, str]:
    """Arguments of both Glue jobs. Pure. Raises SettingsError for limits that name no rule."""
    parse_limits(settings.quality_limits)
    optional = {"--repair_label_clock": "true"} if settings.repair_label_clock else {}
    if settings.implausible_points == "missing":
        optional["--implausible_points"] = "missing"
    if settings.quality_limits:
        optional["--quality_limits"] = settings.quality_limits
    return {
        "--bucket": settings.bucket,
        "--database": settings.database,
        "--max_gap_frames": str(settings.max_gap_frames),
        "--code_digest": code_digest,
        **optional,
    }


def _at(tick: OnProgress, done: int) -> Callable[[str], None]:
    return lambda what: tick(done, 3, what)


# --- what decides whether anything is to be done ----------------------------------------------------------
def inputs(settings: Settings) -> tuple[str, dict[str, str]]:
    """(fingerprint of raw files, deployed code and settings, arguments of the Glue jobs). Errors: see `run`."""
    s3 = aws.client(settings, "s3")
    arguments = job_arguments(settings, _code_digest(s3, settings))
    return fingerprint(_raw_listing(s3, settings), arguments), arguments


def is_current(before: Mapping[str, Any], digest: str, registered: Mapping[str, int]) -> bool:
    """Whether the state that was left `before` is that of these inputs, and all of its tables are still there."""
    return before.get("fingerprint") == digest and _committed(registered) == before.get("committed")


def save(
    settings: Settings, lake: Lake, digest: str, registered: Mapping[str, int], more: Mapping[str, Any]
) -> dict[str, Any]:
    """Sum the curated tables up and leave the stage's state for the next run; returns its details."""
    details = {**_summary(lake), "registered": registered, **more, **_quality(lake)}
    save_state(settings, STAGE, {"fingerprint": digest, "committed": _committed(registered), "details": details})
    return details


def _raw_listing(s3: Any, settings: Settings) -> list[tuple[str, str]]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket, Prefix=f"{RAW_ZONE}/")
    listing = sorted((item["Key"], item["ETag"]) for page in pages for item in page.get("Contents", []))
    if not listing:
        raise DataError(
            f"The raw zone of bucket '{settings.bucket}' is empty (rule raw-zone-empty): run `make ingest` first."
        )
    return listing


def _code_digest(s3: Any, settings: Settings) -> str:
    """Fingerprint of the curation code as deployed (not as it lies on this machine)."""
    from botocore.exceptions import ClientError

    try:
        body = s3.get_object(Bucket=settings.bucket, Key=f"{CODE_ZONE}/etholake.zip")["Body"].read()
        scripts = [
            s3.head_object(Bucket=settings.bucket, Key=f"{CODE_ZONE}/glue_jobs/{name}")["ETag"]
            for name in GLUE_SCRIPTS
        ]
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = [(i.filename, i.CRC) for i in archive.infolist() if i.filename.startswith(CURATION_CODE)]
    except (ClientError, zipfile.BadZipFile) as err:
        raise AwsError(
            f"The code of the Glue jobs is not in s3://{settings.bucket}/{CODE_ZONE}/ ({err}): run `make deploy`."
        ) from err
    return fingerprint(sorted(files), scripts)


def _committed(registered: Mapping[str, int]) -> dict[str, int]:
    """Committed partitions of the tables that the jobs make: what must still be there to skip them."""
    return {table: count for table, count in registered.items() if table not in NOT_MADE_HERE}


# --- the catalog of the raw zone --------------------------------------------------------------------------
def _raw_tables(glue: Any, settings: Settings) -> list[str]:
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=settings.database)
    names = [table["Name"] for page in pages for table in page["TableList"]]
    return [name for name in names if name.startswith(RAW_TABLE_PREFIX)]


def _crawl(glue: Any, settings: Settings, say: Callable[[str], None], name: str) -> dict[str, str]:
    """Run the crawler of the raw zone and wait. A crawl that is under way already is waited for as well.

    Returns what it has to say (columns whose types disagree, damaged files) under `crawler`.
    """
    say(f"crawler {name}")
    try:
        glue.start_crawler(Name=name)
    except glue.exceptions.EntityNotFoundException as err:
        raise AwsError(f"Crawler '{name}' does not exist: run `make deploy` first.") from err
    except glue.exceptions.CrawlerRunningException:
        say(f"crawler {name} is running already")
    for _ in pauses():
        crawler = glue.get_crawler(Name=name)["Crawler"]
        if crawler["State"] != "READY":
            continue
        last = crawler.get("LastCrawl", {})
        if last.get("Status") not in {"SUCCEEDED", None}:
            reason = last.get("ErrorMessage", "no reason was given")
            raise AwsError(f"Crawler '{name}' ended as {last['Status']}: {reason}")
        said = _EMPTY_TARGET.sub("", last.get("ErrorMessage", "")).strip()
        return {"crawler": said} if said else {}
    raise AwsError(f"Crawler '{name}' of database '{settings.database}' has not ended.")


def _quality(lake: Lake) -> dict[str, str]:
    """Where the data-quality report lies, under `quality`."""
    try:
        body = lake.s3.get_object(Bucket=lake.bucket, Key=QUALITY_POINTER)["Body"].read()
    except lake.s3.exceptions.NoSuchKey:
        return {}
    return {"quality": f"s3://{lake.bucket}/{json.loads(body)['html']}"}


# --- the summary ------------------------------------------------------------------------------------------
def _summary(lake: Lake) -> dict[str, Any]:
    """Sums over `curation_files`, whole and per lab."""
    import pyarrow.parquet as pq

    names = ("lab_id", "kind", *_SUMS)
    assert set(names) <= set(TABLES["curation_files"].column_names)
    whole: dict[str, Any] = {"files": 0, **dict.fromkeys(_SUMS, 0)}
    labs: dict[str, dict[str, int]] = {}
    for uri in lake.current_files("curation_files"):
        key = uri.removeprefix(f"s3://{lake.bucket}/")
        body = lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()
        for row in pq.read_table(io.BytesIO(body), columns=list(names), use_threads=False).to_pylist():
            lab = labs.setdefault(row["lab_id"], {"files": 0, **dict.fromkeys(_SUMS, 0)}) if row["lab_id"] else {}
            for sums in (whole, lab) if lab else (whole,):
                sums["files"] += 1
                for name in _SUMS:
                    sums[name] += row[name]
    return {**whole, "labs": dict(sorted(labs.items()))}


def _sentence(details: Mapping[str, Any]) -> str:
    lines = [
        f"{details['rows_in']:,} rows of {details['files']:,} files: {details['rows_curated']:,} curated, "
        f"{details['rows_quarantined']:,} quarantined; {details['rows_imputed']:,} imputed beside them."
    ]
    bad = [lab for lab, sums in details["labs"].items() if 2 * sums["rows_quarantined"] > sums["rows_in"]]
    if bad:
        lines.append(f"More than half of the rows of {', '.join(bad)} went to quarantine.")
    if "crawler" in details:
        lines.append(f"The crawler says: {details['crawler']}")
    if "quality" in details:
        lines.append(f"Data quality: {details['quality']}")
    return "\n  ".join(lines)
