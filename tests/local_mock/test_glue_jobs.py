"""Glue job runs are real: arguments, packages, errors, logs, retries, limits, stop; two tests start Spark."""

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from glue_lab import Jobs

from local_mock.context import Context
from local_mock.data import FolderData
from local_mock.glue import spark
from local_mock.glue.runner import JobProcess, JobSetupError, RunSpec, check_modules, script_arguments


def package(module: str, source: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(f"{module}/__init__.py", source)
    return sink.getvalue()


def test_a_spark_script_reads_and_writes_s3_paths(jobs: Jobs) -> None:
    (jobs.folder / "lib.zip").write_bytes(package("shipped", "def twice(x):\n    return 2 * x\n"))
    name = jobs.make(
        """
        import sys
        from awsglue.utils import getResolvedOptions
        from pyspark.sql import SparkSession
        from shipped import twice

        arguments = getResolvedOptions(sys.argv, ["JOB_NAME", "place", "size"])
        spark = SparkSession.builder.appName(arguments["JOB_NAME"]).getOrCreate()
        place = arguments["place"]

        def double(batches):
            from shipped import twice
            import pyarrow as pa
            for batch in batches:
                yield pa.RecordBatch.from_arrays(
                    [pa.array([twice(x) for x in batch.column(0).to_pylist()]), batch.column(1)], ["n", "lab_id"])

        rows = spark.range(int(arguments["size"])).selectExpr("id AS n", "CONCAT('lab ', id % 2) AS lab_id")
        rows.mapInArrow(double, "n long, lab_id string").write.partitionBy("lab_id").parquet(place)
        back = spark.read.parquet(place)
        one = spark.read.parquet(place.replace("s3://", "s3a://") + "/lab_id=lab 1")
        print("sum", back.selectExpr("SUM(n)").first()[0], "rows of one lab", one.count())
        spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
        back.where("lab_id = 'lab 1'").limit(3).write.mode("overwrite").partitionBy("lab_id").parquet(place + "2")
        print("master", spark.sparkContext.master, "web", spark.sparkContext.uiWebUrl)
        print("host", spark.conf.get("spark.driver.host"))
        """,
        command="glueetl",
        WorkerType="G.1X",
        NumberOfWorkers=2,
        DefaultArguments={
            "--size": "3",
            "--extra-py-files": f"s3://{jobs.bucket}/lib.zip",
            "--enable-metrics": "true",
        },
    )
    place = f"s3://{jobs.bucket}/out dir/table"
    run = jobs.run(name, Arguments={"--size": "10", "--place": place})
    output = jobs.log(run["Id"])
    assert run["JobRunState"] == "SUCCEEDED", jobs.log(run["Id"], "error")
    assert "sum 90 rows of one lab 5" in output  # 2 * (0 + … + 9); the odd ones
    assert "web None" in output
    assert "host 127.0.0.1" in output
    assert "master local[" in output
    assert run["ExecutionTime"] > 0
    assert run["StartedOn"] < run["CompletedOn"]
    assert run["Attempt"] == 0
    assert list((jobs.folder / "out dir" / "table" / "lab_id=lab 1").glob("part-*.parquet"))
    assert not list(jobs.folder.rglob("_temporary"))
    assert not list(jobs.folder.rglob(".*.crc"))  # a stale one would spoil an object written over it


def test_a_spark_error_is_told_as_glue_tells_it(jobs: Jobs) -> None:
    name = jobs.make(
        """
        from pyspark.sql import SparkSession
        SparkSession.builder.getOrCreate().read.parquet("s3://no-such-bucket/table").count()
        """,
        command="glueetl",
    )
    run = jobs.run(name)
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith(
        "AnalysisException: [PATH_NOT_FOUND] Path does not exist: s3://no-such-bucket"
    )
    assert "Traceback" in jobs.log(run["Id"], "error")


def test_states_arguments_and_logs_of_a_shell_job(jobs: Jobs) -> None:
    name = jobs.make(
        """
        import os, pathlib, sys, time
        print(sys.argv[1:])
        print(os.environ["AWS_ENDPOINT_URL"], os.environ.get("ETHOLAKE_DATABASE"), file=sys.stderr)
        while not pathlib.Path(sys.argv[sys.argv.index("--go") + 1]).exists():
            time.sleep(0.05)
        """,
        DefaultArguments={"--a": "default", "--b": "default", "--extra-files": f"s3://{jobs.bucket}/note.txt"},
        NonOverridableArguments={"--c": "fixed"},
    )
    (jobs.folder / "note.txt").write_text("hello")
    go = jobs.folder / "go"
    run_id = jobs.glue.start_job_run(JobName=name, Arguments={"--b": "run", "--c": "x", "--go": str(go)})[
        "JobRunId"
    ]
    assert jobs.wait(name, run_id, {"RUNNING"})["JobRunState"] == "RUNNING"
    with pytest.raises(jobs.glue.exceptions.ConcurrentRunsExceededException, match=f"exceeded for {name}"):
        jobs.glue.start_job_run(JobName=name)
    go.touch()
    run = jobs.wait(name, run_id)
    assert run["JobRunState"] == "SUCCEEDED"
    output = jobs.log(run_id)
    for words in ("'--a', 'default'", "'--b', 'run'", "'--c', 'fixed'", f"'--JOB_NAME', '{name}'", run_id):
        assert words in output
    assert "--extra-files" not in output
    assert jobs.log(run_id, "error").strip().endswith(" None")
    assert [r["Id"] for r in jobs.glue.get_job_runs(JobName=name)["JobRuns"]] == [run_id]


def test_a_failed_run_shows_the_exception_and_is_retried(jobs: Jobs) -> None:
    name = jobs.make("print('half way')\nraise ValueError('row 3 of lab A is bad')", MaxRetries=1)
    first = jobs.run(name)
    assert first["JobRunState"] == "FAILED"
    assert first["ErrorMessage"] == "ValueError: row 3 of lab A is bad"
    second = jobs.wait(name, first["Id"] + "_attempt_1")
    assert (second["Attempt"], second["PreviousRunId"]) == (1, first["Id"])
    assert second["JobRunState"] == "FAILED"
    assert len(jobs.glue.get_job_runs(JobName=name)["JobRuns"]) == 2
    assert jobs.log(first["Id"]) == "half way"


@pytest.mark.parametrize(
    ("source", "state", "message"),
    [
        ("import sys; sys.exit(0)", "SUCCEEDED", None),
        ("import sys; sys.exit(3)", "FAILED", "SystemExit: 3"),
        ("import sys; sys.exit('no input')", "FAILED", "no input"),
        ("import os; os._exit(7)", "FAILED", "Command failed with exit code 7"),
        ("import os; os.kill(os.getpid(), 9)", "FAILED", "killed by SIGKILL"),
        ("import not_there", "FAILED", "ModuleNotFoundError: No module named 'not_there'"),
        ("def f(:", "FAILED", "SyntaxError"),
    ],
)
def test_how_a_script_ends(jobs: Jobs, source: str, state: str, message: str | None) -> None:
    run = jobs.run(jobs.make(source))
    assert run["JobRunState"] == state
    assert (message in run["ErrorMessage"]) if message else "ErrorMessage" not in run


def test_stop(jobs: Jobs) -> None:
    name = jobs.make(
        """
        import pathlib, subprocess, sys, time
        child = subprocess.Popen(["sleep", "600"])
        pathlib.Path(sys.argv[sys.argv.index("--pid") + 1]).write_text(str(child.pid))
        time.sleep(600)
        """
    )
    pid = jobs.folder / "pid"
    run_id = jobs.glue.start_job_run(JobName=name, Arguments={"--pid": str(pid)})["JobRunId"]
    until(lambda: pid.exists() and pid.read_text() != "")
    answer = jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id, "jr_unknown"])
    assert answer["SuccessfulSubmissions"] == [{"JobName": name, "JobRunId": run_id}]
    assert answer["Errors"][0]["JobRunId"] == "jr_unknown"
    assert jobs.wait(name, run_id)["JobRunState"] == "STOPPED"
    grandchild = Path(f"/proc/{pid.read_text()}")
    until(lambda: not grandchild.exists())
    again = jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])["Errors"]
    assert "has ended already: STOPPED" in again[0]["ErrorDetail"]["ErrorMessage"]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "did not happen in 20 s"
        time.sleep(0.05)


