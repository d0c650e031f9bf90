"""Fixtures of the job tests: one local Spark a module, and a small world a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from lake_world import World, events, make_world, tracks  # type: ignore[import-not-found]

from etholake import aws
from etholake.settings import Settings


@pytest.fixture(scope="module")
def spark(mock_settings: Settings) -> Iterator[Any]:
    """One Spark for the module; its workers reach the mock's S3 by the environment, as on Glue.

    The environment is also given to Spark: a JVM that an earlier module started has that module's.
    """
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        environment = aws.environment(mock_settings)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        session = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        session = session.config("spark.ui.showConsoleProgress", "false")
        session = session.config(map={f"spark.executorEnv.{name}": value for name, value in environment.items()})
        session = session.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()


@pytest.fixture
def world(mock_settings: Settings, spark: Any, request: pytest.FixtureRequest) -> World:
    """A world with two labs, three videos; one of them not annotated."""
    made = make_world(mock_settings, spark, f"cur-{request.node.name.replace('_', '-')[:50]}")
    for lab, video_id in (("LabA", 1), ("LabA", 2), ("Lab B", 3)):
        made.video(lab, video_id)
        made.parquet("tracking", lab, video_id, tracks())
    made.parquet("annotation", "LabA", 1, events((1, 2, "attack", 0, 3), (1, 2, "attack", 5, 5)))
    made.parquet("annotation", "Lab B", 3, events((1, 2, "attack", 1, 2)))
    return made
