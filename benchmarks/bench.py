"""Run the quick form of the benchmarks within a limit of time, and add their ratios to the history.

.venv/bin/python benchmarks/bench.py [--minutes 10] [--only simulate,queries]

Writes `benchmarks/history.jsonl` (a line a run) and the page `benchmarks/history.md`. It judges nothing and always
succeeds: a benchmark that fails or is cut by the limit is named on the page, and what got worse is marked there.
Not among them: benchmarks that need real data or a GPU, that measure how good a model is instead of how fast, or
that print no ratio (`scale.py`, `review.py`, `mock_memory.py`, `beside_moto.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import history
from figures import Figure
from mock_memory import processes

# {benchmark: options beside --quick}, the cheap ones first: what the limit cuts is the end.
BENCHMARKS: dict[str, list[str]] = {
    "simulate": [], "decoding": [], "formats": [], "queries": [], "ingest": [], "video": ["--size", "256"],
    "model": ["--steady", "200"], "scanned": [], "etl": ["--only", "polars,spark,growth"],
}  # fmt: skip
TO_END = 20  # seconds that a benchmark which is cut has to stop its servers


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="limit of all of them together")
    parser.add_argument("--only", default=",".join(BENCHMARKS), help=f"some of {', '.join(BENCHMARKS)}")
    given = parser.parse_args()
    chosen = given.only.split(",")
    if wrong := set(chosen) - set(BENCHMARKS):
        parser.error(f"--only is some of {', '.join(BENCHMARKS)}, but got {', '.join(sorted(wrong))}")
    deadline = time.monotonic() + 60 * given.minutes
    date, load = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M}", os.getloadavg()[0]
    commit, ratios = history.commit(), dict[str, list[Figure]]()
    missing: dict[str, str] = {}
    for name in (name for name in BENCHMARKS if name in chosen):
        began = time.monotonic()
        figures, problem = measured(name, deadline - began)
        if kept := history.ratios_of(figures):
            ratios[name] = kept
        if problem:
            missing[name] = problem
        print(f"{name:<10} {time.monotonic() - began:5.0f} s  {problem or f'{len(kept)} ratios'}", flush=True)
    run = history.Run(date, commit, history.machine(), (load, os.getloadavg()[0]), ratios, missing)
    history.append(run)
    runs = history.read()
    history.PAGE.write_text(history.page(runs), encoding="utf-8")
    for benchmark, name, by in history.worse(runs):
        print(f"worse by {by:.0%}: {benchmark}, {name}")
    print(f"history: {history.PAGE}")


def measured(name: str, seconds: float) -> tuple[list[Figure], str]:
    """Return what a benchmark printed within `seconds`, and why it has no more: empty if it came to its end."""
    if seconds <= 0:
        return [], "no time was left"
    command = [sys.executable, str(history.HERE / f"{name}.py"), "--quick", "--json", *BENCHMARKS[name]]
    problem = ""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
        try:
            output, _ = process.communicate(timeout=seconds)
            if process.returncode:
                errors.seek(0)
                last = (errors.read().strip().splitlines() or [""])[-1]
                problem = f"ended with status {process.returncode}: {last}"
        except subprocess.TimeoutExpired:
            problem = f"cut after {seconds:.0f} s"
            output = _stopped(process)
    return [Figure(**json.loads(line)) for line in output.splitlines() if line.startswith("{")], problem


def _stopped(process: subprocess.Popen[str]) -> str:
    """Interrupt a benchmark, so that it stops what it has started, or kill it all; return what it has printed."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=TO_END)[0]
    except subprocess.TimeoutExpired:
        for pid in processes(process.pid):  # a mock that it has started is in no group of its
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return process.communicate()[0]


if __name__ == "__main__":
    main()
