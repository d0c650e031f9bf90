"""Dashboard Model: how good the predictions are, and where to look."""

from __future__ import annotations

from typing import Any

from etholake.pages.dashboards.authoring.fields import Dimension, Measure
from etholake.pages.dashboards.authoring.sheets import Choice, Sheet, dashboard
from etholake.pages.dashboards.authoring.visuals import bar, heat_map, kpi, line, scatter, table

LAB, ACTION, RUN = Dimension("lab_id", "Lab"), Dimension("action", "Action"), Dimension("run_id", "Run")
LAB_ACTION = Dimension("lab_action", "Lab and action")
CHOICES = (
    Choice("Lab", "Lab", "scores", "lab_id"),
    Choice("Action", "Action", "scores", "action"),
    Choice("Run", "Run", "runs", "run_id"),
)
CALCULATED = (
    ("calibration", "share annotated", "sum({shared_frames}) / sum({frames})"),
    ("calibration", "mean confidence", "sum({confidence_frames}) / sum({frames})"),
)
KINDS = {"false alarm": "#D55E00", "missed": "#0072B2"}
F = Measure("f_score", "AVERAGE", "Score (F1)", 2)


def _scores() -> Sheet:
    return Sheet(
        "model-scores",
        "Scores",
        "The official score, by lab and action, on held-out videos.",
        [
            kpi("model-score", "Official score (F1)", "runs", Measure("score", "AVERAGE", decimals=3), columns=9),
            kpi("model-labs", "Labs scored", "scores", Measure("lab_id", "DISTINCT_COUNT"), columns=9),
            kpi("model-actions", "Lab-action pairs", "scores", Measure("lab_action", "DISTINCT_COUNT"), columns=9),
            kpi("model-run-count", "Runs", "scores", Measure("run_id", "DISTINCT_COUNT"), columns=9),
            heat_map(
                "model-lab-action", "Score by lab and action (F1)", "scores", LAB, ACTION, F,
                subtitle="Frame-wise, pooled over the lab's scored videos; mean over the chosen runs",
            ),
            scatter(
                "model-precision-recall", "Precision against recall", "scores",
                Measure("recall_score", "AVERAGE", "Recall", 2),
                Measure("precision_score", "AVERAGE", "Precision", 2), LAB_ACTION,
                subtitle="One point a lab and action; the top right corner is best",
            ),
            line(
                "model-intervals", "Score of each lab and action with its interval (F1)", "scores", LAB_ACTION,
                [
                    F, Measure("f_low", "AVERAGE", "Low end of 95 %", 2),
                    Measure("f_high", "AVERAGE", "High end of 95 %", 2),
                ],
                subtitle="95 % over blocks of 10 s of these videos; no ends where there are fewer than five",
                points_only=True, maximum=1.0, columns=36, rows=16,
            ),
            bar(
                "model-time", "Predicted against annotated time (s)", "scored_time", ACTION,
                [Measure("seconds", label="Time (s)", decimals=1)], color=Dimension("source", "Source"),
                painted={"annotated": "#0072B2", "predicted": "#E69F00"}, orientation="VERTICAL", columns=36,
                rows=13, subtitle="Scored part of the videos",
            ),
            table(
                "model-scores-table", "Scores", "scores", [RUN, LAB, ACTION],
                [
                    F, Measure("f_low", "AVERAGE", "Low", 2), Measure("f_high", "AVERAGE", "High", 2),
                    Measure("precision_score", "AVERAGE", "Precision", 2),
                    Measure("recall_score", "AVERAGE", "Recall", 2),
                    Measure("tp_frames", label="Right (frames)"), Measure("fp_frames", label="False (frames)"),
                    Measure("fn_frames", label="Missed (frames)"),
                ],
                sort=F, rows=14,
            ),
        ],
        ("Lab", "Action", "Run"),
    )  # fmt: skip


