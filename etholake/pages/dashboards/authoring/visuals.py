"""QuickSight's visuals as short functions: a number, bars, lines, a table. Nothing here knows what is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etholake.pages.dashboards.authoring.fields import (
    Dimension,
    Json,
    Measure,
    axis,
    dimension_field,
    field_id,
    labels,
    measure_field,
    sorted_by,
    tooltip,
)

SEQUENTIAL = ("#E8F1FA", "#6BAED6", "#08519C")  # low, middle, high; readable in every common colour blindness


@dataclass
class Visual:
    """One visual of a sheet: where it lies, and its definition."""

    id: str
    body: Json
    columns: int
    rows: int


def kpi(id_: str, title: str, data_set: str, value: Measure, *, columns: int = 6, rows: int = 4) -> Visual:
    """Return a visual that shows one number."""
    wells = {"Values": [measure_field(id_, data_set, value)], "TargetValues": [], "TrendGroups": []}
    return Visual(id_, _visual("KPIVisual", id_, title, "", {"FieldWells": wells}), columns, rows)


def bar(
    id_: str,
    title: str,
    data_set: str,
    category: Dimension,
    values: Sequence[Measure],
    *,
    subtitle: str = "",
    color: Dimension | None = None,
    painted: Mapping[str, str] | None = None,
    arrangement: str = "CLUSTERED",
    orientation: str = "HORIZONTAL",
    sort: Dimension | Measure | None = None,
    direction: str = "DESC",
    log: bool = False,
    limit: int = 40,
    other: bool = True,
    colors: int = 9,
    columns: int = 18,
    rows: int = 14,
) -> Visual:
    """Return bars: clustered, STACKED or STACKED_PERCENT.

    `painted` gives values of `color` a colour and their order.
    """
    wells = {
        "Category": [dimension_field(id_, data_set, category)],
        "Values": [measure_field(id_, data_set, v) for v in values],
        "Colors": [dimension_field(id_, data_set, color)] if color else [],
    }
    configuration: Json = {
        "FieldWells": {"BarChartAggregatedFieldWells": wells},
        "SortConfiguration": {
            "CategorySort": sorted_by(id_, sort or values[0], direction),
            "CategoryItemsLimit": {"ItemsLimit": limit, "OtherCategories": "INCLUDE" if other else "EXCLUDE"},
            "ColorItemsLimit": {"ItemsLimit": colors, "OtherCategories": "INCLUDE"},
        },
        "Orientation": orientation,
        "BarsArrangement": arrangement,
        "CategoryAxis": {"GridLineVisibility": "HIDDEN"},
        "CategoryLabelOptions": labels(id_, data_set, [category]),
        "ValueAxis": axis(log=log),
        "ValueLabelOptions": labels(id_, data_set, values),
        "ColorLabelOptions": labels(id_, data_set, [color] if color else []),
        "Legend": {"Visibility": "VISIBLE" if color or len(values) > 1 else "HIDDEN", "Position": "TOP"},
        "DataLabels": {"Visibility": "HIDDEN"},
        "Tooltip": tooltip(id_, [category, *values]),
    }
    if color and painted:
        painted_id = field_id(id_, color.column)
        configuration["VisualPalette"] = {
            "ColorMap": [
                {"Element": {"FieldId": painted_id, "FieldValue": value}, "Color": shade}
                for value, shade in painted.items()
            ]
        }
    return Visual(id_, _visual("BarChartVisual", id_, title, subtitle, configuration), columns, rows)


def heat_map(
    id_: str,
    title: str,
    data_set: str,
    row: Dimension,
    column_: Dimension,
    value: Measure,
    *,
    subtitle: str = "",
    columns: int = 18,
    rows: int = 14,
) -> Visual:
    """Return a heat map; a combination that does not occur stays empty."""
    wells = {
        "Rows": [dimension_field(id_, data_set, row)],
        "Columns": [dimension_field(id_, data_set, column_)],
        "Values": [measure_field(id_, data_set, value)],
    }
    configuration: Json = {
        "FieldWells": {"HeatMapAggregatedFieldWells": wells},
        "SortConfiguration": {
            "HeatMapRowSort": sorted_by(id_, row, "ASC"),
            "HeatMapColumnSort": sorted_by(id_, column_, "ASC"),
            "HeatMapRowItemsLimitConfiguration": {"ItemsLimit": 50, "OtherCategories": "EXCLUDE"},
            "HeatMapColumnItemsLimitConfiguration": {"ItemsLimit": 50, "OtherCategories": "EXCLUDE"},
        },
        "RowLabelOptions": labels(id_, data_set, [row]),
        "ColumnLabelOptions": labels(id_, data_set, [column_]),
        "ColorScale": {"Colors": [{"Color": c} for c in SEQUENTIAL], "ColorFillType": "GRADIENT"},
        "Legend": {"Visibility": "VISIBLE", "Position": "RIGHT"},
        "DataLabels": {"Visibility": "VISIBLE"},
        "Tooltip": tooltip(id_, [row, column_, value]),
    }
    return Visual(id_, _visual("HeatMapVisual", id_, title, subtitle, configuration), columns, rows)


def line(
    id_: str,
    title: str,
    data_set: str,
    category: Dimension,
    values: Sequence[Measure],
    *,
    subtitle: str = "",
    color: Dimension | None = None,
    kind: str = "LINE",
    points_only: bool = False,
    maximum: float | None = None,
    limit: int = 200,
    columns: int = 18,
    rows: int = 14,
) -> Visual:
    """Return lines, a STACKED_AREA, or points only (`points_only`: low, value and high of an interval)."""
    wells = {
        "Category": [dimension_field(id_, data_set, category)],
        "Values": [measure_field(id_, data_set, v) for v in values],
        "Colors": [dimension_field(id_, data_set, color)] if color else [],
    }
    configuration: Json = {
        "FieldWells": {"LineChartAggregatedFieldWells": wells},
        "SortConfiguration": {
            "CategorySort": sorted_by(id_, category, "ASC"),
            "CategoryItemsLimitConfiguration": {"ItemsLimit": limit, "OtherCategories": "EXCLUDE"},
            "ColorItemsLimitConfiguration": {"ItemsLimit": 9, "OtherCategories": "INCLUDE"},
        },
        "Type": kind,
        "XAxisLabelOptions": labels(id_, data_set, [category]),
        "PrimaryYAxisDisplayOptions": {"AxisOptions": axis(maximum=maximum)},
        "PrimaryYAxisLabelOptions": labels(id_, data_set, values),
        "Legend": {"Visibility": "VISIBLE" if color or len(values) > 1 else "HIDDEN", "Position": "TOP"},
        "DataLabels": {"Visibility": "HIDDEN"},
        "Tooltip": tooltip(id_, [category, *values]),
        "DefaultSeriesSettings": {
            "LineStyleSettings": {"LineVisibility": "HIDDEN" if points_only else "VISIBLE", "LineWidth": "2px"},
            "MarkerStyleSettings": {"MarkerVisibility": "HIDDEN" if kind != "LINE" else "VISIBLE"},
        },
    }
    return Visual(id_, _visual("LineChartVisual", id_, title, subtitle, configuration), columns, rows)


def box_plot(
    id_: str,
    title: str,
    data_set: str,
    group: Dimension,
    value: Measure,
    *,
    subtitle: str = "",
    log: bool = False,
    columns: int = 18,
    rows: int = 14,
) -> Visual:
    """Return a box plot: quartiles, whiskers at 1.5 times their distance, outliers."""
    bare = Measure(value.column, None, value.label, value.decimals, value.suffix)
    wells = {
        "GroupBy": [dimension_field(id_, data_set, group)],
        "Values": [measure_field(id_, data_set, bare)],
    }
    configuration: Json = {
        "FieldWells": {"BoxPlotAggregatedFieldWells": wells},
        "SortConfiguration": {"CategorySort": sorted_by(id_, group, "ASC")},
        "BoxPlotOptions": {
            "StyleOptions": {"FillStyle": "TRANSPARENT"},
            "OutlierVisibility": "VISIBLE",
            "AllDataPointsVisibility": "HIDDEN",
        },
        "CategoryLabelOptions": labels(id_, data_set, [group]),
        "PrimaryYAxisDisplayOptions": axis(log=log),
        "PrimaryYAxisLabelOptions": labels(id_, data_set, [bare]),
        "Tooltip": tooltip(id_, [group, bare]),
    }
    return Visual(id_, _visual("BoxPlotVisual", id_, title, subtitle, configuration), columns, rows)


def histogram(
    id_: str,
    title: str,
    data_set: str,
    value: Measure,
    *,
    width: float,
    subtitle: str = "",
    columns: int = 18,
    rows: int = 14,
) -> Visual:
    """Return a histogram: counts of rows in bins of `width`."""
    bare = Measure(value.column, None, value.label, value.decimals, value.suffix)
    wells = {"Values": [measure_field(id_, data_set, bare)]}
    configuration: Json = {
        "FieldWells": {"HistogramAggregatedFieldWells": wells},
        "XAxisLabelOptions": labels(id_, data_set, [bare]),
        "YAxisDisplayOptions": axis(),
        "BinOptions": {
            "SelectedBinType": "BIN_WIDTH",
            "BinWidth": {"Value": width, "BinCountLimit": 100},
            "StartValue": 0.0,
        },
        "DataLabels": {"Visibility": "HIDDEN"},
        "Tooltip": tooltip(id_, [bare]),
    }
    return Visual(id_, _visual("HistogramVisual", id_, title, subtitle, configuration), columns, rows)


def scatter(
    id_: str,
    title: str,
    data_set: str,
    x: Measure,
    y: Measure,
    category: Dimension,
    *,
    subtitle: str = "",
    columns: int = 18,
    rows: int = 14,
) -> Visual:
    """Return a scatter plot with one point a category."""
    wells = {
        "XAxis": [measure_field(id_, data_set, x)],
        "YAxis": [measure_field(id_, data_set, y)],
        "Category": [dimension_field(id_, data_set, category)],
        "Size": [],
    }
    configuration: Json = {
        "FieldWells": {"ScatterPlotCategoricallyAggregatedFieldWells": wells},
        "XAxisLabelOptions": labels(id_, data_set, [x]),
        "XAxisDisplayOptions": axis(maximum=1.0),
        "YAxisLabelOptions": labels(id_, data_set, [y]),
        "YAxisDisplayOptions": axis(maximum=1.0),
        "Legend": {"Visibility": "HIDDEN"},
        "DataLabels": {"Visibility": "HIDDEN"},
        "Tooltip": tooltip(id_, [x, y, category]),
    }
    return Visual(id_, _visual("ScatterPlotVisual", id_, title, subtitle, configuration), columns, rows)


def table(
    id_: str,
    title: str,
    data_set: str,
    groups: Sequence[Dimension],
    values: Sequence[Measure],
    *,
    sort: Dimension | Measure | None = None,
    direction: str = "ASC",
    subtitle: str = "",
    columns: int = 36,
    rows: int = 12,
) -> Visual:
    """Return a table of grouped rows."""
    wells = {
        "GroupBy": [dimension_field(id_, data_set, g) for g in groups],
        "Values": [measure_field(id_, data_set, v) for v in values],
    }
    fields: list[Dimension | Measure] = [*groups, *values]
    named = [
        {"FieldId": field_id(id_, i.column, getattr(i, "how", None)), "CustomLabel": i.label}
        for i in fields
        if i.label
    ]
    configuration: Json = {
        "FieldWells": {"TableAggregatedFieldWells": wells},
        "SortConfiguration": {"RowSort": sorted_by(id_, sort or groups[0], direction)},
        "TableOptions": {"HeaderStyle": {"TextWrap": "WRAP", "Height": 30}},
        "FieldOptions": {"SelectedFieldOptions": named},
    }
    return Visual(id_, _visual("TableVisual", id_, title, subtitle, configuration), columns, rows)


def _visual(kind: str, id_: str, title: str, subtitle: str, configuration: Json) -> Json:
    body: Json = {
        "VisualId": id_,
        "Title": {"Visibility": "VISIBLE", "FormatText": {"PlainText": title}},
        "Subtitle": {"Visibility": "VISIBLE", "FormatText": {"PlainText": subtitle}}
        if subtitle
        else {"Visibility": "HIDDEN"},
        "ChartConfiguration": configuration,
        "VisualContentAltText": f"{title}. {subtitle}".strip(),
    }
    if kind in {"BarChartVisual", "KPIVisual", "LineChartVisual", "HeatMapVisual", "BoxPlotVisual"}:
        body["ColumnHierarchies"] = []
    return {kind: {**body, "Actions": []}}
