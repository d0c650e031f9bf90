"""Turn columns of zeros and ones, one row a frame, into bouts and scored spans."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from etholake.formats.base import Bout, ScoredSpan

__all__ = ["POSITIVE", "UNLABELLED", "bouts_of", "is_binary", "runs", "spans_of", "state", "states_of"]

POSITIVE, UNLABELLED = 1, -1  # 0: looked for, and not there


Index = npt.NDArray[np.int64]  # [T]: the frame of each row, increasing


def runs(mask_T: npt.NDArray[np.bool_], index_T: Index | None = None) -> list[tuple[int, int]]:
    """Return (first, stop) of the runs of True in `mask_T` [T]; `stop` is the row after the last one.

    With `index_T` the numbers are those of the rows' frames, and a jump in them ends a run.
    """
    index_T = np.arange(len(mask_T)) if index_T is None else index_T
    breaks_T = np.diff(index_T) != 1
    firsts = mask_T & np.concatenate(([True], ~mask_T[:-1] | breaks_T))[: len(mask_T)]
    lasts = mask_T & np.concatenate((~mask_T[1:] | breaks_T, [True]))[: len(mask_T)]
    return [(int(a), int(b) + 1) for a, b in zip(index_T[firsts], index_T[lasts], strict=True)]


def bouts_of(
    states_T: npt.NDArray[np.int8],
    action: str,
    agent: str = "",
    target: str | None = None,
    index_T: Index | None = None,
) -> list[Bout]:
    """Return the runs of `POSITIVE` in a column [T] as bouts in frames (see `runs`)."""
    return [Bout(action, a, b, agent, target) for a, b in runs(states_T == POSITIVE, index_T)]


def spans_of(
    states_T: npt.NDArray[np.int8], action: str, agent: str = "", index_T: Index | None = None
) -> list[ScoredSpan]:
    """Return where a column [T] is labelled at all, positive or not, as spans in frames (see `runs`)."""
    return [ScoredSpan(action, a, b, agent) for a, b in runs(states_T != UNLABELLED, index_T)]


def is_binary(cells: Sequence[str], *, missing: frozenset[str] = frozenset()) -> bool:
    """Return whether all cells are states (see `state`), apart from those in `missing`; at least one must be."""
    kinds = set(cells) - missing
    return bool(kinds) and all(state(cell) is not None for cell in kinds)


def state(cell: str) -> int | None:
    """Return 0 or 1 of a cell that says so (`1`, `1.0`, `1,000`, `True`, `WAHR`), None of any other."""
    match = _STATE.fullmatch(cell.strip())
    return None if match is None else int(match[1] is not None)


def states_of(cells: Sequence[str], *, missing: frozenset[str] = frozenset()) -> npt.NDArray[np.int8]:
    """Return the states [T] of cells that `is_binary` holds for, `UNLABELLED` for those in `missing`."""
    values = {cell: UNLABELLED if cell in missing else state(cell) or 0 for cell in set(cells)}
    return np.array([values[cell] for cell in cells], dtype=np.int8)


# A spreadsheet writes truth in the language of its system: German, French, Spanish, Portuguese, Italian, Dutch.
_STATE = re.compile(
    r"(1(?:[.,]0*)?|true|wahr|vrai|verdadero|verdadeiro|vero|waar)|0(?:[.,]0*)?|false|falsch|faux|falso|onwaar",
    re.IGNORECASE,
)
