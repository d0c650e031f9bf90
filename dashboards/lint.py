"""Our own lint of the definitions: what neither botocore nor cfn-lint can know.

Every column exists in its data set and has a type that its use allows; every id is unique, refers to something
and is laid out; every data set's SQL gives the columns that the data set promises (`check_rows`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from etholake.pages.dashboards.definitions import Definitions, Json, columns, walk

__all__ = ["check_rows", "lint"]

GRID_COLUMNS = 36
_COUNTS = {"COUNT", "DISTINCT_COUNT"}
_EXPRESSION_COLUMN = re.compile(r"\{([^}]+)\}")
_TYPES: dict[str, tuple[type, ...]] = {"STRING": (str,), "INTEGER": (int,), "DECIMAL": (float, int, Decimal)}


def lint(definitions: Definitions) -> list[str]:
    """Return the problems, one sentence each; empty if there is none."""
    columns_by_data_set = {name: columns(body) for name, body in definitions.data_sets.items()}
    problems: list[str] = []
    for name, dashboard in definitions.dashboards.items():
        problems += [f"{name}: {problem}" for problem in _dashboard(dashboard["Definition"], columns_by_data_set)]
    ids = [v["DashboardId"] for v in definitions.dashboards.values()]
    ids += [v["DataSetId"] for v in definitions.data_sets.values()]
    return problems + [f"id {i} is used twice" for i in _twice(ids)]


def _dashboard(definition: Json, columns_by_data_set: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    declared = {d["Identifier"]: d["DataSetArn"] for d in definition["DataSetIdentifierDeclarations"]}
    for name, arn in declared.items():
        if name not in columns_by_data_set or not arn.endswith(f"-{name}"):
            yield f"data set {name} ({arn}) has no definition of that name"
    columns_of = {name: dict(columns_by_data_set.get(name, {})) for name in declared}
    for field in definition.get("CalculatedFields", []):
        for column in _EXPRESSION_COLUMN.findall(field["Expression"]):
            if column not in columns_of.get(field["DataSetIdentifier"], {}):
                yield f"calculated field '{field['Name']}' needs column {column}, which its data set has not"
    for field in definition.get("CalculatedFields", []):
        columns_of.setdefault(field["DataSetIdentifier"], {})[field["Name"]] = "CALCULATED"
    yield from _columns(definition, columns_of)
    yield from _ids(definition)
    yield from _parameters(definition)
    for sheet in definition["Sheets"]:
        yield from _layout(sheet)
    used = {v["DataSetIdentifier"] for _, v in walk(definition) if isinstance(v, dict) and "ColumnName" in v}
    yield from (f"data set {name} is declared and not used" for name in sorted(set(declared) - used))


def _columns(definition: Json, columns_by_data_set: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield the references to columns that do not exist or whose type does not allow their use."""
    for path, value in walk(definition):
        if isinstance(value, dict) and "ColumnName" in value:
            data_set, column = value.get("DataSetIdentifier"), value["ColumnName"]
            if column not in columns_by_data_set.get(str(data_set), {}):
                yield f"{path}: column {column} is not in data set {data_set}"
    for path, value in walk(definition):
        kind = path.rpartition(".")[2]
        if not isinstance(value, dict) or "Column" not in value or not kind.endswith("Field"):
            continue
        type_ = columns_by_data_set.get(value["Column"].get("DataSetIdentifier", ""), {}).get(
            value["Column"]["ColumnName"]
        )
        how = value.get("AggregationFunction")
        how = how.get("SimpleNumericalAggregation") if isinstance(how, dict) else how
        if kind.startswith("Categorical") and type_ not in {"STRING", None}:
            yield f"{path}: column {value['Column']['ColumnName']} is {type_}, not text"
        if kind == "NumericalDimensionField" and type_ not in {"INTEGER", "DECIMAL", None}:
            yield f"{path}: column {value['Column']['ColumnName']} is {type_}, not a number"
        if kind == "NumericalMeasureField" and type_ == "STRING" and how not in _COUNTS:
            yield f"{path}: column {value['Column']['ColumnName']} is text and cannot be {how}"
        if kind == "NumericalMeasureField" and type_ == "CALCULATED" and how:
            yield f"{path}: {value['Column']['ColumnName']} is aggregated in its own expression already"


