"""The cost of measured work, against prices worked out by hand; the table from a lake's own records."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from etholake.errors import UsageError
from etholake.stages.cloud import cost

ROOT = Path(__file__).resolve().parents[2]
TABLE = {
    "glue": {"dpu_hour": 0.36, "minimum_s": 60},
    "athena": {"tb_scanned": 5.0, "minimum_bytes": 10_000_000},
    "s3": {"gb_month": 0.02, "put_1000": 0.005, "get_1000": 0.0004},
    "sagemaker_hour": {"ml.small": 3.6},
}


def test_glue_bills_dpu_seconds_a_minute_at_least() -> None:
    # 0.36 $ an hour is 0.0001 $ a DPU-second
    assert cost.glue_line(TABLE, "etl", {"ExecutionTime": 100, "NumberOfWorkers": 3}).usd == pytest.approx(0.03)
    assert cost.glue_line(TABLE, "etl", {"ExecutionTime": 5, "NumberOfWorkers": 2}).usd == pytest.approx(0.012)
    scaled = {"ExecutionTime": 100, "NumberOfWorkers": 10, "DPUSeconds": 250.0}  # autoscaling: not all the time
    assert cost.glue_line(TABLE, "etl", scaled).usd == pytest.approx(0.025)


def test_athena_bills_ten_megabytes_a_query_at_least() -> None:
    line = cost.athena_line(TABLE, [1_000, 200_000_000])  # 10 MB and 200 MB
    assert line.usd == pytest.approx(210e6 / 1e12 * 5)
    assert line.work == "2 queries, 200.0 MB scanned, 210 MB billed"


def test_requests_and_instances() -> None:
    assert cost.ingest_line(TABLE, 2000, 10).usd == pytest.approx(0.01)
    assert cost.requests_line(TABLE, 10_000, 1000).usd == pytest.approx(0.004 + 0.005)
    assert cost.instance_line(TABLE, "train", "ml.small", 2, 500).usd == pytest.approx(1.0)
    with pytest.raises(UsageError, match=r"infra/prices\.json has no price of ml\.huge \(it has ml\.small\)"):
        cost.instance_line(TABLE, "train", "ml.huge", 1, 1)


def test_the_table_scales_to_100_hours_and_sums_the_run_only() -> None:
    sums = [
        cost.CostLine("ingest", "1 PUT", 0.5),
        cost.CostLine("train", "1 s", 1.5),
        cost.CostLine("storage", "1 GB", 4.0, "month"),
        cost.serving_line(TABLE, "ml.small", [0.5, 1.5]),
        cost.CostLine("endpoint", "ml.small", 3.6, "hour"),
    ]
    text = cost.render(sums, 50.0, {**TABLE, "region": "here", "as_of": "2025"}, cost.PlannedWork(), "ml.small")
    rows = text.splitlines()
    assert "| stage | measured work | USD | USD per 100 h of video |" in rows
    assert "List prices of here, 2025" in text
    assert "| ingest | 1 PUT | 0.500000 | 1.0000 |" in rows
    assert "| storage | 1 GB | 4.000000 per month | 8.0000 per month |" in rows
    assert "| endpoint | ml.small | 3.600000 per hour |  |" in rows
    assert "| serving | 2 requests, 1.00 s each on ml.small | 1.000000 per 1,000 requests |  |" in rows
    assert "| **the run** | 50.00 h of video | 2.000000 | 4.0000 |" in rows


def test_a_plan_is_priced_by_hours_trainings_queries_and_endpoint_hours() -> None:
    measured = [
        cost.CostLine("ingest", "", 1.0), cost.CostLine("etl: tracks", "", 2.0), cost.CostLine("train", "", 5.0),
        cost.athena_line(TABLE, [20_000_000, 40_000_000]), cost.CostLine("storage", "", 4.0, "month"),
    ]  # fmt: skip
    plan = cost.PlannedWork(hours=200.0, trainings=3, queries=1000, endpoint_hours=10)
    lines = cost.planned(TABLE, measured, 50.0, plan, "ml.small")  # four times what was measured
    assert {line.stage: line.usd for line in lines} == pytest.approx({
        "bring in and curate": 12.0, "trainings": 60.0, "queries": 1000 * 120e6 / 1e12 * 5, "endpoint": 36.0,
        "storage": 16.0,
    })  # fmt: skip
    assert next(line.work for line in lines if line.stage == "queries") == "1,000 queries, 120 MB billed each"
    with pytest.raises(UsageError, match="No training has been measured on this lake: run `make train` first"):
        cost.planned(TABLE, measured[:2], 50.0, plan, "ml.small")


def test_prices_are_those_of_the_region() -> None:
    east, there = cost.prices("us-east-1"), cost.prices("eu-central-1")
    assert there["region"] == "eu-central-1"
    assert there["s3"]["gb_month"] > east["s3"]["gb_month"]
    assert set(there) == set(east)
    for region in json.loads((ROOT / "infra" / "prices.json").read_text())["regions"]:
        assert set(cost.prices(region)["sagemaker_hour"]) == set(east["sagemaker_hour"])
    with pytest.raises(UsageError, match=r"no prices of region 'eu-centrl-1'\. Did you mean 'eu-central-1'\?"):
        cost.prices("eu-centrl-1")


def test_one_dated_price_table_for_the_model_and_the_measurement() -> None:
    table = cost.prices()
    assert {"region", "as_of", "sources"} <= set(table)
    assert set(table["sources"]) == {"glue", "athena", "s3", "sagemaker"}
    text = (ROOT / "docs" / "cost.py").read_text()
    assert "prices.json" in text
    assert "0.44" not in text  # no second truth
    done = subprocess.run([sys.executable, ROOT / "docs/cost.py"], capture_output=True, text=True, check=True)
    rows = [row for row in done.stdout.splitlines() if row.startswith("|")]
    assert rows
    assert all(row in (ROOT / "docs" / "cost.md").read_text() for row in rows)  # the page is what is printed
