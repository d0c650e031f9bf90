"""Glue that executes: job runs are processes with a real Spark, crawlers read Parquet footers.

Here: `install`, which puts our jobs, crawlers and operations in the place of moto's. Databases, tables,
partitions, triggers and the rest of the catalog are moto's and keep state only. `spark_catalog` gives them to
`spark.sql`, `job_library` is the `awsglue` that jobs import.
"""

from __future__ import annotations

from local_mock.context import Context

__all__ = ["EXECUTES", "install"]

EXECUTES = frozenset({
    "StartJobRun", "BatchStopJobRun", "GetJobRun", "GetJobRuns", "StartCrawler", "StopCrawler", "GetCrawler",
    "GetCrawlers", "ListCrawls", "GetJobBookmark", "ResetJobBookmark",
})  # fmt: skip


def install(context: Context) -> None:  # noqa: ARG001 - the same shape in every service
    """Patch moto's Glue. Idempotent; before the first request."""
    import moto.glue.models
    import moto.glue.responses

    from local_mock.glue.models import ExecutingCrawler, ExecutingJob
    from local_mock.glue.responses import OPERATIONS

    moto.glue.models.FakeJob = ExecutingJob
    moto.glue.models.FakeCrawler = ExecutingCrawler
    for operation in OPERATIONS:
        setattr(moto.glue.responses.GlueResponse, operation.__name__, operation)
