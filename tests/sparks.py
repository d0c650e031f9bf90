"""Make the environment of the JVMs that tests start themselves the one that the jobs of the mock have."""

from __future__ import annotations

import os

from local_mock.glue import class_archive


def jvm_environment() -> dict[str, str]:
    """Return the variables with which Spark's JVM takes the archive of classes, if there is one already."""
    options = [os.environ["SPARK_SUBMIT_OPTS"], *class_archive.reading(class_archive.archive(os.environ))]
    return {"SPARK_SUBMIT_OPTS": " ".join(options), "SPARK_CONF_DIR": str(class_archive.NO_CONF)}
