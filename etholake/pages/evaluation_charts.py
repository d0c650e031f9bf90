"""Pictures of the evaluation page: ethograms with curves, reliability diagrams, as Vega-Lite drawn to SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from etholake.evaluation.probabilities import Probabilities
from etholake.evaluation.raster import Raster, Row
from etholake.pages import vega
from etholake.pages.templating import visible

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["Curve", "clock", "ethogram", "reliability"]

Curve = tuple[int, NDArray[np.floating[Any]]]  # the first frame, and a value of each frame from it on

LANES = ("annotated", "predicted")
KINDS = {"right": "var(--right)", "missed": "var(--missed)", "false": "var(--false)"}
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)  # between two marks of the time axis
ROW_PX, WIDTH_PX = 34, 820
CHARACTER_PX = 7.0  # room of a character of a name: the browser's font may be wider than that of the drawing
CURVE_PX, POINTS = 56, 600  # height of a curve, and the equal parts of the time whose means it shows
NARROWEST = 0.001  # of the width: what is shorter is drawn as wide as that


def ethogram(
    raster: Raster,
    rows: Sequence[Row],
    fps: float | None,
    marked: tuple[int, int] | None = None,
    curves: Mapping[str, Curve] | None = None,
) -> Markup:
    """Return the picture of some rows: of each the upper lane is annotated, the lower one predicted.

    The curves stand above the rows, on the same time axis.

    Parameters
    ----------
    raster
        The events and the shown part of the video.
    fps
        Frames/s, for an axis in minutes and seconds; None gives an axis in frames.
    marked
        A part of the time to point at, (start, stop) in frames.
    curves
        {title: curve}; only the shown part of the video is drawn.
    """
    unit = fps or 1.0
    start, stop = raster.start_frame / unit, raster.stop_frame / unit
    least = NARROWEST * (stop - start)
    names = {row: _name(row) for row in rows}
    bars = [
        {"row": names[row], "lane": lane, "kind": kind, "from": low, "to": high}
        for row in rows
        for (lane, kind), drawn in _drawn(raster.spans(row), unit, least).items()
        for low, high in drawn
    ]
    lanes = [{"row": name, "lane": lane, "from": start, "to": stop} for name in names.values() for lane in LANES]
    longest = max((len(line) for name in names.values() for line in name.split("\n")), default=0)
    y = {"field": "row", "type": "nominal", "title": None, "sort": None,
         "scale": {"domain": list(names.values()), "paddingInner": 0.22, "paddingOuter": 0.1},
         "axis": {"labelExpr": "split(datum.label, '\\n')", "ticks": False, "domain": False, "labelLimit": 0,
                  "labelColor": "var(--ink)", "labelOffset": -6, "minExtent": CHARACTER_PX * longest}}  # fmt: skip
    x = {"field": "from", "type": "quantitative", "title": None if fps else "frame",
         "scale": {"domain": [start, stop], "nice": False, "zero": False},
         "axis": _time_axis(start, stop, fps)}  # fmt: skip
    bar = {"type": "bar", "height": {"band": 0.92}}
    across = {"y": y, "yOffset": {"field": "lane", "sort": list(LANES)}, "x": x, "x2": {"field": "to"}}
    layer: list[vega.Spec] = [
        {"data": {"values": lanes}, "mark": {**bar, "color": "var(--track)"}, "encoding": across},
        {"data": {"values": bars}, "mark": bar,
         "encoding": {**across, "color": {"field": "kind", "legend": None,
                                          "scale": {"domain": list(KINDS), "range": list(KINDS.values())}}}},
    ]  # fmt: skip
    if marked is not None:
        part = {"from": marked[0] / unit, "to": marked[1] / unit}
        layer.insert(1, {"data": {"values": [part]}, "mark": {"type": "rect", "color": "var(--mark)"},
                         "encoding": {"x": x, "x2": {"field": "to"}}})  # fmt: skip
    charts = [_curve(raster, title, curve, unit, x) for title, curve in (curves or {}).items()]
    if rows:
        charts.append({"width": WIDTH_PX, "height": ROW_PX * len(rows), "layer": layer})
    text = "Ethogram: annotation above prediction" + (f"; above it {', '.join(curves)}" if curves else "")
    return vega.svg(charts[0] if len(charts) == 1 else {"vconcat": charts, "spacing": 8}, text)


def _curve(raster: Raster, title: str, curve: Curve, unit: float, x: vega.Spec) -> vega.Spec:
    """Return the chart of a curve within the shown part of the video, `POINTS` means at most."""
    first, values_T = curve
    low, high = max(raster.start_frame, first), min(raster.stop_frame, first + len(values_T))
    shown = np.asarray(values_T[max(0, low - first) : max(0, high - first)], dtype=float)
    parts = [part for part in np.array_split(shown, POINTS) if len(part)]
    starts = low + np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    points = [
        {"from": float(at / unit), "value": float(part.mean())} for at, part in zip(starts, parts, strict=False)
    ]
    y = {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 3, "grid": False}}
    return {
        "title": {"text": visible(title, 60), "anchor": "start", "fontSize": 11, "color": "var(--soft)"},
        "width": WIDTH_PX, "height": CURVE_PX, "data": {"values": points},
        "mark": {"type": "area", "color": "var(--score)", "opacity": 0.6, "interpolate": "step-after"},
        "encoding": {"x": x, "y": y},
    }  # fmt: skip


def _drawn(
    spans: Iterable[tuple[str, str, int, int]], unit: float, least: float
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Return the bars of a row by (lane, kind), in the unit of the axis; those that touch are one.

    A bar is at least `least` wide. Drawing takes as long as there are bars, and a long video has thousands that
    lie within one pixel.
    """
    drawn: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for lane, kind, start, stop in sorted(spans, key=lambda span: span[2]):
        low, high = start / unit, max(stop / unit, start / unit + least)
        bars = drawn.setdefault((lane, kind), [])
        if bars and low <= bars[-1][1]:
            bars[-1] = (bars[-1][0], max(high, bars[-1][1]))
        else:
            bars.append((low, high))
    return drawn