def test_missing_script_and_package_are_named(jobs: Jobs) -> None:
    name = jobs.make("pass", DefaultArguments={"--extra-py-files": f"s3://{jobs.bucket}/gone.zip"})
    message = jobs.run(name)["ErrorMessage"]
    assert f"bucket: {jobs.bucket}, key: gone.zip" in message
    (jobs.folder / f"{name}.py").unlink()
    message = jobs.run(name)["ErrorMessage"]
    assert f"bucket: {jobs.bucket}, key: {name}.py" in message
    with pytest.raises(jobs.glue.exceptions.EntityNotFoundException, match="Job nobody not found"):
        jobs.glue.start_job_run(JobName="nobody")


def test_job_definitions(jobs: Jobs) -> None:
    name = jobs.make("pass", Description="old", DefaultArguments={"--a": "1"})
    with pytest.raises(jobs.glue.exceptions.AlreadyExistsException, match="Job already exists"):
        jobs.glue.create_job(Name=name, Role="r", Command={"Name": "glueetl"})
    command = {"Name": "gluestreaming", "ScriptLocation": "s3://b/k.py"}
    jobs.glue.update_job(JobName=name, JobUpdate={"Role": "other", "Command": command, "Timeout": 5})
    job = jobs.glue.get_job(JobName=name)["Job"]
    assert (job["Role"], job["Timeout"], job["DefaultArguments"]) == ("other", 5, {})
    assert "Description" not in job
    with pytest.raises(jobs.glue.exceptions.InvalidInputException, match="glueetl or pythonshell"):
        jobs.glue.start_job_run(JobName=name)
    with pytest.raises(jobs.glue.exceptions.InvalidInputException, match="but got spark"):
        jobs.glue.create_job(Name=f"{name}-odd", Role="r", Command={"Name": "spark"})
    both = {"Role": "r", "Command": command, "MaxCapacity": 2.0, "WorkerType": "G.1X", "NumberOfWorkers": 2}
    with pytest.raises(jobs.glue.exceptions.InvalidInputException, match="do not set Max Capacity"):
        jobs.glue.update_job(JobName=name, JobUpdate=both)


