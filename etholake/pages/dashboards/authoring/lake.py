"""Dashboard Lake: what there is, how good it is, how it grows."""

from __future__ import annotations

from typing import Any

from etholake.pages.dashboards.authoring.fields import Dimension, Measure
from etholake.pages.dashboards.authoring.sheets import Choice, Sheet, dashboard
from etholake.pages.dashboards.authoring.visuals import bar, box_plot, heat_map, kpi, table

LAB, SPLIT, RUN = Dimension("lab_id", "Lab"), Dimension("split", "Split"), Dimension("run_id", "Run")
CHOICES = (
    Choice("Lab", "Lab", "videos", "lab_id"),
    Choice("Split", "Split", "videos", "split"),
    Choice("Run", "Run", "runs", "run_id"),
)
CALCULATED = (
    ("points", "percent measured", "100 * (sum({points}) - sum({not_measured})) / sum({expected})"),
    ("points", "percent not measured", "100 * sum({not_measured}) / sum({expected})"),
)


def _overview() -> Sheet:
    videos = Measure("video_id", "COUNT", "Videos")
    return Sheet(
        "lake-overview",
        "Overview",
        "Videos, hours, labs, rigs.",
        [
            kpi("lake-videos", "Videos", "videos", videos),
            kpi("lake-hours", "Hours of video", "videos", Measure("hours", decimals=1, suffix=" h")),
            kpi("lake-labs", "Labs", "videos", Measure("lab_id", "DISTINCT_COUNT")),
            kpi("lake-tracking-rows", "Points received", "videos", Measure("tracking_rows")),
            kpi("lake-annotation-rows", "Events received", "videos", Measure("annotation_rows")),
            kpi("lake-imputed-rows", "Points filled", "videos", Measure("rows_imputed")),
            bar(
                "lake-videos-by-lab", "Videos by lab", "videos", LAB, [videos], rows=11,
                subtitle="By what was received of each", color=Dimension("received", "Received"),
                painted={"annotated": "#0072B2", "tracked only": "#56B4E9", "metadata only": "#E69F00"},
                arrangement="STACKED",
            ),
            bar(
                "lake-hours-by-lab", "Hours of video by lab (h)", "videos", LAB,
                [Measure("hours", label="Hours (h)", decimals=2)], rows=11,
            ),
            bar(
                "lake-parts-by-lab", "Body parts tracked, by lab", "videos", LAB,
                [Measure("parts", "MAX", "Body parts")], columns=12, rows=12,
                subtitle="The most of any of its videos",
            ),
            box_plot(
                "lake-fps-by-lab", "Frame rate by lab (frames/s)", "videos", LAB,
                Measure("frames_per_second", label="Frame rate (frames/s)", decimals=2),
                subtitle="Spread over its videos", columns=12, rows=12,
            ),
            box_plot(
                "lake-scale-by-lab", "Scale by lab (px/cm)", "videos", LAB,
                Measure("pix_per_cm", label="Scale (px/cm)", decimals=1), subtitle="Spread over its videos",
                columns=12, rows=12,
            ),
            table(
                "lake-labs-table", "Labs and their rigs", "videos", [LAB, SPLIT],
                [
                    videos, Measure("hours", label="Hours (h)", decimals=2),
                    Measure("frames_per_second", "MIN", "Frames/s, lowest", 2),
                    Measure("frames_per_second", "MAX", "Frames/s, highest", 2),
                    Measure("pix_per_cm", "MIN", "px/cm, lowest", 1),
                    Measure("pix_per_cm", "MAX", "px/cm, highest", 1),
                    Measure("mice", "MAX", "Mice, most"), Measure("parts", "MAX", "Body parts, most"),
                ],
            ),
        ],
        ("Lab", "Split"),
    )  # fmt: skip


