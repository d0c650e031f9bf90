"""Stage etl: raw zone to curated tables. It starts the two Glue jobs, waits, and brings the catalog up to date.

The work is done by `glue_jobs/`; this module holds the requests, the waiting, and the summary. Unchanged raw
files, deployed code and settings start nothing: the catalog is made to say what the pointers in the bucket say
(it may have been lost with a restarted mock), and that is all.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.code_fingerprint import code_fingerprint
from etholake.contract import CODE_ZONE, DOUBTS, QUALITY_POINTER, RAW_ZONE, RULES, parse_limits
from etholake.digest import fingerprint
from etholake.errors import AwsError, DataError
from etholake.lake import Lake
from etholake.local_server import require_java
from etholake.objects import list_objects, read_object
from etholake.pages.quality import render
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.jobs import JOB_TIMEOUT_S, outputs_or_defaults, run_job
from etholake.stages.state import load_state, open_lake, save_state
from etholake.stages.waiting import wait_for

__all__ = ["curation_fingerprint", "inputs", "is_current", "job_arguments", "run", "save"]


STAGE = "etl"
# Stack output -> the name that `infra/` gives by default.
TRACKING_JOB = ("TrackingJobName", "etholake-curate-tracking")
TABLES_JOB = ("TablesJobName", "etholake-curate-tables")
RAW_CRAWLER = ("RawCrawlerName", "etholake-raw")
RAW_TABLE_PREFIX = "raw_"
# Tables of the lake that other stages write.
NOT_MADE_HERE = frozenset({
    "clips", "corrections", "out_of_fold", "predictions", "predicted_videos", "task_predictions",
    "scores", "score_details", "score_confusion", "score_calibration", "videos",
})  # fmt: skip
# The curated tables are decided by what these scripts import, but for packages that only report.
GLUE_SCRIPTS = ("glue_jobs/curate_tables.py", "glue_jobs/curate_tracking.py")
NO_PART_OF_THE_TABLES = (
    "etholake.errors",
    "etholake.logs",
    "etholake.pages",
    "etholake.progress",
    "etholake.result",
)
_EMPTY_TARGET = re.compile(r"Nothing lies under s3://\S+\.\s*")  # not worth a word: few labs have test tracks
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
        The raw zone is empty, or every row of it was quarantined.
    AwsError
        A job or the crawler is not deployed or failed; the message has the service's reason.
    """
    tick = on_progress or silent
    glue, lake = aws.client(settings, "glue"), open_lake(settings)
    digest, arguments = inputs(settings)
    before, registered = load_state(settings, STAGE), lake.register()
    if is_current(before, digest, registered):
        if not _raw_tables(glue, settings):
            _crawl(glue, settings, _at(tick, 2), outputs_or_defaults(settings).get(*RAW_CRAWLER))
        details = {**before["details"], "registered": registered}
        return StageResult(STAGE, "unchanged", _unchanged(details), details)
    require_java(settings)
    outputs = outputs_or_defaults(settings)
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
    """Return the arguments of both Glue jobs. Pure. Raises SettingsError for limits that name no rule."""
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
    """Return (fingerprint of raw files, code and settings; arguments of the Glue jobs). Errors as `run`."""
    s3 = aws.client(settings, "s3")
    arguments = job_arguments(settings, _code_digest(s3, settings))
    return fingerprint(_raw_listing(s3, settings), arguments), arguments


def is_current(before: Mapping[str, Any], digest: str, registered: Mapping[str, int]) -> bool:
    """Return whether the state `before` was made from these inputs, and all of its tables are still there."""
    return before.get("fingerprint") == digest and _committed(registered) == before.get("committed")


def save(
    settings: Settings, lake: Lake, digest: str, registered: Mapping[str, int], more: Mapping[str, Any]
) -> dict[str, Any]:
    """Sum the curated tables up and save the stage's state for the next run; return its details.

    Raises DataError, and saves nothing, if metadata or tracks came in and not one row of them was curated.
    """
    files = lake.read("curation_files", None, ["kind", "lab_id", *_SUMS]).to_pylist()
    _refuse_nothing_curated(lake, files)
    details = {**_summary(files), "registered": registered, **more, **_quality(settings, lake)}
    save_state(settings, STAGE, {"fingerprint": digest, "committed": _committed(registered), "details": details})
    return details


