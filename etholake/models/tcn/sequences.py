"""Tables of features averaged to steps, and the scaling by which they become a network's input.

Shape letters: T frames at 30 Hz, S steps of `pool` frames, F columns, I inputs of the network: scaled
columns, then fractions of seen frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.resampling import MODEL_FPS
from etholake.features.encoder import TableEncoder
from etholake.models.boosted.forest import as_matrix, part_of

__all__ = ["Scaling", "Steps", "averaged", "steps_of"]

Floats = npt.NDArray[np.float32]
CHUNK_S = 900.0  # seconds of a video at once: bounds the memory, whatever the video's length
CLIPPED = 0.01  # values beyond this quantile and its counterpart are clipped
LEAST_SPREAD = 0.02  # standard deviation of a fraction of seen frames that is worth an input


@dataclass(frozen=True)
class Steps:
    """Columns of a pair over steps: means (NaN: nothing seen) and fractions of seen frames, both [S, F]."""

    names: tuple[str, ...]
    mean_SF: Floats
    seen_SF: Floats


def steps_of(
    tracks: PoseTracks, encoder: TableEncoder, agent: int, target: int, pool: int, steps: range | None = None
) -> Steps:
    """Return the columns of a pair (animal ids) at some steps of a video (default: all).

    Step k is the mean over the frames at 30 Hz from ``k · pool`` on, whichever steps are asked for.
    """
    one, other = tracks.mouse_ids.index(agent), tracks.mouse_ids.index(target)
    T, context = len(tracks.xy_TMK2), round(encoder.context_s * MODEL_FPS)
    steps = range(-(-T // pool)) if steps is None else steps
    chunk = max(1, round(CHUNK_S * MODEL_FPS / pool))
    tables = []
    for first in range(steps.start, steps.stop, chunk):
        start, stop = first * pool, min(T, min(first + chunk, steps.stop) * pool)
        around = slice(max(0, start - context), min(T, stop + context))
        table = encoder.table(part_of(tracks, around), one, other)
        tables.append({name: x[start - around.start : stop - around.start] for name, x in table.items()})
    names = tuple(dict.fromkeys(name for table in tables for name in table))
    parts = [averaged(as_matrix(table, names), pool) for table in tables]
    return Steps(names, *(np.concatenate(x) for x in zip(*parts, strict=True)))


def averaged(values_TF: Floats, pool: int) -> tuple[Floats, Floats]:
    """Return means over `pool` frames without NaN, and the fractions that are not NaN, both [S, F].

    The last step may be short.
    """
    T, F = values_TF.shape
    padded = np.full((-(-T // pool) * pool, F), np.nan, dtype=np.float32)
    padded[:T] = values_TF
    by_step = padded.reshape(-1, pool, F)
    present = ~np.isnan(by_step)
    n_SF = present.sum(axis=1, dtype=np.float32)
    total_SF = np.where(present, by_step, 0).sum(axis=1, dtype=np.float32)
    mean_SF = np.where(n_SF > 0, total_SF / np.maximum(n_SF, 1), np.float32(np.nan))
    length_S = np.full(len(by_step), pool, dtype=np.float32)
    length_S[-1:] = T - (len(by_step) - 1) * pool
    return mean_SF, n_SF / length_S[:, None]


@dataclass(frozen=True)
class Scaling:
    """Clips and scales `columns`; adds the fractions of seen frames of `masks`, one of each that differ.

    A missing value becomes 0, the mean of the training data.
    """

    columns: tuple[str, ...]
    masks: tuple[str, ...]
    values_4F: Floats  # rows: lower and upper limit, mean, standard deviation

    @classmethod
    def fit(cls, all_steps: Sequence[Steps]) -> Scaling:
        """Learn limits, means and deviations; columns that are constant or have no value are left out."""
        names = tuple(dict.fromkeys(name for steps in all_steps for name in steps.names))
        mean_SF, seen_SF = (
            np.concatenate([_ordered(steps.names, x, names, absent) for steps, x in pairs])
            for pairs, absent in (
                ([(steps, steps.mean_SF) for steps in all_steps], np.nan),
                ([(steps, steps.seen_SF) for steps in all_steps], 0.0),
            )
        )
        valued = np.flatnonzero(~np.isnan(mean_SF).all(axis=0))
        low, high = np.nanquantile(mean_SF[:, valued], (CLIPPED, 1 - CLIPPED), axis=0)
        clipped = np.clip(mean_SF[:, valued], low, high)
        mean, spread = np.nanmean(clipped, axis=0), np.nanstd(clipped, axis=0)
        useful = spread > 1e-6
        values = np.stack([low, high, mean, spread])[:, useful].astype(np.float32)
        columns = tuple(names[i] for i in valued[useful])
        masks: dict[bytes, str] = {}
        for i in valued[useful]:
            if seen_SF[:, i].std() > LEAST_SPREAD:
                masks.setdefault(seen_SF[:, i].tobytes(), names[i])
        return cls(columns, tuple(masks.values()), values)

    def __call__(self, steps: Steps) -> Floats:
        """Return the network's input [S, I], finite; a column that the video lacks is missing throughout."""
        low, high, mean, spread = self.values_4F
        scaled = (np.clip(_ordered(steps.names, steps.mean_SF, self.columns, np.nan), low, high) - mean) / spread
        seen = _ordered(steps.names, steps.seen_SF, self.masks, 0.0)
        return np.concatenate([np.nan_to_num(scaled), (seen - 0.7) / 0.3], axis=1).astype(np.float32)


def _ordered(names: Sequence[str], values_SF: Floats, wanted: Sequence[str], absent: float) -> Floats:
    """Return columns in the order `wanted`; those that are absent hold one value."""
    at = {name: i for i, name in enumerate(names)}
    ordered = np.full((len(values_SF), len(wanted)), absent, dtype=np.float32)
    there = [j for j, name in enumerate(wanted) if name in at]
    ordered[:, there] = values_SF[:, [at[wanted[j]] for j in there]]
    return ordered
