"""Run the units of a curation job: on Spark's workers, or, where there is little to do, in the job's driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from etholake.curate.units import Unit, balance

__all__ = ["run_units"]

R = TypeVar("R")

# Raw bytes that the driver curates alone in about the time that a Spark context takes to start.
BYTES_IN_DRIVER = 16 * 1024 * 1024


def run_units(
    work: Sequence[Unit], run: Callable[[Unit], R], app_name: str, spark: Any = None, tasks_per_core: int = 1
) -> dict[str, R]:
    """Run every unit; return what `run` has returned, by the unit's target.

    Parameters
    ----------
    work : the units; up to `BYTES_IN_DRIVER` bytes of raw files are curated here, without Spark.
    run : curates one unit; it is sent to the workers.
    app_name : the Spark application's name.
    spark : a Spark session to use, however little there is to do; None for an own one, where one is needed.
    tasks_per_core : into how many tasks for each core the units are distributed.
    """
    if spark is None and sum(unit.size for unit in work) <= BYTES_IN_DRIVER:
        return {unit.target: run(unit) for unit in work}
    from pyspark.sql import SparkSession

    context = (spark or SparkSession.builder.appName(app_name).getOrCreate()).sparkContext
    tasks = balance(work, context.defaultParallelism * tasks_per_core)
    done = context.parallelize(tasks, len(tasks)).flatMap(lambda task: [(unit.target, run(unit)) for unit in task])
    return dict(done.collect())