def _raw_listing(s3: Any, settings: Settings) -> list[tuple[str, str]]:
    objects = list_objects(s3, settings.bucket, f"{RAW_ZONE}/")
    videos = (f"{RAW_ZONE}/videos/", f"{RAW_ZONE}/boxes/")  # no part of these tables: `etholake clips` reads them
    listing = sorted((item["Key"], item["ETag"]) for item in objects if not item["Key"].startswith(videos))
    if not listing:
        raise DataError(
            f"The raw zone of bucket '{settings.bucket}' is empty (rule raw-zone-empty): run `make ingest` first."
        )
    return listing


def _code_digest(s3: Any, settings: Settings) -> str:
    """Return the fingerprint of the curation code as deployed (not as it lies on this machine)."""
    from botocore.exceptions import ClientError

    zone = f"s3://{settings.bucket}/{CODE_ZONE}"
    try:
        sources = {name: read_object(s3, f"{zone}/{name}") for name in GLUE_SCRIPTS}
        with zipfile.ZipFile(io.BytesIO(read_object(s3, f"{zone}/etholake.zip"))) as archive:
            sources |= {name: archive.read(name) for name in archive.namelist() if name.endswith(".py")}
    except (ClientError, zipfile.BadZipFile) as err:
        raise AwsError(f"The code of the Glue jobs is not in {zone}/ ({err}): run `make deploy`.") from err
    return curation_fingerprint(sources)


def curation_fingerprint(sources: Mapping[str, bytes]) -> str:
    """Return the fingerprint of the code that decides the curated tables. Pure; errors as `code_fingerprint`.

    `sources` has the content of the Glue scripts and of the package, by path.
    """
    return code_fingerprint(sources, GLUE_SCRIPTS, NO_PART_OF_THE_TABLES)


def _committed(registered: Mapping[str, int]) -> dict[str, int]:
    """Return the committed partitions of the tables that the jobs make; they must be there to skip the jobs."""
    return {table: count for table, count in registered.items() if table not in NOT_MADE_HERE}


# --- the catalog of the raw zone --------------------------------------------------------------------------
def _raw_tables(glue: Any, settings: Settings) -> list[str]:
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=settings.database)
    names = [table["Name"] for page in pages for table in page["TableList"]]
    return [name for name in names if name.startswith(RAW_TABLE_PREFIX)]


def _crawl(glue: Any, settings: Settings, on_state: Callable[[str], None], name: str) -> dict[str, str]:
    """Run the crawler of the raw zone and wait. A crawl that is under way already is waited for as well.

    Returns its message (columns whose types disagree, damaged files) under `crawler`; {} if it has none.
    """
    on_state(f"crawler {name}")
    try:
        glue.start_crawler(Name=name)
    except glue.exceptions.EntityNotFoundException as err:
        raise AwsError(f"Crawler '{name}' does not exist: run `make deploy` first.") from err
    except glue.exceptions.CrawlerRunningException:
        on_state(f"crawler {name} is running already")
    crawler = wait_for(
        lambda: glue.get_crawler(Name=name)["Crawler"],
        lambda crawler: crawler["State"] == "READY",
        f"Crawler '{name}' of database '{settings.database}'",
        timeout_s=JOB_TIMEOUT_S,
    )
    last = crawler.get("LastCrawl", {})
    if last.get("Status") not in {"SUCCEEDED", None}:
        reason = last.get("ErrorMessage", "no reason was given")
        raise AwsError(f"Crawler '{name}' ended as {last['Status']}: {reason}")
    message = _EMPTY_TARGET.sub("", last.get("ErrorMessage", "")).strip()
    return {"crawler": message} if message else {}


