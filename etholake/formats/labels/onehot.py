"""Turn columns of zeros and ones, one row a frame, into bouts and scored spans."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from etholake.formats.base import Bout, ScoredSpan

__all__ = ["POSITIVE", "UNLABELLED", "bouts_of", "is_binary", "runs", "spans_of"]

POSITIVE, UNLABELLED = 1, -1  # 0: looked for, and not there


def runs(mask_T: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (first, stop) of the runs of True in `mask_T` [T]; `stop` is the row after the last one."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask_T.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def bouts_of(
    states_T: npt.NDArray[np.int8], action: str, agent: str = "", target: str | None = None, first: int = 0
) -> list[Bout]:
    """Return the runs of `POSITIVE` in a column [T] as bouts in frames; row t is frame ``first + t``."""
    return [Bout(action, first + a, first + b, agent, target) for a, b in runs(states_T == POSITIVE)]


def spans_of(states_T: npt.NDArray[np.int8], action: str, agent: str = "", first: int = 0) -> list[ScoredSpan]:
    """Return where a column [T] is labelled at all, positive or not, as spans in frames."""
    return [ScoredSpan(action, first + a, first + b, agent) for a, b in runs(states_T != UNLABELLED)]


def is_binary(cells: Sequence[str], *, missing: frozenset[str] = frozenset()) -> bool:
    """Return whether all cells are 0 or 1 (also 0.0, 1.0), apart from those in `missing`; at least one must be."""
    return any(c not in missing for c in cells) and all(c in _BINARY or c in missing for c in cells)


_BINARY = frozenset({"0", "1", "0.0", "1.0"})
