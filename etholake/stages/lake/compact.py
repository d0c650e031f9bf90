"""Stage compact: many small files of `tracking_curated` to few large ones. Starts the Glue job and waits.

Content, queries and readers are not disturbed (see `glue_jobs/compact_tracking.py`); the old files go with
`vacuum`. Worth it after many small deliveries: Athena reads files of 128 to 512 MB best.
"""

from __future__ import annotations

from etholake import aws
from etholake.lake import Lake
from etholake.local_server import require_java
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.jobs import outputs_or_defaults, run_job
from etholake.stages.state import open_lake

__all__ = ["run"]

STAGE = "compact"
JOB = ("CompactJobName", "etholake-compact-tracking")  # stack output, and the name that `infra/` gives by default
TABLE = "tracking_curated"


def run(settings: Settings, on_progress: OnProgress | None = None) -> StageResult:
    """Merge the small files of every partition that has several.

    Returns
    -------
    StageResult
        `details`: `files_before` and `files_after`, and the job run. `unchanged` if nothing was merged.

    Raises
    ------
    AwsError
        The job is not deployed or failed; the message has the service's reason.
    """
    tick = on_progress or silent
    glue = aws.client(settings, "glue")
    lake = open_lake(settings)
    require_java(settings)
    before = _files(lake)
    name = outputs_or_defaults(settings).get(*JOB)
    arguments = {"--bucket": settings.bucket, "--database": settings.database}
    finished = run_job(glue, name, arguments, lambda what: tick(0, 1, what))
    after = _files(lake)
    tick(1, 1, "done")
    details = {"files_before": before, "files_after": after, "runs": {name: finished}}
    summary = f"{before} files of {TABLE}, now {after}"
    return StageResult(STAGE, "done" if after != before else "unchanged", summary, details)


def _files(lake: Lake) -> int:
    return sum(len(lake.current_files(TABLE, partition)) for partition in lake.partitions(TABLE))
