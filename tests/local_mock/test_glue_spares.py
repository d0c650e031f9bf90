"""The spare Spark driver: a job that takes it runs as it would in a process of its own, and nothing outlives it.

`Lab` has a server whose spare is on; the tests of timeouts and of failing spares run jobs in this process.
"""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from glue_lab import Jobs

from etholake import local_server
from etholake.settings import Settings, replace_port
from local_mock.context import Context
from local_mock.data import FolderData
from local_mock.errors import UsageError
from local_mock.glue import runner, spares
from local_mock.glue.runner import JobProcess, RunSpec, prepare_spare
from local_mock.glue.spare_driver import fits
from local_mock.glue.spares import Spare, Spares
from local_mock.options import from_environment, switches

# What a script finds when it begins, and what Spark and its workers find. Folders and ids differ between runs.
LOOKS_AROUND = """
import json, os, signal, sys, tempfile, threading
seen = {
    "argv": sys.argv, "path": sys.path, "cwd": os.getcwd(), "temporary": tempfile.gettempdir(),
    "modules": sorted({name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)),
    "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
    "environment": dict(os.environ), "note": open("note.txt").read(),
}
from pyspark import SparkContext
from pyspark.sql import SparkSession
import shipped
seen["before"] = [SparkContext._active_spark_context, SparkContext._gateway, SparkSession.getActiveSession()]
os.environ["GIVEN_BY_THE_SCRIPT"] = "yes"
spark = SparkSession.builder.config("spark.sql.shuffle.partitions", "3").getOrCreate()
context = spark.sparkContext
system = context._jvm.java.lang.System
seen["jvm"] = dict(system.getenv())
seen["properties"] = dict(context.getConf().getAll())
seen["shipped"] = shipped.NAME

def worker(_):
    import shipped
    return dict(os.environ), os.getcwd(), shipped.NAME, open("note.txt").read()

seen["worker"] = context.parallelize([1], 1).map(worker).collect()[0]
place = sys.argv[sys.argv.index("--place") + 1]
context.parallelize(["a", "b"], 1).saveAsTextFile(place)
seen["back"] = sorted(context.textFile(place).collect())
print("SEEN " + json.dumps(seen))
print("of Python", file=sys.stderr)
system.out.println("of the JVM")
system.err.println("JVM's error")
"""
# A job of Spark, after which a spare is started.
USES_SPARK = """
from pyspark import SparkContext
SparkContext._ensure_initialized()
"""
STARTS = """
import os
print("in a spare" if "/spare/" in os.getcwd() else "cold")
"""


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return what `true` returns as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, f"did not happen in {seconds:.0f} s"
        time.sleep(0.05)
    return value


