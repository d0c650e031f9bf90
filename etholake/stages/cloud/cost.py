"""Estimate the cost of every stage's last run on AWS: measured work times the prices of ``infra/prices.json``.

The work is what the services themselves report of the runs: seconds and workers of Glue jobs, bytes scanned of
Athena's queries, seconds of SageMaker's jobs, the endpoint's own log lines, objects and bytes in the bucket. A
second of this machine is taken to be a second of the instance named. `planned` scales that to the hours of video,
trainings, queries and endpoint hours that a user asks about. Not in it: KMS, CloudWatch, transfer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etholake import aws, logs
from etholake.contract import CURATED_ZONE, MODEL_ZONE, RAW_ZONE
from etholake.errors import DataError, UsageError, suggestion
from etholake.objects import list_objects
from etholake.pages.templating import counted
from etholake.resources import folder
from etholake.settings import Settings
from etholake.stages.jobs import outputs_or_defaults
from etholake.stages.serving.endpoint_requests import endpoint_name, log_group
from etholake.stages.state import load_state, open_lake

__all__ = ["CostLine", "PlannedWork", "lines", "planned", "prices", "render", "video_hours"]

_JOBS = {"etl: tracks": "TrackingJobName", "etl: tables": "TablesJobName", "compact": "CompactJobName"}
_MAX_QUERIES = 1000
BY_VIDEO = frozenset({"", "month"})  # of what scales with the hours of video
THOUSAND = "1,000 requests"


@dataclass(frozen=True)
class CostLine:
    """One line of the table. `usd` is for the measured work, or per month, hour, … if `per` says so."""

    stage: str
    work: str
    usd: float
    per: str = ""
    amount: float = 0.0  # of a query: mean bytes scanned


@dataclass(frozen=True)
class PlannedWork:
    """The work that a user asks about: hours of video, and per month trainings, queries and endpoint hours."""

    hours: float = 100.0
    trainings: int = 0
    queries: int = 0
    endpoint_hours: float = 0.0


def prices(region: str = "us-east-1") -> dict[str, Any]:
    """Return the dated price table of a region. Raises UsageError for a region that has no prices here."""
    table = json.loads((folder("infra") / "prices.json").read_text(encoding="utf-8"))
    assert isinstance(table, dict)
    regions = table.pop("regions")
    if region == table["region"]:
        return table
    if region not in regions:
        priced = [table["region"], *regions]
        raise UsageError(
            f"infra/prices.json has no prices of region '{region}'. {suggestion(region, priced)} Add the region's "
            f"prices there, or choose one of {', '.join(priced)} with --region."
        )
    return {**table, **regions[region], "region": region}


def lines(settings: Settings, region: str = "") -> list[CostLine]:
    """Return one line for every stage that has left work behind, at the prices of `region` (else the settings').

    Raises
    ------
    UsageError
        The region, or an instance type, has no price in the table.
    """
    table = prices(region or settings.region)
    raw, curated, models = (_zone(settings, zone) for zone in (RAW_ZONE, CURATED_ZONE, MODEL_ZONE))
    costs = [ingest_line(table, raw["objects"], raw["bytes"])]
    costs += [glue_line(table, stage, run) for stage, run in _glue_runs(settings).items()]
    costs.append(requests_line(table, raw["objects"], curated["objects"]))
    costs += _sagemaker(settings, table)
    if scanned := _scanned(settings):
        costs.append(athena_line(table, scanned))
    stored = raw["bytes"] + curated["bytes"] + models["bytes"]
    costs.append(CostLine("storage", f"{stored / 1e9:.3f} GB", stored / 1e9 * table["s3"]["gb_month"], "month"))
    if _endpoint(settings):
        kind = settings.instance_type
        if served := _served(settings):
            costs.append(serving_line(table, kind, served))
        costs.append(CostLine("endpoint", f"{kind}, while it is there", _hourly(table, kind), "hour"))
    return costs


def video_hours(settings: Settings) -> float:
    """Return the hours of video in the lake, by its metadata tables. Raises DataError if there are none."""
    import pyarrow.compute as pc

    lake = open_lake(settings)
    seconds = 0.0
    for name in ("metadata_train", "metadata_test"):
        seconds += pc.sum(lake.read(name, None, ["video_duration_sec"]).column(0)).as_py() or 0.0
    if not seconds:
        raise DataError(f"Bucket '{settings.bucket}' has no curated metadata: run `make ingest etl` first.")
    return seconds / 3600


def planned(
    table: Mapping[str, Any], costs: list[CostLine], measured_hours: float, plan: PlannedWork, instance: str
) -> list[CostLine]:
    """Return what the planned work costs, in proportion to what was measured on `measured_hours` of video. Pure.

    Raises
    ------
    UsageError
        Trainings or queries are asked about, and none has been measured yet.
    """
    scale = plan.hours / measured_hours
    once = [line for line in costs if not line.per and line.stage.startswith(("ingest", "etl", "features"))]
    video = f"{plan.hours:g} h of video"
    lines_ = [CostLine("bring in and curate", f"{video}, once", scale * sum(line.usd for line in once))]
    measured = {line.stage: line for line in costs}
    if plan.trainings:
        if "train" not in measured:
            raise UsageError("No training has been measured on this lake: run `make train` first.")
        work = f"{counted(plan.trainings, 'training')} on {video}"
        lines_.append(CostLine("trainings", work, plan.trainings * scale * measured["train"].usd))
    if plan.queries:
        if "query" not in measured:
            raise UsageError("No query has been measured on this lake: run `make query ARGS='--name …'` first.")
        size = max(scale * measured["query"].amount, table["athena"]["minimum_bytes"])
        work = f"{counted(plan.queries, 'query', 'queries')}, {size / 1e6:,.0f} MB billed each"
        lines_.append(CostLine("queries", work, plan.queries * size / 1e12 * table["athena"]["tb_scanned"]))
    if plan.endpoint_hours:
        work = f"{plan.endpoint_hours:g} h of {instance}"
        lines_.append(CostLine("endpoint", work, plan.endpoint_hours * _hourly(table, instance)))
    lines_.append(CostLine("storage", f"{video}, a month", scale * measured["storage"].usd))
    return lines_


def render(
    costs: list[CostLine], hours: float, table: Mapping[str, Any], plan: PlannedWork, instance: str = "ml.m5.large"
) -> str:
    """Return the measured costs, and those of the plan, as Markdown. `hours` of video were measured."""
    rows = [f"| stage | measured work | USD | USD per {plan.hours:g} h of video |", "|---|---|---:|---:|"]
    for line in costs:
        unit = f" per {line.per}" if line.per else ""
        scaled = "" if line.per not in BY_VIDEO else f"{plan.hours / hours * line.usd:.4f}{unit}"
        rows.append(f"| {line.stage} | {line.work} | {line.usd:.6f}{unit} | {scaled} |")
    total = sum(line.usd for line in costs if not line.per)
    rows.append(f"| **the run** | {hours:.2f} h of video | {total:.6f} | {plan.hours / hours * total:.4f} |")
    rows += ["", "| planned | work | USD |", "|---|---|---:|"]
    plan_lines = planned(table, costs, hours, plan, instance)
    rows += [f"| {line.stage} | {line.work} | {line.usd:.2f} |" for line in plan_lines]
    rows.append(f"| **the plan** | first month | {sum(line.usd for line in plan_lines):.2f} |")
    rows.append(
        f"\nList prices of {table['region']}, {table['as_of']}: infra/prices.json. Scaled in proportion: what is "
        "billed at least (a minute a job, 10 MB a query) weighs more in a small lake. Plan other work with "
        "--hours, --trainings, --queries, --endpoint-hours (730 a month), --region."
    )
    return "\n".join(rows)


# --- work times price: pure -------------------------------------------------------------------------------
def ingest_line(table: Mapping[str, Any], objects: int, size: int) -> CostLine:
    """Return the line of ingest: one PUT an object."""
    return CostLine("ingest", f"{objects:,} PUTs, {size / 1e6:.1f} MB", objects / 1000 * table["s3"]["put_1000"])


def glue_line(table: Mapping[str, Any], stage: str, run: Mapping[str, Any]) -> CostLine:
    """Return the line of a Glue run: AWS's own DPU-seconds (autoscaling), else seconds times workers."""
    seconds = max(float(run.get("ExecutionTime", 0)), float(table["glue"]["minimum_s"]))
    dpu_s = float(run.get("DPUSeconds") or 0) or seconds * int(run.get("NumberOfWorkers") or 2)
    return CostLine(
        stage, f"{dpu_s:,.0f} DPU-s ({run.get('ExecutionTime', 0)} s)", dpu_s / 3600 * table["glue"]["dpu_hour"]
    )


def requests_line(table: Mapping[str, Any], read: int, written: int) -> CostLine:
    """Return the line of the jobs' requests: one GET a raw file, one PUT a curated object."""
    usd = read / 1000 * table["s3"]["get_1000"] + written / 1000 * table["s3"]["put_1000"]
    return CostLine("etl: requests", f"{read:,} GETs, {written:,} PUTs", usd)


def athena_line(table: Mapping[str, Any], scanned: list[int]) -> CostLine:
    """Return the line of the queries: each is billed by bytes scanned, ten megabytes at least."""
    billed = sum(max(size, table["athena"]["minimum_bytes"]) for size in scanned)
    asked = "1 query" if len(scanned) == 1 else f"{len(scanned):,} queries"
    work = f"{asked}, {sum(scanned) / 1e6:.1f} MB scanned, {billed / 1e6:.0f} MB billed"
    mean = sum(scanned) / len(scanned)
    return CostLine("query", work, billed / 1e12 * table["athena"]["tb_scanned"], amount=mean)


def instance_line(table: Mapping[str, Any], stage: str, kind: str, count: int, seconds: float) -> CostLine:
    """Return the line of a job by its instance-seconds. Raises UsageError if the type has no price."""
    usd = count * seconds / 3600 * _hourly(table, kind)
    return CostLine(stage, f"{count} × {kind}, {seconds:,.0f} s", usd)


def serving_line(table: Mapping[str, Any], kind: str, seconds: list[float]) -> CostLine:
    """Return the line of a thousand requests like these, on an instance that does nothing else."""
    mean = sum(seconds) / len(seconds)
    work = f"{counted(len(seconds), 'request')}, {mean:.2f} s each on {kind}"
    return CostLine("serving", work, 1000 * mean / 3600 * _hourly(table, kind), THOUSAND)


def _hourly(table: Mapping[str, Any], kind: str) -> float:
    prices_by_type = table["sagemaker_hour"]
    if kind not in prices_by_type:
        raise UsageError(f"infra/prices.json has no price of {kind} (it has {', '.join(prices_by_type)}): add it.")
    return float(prices_by_type[kind])


# --- measured work ----------------------------------------------------------------------------------------
def _zone(settings: Settings, zone: str) -> dict[str, int]:
    objects = list_objects(aws.client(settings, "s3"), settings.bucket, f"{zone}/")
    sizes = [item["Size"] for item in objects]
    return {"objects": len(sizes), "bytes": sum(sizes)}


def _glue_runs(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the last successful run of every job."""
    glue, outputs = aws.client(settings, "glue"), outputs_or_defaults(settings)
    runs_by_stage = {}
    for stage, output in _JOBS.items():
        if output not in outputs:
            continue
        pages = glue.get_paginator("get_job_runs").paginate(JobName=outputs[output])
        runs = [run for page in pages for run in page["JobRuns"] if run["JobRunState"] == "SUCCEEDED"]
        if runs:
            runs_by_stage[stage] = max(runs, key=lambda run: run["StartedOn"])
    return runs_by_stage


def _sagemaker(settings: Settings, table: Mapping[str, Any]) -> list[CostLine]:
    costs = _processing(settings, table, "features")
    if job := (load_state(settings, "train").get("details") or {}).get("job_name"):
        run = aws.client(settings, "sagemaker").describe_training_job(TrainingJobName=job)
        place, seconds = run["ResourceConfig"], run.get("BillableTimeInSeconds") or run["TrainingTimeInSeconds"]
        costs.append(instance_line(table, "train", place["InstanceType"], place["InstanceCount"], seconds))
    for split in ("train", "test"):
        if details := load_state(settings, f"predict-{split}").get("details"):
            stage = f"predict: {split}"
            costs.append(instance_line(table, stage, settings.instance_type, 1, details["seconds"]))
    return costs + _processing(settings, table, "evaluate")


def _processing(settings: Settings, table: Mapping[str, Any], script: str) -> list[CostLine]:
    """Return the line of a script's last processing job, if there was one."""
    worked = load_state(settings, f"processing-{script}").get("details")
    return [instance_line(table, script, worked["instance_type"], 1, worked["seconds"])] if worked else []


def _scanned(settings: Settings) -> list[int]:
    """Return the bytes scanned by each of the latest queries of the work group."""
    athena = aws.client(settings, "athena")
    pages = athena.get_paginator("list_query_executions").paginate(
        WorkGroup=settings.workgroup, PaginationConfig={"MaxItems": _MAX_QUERIES}
    )
    ids = [name for page in pages for name in page["QueryExecutionIds"]]
    sizes = []
    for start in range(0, len(ids), 50):
        batch = athena.batch_get_query_execution(QueryExecutionIds=ids[start : start + 50])["QueryExecutions"]
        sizes += [int(item.get("Statistics", {}).get("DataScannedInBytes", 0)) for item in batch]
    return sizes


def _served(settings: Settings) -> list[float]:
    """Return the seconds of the endpoint's answers by its log; [] without a log that may be read."""
    from botocore.exceptions import ClientError

    group = log_group(endpoint_name())
    pages = aws.client(settings, "logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    try:
        lines = [logs.parse(event["message"].strip()) for page in pages for event in page["events"]]
    except ClientError:
        return []
    return [line["seconds"] for line in lines if line and (line["stage"], line["event"]) == ("serve", "end")]


def _endpoint(settings: Settings) -> bool:
    from botocore.exceptions import ClientError

    try:
        aws.client(settings, "sagemaker").describe_endpoint(EndpointName=endpoint_name())
    except ClientError:
        return False
    return True
