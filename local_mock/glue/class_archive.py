"""An archive of the classes that Spark loads: with it the JVM of a job starts in half of the processor time.

Java calls it a dynamic class-data archive (https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html).
It has about 150 MB, lies in the Python environment that holds Spark (`FOLDER`) and goes with it. `make_once` makes
it in a process of its own after a server's third Spark job. Jobs start without it until it is there, where the
folder cannot be written, and with ``LOCAL_MOCK_CLASS_ARCHIVE=off`` (`JobProcess` asks for none then).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import itertools
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from local_mock.errors import LocalMockError
from local_mock.glue import java
from local_mock.process import ChildResult

__all__ = ["FOLDER", "NO_CONF", "SCRIPT", "archive", "make", "make_once", "reading", "spark_home"]

FOLDER = Path(sys.prefix) / "var" / "cache" / "local-mock"
OLDEST_JAVA = 13  # the first with -XX:ArchiveClassesAtExit
# Spark's configuration folder is the first entry of the JVM's class path, and an archive only fits the same class
# path, of which no folder holds files. So all jobs name this one, which is not there.
NO_CONF = Path(__file__).with_name("no_conf")
SCRIPT = Path(__file__).with_name("class_archive_job.py")
# To make it takes half a minute of processor time, which a server of few jobs would not win back.
FIRST_JOBS = 3
_jobs = itertools.count(1)  # that have succeeded in this server


def spark_home() -> Path | None:
    """Return the folder of the installed PySpark, None if there is none."""
    spec = importlib.util.find_spec("pyspark")
    return Path(spec.origin).parent if spec and spec.origin else None


def archive(environ: Mapping[str, str]) -> Path | None:
    """Return the path of the archive for this Java and this Spark, there or not; None if there can be none."""
    program, home = java.program(environ), spark_home()
    if program is None or home is None:
        return None
    version = java.written_version(program)
    if version is None or version < OLDEST_JAVA:
        return None
    release = (program.resolve().parent.parent / "release").read_bytes()
    jars = sorted(f"{jar.name} {jar.stat().st_mtime_ns}" for jar in (home / "jars").glob("*.jar"))
    parts = [str(program.resolve()).encode(), release, str(home).encode(), "\n".join(jars).encode()]
    name = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    return FOLDER / f"spark-{name}.jsa"


def reading(path: Path | None) -> list[str]:
    """Return the options of a JVM that uses the archive; none while it is not there."""
    if path is None or not path.is_file():
        return []
    # One that does not fit (Java was updated in between) is left out without a line in the job's log.
    return [f"-XX:SharedArchiveFile={path}", "-Xlog:cds*=off"]


def make_once(path: Path | None, run: Callable[[Path], ChildResult]) -> None:
    """Make the archive in the background after the third job of this server, unless it is there or being made.

    Parameters
    ----------
    path : see `archive`.
    run : runs a JVM that loads what jobs load and writes the archive to the path that it is given; blocks.
    """
    if path is not None and not path.is_file() and next(_jobs) == FIRST_JOBS:
        threading.Thread(target=make, args=(path, run), name="class-archive", daemon=True).start()


def make(path: Path, run: Callable[[Path], ChildResult]) -> None:
    """Make the archive now by `run` (see `make_once`); older ones, of another Java or Spark, are removed."""
    with contextlib.suppress(OSError, LocalMockError):  # a read-only or full disk; the server is shutting down
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # another server makes it: BlockingIOError
            if path.is_file():
                return
            part = path.with_suffix(f".{os.getpid()}.part")
            try:
                if run(part).returncode == 0 and part.is_file():
                    for older in path.parent.glob("spark-*.jsa"):
                        older.unlink()
                    part.rename(path)
            finally:
                part.unlink(missing_ok=True)