def processes(folder: Path, word: str = "") -> list[int]:
    """Return the ids of the processes that run and name the folder in their command line."""
    pids = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().decode("utf-8", "replace")
            alive = (place / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            continue
        named = f"{folder}/" in command or f"{folder}\0" in command
        if alive and named and word in command and place.name != str(os.getpid()):
            pids.append(int(place.name))
    return pids


class Lab:
    """A server with its spare, and jobs."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(port=0, state_dir=str(folder / "state"), s3_root=str(folder / "s3"))
        self.running = local_server.up(self.settings)
        self.jobs = Jobs(replace_port(self.settings, self.running.port))
        self.folder = folder / "state" / "spare"

    def spare(self) -> Path:
        """Run a job of Spark; return the folder of the spare that follows it, once its JVM has been started."""
        run = self.jobs.run(self.define(USES_SPARK), Arguments={})
        assert run["JobRunState"] == "SUCCEEDED", self.jobs.log(run["Id"], "error")
        return until(lambda: next((f for f in self.folder.glob("*") if processes(f, "-Djava.io.tmpdir=")), None))

    def define(self, source: str = STARTS, **options: Any) -> str:
        """Define a job of Spark and return its name."""
        return self.jobs.make(source, command="glueetl", **options)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("LOCAL_MOCK_SPARE_DRIVER", "on")
    made = Lab(tmp_path)
    yield made
    local_server.down(made.settings)


def seen_by(jobs: Jobs, name: str, place: str) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Run a job that looks around; return what it saw with names of folders and ids replaced, its log, its run."""
    run = jobs.run(name, Arguments={"--place": place})
    assert run["JobRunState"] == "SUCCEEDED", jobs.log(run["Id"], "error")
    output = jobs.log(run["Id"])
    line = next(line for line in output.splitlines() if line.startswith("SEEN "))
    for pattern, word in (
        (rf"{re.escape(place)}", "PLACE"),
        (r"/state/(?:spare/[0-9a-f]+|glue/jr_[0-9a-f]+)/(work|conf|spark|spark-submit)\b", r"/\1"),
        (r"jr_[0-9a-f]+", "RUN"),
        (r"j_[0-9a-f]+", "JOB"),
        (r"(spark|userFiles|blockmgr|pyspark|tmp)[-_]?[0-9a-f-]{30,}", r"\1"),
    ):
        line = re.sub(pattern, word, line)
    return json.loads(line.removeprefix("SEEN ")), output, run


@pytest.mark.server
@pytest.mark.jvm
def test_a_job_sees_in_the_spare_what_it_sees_in_a_process_of_its_own(lab: Lab) -> None:
    jobs = lab.jobs
    (jobs.folder / "shipped.py").write_text("NAME = 'shipped'")
    (jobs.folder / "note.txt").write_text("a note")
    name = lab.define(
        LOOKS_AROUND,
        DefaultArguments={
            "--extra-py-files": f"s3://{jobs.bucket}/shipped.py",
            "--extra-files": f"s3://{jobs.bucket}/note.txt",
            "--conf": "spark.sql.session.timeZone=Europe/Berlin",
            "--additional-python-modules": "numpy==0.1",
        },
    )
    spare = lab.spare()
    (jobs.folder.parent / "later").mkdir()  # a bucket that the spare has not seen
    warm, output, run = seen_by(jobs, name, "s3://later/out/1")
    error = jobs.log(run["Id"], "error")
    assert error.count("Setting default log level") == 1  # no second JVM
    assert not spare.exists()
    cold, cold_output, _ = seen_by(jobs, name, "s3://later/out/2")

    own = {"spark.app.startTime", "spark.app.submitTime", "spark.app.id", "spark.driver.port"}
    for seen in (warm, cold):
        for key in own:
            seen["properties"].pop(key)
        for environment in (seen["jvm"], seen["worker"][0]):
            for key in [key for key in environment if key.startswith(("_PYSPARK_", "PYTHON_WORKER_"))]:
                del environment[key]  # ports, secrets and files of this very JVM
    # PySpark is imported already, with what it imports.
    assert set(cold.pop("modules")) <= set(modules := warm.pop("modules"))
    assert not {"boto3", "pyarrow", "etholake", "local_mock"} & set(modules)
    warm["worker's"], cold["worker's"] = warm["worker"][0], cold["worker"][0]
    for key in cold:  # one by one, for a message that can be read
        if isinstance(cold[key], dict):
            assert set(warm[key].items()) ^ set(cold[key].items()) == set(), key
        assert warm[key] == cold[key], key
    assert warm.keys() == cold.keys()
    assert warm["before"] == [None, None, None]
    assert warm["worker"][0]["GIVEN_BY_THE_SCRIPT"] == "yes"
    assert warm["worker"][0]["AWS_ACCESS_KEY_ID"] == "role"
    assert warm["properties"]["spark.sql.session.timeZone"] == "Europe/Berlin"
    assert warm["properties"]["spark.sql.shuffle.partitions"] == "3"
    assert warm["back"] == ["a", "b"]
    assert "of the JVM" in output
    assert "of the JVM" in cold_output
    for words in ("of Python", "JVM's error", "asks for numpy==0.1"):
        assert words in error


@pytest.mark.server
@pytest.mark.jvm
def test_one_of_two_jobs_takes_it_and_a_stopped_one_leaves_nothing(lab: Lab) -> None:
    go = lab.jobs.folder / "go"
    waits = f"{STARTS}\nimport pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)\n"
    names = [lab.define(waits), lab.define(waits)]
    spare = lab.spare()
    runs = [lab.jobs.glue.start_job_run(JobName=name)["JobRunId"] for name in names]
    logs = until(lambda: [log for run in runs if (log := lab.jobs.log(run))][1:] and [*map(lab.jobs.log, runs)])
    assert sorted(logs) == ["cold", "in a spare"]
    first = logs.index("in a spare")
    assert processes(spare)
    lab.jobs.glue.batch_stop_job_run(JobName=names[first], JobRunIds=[runs[first]])
    assert lab.jobs.wait(names[first], runs[first])["JobRunState"] == "STOPPED"
    assert not processes(spare)
    until(lambda: not spare.exists())
    go.touch()
    assert lab.jobs.wait(names[1 - first], runs[1 - first])["JobRunState"] == "SUCCEEDED"


@pytest.mark.server
@pytest.mark.jvm
def test_who_wants_another_jvm_gets_one(lab: Lab) -> None:
    source = f"""{STARTS}
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.config("spark.driver.extraJavaOptions", "-Downs=it").getOrCreate()
system = spark.sparkContext._jvm.java.lang.System
print("own", system.getProperty("owns"), "heap", spark.sparkContext.getConf().get("spark.driver.memory"))
"""
    name = lab.define(source)
    lab.spare()
    other = lab.jobs.run(name, Arguments={"--conf": "spark.driver.memory=1100m"})
    assert lab.jobs.log(other["Id"]).splitlines() == ["cold", "own it heap 1100m"]
    run = lab.jobs.run(name)  # the spare is still there, but its JVM does not fit the script
    warm, own = lab.jobs.log(run["Id"]).splitlines()
    assert warm == "in a spare"
    assert own.startswith("own it heap")


@pytest.mark.server
@pytest.mark.jvm
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_server(lab: Lab, how: signal.Signals) -> None:
    spare = lab.spare()
    os.kill(lab.running.pid, how)
    until(lambda: not processes(spare))


@pytest.mark.server
def test_none_is_started_where_it_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_MOCK_SPARE_DRIVER", "off")
    lab = Lab(tmp_path)
    try:
        for source in (USES_SPARK, STARTS):
            run = lab.jobs.run(lab.define(source))
            time.sleep(1.5 * spares.QUIET_S)
        assert lab.jobs.log(run["Id"]) == "cold"
        assert not lab.folder.exists()
    finally:
        local_server.down(lab.settings)


# --- in this process --------------------------------------------------------------------------------------
@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / "bucket").mkdir()
    made = Context(tmp_path, tmp_path / "state", 1, "us-east-1", FolderData(tmp_path), spare_driver=True)
    prepare_spare(made, "G.1X", 2)
    return made


