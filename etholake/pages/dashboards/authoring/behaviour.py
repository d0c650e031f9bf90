"""Dashboard Behaviour: what was annotated, how long it lasts, who does it to whom."""

from __future__ import annotations

from typing import Any

from etholake.pages.dashboards.authoring.fields import Dimension, Measure
from etholake.pages.dashboards.authoring.sheets import Choice, Sheet, dashboard
from etholake.pages.dashboards.authoring.visuals import bar, box_plot, heat_map, histogram, kpi, line, table

LAB, ACTION = Dimension("lab_id", "Lab"), Dimension("action", "Action")
# Time of counted frames: where events of one action overlap, a frame counts once. Over-long events have none.
SECONDS = Measure("counted_sec", label="Annotated time (s)", decimals=1)
CHOICES = (Choice("Lab", "Lab", "events", "lab_id"), Choice("Action", "Action", "events", "action"))
CALCULATED = (("events", "annotated hours", "sum({counted_sec}) / 3600"),)


def _classes() -> Sheet:
    return Sheet(
        "behaviour-classes",
        "Classes",
        "Class imbalance and durations. Intervals that end past their video are counted, and in no chart.",
        [
            kpi("behaviour-events", "Annotated events", "events", Measure("action", "COUNT"), columns=7),
            kpi(
                "behaviour-hours", "Annotated time", "events",
                Measure("annotated hours", None, decimals=2, suffix=" h"), columns=7,
            ),
            kpi("behaviour-actions", "Actions", "events", Measure("action", "DISTINCT_COUNT"), columns=7),
            kpi("behaviour-mice", "Acting mice", "events", Measure("mouse", "DISTINCT_COUNT"), columns=7),
            kpi("behaviour-overlong", "Over-long, left out", "events", Measure("overlong"), columns=8),
            bar(
                "behaviour-imbalance", "Class imbalance: annotated time by action (s, log)", "events", ACTION,
                [SECONDS], subtitle="On a logarithmic axis", log=True,
            ),
            heat_map(
                "behaviour-lab-action", "Annotated time by lab and action (s)", "events", LAB, ACTION,
                Measure("counted_sec", label="Annotated time (s)"),
                subtitle="Empty: not annotated there, which is not the same as absent",
            ),
            box_plot(
                "behaviour-durations", "Duration of an event, by action (s, log)", "events", ACTION,
                Measure("duration_sec", label="Duration (s)", decimals=2), log=True,
                subtitle="Quartiles; whiskers at 1.5 × their distance; points beyond",
            ),
            histogram(
                "behaviour-duration-histogram", "Durations of events (s)", "events",
                Measure("duration_sec", label="Duration (s)", decimals=1), width=1.0,
                subtitle="Bins of 1 s; choose an action to see its own",
            ),
        ],
        ("Lab", "Action"),
    )  # fmt: skip


def _budgets() -> Sheet:
    return Sheet(
        "behaviour-budgets",
        "Time budgets",
        "How the annotated time is spent: by mouse, strain, sex and minute.",
        [
            bar(
                "behaviour-by-mouse", "Annotated time by mouse (s)", "events", Dimension("mouse", "Mouse"),
                [SECONDS], subtitle="The 24 mice with most of it, by video", color=ACTION, arrangement="STACKED",
                limit=24, other=False, rows=21,
            ),
            bar(
                "behaviour-by-strain", "Time budget by strain (%)", "events", Dimension("agent_strain", "Strain"),
                [SECONDS], color=ACTION, arrangement="STACKED_PERCENT", subtitle="Of the annotated time", rows=10,
            ),
            bar(
                "behaviour-by-sex", "Time budget by sex (%)", "events", Dimension("agent_sex", "Sex"), [SECONDS],
                color=ACTION, arrangement="STACKED_PERCENT", subtitle="Of the annotated time", rows=11,
            ),
            line(
                "behaviour-by-minute", "Annotated time by minute of the video (s)", "minutes",
                Dimension("video_minute", "Minute of the video"),
                [Measure("seconds", label="Time (s)", decimals=1)],
                subtitle="Summed over videos, which end at different minutes", color=ACTION, kind="STACKED_AREA",
                columns=36, rows=12,
            ),
        ],
        ("Lab", "Action"),
    )  # fmt: skip


def _social() -> Sheet:
    agent, target = Dimension("agent", "Who"), Dimension("target", "To whom")
    texts = (("source", "Source"), ("factor", "By"), ("group_a", "Group A"), ("group_b", "Group B"))
    figures = (("effect", "A − B (points)", 2), ("effect_low", "from", 2), ("effect_high", "to", 2),
               ("p", "p", 4), ("p_holm", "p, Holm", 4))  # fmt: skip
    return Sheet(
        "behaviour-social",
        "Sequences and pairs",
        "Transitions, and who does what to whom.",
        [
            heat_map(
                "behaviour-transitions", "Next action of the same mouse (%)", "transitions",
                Dimension("action", "Action"), Dimension("next_action", "Next action"),
                Measure("percent_of_action", "AVERAGE", "Of the transitions from the action (%)"),
                subtitle="Of the transitions from the row's action; mean over labs", rows=17,
            ),
            heat_map(
                "behaviour-who-whom", "Who does it to whom (s)", "events", agent, target,
                Measure("counted_sec", label="Annotated time (s)"),
                subtitle="'self': the action has no partner. Choose an action to see one", rows=17,
            ),
            table(
                "behaviour-transition-table", "Transitions, the most frequent first", "transitions",
                [Dimension("action", "Action"), Dimension("next_action", "Next action"), LAB],
                [
                    Measure("transitions", label="Transitions"),
                    Measure("percent_of_action", "AVERAGE", "Of the action's (%)", 1),
                    Measure("gap_sec", "AVERAGE", "Mean gap (s)", 2),
                ],
                sort=Measure("transitions"), direction="DESC", columns=18, rows=16,
            ),
            table(
                "behaviour-pairs", "Who does what to whom, by strain and sex", "events",
                [
                    ACTION, Dimension("agent_strain", "Strain"), Dimension("agent_sex", "Sex"),
                    Dimension("target_strain", "Partner's strain"), Dimension("target_sex", "Partner's sex"),
                ],
                [Measure("video_id", "COUNT", "Events"), SECONDS],
                sort=SECONDS, direction="DESC", columns=18, rows=16,
            ),
            table(
                "behaviour-group-comparison", "Groups compared: share of the time, by action", "groups",
                [*(Dimension(*text) for text in texts), ACTION, LAB],
                [Measure("n_a", label="n of A"), Measure("n_b", label="n of B"),
                 *(Measure(name, "AVERAGE", label, decimals) for name, label, decimals in figures)],
                subtitle="Mann-Whitney U, Holm's correction over actions; difference with Welch's 95 % interval",
                sort=Dimension("factor", "By"), direction="ASC", columns=36, rows=16,
            ),
            bar(
                "behaviour-by-source", "Time by annotation and by prediction (s)", "sources", ACTION,
                [Measure("counted_sec", label="Time (s)", decimals=1)], color=Dimension("source", "Source"),
                subtitle="Predictions of all runs together; they cover the videos that were predicted only",
                columns=36, rows=13,
            ),
        ],
        ("Lab", "Action"),
    )  # fmt: skip


def build() -> dict[str, Any]:
    """Return the `CreateDashboard` request."""
    sheets = [_classes(), _budgets(), _social()]
    return dashboard("behaviour", "Etholake: Behaviour", sheets, CHOICES, CALCULATED)
