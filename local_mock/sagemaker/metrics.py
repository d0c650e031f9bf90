"""Metrics of a training job: the regular expressions of the request over the lines of its log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from moto.core.utils import utcnow

from local_mock.sagemaker.errors import InvalidRequestError

__all__ = ["check_definitions", "final_metrics", "metric_values"]


def check_definitions(definitions: Sequence[Mapping[str, str]]) -> None:
    """Refuse a regular expression that is none, or that has no group to take the value from."""
    for definition in definitions:
        try:
            groups = re.compile(definition["Regex"]).groups
        except re.error as err:
            raise InvalidRequestError(
                f"Metric '{definition['Name']}': {definition['Regex']!r} is no regex: {err}."
            ) from err
        if not groups:
            raise InvalidRequestError(f"Metric '{definition['Name']}': {definition['Regex']!r} has no group.")


def final_metrics(definitions: Sequence[Mapping[str, str]], log: Path) -> list[dict[str, Any]]:
    """Return the last value of each metric; one that never matched, or matched no number, is left out."""
    now = utcnow()
    return [
        {"MetricName": d["Name"], "Value": values[-1], "Timestamp": now}
        for d in definitions
        if (values := metric_values([d], log))
    ]


def metric_values(definitions: Sequence[Mapping[str, str]], log: Path) -> list[float]:
    """Return all numbers that the expressions match in a log, in its order; [] if there is no log."""
    patterns = [re.compile(d["Regex"]) for d in definitions]
    numbers: list[float] = []
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                for pattern in patterns:
                    values = (_number(match.group(1)) for match in pattern.finditer(line))
                    numbers += [value for value in values if value is not None]
    except FileNotFoundError:
        return []
    return numbers


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None  # NaN and infinity are no metric values