def _quality() -> Sheet:
    points = Measure("points", label="Points")
    return Sheet(
        "lake-quality",
        "Quality",
        "Missing points, rejected rows, flagged files.",
        [
            kpi("lake-expected", "Points expected", "points", Measure("expected"), columns=9),
            kpi(
                "lake-measured", "Measured", "points", Measure("percent measured", None, decimals=2, suffix=" %"),
                columns=9,
            ),
            kpi("lake-rejected", "Rows rejected", "rejected", Measure("rejected_rows", null="0"), columns=9),
            kpi("lake-flagged", "Flags on kept files", "flags", Measure("files", null="0"), columns=9),
            bar(
                "lake-points-by-lab", "Points measured, filled and missing, by lab (%)", "points", LAB, [points],
                subtitle="Of mice × frames × body parts; filled: carried over short gaps by curation",
                color=Dimension("state", "State"),
                painted={"measured": "#56B4E9", "filled": "#E69F00", "missing": "#D55E00"},
                arrangement="STACKED_PERCENT", sort=LAB, direction="ASC",
            ),
            heat_map(
                "lake-missing-by-part", "Points not measured, by lab and body part (%)", "points", LAB,
                Dimension("bodypart", "Body part"),
                Measure("percent not measured", None, "Not measured (%)", 1),
                subtitle="Filled or missing; empty where a lab does not track the part",
            ),
            bar(
                "lake-rejected-by-rule", "Rows rejected, by rule", "rejected", Dimension("rule", "Rule"),
                [Measure("rejected_rows", label="Rows")], color=LAB,
                subtitle="Quarantined with their reason; nothing is dropped", rows=9,
                arrangement="STACKED",
            ),
            bar(
                "lake-flags-by-rule", "Files kept but flagged, by rule", "flags", Dimension("rule", "Rule"),
                [Measure("files", label="Files")], color=LAB, arrangement="STACKED", rows=9,
            ),
            table(
                "lake-rejected-table", "What was rejected, with an example", "rejected",
                [LAB, SPLIT, Dimension("rule", "Rule"), Dimension("example", "Example")],
                [Measure("files", label="Files"), Measure("rejected_rows", label="Rows")],
                sort=Measure("rejected_rows"), direction="DESC", rows=9,
            ),
        ],
        ("Lab", "Split"),
    )  # fmt: skip


def _growth() -> Sheet:
    return Sheet(
        "lake-growth",
        "Growth",
        "What each run of the model added.",
        [
            kpi("lake-runs", "Runs", "runs", Measure("run_id", "DISTINCT_COUNT"), columns=12),
            kpi("lake-run-events", "Predicted events", "runs", Measure("events"), columns=12),
            kpi("lake-run-seconds", "Predicted time", "runs", Measure("seconds", suffix=" s"), columns=12),
            bar(
                "lake-events-by-run", "Predicted events added, by run", "runs", RUN,
                [Measure("events", label="Events")], color=LAB,
                subtitle="In the order of the runs' ids: the lake keeps no clock", rows=10,
                arrangement="STACKED", sort=RUN, direction="ASC",
            ),
            bar(
                "lake-seconds-by-run", "Predicted time added, by run (s)", "runs", RUN,
                [Measure("seconds", label="Predicted time (s)")], color=LAB, arrangement="STACKED", rows=10,
                sort=RUN, direction="ASC",
            ),
            table(
                "lake-runs-table", "Runs by lab", "runs", [RUN, LAB],
                [
                    Measure("videos", label="Videos"), Measure("events", label="Events"),
                    Measure("seconds", label="Predicted time (s)", decimals=1),
                    Measure("actions", label="Actions scored"), Measure("score", "AVERAGE", "Score (F1)", 3),
                ],
            ),
        ],
        ("Lab", "Run"),
    )  # fmt: skip


def build() -> dict[str, Any]:
    """Return the `CreateDashboard` request."""
    return dashboard("lake", "Etholake: Lake", [_overview(), _quality(), _growth()], CHOICES, CALCULATED)
