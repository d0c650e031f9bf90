"""A Glue worker setting as a local Spark: the `spark-defaults.conf` of one job run. Pure functions.

``s3://`` and ``s3a://`` need no extra jar: Hadoop's `ViewFileSystemOverloadScheme` mounts each bucket onto its
folder (a *fallback* link for the bucket's root; `linkMergeSlash` returns wrong paths in Hadoop 3.3.4). Where S3
is not our own folders, Spark's own S3 access needs hadoop-aws and is not set up here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from local_mock.keys import bucket_ok

__all__ = ["buckets", "driver_memory_mb", "java_options", "local_cores", "render", "spark_conf", "user_conf"]

# vCPU and memory (GiB) of a worker: https://docs.aws.amazon.com/glue/latest/dg/worker-types.html
WORKERS: Mapping[str, tuple[int, int]] = {
    "Standard": (4, 16), "G.025X": (2, 4), "G.1X": (4, 16), "G.2X": (8, 32), "G.4X": (16, 64),
    "G.8X": (32, 128), "G.12X": (48, 192), "G.16X": (64, 256), "R.1X": (4, 32), "R.2X": (8, 64),
    "R.4X": (16, 128), "R.8X": (32, 256),
}  # fmt: skip
# A job of seconds spends most of its processor time on optimising its own code, which only pays in minutes. So the
# optimising compiler (tier 4) takes code that ran ten times as often as Java's own thresholds ask.
_LATE_OPTIMISATION = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
_VIEW_FS = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
_LOCAL_FS = "org.apache.hadoop.fs.LocalFileSystem"


def local_cores(worker_type: str | None, workers: int | None, available: int) -> int:
    """Return the task slots: those of all workers but the driver's, bounded by this machine's cores."""
    per_worker = WORKERS.get(worker_type or "G.1X", WORKERS["G.1X"])[0]
    return max(1, min(available, per_worker * max(1, (workers or 2) - 1)))


def driver_memory_mb(worker_type: str | None, physical_mb: int) -> int:
    """Return the JVM's heap in MiB: the worker's memory, at most a quarter of this machine's, at least 1 GiB."""
    worker_mb = WORKERS.get(worker_type or "G.1X", WORKERS["G.1X"])[1] * 1024
    return max(1024, min(worker_mb * 5 // 8, physical_mb // 4))


def physical_memory_mb() -> int:
    """Return the memory of this machine in MiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def buckets(s3_root: Path) -> list[str]:
    """Return the names of the buckets that are there now, sorted."""
    return sorted(p.name for p in s3_root.iterdir() if p.is_dir() and bucket_ok(p.name))


def user_conf(argument: str) -> dict[str, str]:
    """Return Glue's `--conf` argument: ``spark.a=1 --conf spark.b=2``."""
    items = re.split(r"\s+--conf\s+", argument.strip())
    return {key: value for key, separator, value in (item.partition("=") for item in items) if separator}


def java_options(*options: str) -> str:
    """Join options of the JVM as Spark's launcher splits them: each in double quotes, with blanks kept."""
    escaped = (option.replace("\\", "\\\\").replace('"', '\\"') for option in options)
    return " ".join(f'"{option}"' for option in escaped)


def spark_conf(
    *,
    cores: int,
    memory_mb: int,
    scratch: Path,
    s3_root: Path | None,
    bucket_names: Iterable[str],
    jvm_options: Iterable[str] = (),
) -> dict[str, str]:
    """Return all Spark properties of a run: local master, loopback, no UI, its own scratch, buckets mounted."""
    conf = {
        "spark.master": f"local[{cores}]",
        "spark.driver.memory": f"{memory_mb}m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.default.parallelism": str(2 * cores),
        "spark.sql.shuffle.partitions": str(2 * cores),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": (scratch / "warehouse").as_uri(),
        "spark.driver.extraJavaOptions": java_options(
            "-Djava.net.preferIPv4Stack=true", *_LATE_OPTIMISATION, *jvm_options, f"-Djava.io.tmpdir={scratch}"
        ),
    }
    if s3_root is None:
        return conf
    for scheme in ("s3", "s3a", "s3n"):
        conf[f"spark.hadoop.fs.{scheme}.impl"] = _VIEW_FS
        conf[f"spark.hadoop.fs.viewfs.overload.scheme.target.{scheme}.impl"] = _LOCAL_FS
    for name in bucket_names:
        conf[f"spark.hadoop.fs.viewfs.mounttable.{name}.linkFallback"] = (s3_root / name).as_uri()
    return conf


def render(conf: Mapping[str, str]) -> str:
    """Return `spark-defaults.conf`: one property a line; a backslash is an escape there."""
    return "".join(f"{key} {value}\n".replace("\\", "\\\\") for key, value in conf.items())