def _ids(definition: Json) -> Iterator[str]:
    sheets = definition["Sheets"]
    visuals = [_body(v)["VisualId"] for s in sheets for v in s.get("Visuals", [])]
    controls = [_body(c)["ParameterControlId"] for s in sheets for c in s.get("ParameterControls", [])]
    groups = definition.get("FilterGroups", [])
    filters = [_body(f)["FilterId"] for g in groups for f in g["Filters"]]
    everything = [
        *(s["SheetId"] for s in sheets), *visuals, *controls, *(g["FilterGroupId"] for g in groups), *filters,
    ]  # fmt: skip
    yield from (f"id {i} is used twice" for i in _twice(everything))
    fields = [
        v["FieldId"] for p, v in walk(definition) if isinstance(v, dict) and "FieldId" in v and ".FieldWells." in p
    ]
    yield from (f"field id {i} is used twice" for i in _twice(fields))
    for path, value in walk(definition):
        if isinstance(value, dict) and "FieldId" in value and value["FieldId"] not in fields:
            yield f"{path}: field {value['FieldId']} is in no field well"


def _parameters(definition: Json) -> Iterator[str]:
    declared = [_body(p)["Name"] for p in definition.get("ParameterDeclarations", [])]
    yield from (f"parameter {i} is declared twice" for i in _twice(declared))
    controlled = {_body(c)["SourceParameterName"] for s in definition["Sheets"] for c in s["ParameterControls"]}
    filtered = {v["ParameterName"] for _, v in walk(definition) if isinstance(v, dict) and "ParameterName" in v}
    for what, names in (("control", controlled), ("filter", filtered)):
        yield from (f"a {what} uses parameter {n}, which is not declared" for n in sorted(names - set(declared)))
        yield from (f"parameter {n} has no {what}" for n in declared if n not in names)


def _layout(sheet: Json) -> Iterator[str]:
    wanted = [_body(v)["VisualId"] for v in sheet["Visuals"]]
    (layout,) = sheet["Layouts"]
    elements = layout["Configuration"]["GridLayout"]["Elements"]
    yield from _same(sheet["SheetId"], "visual", wanted, [e["ElementId"] for e in elements])
    controls = [_body(c)["ParameterControlId"] for c in sheet["ParameterControls"]]
    control_elements = sheet["SheetControlLayouts"][0]["Configuration"]["GridLayout"]["Elements"]
    yield from _same(sheet["SheetId"], "control", controls, [e["ElementId"] for e in control_elements])
    taken: dict[tuple[int, int], str] = {}
    for e in elements:
        if e["ColumnIndex"] + e["ColumnSpan"] > GRID_COLUMNS:
            yield f"{e['ElementId']} is laid out beyond column {GRID_COLUMNS}"
        cells = [
            (x, y)
            for x in range(e["ColumnIndex"], e["ColumnIndex"] + e["ColumnSpan"])
            for y in range(e["RowIndex"], e["RowIndex"] + e["RowSpan"])
        ]
        under = sorted({taken[cell] for cell in cells if cell in taken})
        yield from (f"{e['ElementId']} is laid out over {other}" for other in under)
        taken.update(dict.fromkeys(cells, e["ElementId"]))


def _same(sheet: str, what: str, wanted: Sequence[str], laid_out: Sequence[str]) -> Iterator[str]:
    yield from (f"{sheet}: {what} {i} is not laid out" for i in wanted if i not in laid_out)
    yield from (f"{sheet}: the layout names {i}, which is no {what} of it" for i in laid_out if i not in wanted)
    yield from (f"{sheet}: {what} {i} is laid out twice" for i in _twice(laid_out))


def _body(union: Json) -> Json:
    (body,) = union.values()
    content: Json = body
    return content


def _twice(items: Sequence[str]) -> list[str]:
    return sorted(item for item, count in Counter(items).items() if count > 1)


def check_rows(name: str, data_set: Json, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Compare what a data set's SQL answered with the columns it promises; a missing value fits every type."""
    promised = columns(data_set)
    if list(names) != list(promised):
        return [f"data set {name}: its SQL gives {list(names)}, but it promises {list(promised)}"]
    problems = []
    for at, (column, kind) in enumerate(promised.items()):
        wrong = next((r[at] for r in rows if r[at] is not None and not isinstance(r[at], _TYPES[kind])), None)
        if wrong is not None or any(isinstance(r[at], bool) for r in rows):
            problems.append(f"data set {name}: column {column} is {kind}, but its SQL gives {wrong!r}")
    return problems