def _quality(settings: Settings, lake: Lake) -> dict[str, Any]:
    """Render the data-quality page beside its report and return its address, under `quality`.

    `doubts` has the number of videos (or files) by each rule of `contract.DOUBTS` that fired.
    On the mock, whose buckets are folders, `quality_file` is the ``file://`` address that a browser opens.
    """
    try:
        pointer = json.loads(lake.s3.get_object(Bucket=lake.bucket, Key=QUALITY_POINTER)["Body"].read())
    except lake.s3.exceptions.NoSuchKey:
        return {}
    report = json.loads(lake.s3.get_object(Bucket=lake.bucket, Key=pointer["json"])["Body"].read())
    page = render(report).encode()
    lake.s3.put_object(Bucket=lake.bucket, Key=pointer["html"], Body=page, ContentType="text/html")
    file = Path(settings.s3_root).resolve() / lake.bucket / pointer["html"]
    local = {"quality_file": file.as_uri()} if settings.target == "mock" and file.is_file() else {}
    rules = {rule["id"]: rule for rule in report["rules"]}
    doubts = {name: max(rules[name]["videos"], rules[name]["files"]) for name in sorted(DOUBTS & rules.keys())}
    return {"quality": f"s3://{lake.bucket}/{pointer['html']}", "doubts": doubts, **local}


# --- the summary ------------------------------------------------------------------------------------------
def _summary(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums over rows of `curation_files`, whole and per lab."""
    whole: dict[str, Any] = {"files": 0, **dict.fromkeys(_SUMS, 0)}
    labs: dict[str, dict[str, int]] = {}
    for row in files:
        lab = labs.setdefault(row["lab_id"], {"files": 0, **dict.fromkeys(_SUMS, 0)}) if row["lab_id"] else {}
        for sums in (whole, lab) if lab else (whole,):
            sums["files"] += 1
            for name in _SUMS:
                sums[name] += row[name]
    return {**whole, "labs": dict(sorted(labs.items()))}


def _refuse_nothing_curated(lake: Lake, files: Sequence[Mapping[str, Any]]) -> None:
    """Raise DataError with the main reasons if metadata or tracks came in and not one row of them was curated."""
    received, curated = Counter[str](), Counter[str]()
    for file in files:
        received[file["kind"]] += file["rows_in"]
        curated[file["kind"]] += file["rows_curated"]
    rejected = [kind for kind in ("metadata", "tracking") if received[kind] and not curated[kind]]
    if not rejected:
        return
    rows, example = Counter[str](), dict[str, str]()
    for row in lake.read("quarantine", None, ["rule", "rows", "source_file", "detail"]).to_pylist():
        rows[row["rule"]] += row["rows"]
        example.setdefault(row["rule"], f"{row['source_file']}: {row['detail']}")
    reasons = "".join(
        f"\n  - {rule} ({count:,} rows): {RULES[rule].sentence} For example {example[rule]}"
        for rule, count in rows.most_common(3)
    )
    counts = " and ".join(f"{received[kind]:,} rows of {kind}" for kind in rejected)
    raise DataError(
        f"None of the {counts} could be used. Correct the files, ingest them again and run etl. Why:{reasons}"
    )


def _unchanged(details: Mapping[str, Any]) -> str:
    page = details.get("quality_file", details.get("quality"))
    where = [f"Data quality: {page}"] if page else []
    first = "Raw files, code and settings are those of the last run."
    return "\n  ".join([first, *_doubtful(details), *where])


def _doubtful(details: Mapping[str, Any]) -> list[str]:
    """Return a line for each rule that puts whole videos in doubt."""
    return [
        f"Doubtful: {count} video{'s' * (count > 1)} with {rule}. {RULES[rule].sentence}"
        for rule, count in details.get("doubts", {}).items()
        if rule in RULES
    ]


def _sentence(details: Mapping[str, Any]) -> str:
    lines = [
        f"{details['rows_in']:,} rows of {details['files']:,} files: {details['rows_curated']:,} curated, "
        f"{details['rows_quarantined']:,} quarantined; {details['rows_imputed']:,} imputed beside them."
    ]
    bad = [lab for lab, sums in details["labs"].items() if 2 * sums["rows_quarantined"] > sums["rows_in"]]
    if bad:
        lines.append(f"More than half of the rows of {', '.join(bad)} went to quarantine.")
    lines += _doubtful(details)
    if "crawler" in details:
        lines.append(f"The crawler says: {details['crawler']}")
    if "quality" in details:
        lines.append(f"Data quality: {details.get('quality_file', details['quality'])}")
    return "\n  ".join(lines)
