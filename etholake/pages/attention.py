"""The page of where a model looked: its attention over the ethogram of one video, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etholake.evaluation.raster import Raster
from etholake.events.types import Event
from etholake.pages import evaluation_charts, vega
from etholake.pages.templating import render as render_template

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["render"]

POINTS = 600  # of a curve: the mean of so many equal parts of the video
Curves = Mapping[tuple[int, int], npt.NDArray[np.float32]]


def render(
    title: str, attention: Curves, truth: Sequence[Event], predicted: Sequence[Event], first_frame: int, fps: float
) -> str:
    """Return the page.

    Parameters
    ----------
    title
        Names model and video.
    attention
        {(agent, target): attention [T]} on the video's own frames from `first_frame` on; 1 is even attention.
    truth, predicted
        Events of the video.
    fps
        Frames per second of the video.
    """
    pairs = []
    for (agent, target), curve in attention.items():
        own = [
            [event for event in events if (event.agent_id, event.target_id) == (agent, target)]
            for events in (truth, predicted)
        ]
        raster = Raster(first_frame, first_frame + len(curve), *own)
        pairs.append(
            {
                "name": f"mouse{agent}" if agent == target else f"mouse{agent} → mouse{target}",
                "curve": _curve(curve, first_frame, fps),
                "ethogram": evaluation_charts.ethogram(raster, raster.rows, fps) if raster.rows else "",
                "on": _mean(curve, own[1], first_frame, inside=True),
                "off": _mean(curve, own[1], first_frame, inside=False),
            }
        )
    return render_template("attention.html", title=title, pairs=pairs)


def _curve(curve_T: npt.NDArray[np.float32], first_frame: int, fps: float) -> Markup:
    parts = np.array_split(np.asarray(curve_T, dtype=float), min(POINTS, len(curve_T)))
    starts = first_frame + np.concatenate([[0], np.cumsum([len(part) for part in parts])[:-1]])
    values = [
        {"time": float(start / fps), "attention": float(part.mean())}
        for start, part in zip(starts, parts, strict=True)
    ]
    x = {"field": "time", "type": "quantitative", "title": "seconds", "scale": {"nice": False, "zero": False}}
    y = {"field": "attention", "type": "quantitative", "title": None, "axis": {"tickCount": 3}}
    spec = {
        "width": evaluation_charts.WIDTH_PX, "height": 70, "data": {"values": values},
        "mark": {"type": "area", "color": "var(--score)", "opacity": 0.6}, "encoding": {"x": x, "y": y},
    }  # fmt: skip
    return vega.svg(spec, "Attention over time; 1 is even attention")


def _mean(
    curve_T: npt.NDArray[np.float32], events: Sequence[Event], first_frame: int, *, inside: bool
) -> float | None:
    """Return the mean attention inside or outside of predicted events; None where there is no such frame."""
    within = np.zeros(len(curve_T), dtype=bool)
    for event in events:
        within[max(0, event.start_frame - first_frame) : max(0, event.stop_frame - first_frame)] = True
    chosen = curve_T[within if inside else ~within]
    return float(chosen.mean()) if chosen.size else None
