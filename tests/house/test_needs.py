"""The suite's own plugins: markers are held to, one test's browser is not seen by another."""

import asyncio
import gc
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from needs import missing_need

from browsers import without_event_loop


@pytest.mark.parametrize(
    ("need", "command"),
    [
        ("server", [sys.executable, "-m", "local_mock", "run"]),
        ("server", [sys.executable, "-m", "moto.server"]),
        ("jvm", ["/usr/lib/jvm/java-17/bin/java", "-version"]),
        ("browser", ["/usr/bin/chromium", "--headless"]),
    ],
)
def test_what_is_not_marked_is_not_started(need: str, command: list[str], tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=f"needs the marker `{need}` for what it starts"):
        subprocess.run(command, check=False, cwd=tmp_path)


@pytest.mark.jvm
def test_a_marker_allows_what_it_names_and_nothing_else(request: pytest.FixtureRequest) -> None:
    assert missing_need("/opt/spark/bin/spark-submit pyspark-shell", request.node) is None
    assert missing_need("python -m local_mock run", request.node) == "server"
    assert missing_need("python -m pytest local.py", request.node) is None


def test_a_child_of_a_test_keeps_the_bytecode_of_what_it_imports() -> None:
    """Otherwise each of some hundred processes compiles thousands of modules for itself."""
    command = [sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_fixtures_set_the_markers_before_they_choose(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest
        pytest_plugins = ("needs",)
        mock_settings = pytest.fixture(lambda: 1, name="mock_settings")
        lake = pytest.fixture(lambda mock_settings: 2, name="lake")
        spark = pytest.fixture(lambda: 3, name="spark")
        """
    )
    pytester.makepyfile(
        test_a="def test_alone(): pass",
        test_b="def test_lake(lake): pass",
        test_c="def test_spark(spark): pass",
    )
    result = pytester.runpytest_inprocess("--collect-only", "-q", "-m", "not server")
    # The expensive module comes first, the one that needs the server is left out.
    assert [line for line in result.outlines if "::" in line] == ["test_c.py::test_spark", "test_a.py::test_alone"]


def test_a_test_without_a_browser_sees_no_event_loop_of_it(chromium_browser: Any) -> None:
    async def answer() -> int:
        return 42

    with without_event_loop(SimpleNamespace(fixturenames=["tmp_path"])):
        assert asyncio.run(answer()) == 42
    page = chromium_browser.new_page()
    assert page.evaluate("6 * 7") == 42
    page.close()


def test_no_property_is_tested_against_the_clock() -> None:
    assert hypothesis.settings.default is not None
    assert hypothesis.settings.default.deadline is None
    assert hypothesis.HealthCheck.too_slow in hypothesis.settings.default.suppress_health_check


def test_the_collector_of_garbage_runs_while_tests_do() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
