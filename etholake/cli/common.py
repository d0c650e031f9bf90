"""Functions that the verbs share: print results, confirm plans, check options, turn text into values."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from etholake import aws, logs
from etholake.contract import number, plain_name
from etholake.errors import UsageError
from etholake.result import StageResult
from etholake.settings import Settings

__all__ = [
    "AddVerb", "confirmation", "data_folder", "exclusive", "named_parameters", "not_negative", "port", "positive",
    "read_text", "replaced_fields", "report", "requires", "say", "share", "video_number", "video_numbers", "whole",
    "words",
]  # fmt: skip

AddVerb = Callable[..., argparse.ArgumentParser]
"""``verb(name, run, text, *, data=False)``: adds a verb to the parser and returns its own parser."""


def report(arguments: argparse.Namespace, result: StageResult) -> None:
    """Log and print the result of a stage; as one JSON object with ``--json``."""
    logs.add_result(result)
    if arguments.json:
        print(json.dumps({"status": result.status, "summary": result.summary, **result.details}, default=str))
    else:
        print(f"{result.stage}: {result.status}: {result.summary}")


def say(arguments: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    """Print `text`; with ``--json`` print `data` instead."""
    print(json.dumps(data, default=str) if arguments.json else text)


def confirmation(current: Settings, arguments: argparse.Namespace) -> Callable[[str], bool]:
    """Return a function that shows a plan and, where it costs money, asks once (`--yes` answers)."""

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
    """Return the data folder of ``--data`` or of the settings. Raises UsageError if there is none."""
    folder = arguments.data or current.data
    if not folder:
        raise UsageError("Say where the data is: --data DIR, DATA=… with make, or the variable MABE_DATA_DIR.")
    return Path(folder)


def read_text(path: Path) -> str:
    """Return the text of a file. Raises UsageError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as err:
        raise UsageError(f"Cannot read {path}: {err}.") from err


def video_numbers(current: Settings, text: str | None) -> list[int] | None:
    """Return the numbers of videos of the lake that a text like ``12,cage 4`` names; None for None.

    Raises UsageError as `etholake.stages.video_names.resolve`.
    """
    from etholake.stages import video_names

    return None if text is None else video_names.resolve(current, video_names.split_list(text))


def video_number(current: Settings, text: str) -> int:
    """Return the number of the one video of the lake that a person named. Raises UsageError as `video_numbers`."""
    from etholake.stages import video_names

    (number,) = video_names.resolve(current, [text])
    return number


def words(text: str | None) -> tuple[str, ...]:
    """Return the parts of a text like ``attack,mount``, as `plain_name`; none for None."""
    return tuple(plain_name(part) for part in (text or "").split(",") if part.strip())


def positive(text: str) -> float:
    """Return the number of an option that must be above 0; argparse shows the error."""
    value = number(text)
    if value is None or value <= 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, but got '{text}'")
    return value


def not_negative(text: str) -> float:
    """Return the number of an option that must not be below 0; argparse shows the error."""
    value = number(text)
    if value is None or value < 0:
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, but got '{text}'")
    return value


def share(text: str) -> float:
    """Return the number of an option that must be from 0 to 1; argparse shows the error."""
    value = number(text)
    if value is None or not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, but got '{text}'")
    return value


def port(text: str) -> int:
    """Return the number of a port, 0 for a free one; argparse shows the error."""
    if (value := whole(text)) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, but got '{text}'")
    return value


def whole(text: str) -> int:
    """Return the whole number of an option that must not be negative; argparse shows the error."""
    if text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, but got '{text}'")


def named_parameters(pairs: Sequence[str]) -> dict[str, str]:
    """Return {name: value} of texts like ``name=value``. Raises UsageError for other texts."""
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise UsageError(f"A report's parameter is written --param name=value, but got {wrong}.")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def replaced_fields(pairs: Sequence[str], configs: Sequence[str]) -> dict[str, Any]:
    """Return {field: value} of texts like ``epochs=20`` or ``augmentation.brightness=0.1``.

    A name that begins with one of several `configs`, as ``small.epochs``, is for this configuration; the result is
    then {configuration: {field: value}}, with fields for all configurations in each. A value is JSON, else a text.
    Raises UsageError for other texts.
    """
    owners = {pair: next((config for config in configs if pair.startswith(f"{config}.")), "") for pair in pairs}
    fields: dict[str, dict[str, Any]] = {config: {} for config in configs}
    for pair in sorted(pairs, key=lambda pair: owners[pair] != ""):  # a configuration's own fields take precedence
        owner = owners[pair]
        name, equals, text = (pair.removeprefix(f"{owner}.") if owner else pair).partition("=")
        if not (equals and all(name.split("."))):
            raise UsageError(f"A field is written --field name=value, but got '{pair}'.")
        for config in [owner] if owner else configs:
            _set_field(fields[config], name.split("."), text)
    return fields if len(configs) > 1 and any(owners.values()) else fields[configs[0]]


def _set_field(fields: dict[str, Any], names: Sequence[str], text: str) -> None:
    """Set a field, of a nested configuration if there are several names, to a value that is JSON, else a text."""
    *above, last = names
    for name in above:
        fields = fields.setdefault(name, {})
        if not isinstance(fields, dict):
            raise UsageError(f"--field gives {name} a value, and to {name}.{last} another: leave one out.")
    try:
        fields[last] = json.loads(text)
    except ValueError:
        fields[last] = text


# Options whose value argparse keeps under another name.
_ATTRIBUTES = {"--from": "base", "--run": "run_id", "--set": "clip_set"}


def _is_given(arguments: argparse.Namespace, option: str) -> bool:
    value = getattr(arguments, _ATTRIBUTES.get(option, option.lstrip("-").replace("-", "_")))
    return value is not None and value is not False and value not in ([], "")


def exclusive(arguments: argparse.Namespace, option: str, *others: str) -> None:
    """Raise UsageError if `option` is given together with one of `others`.

    Options that are checked here have no default, so that "given" and "default" differ.
    """
    clashing = [other for other in others if _is_given(arguments, other)]
    if clashing and _is_given(arguments, option):
        raise UsageError(f"{option} does not go together with {', '.join(clashing)}: leave one of them out.")


def requires(arguments: argparse.Namespace, option: str, needed: str) -> None:
    """Raise UsageError if `option` is given without `needed`."""
    if _is_given(arguments, option) and not _is_given(arguments, needed):
        raise UsageError(f"{option} says something about {needed}: give {needed} as well, or leave {option} out.")
