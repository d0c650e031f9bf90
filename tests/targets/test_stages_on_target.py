"""Every stage in order on the target of ``pytest --target``: simulated labs in, an official score out."""

import datetime as dt
import json
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from etholake import aws
from etholake.settings import Settings
from etholake.simulate import simulate
from etholake.stages.cloud import deploy
from etholake.stages.lake import compact, etl, ingest, query, vacuum
from etholake.stages.model import evaluate, train
from etholake.stages.model.training_result import held_out_spans
from etholake.stages.serving import predict, serve

pytestmark = [pytest.mark.functional, pytest.mark.slow]


@pytest.fixture(scope="module")
def lake(target_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A deployed stack of its own; on AWS it is the session's, which is torn down."""
    tag = uuid.uuid4().hex[:8]
    own = target_settings
    if own.target != "aws":
        own = replace(
            own, bucket=f"stages-{tag}", database=f"stages_{tag}", workgroup=f"st-{tag}", stack=f"st-{tag}"
        )
    own = replace(own, state_dir=str(tmp_path_factory.mktemp("stages")))
    assert deploy.run(own).details["resources"]
    return own


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "data"
    simulate(folder, labs=2, videos=3, seconds=20.0, seed=7, dirt=0.2)
    return folder


def value(lake: Settings, sql: str) -> list[tuple[object, ...]]:
    """Rows of a statement, asked through a bare Athena client."""
    athena = aws.client(lake, "athena")
    id_ = athena.start_query_execution(
        QueryString=sql, QueryExecutionContext={"Database": lake.database}, WorkGroup=lake.workgroup
    )["QueryExecutionId"]
    state = ""
    while state not in {"SUCCEEDED", "FAILED", "CANCELLED"}:
        time.sleep(0.02)
        execution = athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]
        state = execution["Status"]["State"]
    assert state == "SUCCEEDED", execution["Status"]
    rows = athena.get_query_results(QueryExecutionId=id_)["ResultSet"]["Rows"][1:]
    return [tuple(cell.get("VarCharValue") for cell in row["Data"]) for row in rows]


def test_1_ingest_puts_every_file_and_then_none(lake: Settings, data: Path) -> None:
    done = ingest.run(lake, data)
    assert (done.status, done.details["uploaded"] > 0) == ("done", True)
    assert ingest.run(lake, data).status == "unchanged"


def test_2_etl_curates_crawls_and_balances(lake: Settings) -> None:
    details = etl.run(lake).details
    assert details["rows_in"] == details["rows_curated"] + details["rows_quarantined"] > 0
    assert etl.run(lake).status == "unchanged"
    tables = aws.client(lake, "glue").get_paginator("get_tables").paginate(DatabaseName=lake.database)
    names = {table["Name"] for page in tables for table in page["TableList"]}
    assert {"tracking_curated", "annotations_enriched"} < names
    assert [name for name in names if name.startswith("raw_")]


def test_3_athena_counts_what_was_curated(lake: Settings) -> None:
    details = etl.run(lake).details
    ((curated,),) = value(lake, "SELECT sum(rows_curated) FROM curation_files")
    assert int(str(curated)) == details["rows_curated"]
    query.create_views(lake)
    ran = [name for name, _ in query.list_reports(without_parameters=True)]
    assert all(query.run_report(lake, name, {}) is not None for name in ran)


def test_4_compact_and_vacuum_lose_no_row(lake: Settings) -> None:
    sql = "SELECT lab_id, count(*), sum(video_frame) FROM tracking_curated GROUP BY lab_id ORDER BY 1"
    before = value(lake, sql)
    assert before
    compact.run(lake)
    assert value(lake, sql) == before
    vacuum.run(lake, dt.timedelta(hours=1))
    assert value(lake, sql) == before


def test_5_a_model_is_trained_served_asked_and_scored(lake: Settings, data: Path, tmp_path: Path) -> None:
    trained = train.run(lake, "smoke")
    assert train.run(lake, "smoke").status == "unchanged"
    assert serve.run(lake).details["latency_ms"] > 0
    submission = tmp_path / "submission.csv"
    predicted = predict.run(lake, "train", None, submission)
    spans = held_out_spans(trained.details["split"])
    run_id = predicted.details["run_id"]
    scores = evaluate.run(lake, data, submission, run_id, spans=spans).details["scores"]
    assert 0 <= scores["score"] <= 1
    assert json.dumps(scores)
    ((rows,),) = value(lake, f"SELECT count(*) FROM predictions WHERE run_id = '{run_id}'")
    assert int(str(rows)) == len(submission.read_text().splitlines()) - 1
