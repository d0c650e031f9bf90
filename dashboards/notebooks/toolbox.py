"""Helpers of the notebooks' cells: settings, a question to Athena as a DataFrame, the look of the plots.

The plots themselves are in the notebooks.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from etholake import aws, settings
from etholake.settings import Settings
from etholake.stages.lake import query

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BLUE", "GREEN", "GREY", "ORANGE", "SPLIT_COLOURS",
    "ask", "ask_report", "centre_parts", "log_x", "plain_log", "start", "tall", "turn_labels",
]  # fmt: skip

# Okabe and Ito's colours, distinct for every kind of colour vision (https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#9A9A9A"
SPLIT_COLOURS = {"train": BLUE, "test": ORANGE}

# Stand-ins for the centre of a body, best first: the mean of the parts of the first set that a lab tracks.
_CENTRES = (
    ("body_center",),
    ("hip_left", "hip_right"),
    ("lateral_left", "lateral_right"),
    ("ear_left", "ear_right", "tail_base"),
    ("tail_base",),
)


def start() -> Settings:
    """Return the settings of this process and export them for its AWS clients; set seeds and the plot style.

    Settings come from the environment and `etholake.toml`, as everywhere (`make config` prints them).
    """
    import matplotlib.pyplot as plt
    import numpy as np
    import seaborn as sns

    current = settings.load()
    aws.export(current)
    random.seed(current.seed)
    np.random.seed(current.seed)  # seaborn's jitter
    sns.set_theme(context="notebook", style="whitegrid", palette=[BLUE, ORANGE, GREEN, GREY], font_scale=0.85)
    plt.rcParams |= {"figure.constrained_layout.use": True, "figure.dpi": 110}
    plt.rcParams |= {"axes.titlelocation": "left", "legend.frameon": False}
    return current


def ask(current: Settings, sql: str, *values: str | float) -> pd.DataFrame:
    """Return the rows of one statement; `values` are those of its ``?``, in order, text or numbers.

    A missing value is NaN. Raises AwsError with the query's id if Athena could not run it.
    """
    return _frame(query.run_sql(current, sql, [_literal(value) for value in values]))


def ask_report(current: Settings, name: str) -> pd.DataFrame:
    """Return the rows of a report of `athena_queries/reports` that takes no parameter; a missing value is NaN."""
    return _frame(query.run_report(current, name))


def _literal(value: str | float) -> str:
    return query.literal(value) if isinstance(value, str) else str(value)


def _frame(answer: query.QueryResult) -> Any:
    import pandas as pd

    frame = pd.DataFrame(answer.rows, columns=answer.columns)
    unknown = [column for column in frame if frame[column].isna().all()]
    return frame.astype(dict.fromkeys(unknown, float))  # a column of None can be drawn as well: as nothing


def centre_parts(tracked: Collection[str]) -> tuple[str, ...]:
    """Return the body parts whose mean is the centre of a body; else the first part by name."""
    complete = (parts for parts in _CENTRES if set(parts) <= set(tracked))
    return next(complete, tuple(sorted(tracked)[:1]))


def log_x(axes: Any) -> None:
    """Give `axes` a logarithmic x axis with plain numbers."""
    axes.set_xscale("log")
    plain_log(axes.xaxis)


def plain_log(axis: Any) -> None:
    """Put plain numbers on a logarithmic axis or colour bar: 1, 2 and 5 of each decade where there is room."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def tall(rows: int, upright: Iterable[str] = ()) -> float:
    """Return the height (inch) of a figure that has room for `rows` of labels, and for `upright` labels below."""
    return 1.3 + max(1.3, 0.28 * rows) + 0.085 * max(map(len, upright), default=0)


def turn_labels(axes: Any) -> None:
    """Turn the labels of a heat map: those below it upright, those beside it lying, however few they are."""
    axes.tick_params(axis="x", rotation=90)
    axes.tick_params(axis="y", rotation=0)
