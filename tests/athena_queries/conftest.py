"""One small lake in the mock for all tests of the reports, views and DDL."""

from dataclasses import replace

import pandas as pd
import pytest
import report_lake

from etholake import aws
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages.lake import query


@pytest.fixture(scope="session")
def base() -> dict[str, pd.DataFrame]:
    """The rows of every table, as pandas frames."""
    return report_lake.make()


@pytest.fixture(scope="session")
def at(mock_settings: Settings, base: dict[str, pd.DataFrame]) -> Settings:
    """Settings of a lake of its own that holds `base`."""
    settings, lake = _lake(mock_settings, "reports")
    report_lake.write(lake, base)
    query.create_views(settings)
    return settings


@pytest.fixture(scope="session")
def empty(mock_settings: Settings) -> Settings:
    """Settings of a lake that was deployed, and nothing more."""
    return _lake(mock_settings, "empty")[0]


def _lake(mock_settings: Settings, name: str) -> tuple[Settings, Lake]:
    settings = replace(mock_settings, bucket=f"{name}-lake", database=f"{name}_db", workgroup=name)
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    s3.create_bucket(Bucket=settings.bucket)
    glue.create_database(DatabaseInput={"Name": settings.database})
    where = {"ResultConfiguration": {"OutputLocation": f"s3://{settings.bucket}/query-results/"}}
    aws.client(settings, "athena").create_work_group(Name=settings.workgroup, Configuration=where)
    lake = Lake(s3, glue, settings.bucket, settings.database)
    lake.register()
    return settings, lake