def run_job(context: Context, source: str, **options: Any) -> tuple[JobProcess, Any]:
    (context.s3_root / "bucket" / "job.py").write_text(source)
    spec = RunSpec("jr_1", "job", "glueetl", "s3://bucket/job.py", {}, "G.1X", 2, **options)
    job = JobProcess(spec, context)
    job.start()
    return job, job.wait()


def spare_of(context: Context) -> Spare:
    spare = runner._spares_of(context)._spare
    assert spare is not None
    return spare


@pytest.mark.server
@pytest.mark.jvm
def test_a_time_limit_counts_from_the_start_of_the_job(context: Context) -> None:
    spare = spare_of(context)
    until(lambda: processes(spare.folder, "-Djava.io.tmpdir="))
    job, outcome = run_job(context, f"{STARTS}\nimport time; time.sleep(60)", timeout_s=4.0)
    assert outcome.state == "TIMEOUT"
    assert job.output_log.read_text() == "in a spare\n"
    assert not processes(spare.folder)
    assert not spare.folder.exists()


@pytest.mark.server
@pytest.mark.jvm
@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_silent_or_dead_spare_is_discarded(
    context: Context, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = spare_of(context)
    spare._channel.settimeout(1.0)

    def drivers() -> set[int]:
        """Not the supervisor: stopped, it would never say that the job has ended."""
        return set(processes(spare.folder, "spare_driver")) - set(processes(spare.folder, "child_supervisor"))

    [driver] = until(drivers)
    os.kill(driver, how)
    job, outcome = run_job(context, STARTS)
    assert outcome.state == "SUCCEEDED"
    assert job.output_log.read_text() == "cold\n"
    assert not processes(spare.folder)
    assert not spare.folder.exists()


@pytest.mark.server
@pytest.mark.jvm
def test_a_spare_whose_jvm_has_died_launches_another(context: Context) -> None:
    spare = spare_of(context)
    [jvm] = until(lambda: processes(spare.folder, "-Djava.io.tmpdir="))
    os.kill(jvm, signal.SIGKILL)
    source = f"{STARTS}\nfrom pyspark.sql import SparkSession\nprint(SparkSession.builder.getOrCreate().version)"
    job, outcome = run_job(context, source)
    assert outcome.state == "SUCCEEDED", job.error_log.read_text()
    assert job.output_log.read_text().startswith("in a spare\n3.5")


class _Waits(Spare):
    """A spare whose process only waits."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {}, [], {"PATH": os.environ["PATH"]})


@pytest.mark.server
def test_when_one_is_started_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text("import sys, time\ntime.sleep(100)")
    monkeypatch.setattr(spares, "_DRIVER", driver)
    (tmp_path / "spare" / "old").mkdir(parents=True)
    kept = Spares(tmp_path / "spare")
    assert not (tmp_path / "spare").exists()  # of a server that was killed

    def folders() -> list[Path]:
        return [folder for folder in (tmp_path / "spare").glob("*") if processes(folder)]

    def with_none() -> bool:
        return not any((tmp_path / "spare").glob("*"))

    threads = [threading.Thread(target=kept.prepare, args=(_Waits,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [first] = folders()
    os.kill(processes(first, "driver.py")[0], signal.SIGKILL)
    until(lambda: not processes(first))
    kept.prepare(_Waits)  # in the place of a dead one
    [second] = folders()
    assert first != second
    assert kept.take(lambda _: {"spark.driver.memory": "9g"}) is None  # does not fit
    taken = kept.take(lambda _: {"spark.sql.shuffle.partitions": "9"})
    assert taken is not None
    assert kept.take(lambda _: {}) is None  # never twice
    taken.end()
    kept.job_begins()
    kept.prepare(_Waits)
    assert with_none()  # not beside a job
    monkeypatch.setattr(spares, "QUIET_S", 0.5)
    monkeypatch.setattr(spares, "IDLE_S", 3.0)  # a busy machine takes a while to see it wait
    kept.job_ends()
    time.sleep(1.0)
    assert with_none()  # the job had no use for Spark
    kept.job_begins()
    kept.job_ends(lambda: kept.prepare(_Waits))
    assert with_none()  # not at once
    until(folders)
    until(with_none)  # it has waited in vain


def test_what_may_differ_from_the_jvm_that_waits() -> None:
    baked = {"spark.master": "local[2]", "spark.driver.memory": "2g", "spark.sql.shuffle.partitions": "4"}
    assert fits(baked, baked)
    assert fits(baked, {**baked, "spark.sql.shuffle.partitions": "8", "spark.hadoop.fs.x": "y"})
    assert fits(baked, {**baked, "spark.master": "local[1]"})
    assert fits({**baked, "spark.sql.own": "1"}, baked)
    for name, value in (
        ("spark.driver.memory", "3g"), ("spark.driver.extraJavaOptions", "-Dx=1"), ("spark.jars", "x.jar"),
        ("spark.jars.packages", "a:b:c"), ("spark.driver.extraClassPath", "/x"), ("spark.master", "spark://a"),
        ("spark.submit.pyFiles", "a.py"), ("spark.local.dir", "/x"), ("own", "1"),
    ):  # fmt: skip
        assert not fits(baked, {**baked, name: value}), name


def test_the_switches_are_on_or_off() -> None:
    assert from_environment({}).spare_driver
    assert not from_environment({"LOCAL_MOCK_SPARE_DRIVER": "off"}).spare_driver
    assert not from_environment({"LOCAL_MOCK_CLASS_ARCHIVE": "off"}).class_archive
    assert switches({}) == {}
    assert switches({"LOCAL_MOCK_SPARE_DRIVER": "off", "OTHER": "x"}) == {"spare_driver": False}
    with pytest.raises(UsageError, match="LOCAL_MOCK_SPARE_DRIVER must be on or off, but got '0'"):
        switches({"LOCAL_MOCK_SPARE_DRIVER": "0"})
