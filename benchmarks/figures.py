"""Shared parts of the benchmarks: options, repeated timing, and how a figure is printed. No benchmark itself."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value.

    `target` is a bound that `met` compares with; None where there is none. `better` is `lower` or `higher`; by
    default it follows from the target, and None means that neither direction is better.
    """

    name: str
    value: float
    unit: str
    target: str | None = None
    met: bool | None = None
    better: str | None = None

    def __post_init__(self) -> None:
        if self.better is None and self.target is not None:
            better = "lower" if self.target[0] in "<≤" else "higher"
            object.__setattr__(self, "better", better)


def parser(purpose: str | None) -> argparse.ArgumentParser:
    """Return a parser with `--json` (one line a figure) and `--quick` (smaller data, fewer repeats)."""
    made = argparse.ArgumentParser(description=(purpose or "").split("\n")[0])
    made.add_argument("--json", action="store_true", help="one JSON object a line")
    made.add_argument("--quick", action="store_true", help="smaller data, fewer repeats")
    return made


def options(purpose: str | None) -> argparse.Namespace:
    """Return the options that every benchmark has."""
    return parser(purpose).parse_args()


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median wall time of `work`."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def show(figures: list[Figure], *, as_json: bool) -> None:
    """Print them."""
    for figure in figures:
        if as_json:
            print(json.dumps(asdict(figure)))
        else:
            verdict = (
                "" if figure.met is None else f"  target {figure.target}: {'met' if figure.met else 'MISSED'}"
            )
            print(f"{figure.name:<44} {figure.value:>14,.3f} {figure.unit}{verdict}")
