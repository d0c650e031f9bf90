"""The history of the benchmarks' ratios: runs as lines of `history.jsonl`, and their page. No benchmark.

A run is one line, so that runs of several people merge by keeping both lines.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from figures import Figure

HERE = Path(__file__).parent
RUNS = HERE / "history.jsonl"
PAGE = HERE / "history.md"
WORSE = 0.10  # a ratio is marked if it is worse than before by more than this fraction
BEFORE = 5  # earlier runs of the same machine whose median a new value is compared with
SHOWN = 8  # newest runs that have a column on the page
RATIO_UNITS = ("x", "%")  # seconds and megabytes of two machines, or of two loads, cannot be compared


@dataclass(frozen=True)
class Run:
    """One `make bench`: when, where, and the ratios of every benchmark that came to its end.

    `load` holds the load averages before and after; `missing` says of a benchmark why it has no figures.
    """

    date: str
    commit: str
    machine: str
    load: tuple[float, float]
    ratios: dict[str, list[Figure]]
    missing: dict[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """Return the run as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def parse(cls, line: str) -> Run:
        """Return the run of a line that `line` made."""
        values = json.loads(line)
        ratios = {name: [Figure(**figure) for figure in figures] for name, figures in values.pop("ratios").items()}
        return cls(**values | {"load": tuple(values["load"]), "ratios": ratios})

    def values(self, benchmark: str) -> dict[str, Figure]:
        """Return the ratios of one benchmark by their names."""
        return {figure.name: figure for figure in self.ratios.get(benchmark, [])}


def ratios_of(figures: Sequence[Figure]) -> list[Figure]:
    """Return the figures that can be compared between machines."""
    return [figure for figure in figures if figure.unit in RATIO_UNITS]


def read(path: Path = RUNS) -> list[Run]:
    """Return all runs, oldest first."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return sorted((Run.parse(line) for line in lines if line), key=lambda run: run.date)


def append(run: Run, path: Path = RUNS) -> None:
    """Add a run to the file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(run.line() + "\n")


def change(runs: Sequence[Run], benchmark: str, name: str) -> float | None:
    """Return by how much the newest run's ratio is worse than before: 0.1 is 10 % worse, negative is better.

    Before: the median of the last `BEFORE` earlier runs of the same machine that have the ratio. None if there
    is none, if the newest run lacks it, or if neither direction of it is better.
    """
    newest = runs[-1].values(benchmark).get(name)
    if newest is None or newest.better is None:
        return None
    earlier = [run.values(benchmark).get(name) for run in runs[:-1] if run.machine == runs[-1].machine]
    values = [figure.value for figure in earlier if figure is not None][-BEFORE:]
    if not values:
        return None
    before = statistics.median(values)
    if before <= 0 or newest.value <= 0:
        return None
    return newest.value / before - 1 if newest.better == "lower" else before / newest.value - 1


def worse(runs: Sequence[Run]) -> list[tuple[str, str, float]]:
    """Return (benchmark, ratio, change) of all that got worse by more than `WORSE`, the worst first."""
    changes = [
        (benchmark, figure.name, by)
        for benchmark, figures in runs[-1].ratios.items()
        for figure in figures
        if (by := change(runs, benchmark, figure.name)) is not None and by > WORSE
    ]
    return sorted(changes, key=lambda entry: -entry[2])


def page(runs: Sequence[Run]) -> str:
    """Return the page, Markdown: what got worse, the newest runs, and a table of ratios for every benchmark."""
    shown = list(runs[-SHOWN:])
    first = len(runs) - len(shown) + 1
    lines = [
        "# History of the ratios",
        "",
        f"`make bench` writes this page from `history.jsonl`, which holds every run; here are the newest {SHOWN}.",
        f"A ratio is marked ✗ if it is worse than the median of the last {BEFORE} earlier runs of the same",
        f"machine by more than {WORSE:.0%}. Sizes are small (`--quick`) and the machine may be busy",
        "(its load average is given): a mark asks for a second run before it says anything about the code.",
        "",
        "| run | date (UTC) | commit | machine | load before, after | not measured |",
        "|---|---|---|---|---|---|",
    ]
    for number, run in enumerate(shown, first):
        missing = "; ".join(f"{name}: {why}" for name, why in run.missing.items()).replace("|", "\\|")
        load = ", ".join(f"{value:.1f}" for value in run.load)
        lines.append(f"| {number} | {run.date} | {run.commit} | {run.machine} | {load} | {missing} |")
    lines += ["", f"## Worse by more than {WORSE:.0%} in run {len(runs)}", ""]
    lines += [f"- {benchmark}, {name}: {by:+.0%}" for benchmark, name, by in worse(runs)] or ["None."]
    for benchmark in dict.fromkeys(name for run in shown for name in run.ratios):
        lines += ["", f"## `{benchmark}.py`", "", *_table(runs, shown, first, benchmark)]
    return "\n".join(lines) + "\n"


def _table(runs: Sequence[Run], shown: Sequence[Run], first: int, benchmark: str) -> list[str]:
    """Return a table with a line a ratio and a column a run."""
    columns = [f"run {number}" for number in range(first, first + len(shown))]
    lines = [
        "| ratio | better | " + " | ".join(columns) + " | worse than before |",
        "|---|---|" + "---:|" * (len(shown) + 1),
    ]
    for name in dict.fromkeys(name for run in reversed(shown) for name in run.values(benchmark)):
        figures = [run.values(benchmark).get(name) for run in shown]
        newest = next(figure for figure in reversed(figures) if figure is not None)
        by = change(runs, benchmark, name)
        mark = "" if by is None else f"{by:+.0%}" + (" ✗" if by > WORSE else "")
        cells = ["" if figure is None else f"{figure.value:.3g} {figure.unit}" for figure in figures]
        lines.append(f"| {name} | {newest.better or ''} | " + " | ".join(cells) + f" | {mark} |")
    return lines


def machine() -> str:
    """Return the processor's model and the number of cores, which decide whether two runs are compared."""
    model = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {os.cpu_count()} cores"


def commit() -> str:
    """Return the commit of this checkout, with a `+` if files other than the history differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=HERE.parent, check=True, capture_output=True, text=True
        ).stdout.strip()

    try:
        others = git("status", "--porcelain", "--", ".", *(f":!benchmarks/{p.name}" for p in (RUNS, PAGE)))
        return git("rev-parse", "--short", "HEAD") + ("+" if others else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
