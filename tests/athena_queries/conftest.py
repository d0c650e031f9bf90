"""One small lake in the mock for all tests of the reports, views and DDL."""

import pandas as pd
import pytest
import report_lake
from lakes import open_lake

from etholake.settings import Settings
from etholake.stages.lake import query


@pytest.fixture(scope="session")
def base() -> dict[str, pd.DataFrame]:
    """The rows of every table, as pandas frames."""
    return report_lake.make()


@pytest.fixture(scope="session")
def at(mock_settings: Settings, base: dict[str, pd.DataFrame]) -> Settings:
    """Settings of a lake of its own that holds `base`."""
    settings, lake = open_lake(mock_settings, "reports")
    report_lake.write(lake, base)
    query.create_views(settings)
    return settings


@pytest.fixture(scope="session")
def empty(mock_settings: Settings) -> Settings:
    """Settings of a lake that was deployed, and nothing more."""
    return open_lake(mock_settings, "empty")[0]
