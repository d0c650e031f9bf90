"""Judge whether the points of a video can be true: zeros, points outside the picture, scale, exchanged axes.

Only numpy is needed. Real files hold all of these: trackers write (0, 0) for a part that they lost, a px/cm that
is wrong by a factor of a hundred makes mice run at 1,000 cm/s, and exported columns are exchanged. Nothing is
dropped for it: the rows stay and the rules are flagged, unless the setting `implausible_points` asks for
``missing``; then points at the origin or outside the picture are quarantined, as points that were not measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.curate.points import Track
from etholake.curate.track import positive

__all__ = ["AT_ORIGIN", "OUTSIDE", "Plausibility", "implausible_points"]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

AT_ORIGIN, OUTSIDE = "point-at-origin", "point-outside-frame"
MARGIN = 0.1  # of the picture's larger side: a part may be drawn, or extrapolated, a little outside
BODY_CM = (0.5, 60.0)  # extent of an animal's points, median over frames: a fruit fly has 0.25 cm, a rat 25 cm
ARENA = (0.05, 2.0)  # extent of all points as a fraction of the arena's larger side
MIN_FRAMES = 30  # fewer say nothing about a video as a whole
SAMPLES = 2000  # frames of an animal that are looked at


def implausible_points(
    x_N: npt.NDArray[Any], y_N: npt.NDArray[Any], width: float | None, height: float | None
) -> Iterator[tuple[str, Bools]]:
    """Yield (rule, mask [N]) of points that cannot have been measured; `x_N`, `y_N` in px, NaN breaks no rule.

    `width` and `height` are the picture's in px; without them no point is outside.
    """
    yield AT_ORIGIN, (x_N == 0) & (y_N == 0)
    if width and height:
        margin = MARGIN * max(width, height)
        with np.errstate(invalid="ignore"):
            outside = (x_N < -margin) | (x_N > width + margin) | (y_N < -margin) | (y_N > height + margin)
        yield OUTSIDE, outside


@dataclass
class Plausibility:
    """Collect a sample of a video's tracks (`add`) and name the rules that the whole video breaks (`flags`).

    `meta` has the attributes of `VideoScale`; what is None is not judged.
    """

    meta: Any
    _extent: dict[int, list[Floats]] = field(default_factory=dict)  # by mouse: left, right, top, bottom [S] each
    _points: list[Floats] = field(default_factory=list)  # [n, 2] px

    def add(self, track: Track) -> None:
        """Take a sample of one track: the frames are the same for all parts of a mouse."""
        sampled = track.present[:: max(1, -(-track.present.size // SAMPLES))]
        position = np.searchsorted(track.frame, sampled)
        position = np.minimum(position, track.frame.size - 1)
        measured = track.frame[position] == sampled
        x, y = (np.where(measured, values[position], np.nan).astype(np.float64) for values in (track.x, track.y))
        extent = self._extent.setdefault(
            track.mouse, [np.full(sampled.size, fill) for fill in (np.inf, -np.inf, np.inf, -np.inf)]
        )
        for bound, values, choose in zip(extent, (x, x, y, y), (np.fmin, np.fmax) * 2, strict=True):
            choose(bound, values, out=bound)
        self._points.append(np.stack([x[measured], y[measured]], axis=1))

    def flags(self) -> set[str]:
        """Return the ids of the rules that the video breaks, by its sampled points."""
        points_N2 = np.concatenate(self._points) if self._points else np.empty((0, 2))
        if len(points_N2) < MIN_FRAMES:
            return set()
        low_2, high_2 = np.percentile(points_N2, (1, 99), axis=0)
        flags = set()
        if self._scale_is_implausible(float((high_2 - low_2).max())):
            flags.add("scale-implausible")
        width, height = positive(self.meta.width_pix), positive(self.meta.height_pix)
        if width and height:
            fits = high_2[0] <= width * (1 + MARGIN) and high_2[1] <= height * (1 + MARGIN)
            fits_exchanged = high_2[0] <= height * (1 + MARGIN) and high_2[1] <= width * (1 + MARGIN)
            if not fits and fits_exchanged:
                flags.add("axes-exchanged")
        return flags

    def _scale_is_implausible(self, extent_px: float) -> bool:
        """Return whether animals, or the place that they use, would have an impossible size in cm."""
        scale = positive(self.meta.pix_per_cm)
        if not scale:
            return False
        body_cm = self._body_px() / scale
        if np.isfinite(body_cm) and not BODY_CM[0] <= body_cm <= BODY_CM[1]:
            return True
        arena = max(positive(self.meta.arena_width_cm) or 0, positive(self.meta.arena_height_cm) or 0)
        return bool(arena) and not ARENA[0] <= extent_px / scale / arena <= ARENA[1]

    def _body_px(self) -> float:
        """Return the largest median extent of a mouse's points in px; NaN where no mouse has two parts."""
        medians = []
        for left, right, top, bottom in self._extent.values():
            extent = np.hypot(right - left, bottom - top)
            extent = extent[np.isfinite(extent) & (extent > 0)]
            if extent.size >= MIN_FRAMES:
                medians.append(float(np.median(extent)))
        return max(medians, default=float("nan"))