def _calibration() -> Sheet:
    tenth = Dimension("confidence_tenth", "Confidence of the event")
    return Sheet(
        "model-calibration",
        "Calibration",
        "Whether the confidence of an event can be believed.",
        [
            line(
                "model-reliability", "Share of predicted frames that were annotated", "calibration", tenth,
                [
                    Measure("share annotated", None, "Annotated (share)", 2),
                    Measure("mean confidence", None, "Confidence (mean)", 2),
                ],
                subtitle="Calibrated: the two lines meet. Of events: no probability below the threshold is kept",
                maximum=1.0,
            ),
            bar(
                "model-confidence-events", "Predicted events by confidence", "calibration", tenth,
                [Measure("events", label="Events")], color=LAB, arrangement="STACKED", orientation="VERTICAL",
                sort=tenth, direction="ASC", subtitle="Few events in a tenth: little to conclude from it",
            ),
            table(
                "model-calibration-table", "Confidence by lab", "calibration", [LAB, tenth],
                [
                    Measure("events", label="Events"), Measure("frames", label="Predicted (frames)"),
                    Measure("mean confidence", None, "Confidence (mean)", 2),
                    Measure("share annotated", None, "Annotated (share)", 2),
                ],
                rows=14,
            ),
        ],
        ("Lab", "Action", "Run"),
    )  # fmt: skip


def _review() -> Sheet:
    kind = Dimension("kind", "Kind")
    return Sheet(
        "model-review",
        "Review",
        "Events where prediction and annotation disagree.",
        [
            kpi("model-review-events", "Events to review", "review", Measure("kind", "COUNT"), columns=18),
            kpi(
                "model-review-time", "Their length", "review", Measure("seconds", suffix=" s", null="0 s"),
                columns=18,
            ),
            bar(
                "model-review-by-action", "Events to review, by action", "review", ACTION,
                [Measure("kind", "COUNT", "Events")], color=kind, painted=KINDS, arrangement="STACKED",
                subtitle="Less than half of the event has a counterpart; the 100 weightiest of a lab and kind",
            ),
            bar(
                "model-review-by-lab", "Time to review, by lab (s)", "review", LAB,
                [Measure("seconds", label="Time (s)", decimals=1)], color=kind, painted=KINDS,
                arrangement="STACKED",
            ),
            table(
                "model-review-table", "Events worth a review, the weightiest first", "review",
                [
                    kind, LAB, Dimension("video", "Video"), Dimension("agent", "Who"), ACTION,
                    Dimension("target", "To whom"), Dimension("start_sec", "From (s)", 2),
                    Dimension("stop_sec", "To (s)", 2), RUN,
                ],
                [
                    Measure("confidence", "AVERAGE", "Confidence", 2),
                    Measure("agreement_percent", "AVERAGE", "Agreement (%)"),
                    Measure("weight", "SUM", "Weight (s)", 1),
                ],
                subtitle="Weight: seconds without a counterpart × confidence (1 for a missed event)",
                sort=Measure("weight"), direction="DESC", rows=20,
            ),
        ],
        ("Lab", "Action", "Run"),
    )  # fmt: skip


def _runs() -> Sheet:
    return Sheet(
        "model-runs",
        "Runs",
        "The runs compared.",
        [
            line(
                "model-score-by-run", "Score by run and lab (F1)", "runs", RUN,
                [Measure("score", "AVERAGE", "Score (F1)", 3)], color=LAB, maximum=1.0,
                subtitle="In the order of the runs' ids: the lake keeps no clock",
            ),
            heat_map(
                "model-run-action", "Score by run and action (F1)", "scores", RUN, ACTION, F,
                subtitle="Mean over the labs that scored the action",
            ),
            table(
                "model-runs-table", "Runs", "runs", [RUN],
                [
                    Measure("score", "AVERAGE", "Official score (F1)", 4),
                    Measure("lab_id", "DISTINCT_COUNT", "Labs"),
                    Measure("videos", label="Videos"), Measure("events", label="Predicted events"),
                    Measure("seconds", label="Predicted time (s)", decimals=1),
                ],
                sort=Measure("score", "AVERAGE"), direction="DESC", rows=10,
            ),
        ],
        ("Lab", "Action", "Run"),
    )  # fmt: skip


def build() -> dict[str, Any]:
    """Return the `CreateDashboard` request."""
    sheets = [_scores(), _calibration(), _review(), _runs()]
    return dashboard("model", "Etholake: Model", sheets, CHOICES, CALCULATED)
