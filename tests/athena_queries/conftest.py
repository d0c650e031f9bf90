"""One small lake in the mock for all tests of the reports, views and DDL."""

from dataclasses import replace

import pandas as pd
import pytest
import small_lake

from etholake import aws
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages import query


@pytest.fixture(scope="session")
def base() -> dict[str, pd.DataFrame]:
    """The rows of every table, as pandas frames."""
    return small_lake.make()


@pytest.fixture(scope="session")
def at(mock_settings: Settings, base: dict[str, pd.DataFrame]) -> Settings:
    """Settings of a lake of its own that holds `base`."""
    settings = replace(mock_settings, bucket="reports-lake", database="reports_db", workgroup="reports")
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    s3.create_bucket(Bucket=settings.bucket)
    glue.create_database(DatabaseInput={"Name": settings.database})
    where = {"ResultConfiguration": {"OutputLocation": f"s3://{settings.bucket}/query-results/"}}
    aws.client(settings, "athena").create_work_group(Name=settings.workgroup, Configuration=where)
    lake = Lake(s3, glue, settings.bucket, settings.database)
    lake.register()
    small_lake.write(lake, base)
    query.create_views(settings)
    return settings
