"""The page of what a model saw in one video: its attention over the ethogram, and its answers to tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.evaluation.raster import Raster
from etholake.events.types import Event
from etholake.pages import evaluation_charts
from etholake.pages.evaluation_charts import Curve
from etholake.pages.templating import render as render_template

__all__ = ["Curves", "ModelView", "pair_name", "render"]

Curves = Mapping[tuple[int, int], Curve]  # {(agent, target): attention}; 1 is even attention


@dataclass(frozen=True)
class ModelView:
    """Content of a page about a model: its name, where it looked by video, and the figures of its tasks."""

    name: str
    attention: Mapping[int, Curves] = field(default_factory=dict)
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def render(
    title: str,
    attention: Curves,
    truth: Sequence[Event],
    predicted: Sequence[Event],
    fps: float,
    values: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the page.

    Parameters
    ----------
    title
        Names model and video.
    attention
        The attention of each pair, on the video's own frames.
    truth, predicted
        Events of the video.
    fps
        Frames per second of the video.
    values
        The answers to the model's tasks (`Model.values`).
    """
    pairs = []
    for (agent, target), (first, curve) in attention.items():
        own = [
            [event for event in events if (event.agent_id, event.target_id) == (agent, target)]
            for events in (truth, predicted)
        ]
        raster = Raster(first, first + len(curve), *own)
        pairs.append(
            {
                "name": pair_name(agent, target),
                "picture": evaluation_charts.ethogram(
                    raster, raster.rows, fps, curves={"attention": (first, curve)}
                ),
                "on": _mean(curve, own[1], first, inside=True),
                "off": _mean(curve, own[1], first, inside=False),
            }
        )
    return render_template("attention.html", title=title, pairs=pairs, values=[_value(value) for value in values])


def pair_name(agent: int, target: int) -> str:
    """Return how pages name a pair: ``mouse1 → mouse2``, or ``mouse1`` for a self action."""
    return f"mouse{agent}" if agent == target else f"mouse{agent} → mouse{target}"


def _value(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an answer; a task of frames has a picture of its means by second."""
    seconds = value.get("by_second")
    picture = None
    if seconds:
        raster = Raster(0, len(seconds), [], [])
        picture = evaluation_charts.ethogram(raster, [], 1.0, curves={value["task"]: (0, np.array(seconds))})
    return {**value, "picture": picture}


def _mean(curve_T: npt.NDArray[Any], events: Sequence[Event], first_frame: int, *, inside: bool) -> float | None:
    """Return the mean attention inside or outside of predicted events; None where there is no such frame."""
    within = np.zeros(len(curve_T), dtype=bool)
    for event in events:
        within[max(0, event.start_frame - first_frame) : max(0, event.stop_frame - first_frame)] = True
    chosen = curve_T[within if inside else ~within]
    return float(chosen.mean()) if chosen.size else None
