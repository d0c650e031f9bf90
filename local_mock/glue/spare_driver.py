"""First code in the process of a spare (see `spares`): start Spark's JVM, wait for a job, then run it.

Run by the server: ``python -P spare_driver.py <the spare's folder> <descriptor of its socket>``. The main thread
waits for the job while another launches the JVM and lets it load what every job needs, by a Spark context that is
gone again before the script begins. The script gets the JVM when it makes its own context, if nothing has been
baked into the JVM that the script wants otherwise (`_Jvm.claim`); else a new one is launched, as in any job.

Of Python the script finds nothing but PySpark imported: no session, no context, no signal handler, its own
arguments, environment and working folder. Imports the standard library and pyspark only.
"""

import importlib.util
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Properties that Spark reads when a context or a session is made, so that they may still be set after the JVM has
# started; `spark.master` may be another local one.
_LATE = (
    "spark.app.", "spark.broadcast.", "spark.cleaner.", "spark.default.parallelism", "spark.driver.host",
    "spark.driver.bindAddress", "spark.driver.maxResultSize", "spark.dynamicAllocation.", "spark.eventLog.",
    "spark.executor.cores", "spark.executor.instances", "spark.executor.memory", "spark.executorEnv.",
    "spark.hadoop.", "spark.kryo", "spark.locality.", "spark.memory.", "spark.python.", "spark.rdd.",
    "spark.reducer.", "spark.scheduler.", "spark.serializer", "spark.shuffle.", "spark.speculation", "spark.sql.",
    "spark.stage.", "spark.storage.", "spark.task.", "spark.ui.",
)  # fmt: skip
# Variables that decide how a JVM starts, or that it reads once and keeps.
_AT_START = (
    "HADOOP_", "HIVE_", "HOME", "JAVA_", "JDK_", "LANG", "LC_", "LD_", "PATH", "PYSPARK_", "SPARK_", "TMPDIR",
    "TZ", "YARN_", "_JAVA_",
)  # fmt: skip
# Python sets these two when it makes a context.
_NOT_AT_START = frozenset({"SPARK_AUTH_SOCKET_TIMEOUT", "SPARK_BUFFER_SIZE"})
CLAIMED = "claimed"  # file in the spare's folder: the script has wanted Spark
_LAUNCH_S, _HAND_OVER_S = 60.0, 20.0


