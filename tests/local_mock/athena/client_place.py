"""Provide what tests of Athena's clients share: a bucket and a database with a partitioned table."""

from __future__ import annotations

import uuid
from typing import Any

import awswrangler as wr
import boto3
import pandas as pd
from pyathena import connect

from etholake import aws
from etholake.settings import Settings

FRAME = pd.DataFrame({"n": [1, 2, 3, 4], "x": [0.5, 1.5, None, 3.5], "part": ["p", "p", "q", "q"]})


class Place:
    """A bucket and a database with the table `t` (FRAME, partitioned by `part`)."""

    def __init__(self, settings: Settings) -> None:
        aws.export(settings)
        # awswrangler makes its clients from the default session; without one each of its calls parses the
        # descriptions of the services again.
        boto3.setup_default_session()
        tag = uuid.uuid4().hex[:8]
        self.bucket, self.database = f"features-{tag}", f"features_{tag}"
        aws.client(settings, "s3").create_bucket(Bucket=self.bucket)
        wr.catalog.create_database(self.database)
        self.path, self.out = f"s3://{self.bucket}/t/", f"s3://{self.bucket}/out/"
        self.write(FRAME, "t", mode="overwrite")

    def write(self, frame: pd.DataFrame, table: str, **more: Any) -> Any:
        return wr.s3.to_parquet(
            frame, f"s3://{self.bucket}/{table}/", dataset=True, database=self.database, table=table,
            partition_cols=["part"], **more,
        )  # fmt: skip

    def read(self, sql: str, **more: Any) -> Any:
        out = f"{self.out}{uuid.uuid4().hex}/"
        return wr.athena.read_sql_query(
            sql, database=self.database, s3_output=out, **{"ctas_approach": False} | more
        )

    def connect(self, **more: Any) -> Any:
        return connect(
            s3_staging_dir=self.out, schema_name=self.database, region_name="us-east-1", poll_interval=0.02, **more
        )
