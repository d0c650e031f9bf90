"""Spark's JVM starts with an archive of its classes, made once; jobs run without it as well."""

import itertools
import os
import threading
import time
from pathlib import Path

import pytest
from glue_lab import Jobs

from local_mock.glue import class_archive
from local_mock.process import ChildResult

MAPPED = """
import os
from pyspark.sql import SparkSession
os.environ["PYSPARK_SUBMIT_ARGS"] = "--conf spark.app.own=1 pyspark-shell"
spark = SparkSession.builder.getOrCreate()
pid = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
assert spark.conf.get("spark.app.own") == "1"
assert spark.conf.get("spark.sql.session.timeZone") == "UTC"  # the job's properties hold as well
print("uses", {line.split()[-1] for line in open(f"/proc/{pid}/maps") if ".jsa" in line})
"""


def java_home(folder: Path, version: str) -> dict[str, str]:
    """Return an environment whose Java has this version (it is never started)."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    (folder / "release").write_text(f'JAVA_VERSION="{version}"\n')
    return {"JAVA_HOME": str(folder)}


def test_each_java_has_an_archive_of_its_own_and_old_ones_have_none(tmp_path: Path) -> None:
    new, newer = java_home(tmp_path / "a", "17.0.1"), java_home(tmp_path / "b", "17.0.2")
    paths = {class_archive.archive(environ) for environ in (new, newer)}
    assert len(paths) == 2
    assert {path.parent for path in paths if path} == {class_archive.FOLDER}
    assert class_archive.archive(new) in paths
    assert class_archive.archive(java_home(tmp_path / "c", "11.0.9")) is None
    assert class_archive.archive({"PATH": str(tmp_path)}) is None


def test_the_options_name_an_archive_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "spark-1.jsa"
    assert class_archive.reading(None) == class_archive.reading(path) == []
    path.touch()
    assert f"-XX:SharedArchiveFile={path}" in class_archive.reading(path)


def test_it_is_made_once_and_by_the_third_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_archive, "_jobs", itertools.count(1))
    path, parts = tmp_path / "spark-1.jsa", []

    def run(part: Path) -> ChildResult:
        parts.append(part)
        part.touch()
        return ChildResult(0, timed_out=False, stopped=False)

    def made_after_another_job() -> int:
        class_archive.make_once(path, run)
        for thread in threading.enumerate():
            if thread.name == "class-archive":
                thread.join(10)
        return len(parts)

    assert [made_after_another_job() for _ in range(5)] == [0, 0, 1, 1, 1]
    assert path.is_file()
    class_archive.make_once(None, run)
    assert len(parts) == 1


def test_a_failed_or_forbidden_run_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spark-1.jsa"

    def fails(part: Path) -> ChildResult:
        part.touch()
        return ChildResult(1, timed_out=False, stopped=False)

    class_archive.make(path, fails)
    assert [p.name for p in tmp_path.iterdir()] == ["spark-1.lock"]
    (tmp_path / "file").touch()
    class_archive.make(tmp_path / "file" / "spark-1.jsa", fails)  # no folder can be made there


def test_a_new_archive_takes_the_place_of_older_ones(tmp_path: Path) -> None:
    (tmp_path / "spark-0.jsa").touch()

    def succeeds(part: Path) -> ChildResult:
        part.touch()
        return ChildResult(0, timed_out=False, stopped=False)

    class_archive.make(tmp_path / "spark-1.jsa", succeeds)
    assert [p.name for p in tmp_path.glob("*.jsa")] == ["spark-1.jsa"]


def uses_archive(jobs: Jobs, path: Path) -> bool:
    run = jobs.run(jobs.make(MAPPED, command="glueetl"))
    assert run["JobRunState"] == "SUCCEEDED", jobs.log(run["Id"], "error")
    return str(path) in jobs.log(run["Id"])


@pytest.mark.jvm
def test_a_spark_job_uses_the_archive_if_there_is_one(jobs: Jobs) -> None:
    path = class_archive.archive(os.environ)
    assert path is not None
    is_there = path.is_file()
    used = uses_archive(jobs, path)
    assert used or not is_there


@pytest.mark.jvm
@pytest.mark.long
def test_the_third_job_of_a_server_makes_the_archive(jobs: Jobs) -> None:
    path = class_archive.archive(os.environ)
    assert path is not None
    path.unlink(missing_ok=True)
    for _ in range(class_archive.FIRST_JOBS):
        assert not uses_archive(jobs, path)
    deadline = time.monotonic() + 300
    while not path.is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert uses_archive(jobs, path)