def fits(baked: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Return whether a JVM that was started with the properties `baked` can serve a job that wants `wanted`.

    Both map names of Spark properties to their values. They may differ in what Spark reads later, and in nothing
    else.
    """
    differing = {name for name in {*baked, *wanted} if baked.get(name) != wanted.get(name)}
    return all(
        name.startswith(_LATE)
        or (name == "spark.master" and wanted.get(name, "").partition("[")[0] == "local" and name in baked)
        for name in differing
    )


class _Jvm:
    """The JVM of this process, launched in a thread."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._baked = dict(properties)
        self._surroundings = _surroundings()
        self._gateway: Any = None
        self._environment: Any = None
        self._variables = dict(os.environ)
        # Variables that Spark's launching scripts have set or changed, and those that they have removed.
        self._set: dict[str, str] = {}
        self._removed: set[str] = set()
        self.wanted = threading.Event()  # a job is there: no more warming
        self._thread = threading.Thread(target=self._prepare, name="spare-jvm", daemon=True)
        self._thread.start()

    def claim(self, properties: Mapping[str, str]) -> Any:
        """Return the gateway to the JVM, given these properties and the environment of now; None without one."""
        self._thread.join(_LAUNCH_S)
        gateway, self._gateway = self._gateway, None
        if gateway is None:
            return None
        if fits(self._baked, properties) and _surroundings() == self._surroundings and gateway.proc.poll() is None:
            given = threading.Event()
            # A JVM that hangs must not hang the job.
            threading.Thread(target=self._give, args=(gateway, properties, given), daemon=True).start()
            if given.wait(_HAND_OVER_S):
                return gateway
        gateway.proc.kill()
        return None

    def _prepare(self) -> None:
        from pyspark.java_gateway import launch_gateway

        gateway: Any = None
        try:
            gateway = launch_gateway()
            self._environment = _environment(gateway.jvm)
            own = dict(self._environment)
            self._set = {name: own[name] for name in own if self._variables.get(name) != own[name]}
            self._removed = self._variables.keys() - own.keys()
            self._environment.putAll(self._set)  # where it cannot be changed, this raises
            if not self.wanted.is_set():
                _warm(gateway.jvm)
        except Exception:  # without a JVM to give, the job launches its own
            if gateway is not None:
                gateway.proc.kill()
            return
        self._gateway = gateway

    def _give(self, gateway: Any, properties: Mapping[str, str], given: threading.Event) -> None:
        system = gateway.jvm.java.lang.System
        for name in self._baked.keys() - properties.keys():
            system.clearProperty(name)
        for name, value in properties.items():
            if self._baked.get(name) != value:
                system.setProperty(name, value)
        system.setProperty("spark.app.submitTime", str(int(time.time() * 1000)))
        self._environment.clear()
        variables = {name: value for name, value in os.environ.items() if name not in self._removed}
        self._environment.putAll({**variables, **self._set})
        given.set()


def _environment(jvm: Any) -> Any:
    """Return the JVM's environment as a map to be changed; what it starts (Spark's workers) inherits it."""
    reflect = jvm.java.lang.Class.forName
    whole = reflect("java.lang.ProcessEnvironment").getDeclaredField("theUnmodifiableEnvironment")
    inner = reflect("java.util.Collections$UnmodifiableMap").getDeclaredField("m")
    for member in (whole, inner):
        member.setAccessible(True)
    return inner.get(whole.get(None))


def _warm(jvm: Any) -> None:
    """Let the JVM load what every job needs: a session, a few tasks. Python's side of Spark sees none of it."""
    session = jvm.org.apache.spark.sql.SparkSession.builder().getOrCreate()
    context = jvm.org.apache.spark.api.java.JavaSparkContext.fromSparkContext(session.sparkContext())
    jvm.org.apache.spark.api.python.SerDeUtil.javaToPython(context.parallelize([1, 2, 3])).collect()
    session.stop()
    jvm.org.apache.spark.sql.SparkSession.clearActiveSession()
    jvm.org.apache.hadoop.fs.FileSystem.closeAll()


def _surroundings() -> tuple[Any, ...]:
    """Return what else a JVM takes over when it is launched: variables, working folder, both output streams."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_AT_START) and name not in _NOT_AT_START
    }
    streams = [(file.st_dev, file.st_ino) for file in (os.fstat(1), os.fstat(2))]
    return variables, Path.cwd(), streams


def _receive(channel: socket.socket) -> dict[str, Any] | None:
    """Wait for the job and for the word to run it; None if the server has ended or does not want it any more."""
    with channel.makefile("rw", encoding="utf-8") as lines:
        try:
            line = lines.readline()
            job: dict[str, Any] | None = json.loads(line) if line else None
            if job is not None:
                lines.write("ready\n")
                lines.flush()
            return job if lines.readline() == "go\n" else None
        except OSError:
            return None


def _give_jvm_to_pyspark(jvm: _Jvm, properties: Mapping[str, str], claimed: Path) -> None:
    """Let the first Spark context of this process take the JVM, if it fits, instead of launching one."""
    from pyspark import context

    launch = context.launch_gateway

    def take(conf: Any = None, popen_kwargs: Any = None) -> Any:
        context.launch_gateway = launch
        claimed.touch()
        asked = dict(conf.getAll()) if conf is not None else {}
        gateway = None if popen_kwargs else jvm.claim({**properties, **asked})
        return gateway or launch(conf, popen_kwargs)

    context.launch_gateway = take


def main(folder: Path, descriptor: int) -> int:
    """Wait for a job and run it; return its exit code, 0 if none came."""
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    log = os.open(folder / "error.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 2)
    os.close(log)
    import pyspark.sql  # noqa: F401

    spec = importlib.util.spec_from_file_location("bootstrap", Path(__file__).with_name("bootstrap.py"))
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    jvm = _Jvm(json.loads((folder / "properties.json").read_text(encoding="utf-8")))
    job = _receive(channel)
    channel.close()
    jvm.wanted.set()
    if job is None:
        return 0
    os.environ.clear()
    os.environ.update(job["environment"])
    tempfile.tempdir = None  # it keeps what TMPDIR was
    place = sys.path.index(job["library"])
    sys.path[place:place] = job["packages"]
    _give_jvm_to_pyspark(jvm, job["properties"], folder / CLAIMED)
    code: int = bootstrap.main(Path(job["folder"]))
    return code


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.flush()
    sys.exit(code)
