"""The environment of a job's process: its variables, Spark's properties, and a Spark home that hands these on."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from local_mock.context import Context
from local_mock.glue import class_archive, spark

__all__ = ["LAUNCHED", "LIBRARY", "jvm_options", "spark_properties", "variables", "write_spark_home"]

LIBRARY = Path(__file__).with_name("job_library")  # `awsglue`, for the job to import
LAUNCHED = "spark_launched"  # in the folder of `write_spark_home`, as soon as a JVM is launched there


def jvm_options(context: Context) -> list[str]:
    """Return the options of a job's JVM: those that let it take the archive of classes, if there is one."""
    return class_archive.reading(class_archive.archive(os.environ) if context.class_archive else None)


def spark_properties(
    context: Context, worker_type: str | None, number_of_workers: int | None, scratch: Path, options: list[str]
) -> dict[str, str]:
    """Return the Spark properties of a job with these workers, but for those that the job itself names."""
    own = context.s3_endpoint is None
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return spark.spark_conf(
        cores=spark.local_cores(worker_type, number_of_workers, available),
        memory_mb=spark.driver_memory_mb(worker_type, spark.physical_memory_mb()),
        scratch=scratch,
        s3_root=context.s3_root if own else None,
        bucket_names=spark.buckets(context.s3_root) if own else (),
        jvm_options=options,
    )


def variables(
    context: Context, role: str, packages: list[str], spark_folder: Path | None, work: Path
) -> dict[str, str]:
    """Return the variables of a job's process; one of Spark has the folder of `_write_spark_home`."""
    env = context.child_environment(principal=role) | {
        # Spark's workers take it from the JVM.
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([*packages, str(LIBRARY)])),
        "TMPDIR": str(work),
        "TZ": "UTC",
    }
    if spark_folder is None:
        return env
    return env | {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_CONF_DIR": str(class_archive.NO_CONF),
        "SPARK_HOME": str(spark_folder / "spark"),
        # A JVM that only joins a command line.
        "SPARK_LAUNCHER_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(work),
        # The JVM writes file names in the locale's encoding: in the locale C an `ü` in a path becomes `?`.
        "LC_ALL": "C.UTF-8",
    }


def write_spark_home(folder: Path, conf: Mapping[str, str]) -> None:
    """Make a Spark home, ``spark``, whose `spark-submit` takes these properties, written to ``conf``.

    Spark would read them from SPARK_CONF_DIR as well, which must be the same for all jobs (`class_archive`).
    """
    defaults = folder / "conf" / "spark-defaults.conf"
    submit = folder / "spark" / "bin" / "spark-submit"
    for path in (defaults, submit):
        path.parent.mkdir(parents=True, exist_ok=True)
    defaults.write_text(spark.render(conf), encoding="utf-8")
    home = shlex.quote(str(class_archive.spark_home() or ""))
    submit.write_text(
        f"#!/bin/sh\n: > {shlex.quote(str(folder / LAUNCHED))}\nexport SPARK_HOME={home}\n"
        f'exec "$SPARK_HOME/bin/spark-submit" --properties-file {shlex.quote(str(defaults))} "$@"\n',
        encoding="utf-8",
    )
    submit.chmod(0o755)
