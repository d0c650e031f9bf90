"""Measure how far filled-in points are from the truth: gaps are hidden on purpose in measured tracks.

Shape letters: T frames of the video at 30 Hz, M animals, K unified parts, 2 = (x, y) in cm.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.pose_tracks import PoseTracks
from etholake.models.network_model import NetworkModel
from etholake.models.registry import FAMILIES

__all__ = ["GAPS", "forward_filled", "gap_errors", "interpolated"]

GAPS = (5, 15, 60)  # frames
CONTEXT = 30  # frames around a gap, in which its part must be measured at both ends
Floats = npt.NDArray[np.float32]
Fill = Callable[[PoseTracks], Floats]


def forward_filled(tracks: PoseTracks) -> Floats:
    """Return coordinates [T, M, K, 2] with every missing point at the last place before it."""
    xy = tracks.xy_TMK2.copy()
    frames = np.arange(len(xy))[:, None, None]
    last = np.maximum.accumulate(np.where(np.isnan(xy[..., 0]), -1, frames), axis=0)
    held = np.take_along_axis(xy, np.maximum(last, 0)[..., None], axis=0)
    return np.where(last[..., None] >= 0, held, np.nan).astype(np.float32)


def interpolated(tracks: PoseTracks) -> Floats:
    """Return coordinates with every missing point between measured ones interpolated linearly."""
    xy = tracks.xy_TMK2.copy()
    frames = np.arange(len(xy))
    for mouse, part in np.ndindex(*xy.shape[1:3]):
        track = xy[:, mouse, part]
        measured = np.flatnonzero(~np.isnan(track[:, 0]))
        if measured.size:
            inside = (frames >= measured[0]) & (frames <= measured[-1])
            for axis in range(2):
                track[inside, axis] = np.interp(frames[inside], measured, track[measured, axis])
    return xy


def gap_errors(
    model: NetworkModel | None, videos: Sequence[PoseTracks], gaps: Sequence[int] = GAPS, seed: int = 0
) -> dict[str, Any]:
    """Return median and mean errors in cm at points that were hidden on purpose, by gap length and by part.

    Errors are those of x and y. In every video each tracked part of an animal loses gaps of the given length, far
    from each other; all methods fill the same ones. ``{"gaps": {gap: {method: {"median": cm, "mean": cm, "points":
    n}}}, "parts": {part: {gap: {method: median in cm}}}}``, with the methods `forward_fill`, `interpolation` and,
    with a model, its family.
    """
    methods: dict[str, Fill] = {"forward_fill": forward_filled, "interpolation": interpolated}
    if model is not None:
        family = FAMILIES.get(model.family)
        methods[model.family] = lambda tracks: family.fill(model, tracks).xy_TMK2  # type: ignore[attr-defined]
    errors: dict[tuple[int, str, str], list[Floats]] = defaultdict(list)
    for number, tracks in enumerate(videos):
        for gap in gaps:
            hidden_TMK = _hidden(tracks, gap, np.random.default_rng([seed, number, gap]))
            if not hidden_TMK.any():
                continue
            cut = tracks.without(hidden_TMK)
            for method, fill in methods.items():
                distance_TMK = np.linalg.norm(fill(cut) - tracks.xy_TMK2, axis=-1)
                for k, part in enumerate(UNIFIED_PARTS):
                    errors[gap, part, method].append(distance_TMK[:, :, k][hidden_TMK[:, :, k]])
    return {"gaps": _by_gap(errors, gaps, [*methods]), "parts": _by_part(errors, gaps, [*methods])}


def _hidden(tracks: PoseTracks, gap: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return which points [T, M, K] are hidden: in gaps whose frames and both ends are measured."""
    hidden = np.zeros(tracks.observed_TMK.shape, dtype=bool)
    for mouse, part in np.ndindex(*hidden.shape[1:]):
        measured = tracks.observed_TMK[:, mouse, part] & ~np.isnan(tracks.xy_TMK2[:, mouse, part, 0])
        start = 1 + int(random.integers(gap + CONTEXT))
        while start + gap < len(measured):
            if measured[start - 1 : start + gap + 1].all():
                hidden[start : start + gap, mouse, part] = True
            start += gap + CONTEXT + int(random.integers(gap + CONTEXT))
    return hidden


def _by_gap(
    errors: Mapping[tuple[int, str, str], Sequence[Floats]], gaps: Sequence[int], methods: Sequence[str]
) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for gap in gaps:
        for method in methods:
            parts = [values for part in UNIFIED_PARTS for values in errors.get((gap, part, method), ())]
            distances = np.concatenate([np.zeros(0, np.float32), *parts])
            present = distances[np.isfinite(distances)]
            if present.size:
                table.setdefault(str(gap), {})[method] = {
                    "median": round(float(np.median(present)), 4), "mean": round(float(present.mean()), 4),
                    "points": int(present.size), "not_filled": int(distances.size - present.size),
                }  # fmt: skip
    return table


def _by_part(
    errors: Mapping[tuple[int, str, str], Sequence[Floats]], gaps: Sequence[int], methods: Sequence[str]
) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for part in UNIFIED_PARTS:
        for gap in gaps:
            for method in methods:
                values = np.concatenate([np.zeros(0, np.float32), *errors.get((gap, part, method), ())])
                if np.isfinite(values).any():
                    by_gap = table.setdefault(part, {}).setdefault(str(gap), {})
                    by_gap[method] = round(float(np.nanmedian(values)), 4)
    return table
