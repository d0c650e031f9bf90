"""Spark needs a Java that fits, and folders with any name: both are checked with real ones."""

import os
from pathlib import Path

import pytest

from etholake import aws, local_server
from etholake.errors import UsageError
from etholake.settings import Settings, replace_port
from etholake.stages.jobs import run_job
from local_mock.glue import java, spark

ODD = 'Maus\' "Käfig" $1 & co'  # what a folder's name may hold: blank, quotes, umlaut, signs of the shell


def fake_java(folder: Path, script: str, release: str = "") -> dict[str, str]:
    """Return an environment whose only Java is this shell script."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    if release:
        (folder / "release").write_text(release)
    return {"PATH": str(program.parent)}


def test_the_java_of_this_machine_fits() -> None:
    assert java.problem(os.environ) is None


def test_without_java_the_sentence_says_how_to_install_it(tmp_path: Path) -> None:
    problem = java.problem({"PATH": str(tmp_path)})
    assert problem is not None
    assert problem.startswith(
        "Spark needs Java, but no program java is on PATH. Install a Java runtime 17 (Debian"
    )
    assert "apt-get install openjdk-17-jre-headless" in problem
    wrong_home = java.problem({"PATH": os.environ["PATH"], "JAVA_HOME": str(tmp_path)})
    assert wrong_home is not None
    assert f"JAVA_HOME is {tmp_path}, which holds no bin/java" in wrong_home


@pytest.mark.jvm
def test_a_java_that_does_not_start_or_does_not_fit_is_named(tmp_path: Path) -> None:
    stub = java.problem(fake_java(tmp_path / "stub", "exit 1"))  # macOS without a Java
    assert stub is not None
    assert "does not start" in stub
    old = java.problem(fake_java(tmp_path / "old", "echo 'java version \"1.7.0_80\"' >&2"))
    assert old is not None
    assert f"runs on Java 8 to 17, but {tmp_path}/old/bin/java is Java 7." in old
    assert java.problem(fake_java(tmp_path / "8", "echo 'openjdk version \"1.8.0_402\"' >&2")) is None
    new = java.problem(fake_java(tmp_path / "new", "exit 1", 'IMPLEMENTOR="x"\nJAVA_VERSION="25.0.1"\n'))
    assert new is not None
    assert "is Java 25." in new


def test_no_job_starts_without_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(
        UsageError, match=r"^No job was started\. Spark needs Java, but no program java is on PATH"
    ):
        local_server.require_java(Settings())
    local_server.require_java(Settings(target="aws", bucket="b"))  # Glue has its own


def test_options_of_the_jvm_keep_blanks_and_quotes() -> None:
    options = spark.java_options("-Da=1", '-Db=a "b" c\\d', "-Dc='x'")
    assert options == '"-Da=1" "-Db=a \\"b\\" c\\\\d" "-Dc=\'x\'"'


SCRIPT = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
rows = spark.createDataFrame([(1, "Labor Süd"), (2, "it's")], "n int, lab_id string")
rows.write.partitionBy("lab_id").parquet("s3://odd/out dir/täble")
back = spark.read.parquet("s3://odd/out dir/täble")
assert sorted(row.lab_id for row in back.collect()) == ["Labor Süd", "it's"], back.collect()
temporary = spark.sparkContext._jvm.java.lang.System.getProperty("java.io.tmpdir")
assert temporary.endswith("work"), temporary
"""


@pytest.mark.server
@pytest.mark.jvm
def test_a_spark_job_runs_in_a_folder_with_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")  # a server started by cron: Java would write `?` for an umlaut
    odd = tmp_path / ODD
    settings = Settings(port=0, state_dir=str(odd / "state"), s3_root=str(odd / "s3 root"))
    settings = replace_port(settings, local_server.up(settings).port)
    try:
        s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
        s3.create_bucket(Bucket="odd")
        s3.put_object(Bucket="odd", Key="job.py", Body=SCRIPT.encode())
        command = {"Name": "glueetl", "ScriptLocation": "s3://odd/job.py", "PythonVersion": "3"}
        glue.create_job(Name="odd", Role="role", Command=command, GlueVersion="5.1")
        run_job(glue, "odd", {}, lambda _: None)
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket="odd", Prefix="out dir/täble/lab")["Contents"]]
        assert {key.split("/")[2] for key in keys} == {"lab_id=Labor Süd", "lab_id=it%27s"}  # as Hive writes it
    finally:
        local_server.down(settings)


def test_spark_conf_is_one_line_a_property(tmp_path: Path) -> None:
    conf = spark.spark_conf(cores=1, memory_mb=1024, scratch=tmp_path / ODD, s3_root=tmp_path, bucket_names=["b"])
    lines = spark.render(conf).splitlines()
    assert len(lines) == len(conf)
    options = next(line for line in lines if line.startswith("spark.driver.extraJavaOptions "))
    assert "-Djava.io.tmpdir=" in options
    assert options.endswith('$1 & co"')
