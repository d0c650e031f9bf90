"""Reads `dashboards/quicksight`: the requests, their placeholders, and what they refer to. No AWS call here.

A document is the body of a `Create…` request. Text in it may hold the placeholders of `PLACEHOLDERS`, written
``${Name}`` as CloudFormation's ``Fn::Sub`` does; `fill` puts values in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "PLACEHOLDERS", "Definitions", "columns", "fill", "load", "parameter_filters", "sql", "walk"]

Json = dict[str, Any]
FOLDER = Path(__file__).resolve().parents[3] / "dashboards" / "quicksight"
PLACEHOLDERS = ("AccountId", "Partition", "Region", "Prefix", "Database", "WorkGroup", "Principal", "ThemeArn")
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Definitions:
    """Everything that is created, in the order of creation; data sets and dashboards by short name."""

    data_source: Json
    theme: Json
    data_sets: dict[str, Json]
    dashboards: dict[str, Json]


def load(folder: Path = FOLDER) -> Definitions:
    """The documents of a folder laid out like `quicksight/`."""

    def read(path: Path) -> Json:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise TypeError(f"{path} must hold a JSON object.")
        return document

    order = {"lake": 0, "behaviour": 1, "model": 2}
    dashboards = {path.stem: read(path) for path in sorted((folder / "dashboards").glob("*.json"))}
    return Definitions(
        read(folder / "data_source.json"),
        read(folder / "theme.json"),
        {path.stem: read(path) for path in sorted((folder / "data_sets").glob("*.json"))},
        dict(sorted(dashboards.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))),
    )


def fill(document: Any, values: Mapping[str, str]) -> Any:
    """The document with its placeholders filled. Raises KeyError for one that has no value."""
    if isinstance(document, str):
        return _PLACEHOLDER.sub(lambda match: values[match[1]], document)
    if isinstance(document, list):
        return [fill(item, values) for item in document]
    if isinstance(document, dict):
        return {key: fill(value, values) for key, value in document.items()}
    return document


def walk(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of every object, list and leaf, parents first."""
    yield path, document
    items = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in items:
        yield from walk(value, f"{path}.{key}" if path else str(key))


def _custom_sql(data_set: Json) -> Json:
    (table,) = data_set["PhysicalTableMap"].values()
    found: Json = table["CustomSql"]
    return found


def columns(data_set: Json) -> dict[str, str]:
    """{column: QuickSight type} of a data set."""
    return {column["Name"]: column["Type"] for column in _custom_sql(data_set)["Columns"]}


def sql(data_set: Json, database: str) -> str:
    """The SQL of a data set, against `database`."""
    return str(fill(_custom_sql(data_set)["SqlQuery"], {"Database": database}))


def parameter_filters(dashboard: Json) -> dict[str, str]:
    """{parameter: column}: what the parameters of a dashboard filter, in every data set that has the column."""
    found = {}
    for group in dashboard["Definition"].get("FilterGroups", []):
        for filter_ in group["Filters"]:
            body = filter_.get("CategoryFilter", {})
            name = body.get("Configuration", {}).get("CustomFilterConfiguration", {}).get("ParameterName")
            if name:
                found[name] = body["Column"]["ColumnName"]
    return found
