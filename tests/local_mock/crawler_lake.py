"""A bucket, a database and a crawler of its own for a test, driven by boto3 as any client would."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etholake import aws
from etholake.settings import Settings

INHERIT = {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}
COMBINE = {"TableGroupingPolicy": "CombineCompatibleSchemas"}


class Lake:
    """`name` is that of the bucket and of the crawler; `folder` is the bucket's."""

    def __init__(self, settings: Settings) -> None:
        self.glue, self.athena, self.logs = (aws.client(settings, name) for name in ("glue", "athena", "logs"))
        self.name = f"crawl-{uuid.uuid4().hex[:8]}"
        self.database = self.name.replace("-", "_")
        self.folder = Path(settings.s3_root) / self.name
        self.folder.mkdir(parents=True)
        self.glue.create_database(DatabaseInput={"Name": self.database})

    def write(self, key: str, table: pa.Table | None = None, **columns: pa.Array) -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns) if table is None else table, path)
        return path

    def crawler(self, *prefixes: str, **options: Any) -> None:
        exclusions = options.pop("Exclusions", [])
        targets = [{"Path": f"s3://{self.name}/{p}", "Exclusions": exclusions} for p in prefixes]
        self.glue.create_crawler(
            Name=self.name, Role="r", DatabaseName=self.database, Targets={"S3Targets": targets}, **options
        )

    def crawl(self) -> dict[str, Any]:
        """Crawl to the end; the `LastCrawl`."""
        self.glue.start_crawler(Name=self.name)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            crawler: dict[str, Any] = self.glue.get_crawler(Name=self.name)["Crawler"]
            if crawler["State"] == "READY":
                return dict(crawler["LastCrawl"])
            time.sleep(0.02)
        raise AssertionError("the crawler did not end")

    def log(self) -> list[str]:
        """Return what the last crawl wrote into its CloudWatch stream, without its id."""
        last = self.glue.get_crawler(Name=self.name)["Crawler"]["LastCrawl"]
        messages, more = [], {}
        while True:
            page = self.logs.get_log_events(
                logGroupName=last["LogGroup"], logStreamName=last["LogStream"], startFromHead=True, **more
            )
            if not page["events"]:
                break
            messages += [event["message"] for event in page["events"]]
            more = {"nextToken": page["nextForwardToken"]}
        prefix = f"[{last['MessagePrefix']}] "
        return [line.removeprefix(prefix) for line in messages if line.startswith(prefix)]

    def table(self, name: str) -> dict[str, Any]:
        return dict(self.glue.get_table(DatabaseName=self.database, Name=name)["Table"])

    def tables(self) -> set[str]:
        return {table["Name"] for table in self.glue.get_tables(DatabaseName=self.database)["TableList"]}

    def columns(self, name: str) -> dict[str, str]:
        return {c["Name"]: c["Type"] for c in self.table(name)["StorageDescriptor"]["Columns"]}

    def partition(self, name: str, *values: str) -> dict[str, str]:
        """Columns of one partition."""
        response = self.glue.get_partition(DatabaseName=self.database, TableName=name, PartitionValues=[*values])
        return {c["Name"]: c["Type"] for c in response["Partition"]["StorageDescriptor"]["Columns"]}

    def partitions(self, name: str, **options: Any) -> list[list[str]]:
        pages = self.glue.get_paginator("get_partitions").paginate(
            DatabaseName=self.database, TableName=name, **options
        )
        return [p["Values"] for page in pages for p in page["Partitions"]]

    def query(self, sql: str) -> list[tuple[str | None, ...]]:
        """Rows of an Athena query. A failure raises RuntimeError with Athena's reason."""
        context, out = {"Database": self.database}, {"OutputLocation": f"s3://{self.name}/_results/"}
        key = self.athena.start_query_execution(
            QueryString=sql, QueryExecutionContext=context, ResultConfiguration=out
        )["QueryExecutionId"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = self.athena.get_query_execution(QueryExecutionId=key)["QueryExecution"]["Status"]
            if status["State"] not in {"QUEUED", "RUNNING"}:
                break
            time.sleep(0.02)
        if status["State"] != "SUCCEEDED":
            raise RuntimeError(status["StateChangeReason"])
        pages = self.athena.get_paginator("get_query_results").paginate(QueryExecutionId=key)
        rows = [tuple(c.get("VarCharValue") for c in row["Data"]) for p in pages for row in p["ResultSet"]["Rows"]]
        return rows[1:]
