"""The parts of a QuickSight visual: fields of its wells, their labels, axes, tooltips and sort orders.

Shapes: https://docs.aws.amazon.com/quicksight/latest/APIReference/API_DashboardVersionDefinition.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etholake.pages.dashboards.authoring.data_sets import DATA_SETS

Json = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """A value: a column and how it is aggregated, or a calculated field (`how` None)."""

    column: str
    how: str | None = "SUM"
    label: str = ""
    decimals: int = 0
    suffix: str = ""
    null: str = "–"  # what is shown where there is nothing to aggregate


@dataclass(frozen=True)
class Dimension:
    """A grouping column; `decimals` of a number that is grouped by."""

    column: str
    label: str = ""
    decimals: int | None = None


def column(data_set: str, name: str) -> Json:
    """Return a `ColumnIdentifier`."""
    return {"DataSetIdentifier": data_set, "ColumnName": name}


def field_id(visual: str, name: str, how: str | None = None) -> str:
    """Return the id of a field in a visual's wells."""
    return ".".join(part for part in (visual, name, (how or "").lower()) if part)


def _number_format(decimals: int, suffix: str = "", null: str = "–") -> Json:
    shown: Json = {
        "SeparatorConfiguration": {
            "DecimalSeparator": "DOT",
            "ThousandsSeparator": {"Symbol": "COMMA", "Visibility": "VISIBLE"},
        },
        "DecimalPlacesConfiguration": {"DecimalPlaces": decimals},
        "NumberScale": "NONE",
        "NullValueFormatConfiguration": {"NullString": null},
    }
    if suffix:
        shown["Suffix"] = suffix
    return {"FormatConfiguration": {"NumberDisplayFormatConfiguration": shown}}


def dimension_field(visual: str, data_set: str, d: Dimension) -> Json:
    """Return a `DimensionField` of the kind that the column's type asks for."""
    kind = DATA_SETS[data_set].columns[d.column]
    body = {"FieldId": field_id(visual, d.column), "Column": column(data_set, d.column)}
    if d.decimals is not None:
        body["FormatConfiguration"] = _number_format(d.decimals)
    return {"CategoricalDimensionField" if kind == "STRING" else "NumericalDimensionField": body}


def measure_field(visual: str, data_set: str, m: Measure) -> Json:
    """Return a `MeasureField`: text is counted, a number aggregated, a calculated field taken as it is."""
    body: Json = {"FieldId": field_id(visual, m.column, m.how), "Column": column(data_set, m.column)}
    if DATA_SETS[data_set].columns.get(m.column) == "STRING":
        return {"CategoricalMeasureField": {**body, "AggregationFunction": m.how}}
    if m.how is not None:
        body["AggregationFunction"] = {"SimpleNumericalAggregation": m.how}
    body["FormatConfiguration"] = _number_format(m.decimals, m.suffix, m.null)
    return {"NumericalMeasureField": body}


def labels(visual: str, data_set: str, items: Sequence[Dimension | Measure]) -> Json:
    """Return `ChartAxisLabelOptions` that name the fields of a well."""
    options = [
        {
            "CustomLabel": item.label,
            "ApplyTo": {
                "FieldId": field_id(visual, item.column, getattr(item, "how", None)),
                "Column": column(data_set, item.column),
            },
        }
        for item in items
        if item.label
    ]
    return {"Visibility": "VISIBLE", "AxisLabelOptions": options} if options else {"Visibility": "VISIBLE"}


def tooltip(visual: str, items: Sequence[Dimension | Measure]) -> Json:
    """Return a tooltip of these fields, by their labels."""
    fields = [
        {
            "FieldTooltipItem": {
                "FieldId": field_id(visual, item.column, getattr(item, "how", None)),
                "Label": item.label,
                "Visibility": "VISIBLE",
            }
        }
        for item in items
        if item.label
    ]
    based = {"AggregationVisibility": "HIDDEN", "TooltipTitleType": "PRIMARY_VALUE", "TooltipFields": fields}
    return {"TooltipVisibility": "VISIBLE", "SelectedTooltipType": "DETAILED", "FieldBasedTooltip": based}


def sorted_by(visual: str, by: Dimension | Measure, direction: str) -> list[Json]:
    """Return a `FieldSort` by one field; `direction` is ASC or DESC."""
    by_id = field_id(visual, by.column, getattr(by, "how", None))
    return [{"FieldSort": {"FieldId": by_id, "Direction": direction}}]


def axis(*, log: bool = False, maximum: float | None = None) -> Json:
    """Return `AxisDisplayOptions` with grid lines, from 0 to `maximum` where given."""
    options: Json = {}
    if log:
        options["Scale"] = {"Logarithmic": {"Base": 10.0}}
    if maximum is not None:
        options["Range"] = {"MinMax": {"Minimum": 0.0, "Maximum": maximum}}
    shown: Json = {"GridLineVisibility": "VISIBLE"}
    return {**shown, "DataOptions": {"NumericAxisOptions": options}} if options else shown
