"""QuickSight's shapes as short functions: a visual, a measure, a sheet. Nothing here knows what is shown.

Shapes: https://docs.aws.amazon.com/quicksight/latest/APIReference/API_DashboardVersionDefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboards.authoring.data_sets import DATA_SETS

Json = dict[str, Any]
GRID_COLUMNS = 36  # of QuickSight's tiled layout, in which nothing is higher than 21 rows
SEQUENTIAL = ("#E8F1FA", "#6BAED6", "#08519C")  # low, middle, high; readable in every common colour blindness


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


@dataclass
class Visual:
    """One visual of a sheet: where it lies, and its definition."""

    id: str
    body: Json
    columns: int
    rows: int


@dataclass
class Sheet:
    """One tab. Visuals are laid out in reading order, row by row."""

    id: str
    name: str
    description: str
    visuals: list[Visual] = field(default_factory=list)
    controls: tuple[str, ...] = ()


# --- fields -----------------------------------------------------------------------------------------------
def column(data_set: str, name: str) -> Json:
    """A `ColumnIdentifier`."""
    return {"DataSetIdentifier": data_set, "ColumnName": name}


def _field_id(visual: str, name: str, how: str | None = None) -> str:
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
    """A `DimensionField` of the kind that the column's type asks for."""
    kind = DATA_SETS[data_set].columns[d.column]
    body = {"FieldId": _field_id(visual, d.column), "Column": column(data_set, d.column)}
    if d.decimals is not None:
        body["FormatConfiguration"] = _number_format(d.decimals)
    return {"CategoricalDimensionField" if kind == "STRING" else "NumericalDimensionField": body}


def measure_field(visual: str, data_set: str, m: Measure) -> Json:
    """A `MeasureField`: text is counted, a number aggregated, a calculated field taken as it is."""
    body: Json = {"FieldId": _field_id(visual, m.column, m.how), "Column": column(data_set, m.column)}
    if DATA_SETS[data_set].columns.get(m.column) == "STRING":
        return {"CategoricalMeasureField": {**body, "AggregationFunction": m.how}}
    if m.how is not None:
        body["AggregationFunction"] = {"SimpleNumericalAggregation": m.how}
    body["FormatConfiguration"] = _number_format(m.decimals, m.suffix, m.null)
    return {"NumericalMeasureField": body}


def _labels(visual: str, data_set: str, items: Sequence[Dimension | Measure]) -> Json:
    """`ChartAxisLabelOptions` that name the fields of a well."""
    options = [
        {
            "CustomLabel": item.label,
            "ApplyTo": {
                "FieldId": _field_id(visual, item.column, getattr(item, "how", None)),
                "Column": column(data_set, item.column),
            },
        }
        for item in items
        if item.label
    ]
    return {"Visibility": "VISIBLE", "AxisLabelOptions": options} if options else {"Visibility": "VISIBLE"}


def _tooltip(visual: str, items: Sequence[Dimension | Measure]) -> Json:
    """A tooltip of these fields, by their labels."""
    fields = [
        {
            "FieldTooltipItem": {
                "FieldId": _field_id(visual, item.column, getattr(item, "how", None)),
                "Label": item.label,
                "Visibility": "VISIBLE",
            }
        }
        for item in items
        if item.label
    ]
    based = {"AggregationVisibility": "HIDDEN", "TooltipTitleType": "PRIMARY_VALUE", "TooltipFields": fields}
    return {"TooltipVisibility": "VISIBLE", "SelectedTooltipType": "DETAILED", "FieldBasedTooltip": based}


def _sort(visual: str, by: Dimension | Measure, direction: str) -> list[Json]:
    field_id = _field_id(visual, by.column, getattr(by, "how", None))
    return [{"FieldSort": {"FieldId": field_id, "Direction": direction}}]


def _axis(*, log: bool = False, maximum: float | None = None) -> Json:
    options: Json = {}
    if log:
        options["Scale"] = {"Logarithmic": {"Base": 10.0}}
    if maximum is not None:
        options["Range"] = {"MinMax": {"Minimum": 0.0, "Maximum": maximum}}
    shown: Json = {"GridLineVisibility": "VISIBLE"}
    return {**shown, "DataOptions": {"NumericAxisOptions": options}} if options else shown


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