@pytest.mark.server
def test_timeout(tmp_path: Path) -> None:
    context = Context(tmp_path, tmp_path / "state", 1, "us-east-1", FolderData(tmp_path))
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "slow.py").write_text("import time; time.sleep(60)")
    spec = RunSpec("jr_1", "slow", "pythonshell", "s3://bucket/slow.py", {}, timeout_s=0.5)
    execution = JobProcess(spec, context)
    execution.start()
    assert execution.wait().state == "TIMEOUT"
    assert not (execution.folder / "work").exists()


def test_arguments_are_ordered_as_glue_orders_them() -> None:
    given = {"--bucket": "b", "--conf": "spark.x=1", "--empty": "", "--job-bookmark-option": "job-bookmark-pause"}
    words = script_arguments(RunSpec("jr_9", "name", "glueetl", "s3://b/k", given))
    assert words == [
        "--job-bookmark-option", "job-bookmark-pause", "--JOB_NAME", "name", "--JOB_ID", "j_9",
        "--JOB_RUN_ID", "jr_9", "--bucket", "b", "--empty", "",
    ]  # fmt: skip


def test_worker_settings_become_a_local_spark(tmp_path: Path) -> None:
    assert spark.local_cores("G.1X", 2, available=2) == 2
    assert spark.local_cores("G.1X", 2, available=64) == 4
    assert spark.local_cores("G.2X", 5, available=64) == 32
    assert spark.local_cores(None, None, available=1) == 1
    assert spark.driver_memory_mb("G.1X", 8 * 1024) == 2048
    assert spark.driver_memory_mb("G.1X", 1024 * 1024) == 10 * 1024
    assert spark.driver_memory_mb("G.025X", 2048) == 1024
    assert spark.user_conf("spark.a=1 --conf spark.b=x=y") == {"spark.a": "1", "spark.b": "x=y"}
    conf = spark.spark_conf(cores=2, memory_mb=1024, scratch=tmp_path, s3_root=None, bucket_names=["b"])
    assert not [key for key in conf if "viewfs" in key]


def test_modules_that_are_not_here_are_named() -> None:
    assert check_modules("numpy") == []
    assert "asks for numpy==1.0" in check_modules("numpy==1.0, pyarrow")[0]
    with pytest.raises(JobSetupError, match=r"names not-a-module==1, s3://b/x\.whl, which this machine"):
        check_modules("numpy,not-a-module==1,s3://b/x.whl")
