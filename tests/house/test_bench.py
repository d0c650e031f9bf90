"""`make bench`: its page marks what got worse on the same machine, and no failure of a benchmark stops it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etholake.stages.waiting import wait_for

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def modules() -> Any:
    """Return the modules of the runner: the benchmarks are scripts, which find each other in their own folder."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import bench
        import figures
        import history
    finally:
        sys.path.remove(str(BENCHMARKS))
    return SimpleNamespace(bench=bench, history=history, Figure=figures.Figure)


def a_run(modules: Any, date: str, machine: str = "here", **values: tuple[float, str | None]) -> Any:
    ratios = [modules.Figure(name, value, "x", better=better) for name, (value, better) in values.items()]
    return modules.history.Run(date, "abc1234", machine, (0.5, 1.5), {"etl": ratios})


def test_a_run_comes_back_from_its_line_and_runs_are_read_in_their_order(modules: Any, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    assert modules.history.read(path) == []
    later = a_run(modules, "2026-12-02 10:00", floor=(1.5, "lower"))
    earlier = a_run(modules, "2026-12-01 10:00", floor=(1.4, "lower"))
    for run in (later, earlier):
        modules.history.append(run, path)
    assert modules.history.read(path) == [earlier, later]


def test_better_follows_from_the_target(modules: Any) -> None:
    assert modules.Figure("a", 1, "x", "<= 1.5", True).better == "lower"
    assert modules.Figure("a", 1, "x", ">= 0.9", True).better == "higher"
    assert modules.Figure("a", 1, "x").better is None


def test_worse_is_against_the_median_of_the_same_machine_and_in_the_direction_of_better(modules: Any) -> None:
    runs = [
        a_run(modules, "1", job=(1.0, "lower"), rate=(0.9, "higher"), share=(50, None)),
        a_run(modules, "2", "elsewhere", job=(9.0, "lower"), rate=(0.1, "higher")),
        a_run(modules, "3", job=(2.0, "lower"), rate=(0.9, "higher"), share=(50, None)),
        a_run(modules, "4", job=(1.0, "lower"), rate=(0.9, "higher"), share=(50, None)),
        a_run(modules, "5", job=(1.2, "lower"), rate=(0.6, "higher"), share=(99, None), new=(5, "lower")),
    ]
    change = modules.history.change
    assert change(runs, "etl", "job") == pytest.approx(0.2)
    assert change(runs, "etl", "rate") == pytest.approx(0.5)
    assert change(runs, "etl", "share") is None
    assert change(runs, "etl", "new") is None
    assert [name for _, name, _ in modules.history.worse(runs)] == ["rate", "job"]
    assert modules.history.worse([*runs[:-1], a_run(modules, "5", job=(1.05, "lower"))]) == []


def test_the_page_marks_what_got_worse_and_names_what_was_not_measured(modules: Any) -> None:
    runs = [
        a_run(modules, "2026-12-01 10:00", job=(1.0, "lower")),
        a_run(modules, "2026-12-02 10:00", job=(2, "lower")),
    ]
    runs[-1].missing["queries"] = "ended with status 1"
    page = modules.history.page(runs)
    assert "| job | lower | 1 x | 2 x | +100% ✗ |" in page
    assert "- etl, job: +100%" in page
    assert "| 2 | 2026-12-02 10:00 | abc1234 | here | 0.5, 1.5 | queries: ended with status 1 |" in page


def test_the_page_of_the_repository_is_made_from_its_history(modules: Any) -> None:
    runs = modules.history.read()
    assert runs
    assert modules.history.PAGE.read_text(encoding="utf-8") == modules.history.page(runs)


@pytest.mark.parametrize("end", ["raise ValueError(3)", "import threading; threading.Event().wait()"])
def test_a_benchmark_that_fails_or_takes_too_long_keeps_what_it_printed(
    modules: Any, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = '{"name": "job", "value": 1.5, "unit": "x", "target": null, "met": null, "better": "lower"}'
    (tmp_path / "etl.py").write_text(f"print({line!r}, flush=True)\n{end}\n")
    monkeypatch.setattr(modules.history, "HERE", tmp_path)
    figures, problem = modules.bench.measured("etl", 30 if "Error" in end else 0.5)
    assert problem == ("ended with status 1: ValueError: 3" if "Error" in end else "cut after 0 s")
    if "Error" in end:
        assert figures == [modules.Figure("job", 1.5, "x", better="lower")]
    assert modules.bench.measured("etl", -1) == ([], "no time was left")


def test_a_benchmark_that_does_not_stop_is_killed_with_what_it_has_started(
    modules: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    (tmp_path / "etl.py").write_text(
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "command = [sys.executable, '-c', 'input()']\n"
        "child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "child.wait()\n"
    )
    monkeypatch.setattr(modules.history, "HERE", tmp_path)
    monkeypatch.setattr(modules.bench, "TO_END", 0.2)
    assert modules.bench.measured("etl", 1.5) == ([], "cut after 2 s")
    stat = Path(f"/proc/{pid.read_text()}/stat")
    wait_for(
        lambda: stat.exists() and stat.read_text().rpartition(")")[2].split()[0],
        lambda state: state in (False, "Z"),
        "The end of what the benchmark has started",
        timeout_s=10,
    )


def test_every_benchmark_of_the_list_takes_the_options_that_it_is_called_with(modules: Any) -> None:
    for name in modules.bench.BENCHMARKS:
        text = (BENCHMARKS / f"{name}.py").read_text(encoding="utf-8")
        assert f".venv/bin/python benchmarks/{name}.py [--quick] [--json]" in text


def test_an_unknown_benchmark_is_refused() -> None:
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--only", "etl,speed"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "but got speed" in done.stderr