def _name(row: Row) -> str:
    """Return the two lines of a row's name: the action, then who does it to whom."""
    agent, target, action = row
    who = f"mouse{agent}" if agent == target else f"mouse{agent} → mouse{target}"
    return f"{visible(action, 40)}\n{who}"


def _time_axis(start: float, stop: float, fps: float | None) -> vega.Spec:
    axis: vega.Spec = {"tickCount": 7, "grid": False}
    if not fps:
        return {**axis, "format": ",d"}
    if stop - start < 10:
        return {**axis, "labelExpr": "format(datum.value, '.1f') + ' s'"}
    step = next((s for s in STEPS_S if (stop - start) / s <= 9), STEPS_S[-1])
    axis["values"] = [step * n for n in range(int(np.ceil(start / step)), int(stop // step) + 1)]
    return {**axis, "labelExpr": "floor(datum.value / 60) + ':' + format(datum.value % 60, '02d')"}


def clock(seconds: float) -> str:
    """Return ``m:ss``; with tenths where it is less than 20 s."""
    if seconds < 20:
        return f"{seconds:.1f} s"
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"


def reliability(probabilities: Probabilities, action: str) -> Markup:
    """Return the reliability diagram: fraction of annotated frames against mean probability, a dot a bin.

    The area of a dot grows with the number of frames of its bin.
    """
    bins = np.flatnonzero(probabilities.frames_Q)
    values = [
        {"probability": float(probabilities.mean_probability_Q[q]),
         "fraction": float(probabilities.share_true_Q[q]), "frames": int(probabilities.frames_Q[q])}
        for q in bins
    ]  # fmt: skip
    axis = {"tickCount": 5, "format": ".1~f"}
    unit = {"domain": [0, 1], "nice": False}
    x = {"field": "probability", "type": "quantitative", "title": "probability", "scale": unit, "axis": axis}
    y = {"field": "fraction", "type": "quantitative", "title": "annotated", "scale": unit, "axis": axis}
    size = {"field": "frames", "type": "quantitative", "legend": None, "scale": {"range": [12, 140], "zero": True}}
    spec = {
        "width": 150, "height": 150, "data": {"values": values},
        "layer": [
            {"data": {"values": [{"probability": 0, "fraction": 0}, {"probability": 1, "fraction": 1}]},
             "mark": {"type": "line", "strokeDash": [3, 3], "strokeWidth": 1, "color": "var(--soft)"},
             "encoding": {"x": x, "y": y}},
            {"mark": {"type": "line", "color": "var(--score)", "strokeWidth": 2}, "encoding": {"x": x, "y": y}},
            {"mark": {"type": "point", "filled": True, "opacity": 1, "color": "var(--score)"},
             "encoding": {"x": x, "y": y, "size": size}},
        ],
    }  # fmt: skip
    return vega.svg(spec, f"Reliability of {visible(action, 40)}")
