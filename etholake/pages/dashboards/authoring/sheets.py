"""QuickSight's sheets and dashboards: layout, controls, filters. Nothing here knows what is shown.

Shapes: https://docs.aws.amazon.com/quicksight/latest/APIReference/API_DashboardVersionDefinition.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from etholake.pages.dashboards.authoring.data_sets import DATA_SETS
from etholake.pages.dashboards.authoring.fields import Json, column
from etholake.pages.dashboards.authoring.visuals import Visual

GRID_COLUMNS = 36  # of QuickSight's tiled layout, in which nothing is higher than 21 rows


@dataclass
class Sheet:
    """One tab. Visuals are laid out in reading order, row by row."""

    id: str
    name: str
    description: str
    visuals: list[Visual] = field(default_factory=list)
    controls: tuple[str, ...] = ()


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
    """Return the layout: each visual in turn as high as it fits, and there as far left."""
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
    """Return a `CreateDashboard` request. `calculated` is (data set, name, expression)."""
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