# --- visuals ----------------------------------------------------------------------------------------------
def kpi(id_: str, title: str, data_set: str, value: Measure, *, columns: int = 6, rows: int = 4) -> Visual:
    """One number."""
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
    """Bars: clustered, STACKED or STACKED_PERCENT; `painted` gives values of `color` a colour and their order."""
    wells = {
        "Category": [dimension_field(id_, data_set, category)],
        "Values": [measure_field(id_, data_set, v) for v in values],
        "Colors": [dimension_field(id_, data_set, color)] if color else [],
    }
    configuration: Json = {
        "FieldWells": {"BarChartAggregatedFieldWells": wells},
        "SortConfiguration": {
            "CategorySort": _sort(id_, sort or values[0], direction),
            "CategoryItemsLimit": {"ItemsLimit": limit, "OtherCategories": "INCLUDE" if other else "EXCLUDE"},
            "ColorItemsLimit": {"ItemsLimit": colors, "OtherCategories": "INCLUDE"},
        },
        "Orientation": orientation,
        "BarsArrangement": arrangement,
        "CategoryAxis": {"GridLineVisibility": "HIDDEN"},
        "CategoryLabelOptions": _labels(id_, data_set, [category]),
        "ValueAxis": _axis(log=log),
        "ValueLabelOptions": _labels(id_, data_set, values),
        "ColorLabelOptions": _labels(id_, data_set, [color] if color else []),
        "Legend": {"Visibility": "VISIBLE" if color or len(values) > 1 else "HIDDEN", "Position": "TOP"},
        "DataLabels": {"Visibility": "HIDDEN"},
        "Tooltip": _tooltip(id_, [category, *values]),
    }
    if color and painted:
        field_id = _field_id(id_, color.column)
        configuration["VisualPalette"] = {
            "ColorMap": [
                {"Element": {"FieldId": field_id, "FieldValue": value}, "Color": shade}
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
    """Cells coloured from low to high; a combination that does not occur stays empty."""
    wells = {
        "Rows": [dimension_field(id_, data_set, row)],
        "Columns": [dimension_field(id_, data_set, column_)],
        "Values": [measure_field(id_, data_set, value)],
    }
    configuration: Json = {
        "FieldWells": {"HeatMapAggregatedFieldWells": wells},
        "SortConfiguration": {
            "HeatMapRowSort": _sort(id_, row, "ASC"),
            "HeatMapColumnSort": _sort(id_, column_, "ASC"),
            "HeatMapRowItemsLimitConfiguration": {"ItemsLimit": 50, "OtherCategories": "EXCLUDE"},
            "HeatMapColumnItemsLimitConfiguration": {"ItemsLimit": 50, "OtherCategories": "EXCLUDE"},
        },
        "RowLabelOptions": _labels(id_, data_set, [row]),
        "ColumnLabelOptions": _labels(id_, data_set, [column_]),
        "ColorScale": {"Colors": [{"Color": c} for c in SEQUENTIAL], "ColorFillType": "GRADIENT"},
        "Legend": {"Visibility": "VISIBLE", "Position": "RIGHT"},
        "DataLabels": {"Visibility": "VISIBLE"},
        "Tooltip": _tooltip(id_, [row, column_, value]),
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
    """Lines, a STACKED_AREA, or points only (`points_only`: low, value and high of an interval)."""
    wells = {
        "Category": [dimension_field(id_, data_set, category)],
        "Values": [measure_field(id_, data_set, v) for v in values],
        "Colors": [dimension_field(id_, data_set, color)] if color else [],
    }
    configuration: Json = {
        "FieldWells": {"LineChartAggregatedFieldWells": wells},
        "SortConfiguration": {
            "CategorySort": _sort(id_, category, "ASC"),
            "CategoryItemsLimitConfiguration": {"ItemsLimit": limit, "OtherCategories": "EXCLUDE"},
            "ColorItemsLimitConfiguration": {"ItemsLimit": 9, "OtherCategories": "INCLUDE"},
        },
        "Type": kind,
        "XAxisLabelOptions": _labels(id_, data_set, [category]),
        "PrimaryYAxisDisplayOptions": {"AxisOptions": _axis(maximum=maximum)},
        "PrimaryYAxisLabelOptions": _labels(id_, data_set, values),
        "Legend": {"Visibility": "VISIBLE" if color or len(values) > 1 else "HIDDEN", "Position": "TOP"},
        "DataLabels": {"Visibility": "HIDDEN"},
        "Tooltip": _tooltip(id_, [category, *values]),
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
    """Quartiles, whiskers at 1.5 times their distance, outliers."""
    bare = Measure(value.column, None, value.label, value.decimals, value.suffix)
    wells = {
        "GroupBy": [dimension_field(id_, data_set, group)],
        "Values": [measure_field(id_, data_set, bare)],
    }
    configuration: Json = {
        "FieldWells": {"BoxPlotAggregatedFieldWells": wells},
        "SortConfiguration": {"CategorySort": _sort(id_, group, "ASC")},
        "BoxPlotOptions": {
            "StyleOptions": {"FillStyle": "TRANSPARENT"},
            "OutlierVisibility": "VISIBLE",
            "AllDataPointsVisibility": "HIDDEN",
        },
        "CategoryLabelOptions": _labels(id_, data_set, [group]),
        "PrimaryYAxisDisplayOptions": _axis(log=log),
        "PrimaryYAxisLabelOptions": _labels(id_, data_set, [bare]),
        "Tooltip": _tooltip(id_, [group, bare]),
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
    """Counts of rows in bins of `width`."""
    bare = Measure(value.column, None, value.label, value.decimals, value.suffix)
    wells = {"Values": [measure_field(id_, data_set, bare)]}
    configuration: Json = {
        "FieldWells": {"HistogramAggregatedFieldWells": wells},
        "XAxisLabelOptions": _labels(id_, data_set, [bare]),
        "YAxisDisplayOptions": _axis(),
        "BinOptions": {
            "SelectedBinType": "BIN_WIDTH",
            "BinWidth": {"Value": width, "BinCountLimit": 100},
            "StartValue": 0.0,
        },
        "DataLabels": {"Visibility": "HIDDEN"},
        "Tooltip": _tooltip(id_, [bare]),
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
    """One point a category."""
    wells = {
        "XAxis": [measure_field(id_, data_set, x)],
        "YAxis": [measure_field(id_, data_set, y)],
        "Category": [dimension_field(id_, data_set, category)],
        "Size": [],
    }
    configuration: Json = {
        "FieldWells": {"ScatterPlotCategoricallyAggregatedFieldWells": wells},
        "XAxisLabelOptions": _labels(id_, data_set, [x]),
        "XAxisDisplayOptions": _axis(maximum=1.0),
        "YAxisLabelOptions": _labels(id_, data_set, [y]),
        "YAxisDisplayOptions": _axis(maximum=1.0),
        "Legend": {"Visibility": "HIDDEN"},
        "DataLabels": {"Visibility": "HIDDEN"},
        "Tooltip": _tooltip(id_, [x, y, category]),
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
    """Grouped rows."""
    wells = {
        "GroupBy": [dimension_field(id_, data_set, g) for g in groups],
        "Values": [measure_field(id_, data_set, v) for v in values],
    }
    fields: list[Dimension | Measure] = [*groups, *values]
    labels = [
        {"FieldId": _field_id(id_, i.column, getattr(i, "how", None)), "CustomLabel": i.label}
        for i in fields
        if i.label
    ]
    configuration: Json = {
        "FieldWells": {"TableAggregatedFieldWells": wells},
        "SortConfiguration": {"RowSort": _sort(id_, sort or groups[0], direction)},
        "TableOptions": {"HeaderStyle": {"TextWrap": "WRAP", "Height": 30}},
        "FieldOptions": {"SelectedFieldOptions": labels},
    }
    return Visual(id_, _visual("TableVisual", id_, title, subtitle, configuration), columns, rows)


# --- filters, controls, sheets ----------------------------------------------------------------------------
@dataclass(frozen=True)
class Choice:
    """A parameter with its control: which column it filters, in every data set that has it."""

    name: str  # of the parameter; letters and digits
    title: str
    data_set: str
    column: str


def _choice_filter(choice: Choice) -> Json:
    return {
        "FilterGroupId": f"filter-{choice.name.lower()}",
        "Filters": [
            {
                "CategoryFilter": {
                    "FilterId": f"filter-{choice.name.lower()}-values",
                    "Column": column(choice.data_set, choice.column),
                    "Configuration": {
                        "CustomFilterConfiguration": {
                            "MatchOperator": "EQUALS",
                            "ParameterName": choice.name,
                            "NullOption": "NON_NULLS_ONLY",
                        }
                    },
                }
            }
        ],
        "ScopeConfiguration": {"AllSheets": {}},
        "Status": "ENABLED",
        "CrossDataset": "ALL_DATASETS",
    }


def _choice_control(sheet: str, choice: Choice) -> Json:
    return {
        "Dropdown": {
            "ParameterControlId": f"{sheet}-{choice.name.lower()}",
            "Title": choice.title,
            "SourceParameterName": choice.name,
            "Type": "MULTI_SELECT",
            "SelectableValues": {"LinkToDataSetColumn": column(choice.data_set, choice.column)},
            "DisplayOptions": {
                "SelectAllOptions": {"Visibility": "VISIBLE"},
                "TitleOptions": {"Visibility": "VISIBLE"},
            },
        }
    }


def _layout(visuals: Sequence[Visual]) -> list[Json]:
    """Each visual in turn as high as it fits, and there as far left."""
    elements: list[Json] = []
    depth = [0] * GRID_COLUMNS
    for visual in visuals:
        places = range(GRID_COLUMNS - visual.columns + 1)
        y, x = min((max(depth[x : x + visual.columns]), x) for x in places)
        depth[x : x + visual.columns] = [y + visual.rows] * visual.columns
        elements.append(
            {
                "ElementId": visual.id,
                "ElementType": "VISUAL",
                "ColumnIndex": x,
                "ColumnSpan": visual.columns,
                "RowIndex": y,
                "RowSpan": visual.rows,
            }
        )
    return elements


def _sheet(sheet: Sheet, choices: dict[str, Choice]) -> Json:
    shown = [choices[name] for name in sheet.controls]
    controls = [
        {
            "ElementId": f"{sheet.id}-{choice.name.lower()}",
            "ElementType": "PARAMETER_CONTROL",
            "ColumnIndex": 6 * number,
            "ColumnSpan": 6,
            "RowIndex": 0,
            "RowSpan": 2,
        }
        for number, choice in enumerate(shown)
    ]
    canvas = {"ScreenCanvasSizeOptions": {"ResizeOption": "FIXED", "OptimizedViewPortWidth": "1600px"}}
    grid = {"Elements": _layout(sheet.visuals), "CanvasSizeOptions": canvas}
    return {
        "SheetId": sheet.id,
        "Name": sheet.name,
        "Description": sheet.description,
        "ParameterControls": [_choice_control(sheet.id, choice) for choice in shown],
        "Visuals": [visual.body for visual in sheet.visuals],
        "Layouts": [{"Configuration": {"GridLayout": grid}}],
        "SheetControlLayouts": [{"Configuration": {"GridLayout": {"Elements": controls}}}],
        "ContentType": "INTERACTIVE",
    }


def dashboard(
    name: str,
    title: str,
    sheets: Sequence[Sheet],
    choices: Sequence[Choice],
    calculated: Sequence[tuple[str, str, str]],
) -> Json:
    """A `CreateDashboard` request. `calculated` is (data set, name, expression)."""
    text = str([v.body for s in sheets for v in s.visuals]) + str(choices)
    used = [d for d in DATA_SETS if f"'DataSetIdentifier': '{d}'" in text or f"data_set='{d}'" in text]
    definition: Json = {
        "DataSetIdentifierDeclarations": [
            {
                "Identifier": d,
                "DataSetArn": f"arn:${{Partition}}:quicksight:${{Region}}:${{AccountId}}:dataset/${{Prefix}}-{d}",
            }
            for d in used
        ],
        "Sheets": [_sheet(sheet, {c.name: c for c in choices}) for sheet in sheets],
        "CalculatedFields": [
            {"DataSetIdentifier": d, "Name": n, "Expression": expression} for d, n, expression in calculated
        ],
        "ParameterDeclarations": [
            {
                "StringParameterDeclaration": {
                    "ParameterValueType": "MULTI_VALUED",
                    "Name": choice.name,
                    "DefaultValues": {"StaticValues": []},
                    "ValueWhenUnset": {"ValueWhenUnsetOption": "RECOMMENDED_VALUE"},
                }
            }
            for choice in choices
        ],
        "FilterGroups": [_choice_filter(choice) for choice in choices],
    }
    return {
        "AwsAccountId": "${AccountId}",
        "DashboardId": f"${{Prefix}}-{name}",
        "Name": title,
        "ThemeArn": "${ThemeArn}",
        "Permissions": [
            {
                "Principal": "${Principal}",
                "Actions": [
                    f"quicksight:{action}"
                    for action in (
                        "DescribeDashboard", "ListDashboardVersions", "UpdateDashboardPermissions",
                        "QueryDashboard", "UpdateDashboard", "DeleteDashboard", "DescribeDashboardPermissions",
                        "UpdateDashboardPublishedVersion",
                    )
                ],
            }
        ],
        "DashboardPublishOptions": {"AdHocFilteringOption": {"AvailabilityStatus": "ENABLED"}},
        "Definition": definition,
    }  # fmt: skip
