"""One function a kind of figure. Each takes a table and returns a figure of matplotlib; NaN is a missing value.

Times are seconds from the video's start, speeds cm/s, places as the camera sees them: cm from the arena's centre
(or pixels from the top left), x to the right, y downwards.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from etholake.errors import DataError
from etholake.pages.figures.statistics import TEST, Comparison, interval_of_mean
from etholake.pages.figures.style import COLOURS, OTHER, WIDTH, colours_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "budget", "comparison", "ethogram", "heatmap", "raster", "shown_actions", "speed", "trajectory", "transitions",
]  # fmt: skip

LANE = 0.22  # inches a lane or row
LANES_AT_MOST = 200
CHARACTERS = 15  # an inch holds of a title; a few more of a legend, whose letters are smaller
HANDLE = 6  # characters that the patch of a legend takes


def ethogram(events: pd.DataFrame, duration_s: float, title: str) -> Figure:
    """Draw the events of one video in lanes: one a pair of animals and action, the sources one above the other.

    `events` has agent_id, target_id, action, source (annotated, predicted or corrected), start_s and stop_s.
    """
    lanes = sorted({(e.agent_id, e.target_id, e.action) for e in events.itertuples()})
    figure, axes = _lanes(len(lanes), title)
    sources = sorted(events.source.unique())
    colour, height = colours_of(sources), 0.8 / len(sources)
    place = {lane: number for number, lane in enumerate(lanes)}
    for (agent, target, action, source), own in events.groupby(["agent_id", "target_id", "action", "source"]):
        top = place[agent, target, action] - 0.4 + height * sources.index(source)
        spans = list(zip(own.start_s, own.stop_s - own.start_s, strict=True))
        axes.broken_barh(spans, (top, height), facecolors=colour[source], linewidth=0)
    axes.set_yticks(range(len(lanes)), [f"{_pair(agent, target)} {action}" for agent, target, action in lanes])
    axes.set_xlim(0, duration_s)
    axes.set_xlabel("time (s)")
    _legend(axes, colour)
    return figure


def raster(events: pd.DataFrame, title: str, actions: Sequence[str]) -> Figure:
    """Draw the events of many animals, a row each and a colour an action; rows are sorted by group, video, animal.

    `events` has group, lab, video, agent_id, action, start_s and stop_s; `actions` (most time first) decide
    the colours. Actions beyond the palette share grey, and the legend says so.
    """
    rows = sorted({(e.group, e.lab, e.video, e.agent_id) for e in events.itertuples()})
    figure, axes = _lanes(len(rows), title)
    colour = colours_of(actions)
    place = {row: number for number, row in enumerate(rows)}
    for action in actions:
        for key, own in events[events.action == action].groupby(["group", "lab", "video", "agent_id"]):
            spans = list(zip(own.start_s, own.stop_s - own.start_s, strict=True))
            axes.broken_barh(spans, (place[key] - 0.4, 0.8), facecolors=colour[action], linewidth=0)
    several = events.lab.nunique() > 1  # labs: the number of a video does not name it then
    names = [
        " · ".join(filter(None, (group, lab if several and lab != group else "", f"{video} mouse{agent}")))
        for group, lab, video, agent in rows
    ]
    axes.set_yticks(range(len(rows)), names)
    axes.set_xlim(0, events.stop_s.max())
    axes.set_xlabel("time (s)")
    coloured = {action: code for action, code in colour.items() if code != OTHER}
    if len(coloured) < len(colour):
        coloured[f"{len(colour) - len(coloured)} other actions"] = OTHER
    _legend(axes, coloured)
    return figure


def budget(shares: pd.DataFrame, title: str) -> Figure:
    """Draw the share of time by action and group: mean and its 95 % interval, and every animal as a point.

    `shares` has group, lab, video, agent_id, action and percent (0 for an action that was looked for and never
    seen).
    """
    actions, groups = shown_actions(shares), sorted(shares.group.unique())
    figure, axes = _axes(1.2 + 0.32 * len(actions) * max(1.0, 0.6 * len(groups)), title)
    height, colour = 0.8 / len(groups), colours_of(groups)
    for number, group in enumerate(groups):
        for row, action in enumerate(actions):
            values = shares[(shares.group == group) & (shares.action == action)].percent.to_numpy(float)
            if not len(values):
                continue
            at = row - 0.4 + height * (number + 0.5)
            axes.barh(at, values.mean(), height * 0.9, color=colour[group], alpha=0.55, linewidth=0)
            low, high = interval_of_mean(values)
            axes.plot([low, high], [at, at], color="black", linewidth=1)
            axes.plot(values, at + _spread(len(values), height * 0.5), ".", color=colour[group], markersize=3)
    axes.set_yticks(range(len(actions)), actions)
    axes.set_ylim(len(actions) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("time (% of the video)\nmean, 95 % interval, one point an animal and video")
    _legend(
        axes, {f"{group} ({_counts(shares[shares.group == group])})".strip(): colour[group] for group in groups}
    )
    return figure


def comparison(shares: pd.DataFrame, compared: Sequence[Comparison], title: str) -> Figure:
    """Draw the difference of two groups by action, with its 95 % interval, n and the corrected p beside it.

    `shares` is as for `budget`; `compared` as `statistics.compare` returns it. One panel a pair of groups.
    """
    import matplotlib.pyplot as plt

    pairs = sorted({(one.group_a, one.group_b) for one in compared})
    if not pairs:
        raise DataError("No two groups share an action: nothing can be compared. Choose another --group.")
    actions = shown_actions(shares)
    rows = {pair: [one for one in compared if (one.group_a, one.group_b) == pair] for pair in pairs}
    heights = [0.8 + 0.26 * len(rows[pair]) for pair in pairs]
    figure: Figure
    figure, panels = plt.subplots(
        len(pairs), 1, figsize=(WIDTH, sum(heights) + 0.5), height_ratios=heights, squeeze=False
    )
    _title(figure, title)
    for pair, axes in zip(pairs, panels[:, 0], strict=True):
        ordered = sorted(rows[pair], key=lambda one: actions.index(one.action))
        for row, one in enumerate(ordered):
            significant = one.p_holm is not None and one.p_holm < 0.05
            code = COLOURS[1] if significant else OTHER
            if one.effect_low is not None:
                axes.plot([one.effect_low, one.effect_high], [row, row], color=code, linewidth=1.5)
            axes.plot(one.effect, row, "o", color=code, markersize=4)
            axes.annotate(
                _significance(one), (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=7,
                annotation_clip=False,
            )  # fmt: skip
        axes.axvline(0, color="black", linewidth=0.6)
        axes.set_yticks(range(len(ordered)), [one.action for one in ordered])
        axes.invert_yaxis()
        axes.set_title(f"{pair[0]} minus {pair[1]}")
    panels[-1, 0].set_xlabel(f"difference of means (points of % of the video), 95 % interval (Welch)\n{TEST}")
    return figure


def transitions(counts: pd.DataFrame, title: str) -> Figure:
    """Draw how often each action follows each other: rows sum to 100 %. One panel a group.

    `counts` has group, action, next_action and n.
    """
    import matplotlib.pyplot as plt

    groups = sorted(counts.group.unique())
    names = sorted({*counts.action, *counts.next_action})
    side = max(2.0, 0.24 * len(names)) + 1.2
    figure: Figure
    figure, panels = plt.subplots(1, len(groups), figsize=(side * len(groups) + 0.6, side), squeeze=False)
    _title(figure, title)
    matrices = {group: _matrix(counts[counts.group == group], names) for group in groups}
    percent = {group: _percent_of_rows(matrix) for group, matrix in matrices.items()}
    highest = max(float(np.nanmax(values)) for values in percent.values())
    image: Any = None
    for group, axes in zip(groups, panels[0], strict=True):
        image = axes.imshow(percent[group], vmin=0, vmax=highest, cmap="cividis")
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("next action")
        axes.set_title(f"{group} (n = {int(matrices[group].sum())} transitions)".strip())
    panels[0, 0].set_ylabel("action")
    figure.colorbar(image, ax=panels[0, -1], label="% of the action's transitions", shrink=0.8)
    return figure


def trajectory(points: pd.DataFrame, unit: str, title: str) -> Figure:
    """Draw the path of each animal of a video. `points` has mouse_id, x, y in order of time; NaN breaks a line."""
    figure, axes = _axes(5.0, title, width=5.5)
    mice = sorted(points.mouse_id.unique())
    colour = colours_of([f"mouse{mouse}" for mouse in mice])
    for mouse in mice:
        own = points[points.mouse_id == mouse]
        axes.plot(own.x, own.y, color=colour[f"mouse{mouse}"], linewidth=0.5, alpha=0.8)
    _place_axes(axes, unit)
    _legend(axes, colour)
    return figure


def heatmap(points: pd.DataFrame, unit: str, title: str, bins: int = 50) -> Figure:
    """Draw where animals were: share of the time a square, one panel a group. `points` has group, x and y."""
    import matplotlib.pyplot as plt

    groups = sorted(points.group.unique())
    figure: Figure
    figure, panels = plt.subplots(1, len(groups), figsize=(3.6 * len(groups) + 0.8, 3.6), squeeze=False)
    _title(figure, title)
    measured = points.dropna(subset=["x", "y"])
    edges = [np.linspace(measured[axis].min(), measured[axis].max(), bins + 1) for axis in ("x", "y")]
    percent = {}
    for group in groups:
        own = measured[measured.group == group]
        counts = np.histogram2d(own.x, own.y, bins=edges)[0]
        percent[group] = 100 * counts / max(counts.sum(), 1)
    highest = max(float(np.quantile(matrix, 0.995)) for matrix in percent.values()) or 1.0
    image: Any = None
    for group, axes in zip(groups, panels[0], strict=True):
        image = axes.pcolormesh(*edges, percent[group].T, vmin=0, vmax=highest, cmap="cividis", rasterized=True)
        axes.set_title(group)
        _place_axes(axes, unit)
    figure.colorbar(image, ax=panels[0, -1], label="% of the time", shrink=0.8, extend="max")
    return figure


def speed(speeds: pd.DataFrame, title: str) -> Figure:
    """Draw the mean speed by minute and group, with its 95 % interval over animals.

    `speeds` has group, lab, video, mouse_id, minute (from 0) and speed (cm/s, mean of the minute). A group of one
    animal has no interval.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes(2.8, title)
    groups = sorted(speeds.group.unique())
    colour, label = colours_of(groups), {}
    for group in groups:
        own = speeds[speeds.group == group].dropna(subset=["speed"])
        animals = own.drop_duplicates(["lab", "video", "mouse_id"]).shape[0]
        label[f"{group} (n = {animals})".strip()] = colour[group]
        minutes, means, lows, highs = [], [], [], []
        for minute, values in own.groupby("minute").speed:
            low, high = interval_of_mean(values.tolist())
            minutes.append(minute)
            means.append(values.mean())
            lows.append(low)
            highs.append(high)
        axes.plot(minutes, means, color=colour[group], marker="." if len(minutes) < 30 else None)
        if len(minutes) == 1:  # a band needs two
            axes.vlines(minutes, lows, highs, color=colour[group], linewidth=1)
        axes.fill_between(minutes, lows, highs, color=colour[group], alpha=0.25, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    last = int(speeds.minute.max())
    axes.set_xlim(-0.5 if last == 0 else 0, last or 0.5)  # one minute is one point: it stands in the middle
    axes.set_xlabel("time (min); mean, 95 % interval over animals")
    axes.set_ylabel("speed (cm/s)")
    axes.set_ylim(bottom=0)
    _legend(axes, label)
    return figure


def shown_actions(shares: pd.DataFrame) -> list[str]:
    """Return the actions by their share of the time, largest first."""
    means = shares.groupby("action").percent.mean()
    return [str(action) for action in means.sort_values(ascending=False, kind="stable").index]


def _matrix(counts: pd.DataFrame, names: Sequence[str]) -> Any:
    """Return the transitions as a matrix of counts: a row an action, a column the next one."""
    table = counts.pivot_table(index="action", columns="next_action", values="n", aggfunc="sum", fill_value=0)
    return table.reindex(index=names, columns=names, fill_value=0).to_numpy(float)


def _percent_of_rows(matrix: Any) -> Any:
    """Return a matrix as per cent of its rows' sums; NaN for a row of zeros."""
    total = matrix.sum(axis=1, keepdims=True)
    return np.divide(100 * matrix, total, out=np.full_like(matrix, np.nan), where=total > 0)


def _axes(height: float, title: str, width: float = WIDTH) -> tuple[Figure, Axes]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height))
    _title(figure, title)
    return figure, axes


