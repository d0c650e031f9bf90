"""Gather the measured points of one video from batches of raw rows, and give them track by track. numpy, no I/O.

A *track* is one body part of one mouse over time. Two ways lead to it, by how the frames lie:

- dense (every real video): each point is put into the cell (mouse, part, frame) of a grid. No sort, no row of the
  input is visited twice; a count of the filled cells tells whether any two rows claimed the same one.
- sparse (a file whose frames are scattered over a range that no grid should span): the rows are sorted.

Memory: 15 bytes a raw row (22 where the lab wrote float64), and 8 bytes a cell; 4 more of each for `z` and for
`likelihood`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Points", "Track"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Singles = npt.NDArray[np.float32]

# A grid of more cells than this is not made: 4 a row is a video in which 3 of 4 points are missing.
CELLS_PER_ROW, CELLS_FREE = 4, 1_000_000


@dataclass(frozen=True)
class Track:
    """Measured points of one body part of one mouse: at least one, ascending in frame, each frame once.

    Attributes
    ----------
    frame
        int64, the frames in which the part was measured [N].
    x, y
        px [N].
    present
        int64, the frames in which any part of the mouse was measured [F >= N], ascending.
    observed
        Which of `present` are in `frame` [F].
    extras
        Further columns of the points by name [N], NaN where missing: `z` (px), `likelihood`.
    """

    mouse: int
    part: str
    frame: Ints
    x: Singles
    y: Singles
    present: Ints
    observed: Bools
    extras: Mapping[str, Singles] = field(default_factory=dict)


@dataclass
class Points:
    """Collects the good rows of one video, removes duplicates, and gives the tracks."""

    parts: list[str] = field(default_factory=list)  # in order of appearance; a row's part is an index into it
    _code: dict[str, int] = field(default_factory=dict)
    _columns: list[tuple[Any, ...]] = field(default_factory=list)
    _extras: tuple[str, ...] = ()
    _grid: tuple[Singles, ...] | None = None

    def add(
        self,
        at: tuple[int, Ints | None],
        frame: Ints,
        mouse: Ints,
        part: Ints,
        names: list[str],
        x: Any,
        y: Any,
        extras: Mapping[str, Any] | None = None,
    ) -> None:
        """Add rows of a batch: `part` indexes `names`; `at` is the batch's first row, and the rows (None: all).

        `extras` are further columns of the rows, the same in every batch.
        """
        if not frame.size:
            return
        for name in names:
            if name not in self._code:
                self._code[name] = len(self.parts)
                self.parts.append(name)
        codes = np.array([self._code[name] for name in names], dtype=np.int32)
        first_row, rows = at
        numbers = None if rows is None else rows.astype(np.int32)
        self._columns.append(
            (
                numbers,
                first_row,
                frame.astype(np.int32),
                mouse.astype(np.int8),
                codes[part],
                x,
                y,
                *(extras or {}).values(),
            )
        )
        self._extras = tuple(extras or ())

    @property
    def size(self) -> int:
        """Return the number of rows that were added."""
        return sum(columns[2].size for columns in self._columns)

    def remove_duplicates(self) -> Ints:
        """Keep of several points for one (mouse, part, frame) the one with the smallest (x, y).

        Call it once, after the last `add`. Returns the row numbers of the points that had to go, ascending.
        """
        if not self._columns:
            self._mice, self._order = [], []
            return np.zeros(0, np.int64)
        self._mice = sorted({int(m) for c in self._columns for m in np.flatnonzero(np.bincount(c[3]))})
        self._order = sorted(range(len(self.parts)), key=self.parts.__getitem__)
        self._first = min(int(c[2].min()) for c in self._columns)
        self._span = max(int(c[2].max()) for c in self._columns) - self._first + 1
        cells = len(self._mice) * len(self.parts) * self._span
        return self._fill_grid() if cells <= CELLS_PER_ROW * self.size + CELLS_FREE else self._sort()

    def extent(self) -> tuple[float, float, float, float]:
        """Return the smallest and largest x, and the smallest and largest y, of all points (px)."""
        ends = np.array([(t.x.min(), t.x.max(), t.y.min(), t.y.max()) for t in self.tracks()], dtype=np.float64)
        return ends[:, 0].min(), ends[:, 1].max(), ends[:, 2].min(), ends[:, 3].max()

    @property
    def mice(self) -> tuple[int, ...]:
        """Return the mice that have a point, ascending."""
        return tuple(self._mice)

    @property
    def last_frame(self) -> int | None:
        """Return the largest frame that has a point."""
        return self._first + self._span - 1 if self._mice else None

    def tracks(self) -> Iterator[Track]:
        """Yield every track that has a point, by mouse, then by name of the part."""
        if self._grid is None:
            yield from self._sorted_tracks()
            return
        for grids_PF, mouse in zip(zip(*self._grid, strict=True), self._mice, strict=True):
            grid_x = grids_PF[0]
            observed_PF = ~np.isnan(grid_x)
            frames_present = np.flatnonzero(observed_PF.any(axis=0))
            everywhere = frames_present.size == self._span
            for part in self._order:
                observed = observed_PF[part] if everywhere else observed_PF[part, frames_present]
                at = frames_present[observed]
                if not at.size:
                    continue
                whole = at.size == self._span
                x, y, *extras = (g[part] if whole else g[part, at] for g in grids_PF)
                yield Track(
                    mouse,
                    self.parts[part],
                    at + self._first,
                    x,
                    y,
                    frames_present + self._first,
                    observed,
                    dict(zip(self._extras, extras, strict=True)),
                )

    # --- dense --------------------------------------------------------------------------------------------
    def _fill_grid(self) -> Ints:
        shape = (len(self._mice), len(self.parts), self._span)
        self._grid = tuple(np.full(shape, np.nan, dtype=np.float32) for _ in range(2 + len(self._extras)))
        flat = [grid.ravel() for grid in self._grid]
        for columns in self._columns:
            cell = self._cells(columns)
            for grid, values in zip(flat, columns[5:], strict=True):
                grid[cell] = values
        repeated = np.count_nonzero(~np.isnan(flat[0])) < self.size
        lost = self._resolve(flat) if repeated else np.zeros(0, np.int64)
        self._columns = []
        return lost

    def _cells(self, columns: tuple[Any, ...]) -> Ints:
        slot = np.zeros(max(self._mice) + 1, np.int64)
        slot[self._mice] = np.arange(len(self._mice))
        base = slot[:, None] * len(self.parts) + np.arange(len(self.parts))
        base = base * self._span - self._first
        return np.asarray(base[columns[3], columns[4]] + columns[2])

    def _resolve(self, grids: Sequence[Singles]) -> Ints:
        """Resolve the cells that several rows claim; it is rare, so a second pass is cheap."""
        claims = np.zeros(grids[0].size, np.uint8)
        for columns in self._columns:
            cell, count = np.unique(self._cells(columns), return_counts=True)
            claims[cell] = np.minimum(claims[cell] + count, 2)
        claimants: list[tuple[Any, ...]] = []
        for columns in self._columns:
            cell = self._cells(columns)
            rows = np.flatnonzero(claims[cell] > 1)
            own = (values[rows] for values in columns[5:])
            claimants.append((cell[rows], _row_numbers(columns, rows), *own))
        cell, row, x, y, *extras = (np.concatenate(values) for values in zip(*claimants, strict=True))
        order = np.lexsort((row, y, x, cell))
        first = np.concatenate(([True], cell[order][1:] != cell[order][:-1]))
        kept = order[first]
        for grid, values in zip(grids, (x, y, *extras), strict=True):
            grid[cell[kept]] = values[kept]
        return np.sort(row[order[~first]])

    # --- sparse -------------------------------------------------------------------------------------------
    def _sort(self) -> Ints:
        frame, mouse, part, x, y, *extras = (
            np.concatenate([c[i] for c in self._columns]) for i in range(2, 7 + len(self._extras))
        )
        row = np.concatenate([_row_numbers(c, np.arange(c[2].size)) for c in self._columns])
        self._columns = []
        rank = np.empty(len(self.parts), np.int32)
        rank[self._order] = np.arange(len(self.parts))
        order = np.lexsort((row, y, x, frame, rank[part], mouse))
        keys = [values[order] for values in (frame, mouse, part)]
        first = np.concatenate(([True], np.logical_or.reduce([key[1:] != key[:-1] for key in keys])))
        self._sorted = tuple(values[order[first]] for values in (frame, mouse, part, x, y, *extras))
        return np.sort(row[order[~first]])

    def _sorted_tracks(self) -> Iterator[Track]:
        if not self._mice:
            return
        frame, mouse, part, *values = self._sorted
        for own in self._mice:
            low, high = np.searchsorted(mouse, (own, own + 1))
            present = np.unique(frame[low:high]).astype(np.int64)
            cuts = low + 1 + np.flatnonzero(part[low + 1 : high] != part[low : high - 1])
            for start, stop in zip([low, *cuts], [*cuts, high], strict=True):
                at = frame[start:stop].astype(np.int64)
                observed = np.zeros(present.size, np.bool_)
                observed[np.searchsorted(present, at)] = True
                x, y, *extras = (v[start:stop].astype(np.float32) for v in values)
                named = dict(zip(self._extras, extras, strict=True))
                yield Track(own, self.parts[part[start]], at, x, y, present, observed, named)


def _row_numbers(columns: tuple[Any, ...], rows: Ints) -> Ints:
    """Return the row numbers in the source file of `rows` of a batch."""
    numbers, first_row = columns[0], columns[1]
    return np.asarray(first_row + (rows if numbers is None else numbers[rows].astype(np.int64)))
