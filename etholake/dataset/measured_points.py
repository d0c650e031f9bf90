"""The measured points of one video's `tracking_curated`, and dense arrays of them on the video's own frames.

Shape letters: N points, T frames of the video, M animals, K points of an animal, 2 = (x, y).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.dataset.part_sources import chosen_source
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MeasuredPoints"]

STRAY_GAP_S, STRAY_FRACTION = 600.0, 0.01  # rows so far from all others, and so few, are wrong frame numbers
MAX_HOURS = 24.0  # longer than this, a lone wrong frame number is likelier than a video

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MeasuredPoints:
    """Rows of `tracking_curated` of one video that are not imputed and have a credible frame number.

    Attributes
    ----------
    rows_N
        Their places in the table.
    frames_N
        The video's own frame of each point.
    animals_N, mouse_ids
        The animal of each point, as a place in `mouse_ids`.
    parts_N, names
        The body part of each point, as a place in `names`, which are the lab's own.
    notes
        A sentence on rows that were left out.
    """

    rows_N: Ints
    frames_N: Ints
    animals_N: Ints
    mouse_ids: tuple[int, ...]
    parts_N: Ints
    names: Sequence[str]
    notes: tuple[str, ...]

    @classmethod
    def from_curated(cls, table: pa.Table, meta: VideoMeta) -> MeasuredPoints:
        """Take the measured points from the rows of `tracking_curated` of one video, in any order.

        Raises DataError if there are none, or if their frames span more than `MAX_HOURS`.
        """
        rows = np.flatnonzero(~table["is_imputed"].to_numpy().astype(bool))
        if not rows.size:
            raise DataError(f"Video {meta.video_id} has no measured points: nothing can be predicted for it.")
        frames = table["video_frame"].to_numpy()[rows]
        near = _without_strays(frames, meta.fps)
        notes: tuple[str, ...] = ()
        if not near.all():
            far = frames[~near]
            notes = (
                f"{far.size} rows left out: their frames ({far.min()} to {far.max()}) lie more than "
                f"{STRAY_GAP_S / 60:g} min from all others",
            )
            rows, frames = rows[near], frames[near]
        hours = (int(frames.max()) - int(frames.min()) + 1) / meta.fps / 3600
        if hours > MAX_HOURS:
            raise DataError(
                f"Video {meta.video_id}: the frames {frames.min()} to {frames.max()} at {meta.fps:g} frames/s "
                f"would be {hours:.1f} h, more than {MAX_HOURS:g} h. Check video_frame and frames_per_second, "
                "or cut the video."
            )
        mouse_ids, animals = np.unique(table["mouse_id"].to_numpy()[rows], return_inverse=True)
        parts = table["bodypart"].combine_chunks().dictionary_encode()
        return cls(
            rows, frames, animals, tuple(int(mouse) for mouse in mouse_ids), parts.indices.to_numpy()[rows],
            parts.dictionary.to_pylist(), notes,
        )  # fmt: skip

    @property
    def first_frame(self) -> int:
        """The video's own frame that dense arrays begin with."""
        return int(self.frames_N.min())

    def count_by_name(self) -> Mapping[str, int]:
        """Return the number of points of each of `names`."""
        counts = np.bincount(self.parts_N, minlength=len(self.names))
        return dict(zip(self.names, counts.tolist(), strict=True))

    def dense(self, xy_N2: Floats, sources: Sequence[Sequence[str]]) -> Floats:
        """Return coordinates of the points as tracks [T, M, K, 2] of K points, NaN where not measured.

        `sources` has for each of the K points the names of the parts that can stand for it, best first; each
        animal's point is read from one of them (`chosen_source`).
        """
        n_animals, n_names = len(self.mouse_ids), len(self.names)
        cell = self.animals_N * n_names + self.parts_N
        counts = np.bincount(cell, minlength=n_animals * n_names).reshape(n_animals, n_names)
        n_frames = int(self.frames_N.max()) - self.first_frame + 1
        xy = np.full((n_frames, n_animals, len(sources), 2), np.nan, dtype=np.float32)
        for m in range(n_animals):
            measured = dict(zip(self.names, counts[m], strict=True))
            for k, part_names in enumerate(sources):
                source = chosen_source(part_names, measured)
                if source is not None:
                    at = np.flatnonzero(cell == m * n_names + self.names.index(source))
                    xy[self.frames_N[at] - self.first_frame, m, k] = xy_N2[at]
        return xy


def _without_strays(frames_N: Ints, fps: float) -> npt.NDArray[np.bool_]:
    """Return which rows [N] lie near the bulk: a lone wrong frame number must not cost hours of empty frames."""
    frames, counts = np.unique(frames_N, return_counts=True)
    block = np.concatenate([[0], np.cumsum(np.diff(frames) > STRAY_GAP_S * fps)])
    rows = np.bincount(block, weights=counts)
    kept = rows >= STRAY_FRACTION * rows.sum()
    return kept[block[np.searchsorted(frames, frames_N)]]
