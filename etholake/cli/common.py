"""What the verbs share: how results are printed, plans confirmed, and text turned into values."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from etholake import aws, logs
from etholake.errors import UsageError
from etholake.result import StageResult
from etholake.settings import Settings

__all__ = ["AddVerb", "confirmation", "data_folder", "ids", "named_parameters", "read_text", "report", "say"]

AddVerb = Callable[..., argparse.ArgumentParser]
"""``verb(name, run, text, *, data=False)``: adds a verb to the parser and returns its own parser."""


def report(arguments: argparse.Namespace, result: StageResult) -> None:
    logs.add_result(result)
    if arguments.json:
        print(json.dumps({"status": result.status, "summary": result.summary, **result.details}, default=str))
    else:
        print(f"{result.stage}: {result.status}: {result.summary}")


def say(arguments: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    print(json.dumps(data, default=str) if arguments.json else text)


def confirmation(current: Settings, arguments: argparse.Namespace) -> Callable[[str], bool]:
    """Shows a plan; where it costs money, asks once (`--yes` answers)."""

    def confirm(plan: str) -> bool:
        if not arguments.json:
            print(plan, file=sys.stderr)
        if arguments.yes or not aws.costs_money(current):
            return True
        if not sys.stdin.isatty():
            raise UsageError("Nobody is there to confirm the plan: give --yes (ARGS=--yes with make).")
        print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    return confirm


def data_folder(current: Settings, arguments: argparse.Namespace) -> Path:
    folder = arguments.data or current.data
    if not folder:
        raise UsageError("Say where the data is: --data DIR, DATA=… with make, or the variable MABE_DATA_DIR.")
    return Path(folder)


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as err:
        raise UsageError(f"Cannot read {path}: {err}.") from err


def ids(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(item) for item in text.split(",") if item.strip()]
    except ValueError as err:
        raise UsageError(f"Expected video ids like 12,34,56, but got '{text}'.") from err


def named_parameters(pairs: Sequence[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise UsageError(f"A report's parameter is written --param name=value, but got {wrong}.")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
