"""Results that a query may take from an earlier one, and output buckets that do not exist."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etholake import aws
from etholake.settings import Settings

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def run(mock_settings: Settings) -> Run:
    """Run a statement to its end; returns its QueryExecution with the rows of its result."""
    athena, s3 = aws.client(mock_settings, "athena"), aws.client(mock_settings, "s3")
    bucket = f"reuse-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)

    def execute(sql: str, minutes: int | None = None, folder: str = "out", **more: Any) -> dict[str, Any]:
        if minutes is not None:
            by_age = {"Enabled": True, "MaxAgeInMinutes": minutes}
            more["ResultReuseConfiguration"] = {"ResultReuseByAgeConfiguration": by_age}
        output = {"OutputLocation": f"s3://{bucket}/{folder}/"}
        id_ = athena.start_query_execution(QueryString=sql, ResultConfiguration=output, **more)["QueryExecutionId"]
        while True:
            shown = athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]
            if shown["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                break
            time.sleep(0.01)
        assert shown["Status"]["State"] == "SUCCEEDED", shown["Status"]
        rows = athena.get_query_results(QueryExecutionId=id_)["ResultSet"]["Rows"]
        return {**shown, "rows": rows, "s3": s3, "bucket": bucket}

    return execute


def is_reused(shown: dict[str, Any]) -> bool:
    return bool(shown["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"])


def test_the_same_query_shows_the_earlier_result_within_the_age(run: Run) -> None:
    first = run("SELECT random() AS x", 10)
    again = run("SELECT random() AS x", 10)
    assert not is_reused(first)
    assert is_reused(again)
    assert again["rows"] == first["rows"]
    assert again["ResultConfiguration"] == first["ResultConfiguration"]
    assert again["Statistics"]["DataScannedInBytes"] == 0
    assert again["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"]["MaxAgeInMinutes"] == 10
    third = run("SELECT random() AS x", 10)  # a reused result is not a new one: it still points to the first
    assert third["ResultConfiguration"] == first["ResultConfiguration"]


@pytest.mark.parametrize(
    ("sql", "changes"),
    [
        ("SELECT random() AS a", {"minutes": None}),
        ("SELECT random() AS b", {"minutes": 0}),
        ("SELECT random() AS c", {"folder": "elsewhere"}),
        ("SELECT random() AS d", {"QueryExecutionContext": {"Database": "other"}}),
    ],
)
def test_another_request_runs_anew(run: Run, sql: str, changes: dict[str, Any]) -> None:
    first = run(sql, 10)
    again = run(sql, **{"minutes": 10, **changes})
    assert not is_reused(again)
    assert again["rows"] != first["rows"]


def test_parameters_belong_to_the_query(run: Run) -> None:
    first = run("SELECT random() AS x, ? AS y", 10, ExecutionParameters=["1"])
    assert not is_reused(run("SELECT random() AS x, ? AS y", 10, ExecutionParameters=["2"]))
    assert is_reused(run("SELECT random() AS x, ? AS y", 10, ExecutionParameters=["1"]))
    assert first["rows"][1]["Data"][1]["VarCharValue"] == "1"


def test_a_result_that_was_deleted_is_not_shown(run: Run) -> None:
    first = run("SELECT random() AS gone", 10)
    key = first["ResultConfiguration"]["OutputLocation"].split("/", 3)[3]
    first["s3"].delete_object(Bucket=first["bucket"], Key=key)
    again = run("SELECT random() AS gone", 10)
    assert not is_reused(again)
    assert again["rows"] != first["rows"]


def test_an_age_beyond_a_week_is_refused(run: Run) -> None:
    with pytest.raises(ClientError, match="MaxAgeInMinutes must be between 0 and 10080"):
        run("SELECT 1", 10_081)


def test_an_output_bucket_that_does_not_exist_is_named(mock_settings: Settings) -> None:
    athena = aws.client(mock_settings, "athena")
    output = {"OutputLocation": "s3://no-such-bucket-at-all/out/"}
    with pytest.raises(ClientError, match="Unable to verify/create output bucket no-such-bucket-at-all") as caught:
        athena.start_query_execution(QueryString="SELECT 1", ResultConfiguration=output)
    assert caught.value.response["Error"]["Code"] == "InvalidRequestException"
