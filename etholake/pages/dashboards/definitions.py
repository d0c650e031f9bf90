"""The QuickSight definitions: the requests, their placeholders, and what they refer to. No AWS call here.

`load` makes them in memory from `authoring`. A document is the body of a `Create…` request. Text in it may hold
the placeholders of `PLACEHOLDERS`, written ``${Name}`` as for CloudFormation's ``Fn::Sub``; `fill` puts values in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PLACEHOLDERS", "Definitions", "columns", "fill", "load", "parameter_filters", "sql", "walk"]

Json = dict[str, Any]
PLACEHOLDERS = ("AccountId", "Partition", "Region", "Prefix", "Database", "WorkGroup", "Principal", "ThemeArn")
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Definitions:
    """Everything that is created, in the order of creation; data sets and dashboards by short name."""

    data_source: Json
    theme: Json
    data_sets: dict[str, Json]
    dashboards: dict[str, Json]


def load() -> Definitions:
    """Make the definitions; each call returns documents of its own, which the caller may change."""
    from etholake.pages.dashboards.authoring import behaviour, data_sets, lake, model

    return Definitions(
        data_sets.data_source(),
        data_sets.theme(),
        {name: data_sets.request(name) for name in sorted(data_sets.DATA_SETS)},
        {"lake": lake.build(), "behaviour": behaviour.build(), "model": model.build()},
    )


def fill(document: Any, values: Mapping[str, str]) -> Any:
    """Return the document with its placeholders filled; raises KeyError for one without a value."""
    if isinstance(document, str):
        return _PLACEHOLDER.sub(lambda match: values[match[1]], document)
    if isinstance(document, list):
        return [fill(item, values) for item in document]
    if isinstance(document, dict):
        return {key: fill(value, values) for key, value in document.items()}
    return document


def walk(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of every object, list and leaf, parents first."""
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
    custom_sql: Json = table["CustomSql"]
    return custom_sql


def columns(data_set: Json) -> dict[str, str]:
    """Return {column: QuickSight type} of a data set."""
    return {column["Name"]: column["Type"] for column in _custom_sql(data_set)["Columns"]}


def sql(data_set: Json, database: str) -> str:
    """Return the SQL of a data set, against `database`."""
    return str(fill(_custom_sql(data_set)["SqlQuery"], {"Database": database}))


def parameter_filters(dashboard: Json) -> dict[str, str]:
    """Return {parameter: column}: each parameter filters that column in every data set that has it."""
    filters = {}
    for group in dashboard["Definition"].get("FilterGroups", []):
        for filter_ in group["Filters"]:
            body = filter_.get("CategoryFilter", {})
            name = body.get("Configuration", {}).get("CustomFilterConfiguration", {}).get("ParameterName")
            if name:
                filters[name] = body["Column"]["ColumnName"]
    return filters