def _title(figure: Figure, title: str) -> None:
    """Set the title of a whole figure from its left edge, in as many lines as its width needs."""
    lines = textwrap.wrap(title, int(CHARACTERS * figure.get_figwidth()))
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize="large")


def _lanes(count: int, title: str) -> tuple[Figure, Axes]:
    """Return axes for so many rows, the first on top. Raises DataError for more than fit a page."""
    if count > LANES_AT_MOST:
        raise DataError(
            f"The figure would have {count:,} rows, and a page holds {LANES_AT_MOST}. "
            "Choose fewer with --videos or --actions."
        )
    figure, axes = _axes(0.9 + LANE * count, title)
    axes.set_ylim(count - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    return figure, axes


def _legend(axes: Axes, colour: dict[str, str]) -> None:
    """Name the colours above the axes; a single unnamed one needs no legend."""
    from matplotlib.patches import Patch

    if any(colour) and len(colour) > 0:
        handles = [Patch(color=code, label=name) for name, code in colour.items()]
        figure = axes.figure.get_figure(root=True)
        fitting = int(CHARACTERS * figure.get_figwidth() / (max(map(len, colour)) + HANDLE))
        columns = max(1, min(4, len(handles), fitting))
        figure.set_figheight(figure.get_figheight() + LANE * (math.ceil(len(handles) / columns) - 1))
        figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def _place_axes(axes: Axes, unit: str) -> None:
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_xlabel(f"x ({unit})")
    axes.set_ylabel(f"y ({unit})")


def _pair(agent: int, target: int) -> str:
    return f"mouse{agent}" if agent == target else f"mouse{agent}→{target}"


def _counts(shares: pd.DataFrame) -> str:
    """Return how many values an action has: the fewest to the most where some were not looked for everywhere."""
    counts = shares.groupby("action").size()
    fewest, most = int(counts.min()), int(counts.max())
    return f"n = {most}" if fewest == most else f"n = {fewest} to {most}, by action"


def _significance(one: Comparison) -> str:
    n = f"n = {one.n_a}, {one.n_b}" + ("" if one.effect_low is not None else ", no interval")
    if one.p_holm is None:
        return f"{n}, no test"
    return f"{n}, p {'< 0.001' if one.p_holm < 0.001 else f'= {one.p_holm:.3f}'}"


def _spread(count: int, width: float) -> Any:
    """Return offsets that keep points of one row apart, the same in every run."""
    return (np.arange(count) % 5 - 2) * width / 5
