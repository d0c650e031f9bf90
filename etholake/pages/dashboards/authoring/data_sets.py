"""The data sets: a view of `athena_queries/views` each, its columns and QuickSight's types for them.

The SQL of a data set stands in its view and nowhere else: to read another table, change the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STRING, INTEGER, DECIMAL = "STRING", "INTEGER", "DECIMAL"
_ACTIONS = (
    "DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion", "ListIngestions",
    "UpdateDataSet", "DeleteDataSet", "CreateIngestion", "CancelIngestion", "UpdateDataSetPermissions",
)  # fmt: skip


@dataclass(frozen=True)
class DataSet:
    """`view` of the database, and its columns with their QuickSight types."""

    view: str
    title: str
    columns: dict[str, str]


def _columns(text: int | str = "", whole: str = "", real: str = "") -> dict[str, str]:
    named = [(str(text), STRING), (whole, INTEGER), (real, DECIMAL)]
    return {name: kind for names, kind in named for name in names.split()}


DATA_SETS = {
    "videos": DataSet(
        "v_dash_videos", "Videos",
        _columns(
            "split lab_id received", "video_id mice parts tracking_rows annotation_rows rows_imputed",
            "hours frames_per_second pix_per_cm",
        ),
    ),
    "points": DataSet(
        "v_dash_points", "Tracked points",
        _columns("split lab_id bodypart state", "points not_measured expected"),
    ),
    "rejected": DataSet(
        "v_dash_rejected", "Rejected rows", _columns("split lab_id rule example", "files rejected_rows")
    ),
    "flags": DataSet("v_dash_flags", "Flagged files", _columns("split lab_id kind rule", "files")),
    "runs": DataSet(
        "v_dash_runs", "Runs of the model", _columns("run_id lab_id", "videos events actions", "seconds score")
    ),
    "events": DataSet(
        "v_dash_events", "Annotated events",
        _columns(
            "split lab_id mouse agent target action agent_strain agent_sex target_strain target_sex",
            "video_id overlong", "duration_sec counted_sec",
        ),
    ),
    "minutes": DataSet(
        "v_dash_minutes", "Annotated time by minute",
        _columns("split lab_id action", "video_minute videos", "seconds"),
    ),
    "transitions": DataSet(
        "v_dash_transitions", "Transitions",
        _columns("split lab_id action next_action", "transitions", "gap_sec percent_of_action"),
    ),
    "sources": DataSet(
        "v_behavior_events", "Annotated and predicted events",
        _columns("source split lab_id action", "agent_id", "counted_sec"),
    ),
    "groups": DataSet(
        "v_group_comparison", "Groups compared",
        _columns(
            "source run_id lab_id factor group_a group_b action test", "n_a n_b tests",
            "mean_a mean_b effect effect_low effect_high p p_holm",
        ),
    ),
    "scores": DataSet(
        "v_dash_scores", "Scores",
        _columns(
            "run_id lab_id action lab_action", "tp_frames fp_frames fn_frames videos blocks",
            "f_score f_low f_high precision_score recall_score",
        ),
    ),
    "scored_time": DataSet(
        "v_dash_scored_time", "Predicted and annotated time",
        _columns("run_id lab_id action source", "frames", "seconds"),
    ),
    "calibration": DataSet(
        "v_dash_calibration", "Confidence of predicted events",
        _columns("run_id lab_id action confidence_tenth", "events frames shared_frames", "confidence_frames"),
    ),
    "review": DataSet(
        "v_dash_review", "Events worth a review",
        _columns(
            "run_id lab_id kind video agent target action", "",
            "start_sec stop_sec seconds confidence agreement_percent weight",
        ),
    ),
}  # fmt: skip


def request(name: str) -> dict[str, Any]:
    """Return the `CreateDataSet` request of one data set, with placeholders."""
    data_set = DATA_SETS[name]
    table = name.replace("_", "-")
    columns: list[dict[str, Any]] = [
        {"Name": column, "Type": kind, **({"SubType": "FLOAT"} if kind == DECIMAL else {})}
        for column, kind in data_set.columns.items()
    ]
    return {
        "AwsAccountId": "${AccountId}",
        "DataSetId": f"${{Prefix}}-{name}",
        "Name": f"Etholake: {data_set.title}",
        "PhysicalTableMap": {
            table: {
                "CustomSql": {
                    "DataSourceArn": "arn:${Partition}:quicksight:${Region}:${AccountId}:datasource/${Prefix}",
                    "Name": name,
                    "SqlQuery": f"SELECT {', '.join(data_set.columns)} FROM ${{Database}}.{data_set.view}",  # noqa: S608 our own names
                    "Columns": columns,
                }
            }
        },
        "LogicalTableMap": {table: {"Alias": data_set.title, "Source": {"PhysicalTableId": table}}},
        "ImportMode": "DIRECT_QUERY",
        "Permissions": [{"Principal": "${Principal}", "Actions": [f"quicksight:{a}" for a in _ACTIONS]}],
    }


def data_source() -> dict[str, Any]:
    """Return the `CreateDataSource` request: Athena, in the lake's work group."""
    actions = (
        "DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource", "UpdateDataSource",
        "DeleteDataSource", "UpdateDataSourcePermissions",
    )  # fmt: skip
    return {
        "AwsAccountId": "${AccountId}",
        "DataSourceId": "${Prefix}",
        "Name": "Etholake (Athena)",
        "Type": "ATHENA",
        "DataSourceParameters": {"AthenaParameters": {"WorkGroup": "${WorkGroup}"}},
        "SslProperties": {"DisableSsl": False},
        "Permissions": [{"Principal": "${Principal}", "Actions": [f"quicksight:{a}" for a in actions]}],
    }


def theme() -> dict[str, Any]:
    """Return the `CreateTheme` request; Okabe and Ito's colours, then Tol's muted ones, for all colour vision."""
    return {
        "AwsAccountId": "${AccountId}",
        "ThemeId": "${Prefix}",
        "Name": "Etholake",
        "BaseThemeId": "CLASSIC",
        "Configuration": {
            "DataColorPalette": {
                "Colors": [
                    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A68A6", "#B8A300",
                    "#44AA99", "#882255", "#999933", "#332288", "#117733", "#DDCC77", "#AA4499",
                ],
                "MinMaxGradient": ["#E8F1FA", "#08519C"],
                "EmptyFillColor": "#9A9A9A",
            },
            "UIColorPalette": {
                "PrimaryForeground": "#1C2530", "PrimaryBackground": "#FFFFFF", "SecondaryForeground": "#5A6675",
                "SecondaryBackground": "#F4F6F8", "Accent": "#0B5FA5", "AccentForeground": "#FFFFFF",
                "Danger": "#B3261E", "DangerForeground": "#FFFFFF", "Warning": "#8A5A00",
                "WarningForeground": "#FFFFFF", "Success": "#0B6E4F", "SuccessForeground": "#FFFFFF",
                "Dimension": "#0B5FA5", "DimensionForeground": "#FFFFFF", "Measure": "#0B6E4F",
                "MeasureForeground": "#FFFFFF",
            },
            "Sheet": {
                "Tile": {"Border": {"Show": True}},
                "TileLayout": {"Gutter": {"Show": True}, "Margin": {"Show": True}},
            },
        },
        "Permissions": [
            {
                "Principal": "${Principal}",
                "Actions": [
                    "quicksight:DescribeTheme", "quicksight:DescribeThemeAlias", "quicksight:ListThemeAliases",
                    "quicksight:ListThemeVersions",
                ],
            }
        ],
    }  # fmt: skip
