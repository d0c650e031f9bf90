"""Fixtures of the job tests: one local Spark a module, and a small world a test, raw or curated."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from lake_world import World, events, make_world, tracks  # type: ignore[import-not-found]
from sparks import jvm_environment

from etholake import aws
from etholake.curate import units
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
        for name, value in jvm_environment().items():
            patch.setenv(name, value)
        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        session = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        session = session.config("spark.ui.showConsoleProgress", "false")
        session = session.config(map={f"spark.executorEnv.{name}": value for name, value in environment.items()})
        session = session.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()


def named(request: pytest.FixtureRequest, prefix: str) -> str:
    """Return a name for a bucket from the name of the test."""
    return f"{prefix}-{request.node.name.replace('_', '-')[:50]}"


def fill(world: World) -> World:
    """Put two labs with three videos into the raw zone; one of the videos is not annotated."""
    for lab, video_id in (("LabA", 1), ("LabA", 2), ("Lab B", 3)):
        world.video(lab, video_id)
        world.parquet("tracking", lab, video_id, tracks())
    world.parquet("annotation", "LabA", 1, events((1, 2, "attack", 0, 3), (1, 2, "attack", 5, 5)))
    world.parquet("annotation", "Lab B", 3, events((1, 2, "attack", 1, 2)))
    return world


@pytest.fixture
def world(mock_settings: Settings, spark: Any, request: pytest.FixtureRequest) -> World:
    """A world with two labs in the raw zone; nothing is curated."""
    return fill(make_world(mock_settings, spark, named(request, "cur")))


@pytest.fixture(scope="session")
def curated_once() -> dict[Any, World]:
    """Worlds after their first curation, by the limit of a file's size; tests get copies of them."""
    return {}


@pytest.fixture
def curated(
    mock_settings: Settings, spark: Any, request: pytest.FixtureRequest, curated_once: dict[Any, World]
) -> World:
    """The world of `world` after its first run: a copy, since Spark curates it once a session only."""
    limits = units.units.__defaults__  # `one_file_a_video` changes them
    if limits not in curated_once:
        first = fill(make_world(mock_settings, spark, f"curated-{len(curated_once)}"))
        first.run()
        curated_once[limits] = first
    return curated_once[limits].copy(mock_settings, named(request, "own"), spark)
