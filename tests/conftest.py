"""Fixtures of all tests: one running local_mock (own process) for the session; the target of `--target`.

Beside it: `needs.py` (markers, the order of modules), `browsers.py` (Chromium), `lakes.py` (a registered lake).

``pytest --target localstack`` (after ``make localstack``) and ``pytest --target aws`` (opt-in, see
`tests/targets/budget.py`) run the tests marked `functional`; ``--target mock``, the default, runs all.
"""

import contextlib
import gc
import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest

# Before anything imports boto3: nothing of the caller's environment may reach a test or its children.
_GIVEN = dict(os.environ)
_FOREIGN = ("ETHOLAKE_", "AWS_")
for _name in [n for n in os.environ if n.startswith(_FOREIGN) or n in ("TARGET", "PORT", "MABE_DATA_DIR")]:
    del os.environ[_name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "etholake",
    "AWS_SECRET_ACCESS_KEY": "etholake",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
    "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    # Spark's JVMs live for seconds here; to optimise their code for hours took half of their CPU time.
    "SPARK_SUBMIT_OPTS": os.environ.get("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"),
}
# The tests start hundreds of Python processes. Without bytecode on disk each compiles all that it imports again,
# which costs three times the import and was half of the suite's time where this variable is set.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# What is imported to collect the tests lives as long as they run. To look at it again and again took the garbage
# collector a third of the time of the collection.
gc.disable()
# A machine with other work to do is slow: no property is tested against the clock.
hypothesis.settings.register_profile(
    "no-clock", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("no-clock")
# Every server that a test or a command of a test starts ends with this process (and xdist's, if it is killed).
_OWNERS = [os.getpid(), *([os.getppid()] if "PYTEST_XDIST_WORKER" in os.environ else [])]
os.environ["LOCAL_MOCK_ENDS_WITH"] = ",".join(map(str, _OWNERS))
# A waiting Spark driver saves seconds to who waits, and costs processor time, of which the suite has none to give.
os.environ["LOCAL_MOCK_SPARE_DRIVER"] = "off"
sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent / "targets")]

from etholake import local_server  # noqa: E402
from etholake.localstack import host  # noqa: E402
from etholake.settings import Settings, replace_port  # noqa: E402

# The second gives the fixtures of tests/local_mock/standalone, the last one those of the tests of `needs`.
pytest_plugins = ("browsers", "local_mock.pytest_plugin", "needs", "pytester")
_LOCALSTACK = Path(__file__).resolve().parent.parent / host.HOME


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--target", choices=("mock", "localstack", "aws"), default="mock", help="what answers")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Let the garbage collector run again, on what the tests make; xdist's own process collects no tests."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Off the mock only the functional tests run."""
    if config.getoption("--target") == "mock":
        return
    chosen = [item for item in items if item.get_closest_marker("functional")]
    config.hook.pytest_deselected(items=[item for item in items if not item.get_closest_marker("functional")])
    items[:] = chosen


@pytest.fixture(scope="session")
def mock_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a running local_mock with folders of its own; stopped at the end of the session."""
    folder = tmp_path_factory.mktemp("mock")
    settings = Settings(port=0, state_dir=str(folder / "state"), s3_root=str(folder / "s3"))
    running = local_server.up(settings)
    yield replace_port(settings, running.port)
    local_server.down(settings)


@pytest.fixture(scope="session")
def target_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings of the target that `--target` names; what was made there is gone at the end."""
    target = request.config.getoption("--target")
    if target == "mock":
        yield request.getfixturevalue("mock_settings")
        return
    make = _localstack if target == "localstack" else _aws
    with make(tmp_path_factory.mktemp(target)) as made:
        yield made


@contextlib.contextmanager
def _localstack(folder: Path) -> Iterator[Settings]:
    """A LocalStack of this session, and local_mock beside it."""
    settings = Settings(
        target="localstack", mock_port=0, state_dir=str(folder / "state"), s3_root=str(folder / "s3")
    )
    try:
        settings = replace(settings, port=host.up(0, _LOCALSTACK, folder / "localstack"))
        yield replace_port(settings, local_server.up(settings).port)
    finally:
        local_server.down(settings)
        host.down(_LOCALSTACK, folder / "localstack")


@contextlib.contextmanager
def _aws(folder: Path) -> Iterator[Settings]:
    """A stack of this session's own on AWS, deleted with its bucket and endpoint whatever happens."""
    from budget import allowed  # type: ignore[import-not-found]
    from torn_down import torn_down  # type: ignore[import-not-found]

    may, reason = allowed(_GIVEN)
    sys.stderr.write(f"{reason}\n")
    if not may:
        pytest.exit(reason, returncode=2)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        del os.environ[name]
    os.environ |= {name: value for name, value in _GIVEN.items() if name.startswith("AWS_")}
    tag = uuid.uuid4().hex[:8]
    settings = Settings(
        target="aws",
        region=os.environ["AWS_DEFAULT_REGION"],
        bucket=_GIVEN["ETHOLAKE_TEST_AWS_BUCKET"],
        database=f"etholake_test_{tag}",
        workgroup=f"etholake-test-{tag}",
        stack=f"etholake-test-{tag}",
        state_dir=str(folder),
    )
    with torn_down(settings):
        yield settings
