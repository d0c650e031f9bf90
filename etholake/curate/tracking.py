"""Curation of one video's tracks: raw long rows to the columns of `tracking_curated`. numpy, no I/O.

The frame is the key, never the position of a row: input order is irrelevant, and gaps in the frames stay gaps.

Shape letters: N = (frame, mouse) instances in which at least one point was measured, sorted by frame and
mouse; P = body parts, sorted by name. The whole video is a matrix [N, P] with NaN where a point is missing,
so its row-major order *is* the contract's sort order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etholake.contract import MAX_MICE, RAW_TRACKING_COLUMNS, arrow_schema
from etholake.curate.columns import INVALID, check_columns, names, numbers, source_row, whole_numbers
from etholake.curate.rules import QuarantineRow, quarantine_rows
from etholake.errors import UsageError

__all__ = ["Counts", "CuratedTracking", "VideoScale", "curate_tracking"]

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]  # of instances: half the memory of int64, and a video has fewer than 2**31
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MAX_FRAME = 2**31 - 2  # the contract's video_frame is a 32-bit int


@dataclass(frozen=True)
class VideoScale:
    """What curation must know of a video: its clock and its scale. None (or not above 0) where unknown."""

    video_id: int
    lab_id: str
    fps: float | None = None
    pix_per_cm: float | None = None
    width_pix: float | None = None
    height_pix: float | None = None


@dataclass(frozen=True)
class Counts:
    """Balance of one file: `rows_in == rows_curated + rows_quarantined`; imputed rows are counted apart."""

    rows_in: int
    rows_curated: int
    rows_quarantined: int
    rows_imputed: int


@dataclass(frozen=True)
class CuratedTracking:
    """Result of `curate_tracking`.

    Attributes
    ----------
    table
        Contract columns of `tracking_curated`, sorted by (video_frame, mouse_id, bodypart).
    quarantine
        Contract columns of `quarantine`; few rows however many input rows they stand for.
    counts
        The balance of rows.
    flags
        Ids of the rules that fired, sorted.
    mice, parts
        What the curated rows hold, sorted.
    last_frame
        Largest curated frame, None without rows.
    """

    table: pa.Table
    quarantine: pa.Table
    counts: Counts
    flags: tuple[str, ...]
    mice: tuple[int, ...] = ()
    parts: tuple[str, ...] = ()
    last_frame: int | None = None
    rejected: tuple[QuarantineRow, ...] = field(default=(), repr=False)


def curate_tracking(
    table: pa.Table, meta: Any, *, max_gap_frames: int, source_file: str = "", split: str | None = None
) -> CuratedTracking:
    """Curate the raw tracking rows of one video.

    Parameters
    ----------
    table
        Columns `video_frame, mouse_id, bodypart, x, y` (px, origin top left, y down) in any order, rows in any
        order; further columns are not read.
    meta
        Anything with the attributes of `VideoScale`.
    max_gap_frames
        Longest distance in frames over which a point is filled, or a velocity computed.
    source_file, split
        Where the rows come from, for the quarantine table.

    Returns
    -------
    CuratedTracking

    Notes
    -----
    - A row with an impossible frame, mouse, part or coordinate is quarantined. Of duplicates of a (frame,
      mouse, part) the one with the smallest (x, y) is kept, whatever the order of rows.
    - A missing point is filled with the last measured one, else with the next one, if that is at most
      `max_gap_frames` away, and only in frames in which the mouse has a measured point: an absent mouse stays
      absent. Such rows have `is_imputed`.
    - `x_cm, y_cm` = (px - arena centre) / pix_per_cm, null without a scale. The centre is (width/2, height/2)
      of the video, else the centre of the observed extent of all measured points (flag `centre-from-extent`).
    - `vx, vy, speed` (cm/s) of a measured point: displacement since the track's previous *measured* point over
      the true elapsed frames. Null at a track's start, after a gap of more than `max_gap_frames`, for imputed
      points (a copied point did not move), and without fps or scale.

    Raises
    ------
    BadFileError
        A column is missing or has a type that cannot hold its values.
    UsageError
        `max_gap_frames` is below 1.
    """
    if max_gap_frames < 1:
        raise UsageError(f"max_gap_frames must be at least 1, but got {max_gap_frames}.")
    columns, flags = _read_columns(table)
    broken = _row_rules(columns)
    good = np.flatnonzero(~np.logical_or.reduce(list(broken.values())))
    grid, duplicates = _Grid.build(columns, good)
    rejected = [
        row
        for rule, numbers in [
            *((r, np.flatnonzero(m)) for r, m in broken.items()),
            ("point-duplicate", duplicates),
        ]
        for row in (quarantine_rows(rule, numbers, lambda n: source_row(table, n)) if len(numbers) else [])
    ]
    flags |= {row.rule for row in rejected}
    curated, imputed, centre_guessed = _curate(grid, meta, max_gap_frames)
    if centre_guessed and good.size:
        flags.add("centre-from-extent")
    if _positive(meta.fps) is None:
        flags.add("fps-missing")
    if _positive(meta.pix_per_cm) is None:
        flags.add("scale-missing")
    counts = Counts(table.num_rows, curated.num_rows - imputed, sum(r.rows for r in rejected), imputed)
    return CuratedTracking(
        curated,
        pa.Table.from_pylist(
            [r.located(source_file, split, meta.lab_id, meta.video_id) for r in rejected],
            schema=arrow_schema("quarantine"),
        ),
        counts,
        tuple(sorted(flags)),
        tuple(int(m) for m in np.unique(grid.mouse)),
        tuple(grid.parts),
        int(grid.frame[-1]) if grid.frame.size else None,
        tuple(rejected),
    )


# --- reading ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Columns:
    """The raw columns as numpy, one entry per row; see `etholake.curate.columns`."""

    frame: Ints
    mouse: Ints
    part: Ints
    parts: list[str]
    x: Floats
    y: Floats


def _read_columns(table: pa.Table) -> tuple[_Columns, set[str]]:
    flags = check_columns(table, RAW_TRACKING_COLUMNS)
    part, parts = names(table, "bodypart")
    frame, mouse = whole_numbers(table, "video_frame"), whole_numbers(table, "mouse_id")
    return _Columns(frame, mouse, part, parts, numbers(table, "x"), numbers(table, "y")), flags


def _row_rules(columns: _Columns) -> dict[str, Bools]:
    """Rule -> mask of the rows that break it. A row is counted under the first rule that it breaks."""
    x, y = columns.x, columns.y
    largest = np.finfo(np.float32).max
    with np.errstate(invalid="ignore"):
        infinite = (np.abs(x) > largest) | (np.abs(y) > largest)
    rules: dict[str, Bools] = {
        "frame-invalid": (columns.frame == INVALID) | (columns.frame > MAX_FRAME),
        "frame-negative": columns.frame < 0,
        "mouse-unknown": (columns.mouse < 1) | (columns.mouse > MAX_MICE),
        "bodypart-missing": columns.part < 0,
        "coordinate-infinite": infinite,
        "coordinate-missing": np.isnan(x) | np.isnan(y),
    }
    seen = np.zeros(x.size, dtype=np.bool_)
    for rule, mask in rules.items():
        rules[rule] = mask & ~seen
        seen |= mask
    return rules


# --- the matrix -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Grid:
    """The video as a matrix: `frame`, `mouse` [N]; the measured `x`, `y` [N, P], NaN where missing."""

    frame: Ints
    mouse: Ints
    parts: list[str]
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]

    @classmethod
    def build(cls, columns: _Columns, good: Ints) -> tuple[_Grid, Ints]:
        """The grid of the rows `good`, and the rows that are duplicates (ascending)."""
        everything = good.size == columns.frame.size  # spare the copies of a clean file
        frame, mouse, part = (c if everything else c[good] for c in (columns.frame, columns.mouse, columns.part))
        x, y = (c if everything else c[good] for c in (columns.x, columns.y))
        keys, instance = _instances(frame * (MAX_MICE + 1) + mouse)
        n_parts = max(len(columns.parts), 1)
        cell = instance * n_parts + part
        shape = (keys.size, n_parts)
        repeated = (
            np.bincount(cell, minlength=shape[0] * n_parts)[cell] > 1 if cell.size else np.zeros(0, np.bool_)
        )
        rows = np.flatnonzero(repeated)
        order = rows[np.lexsort((rows, y[rows], x[rows], cell[rows]))]
        later = np.zeros(order.size, dtype=np.bool_)
        later[1:] = cell[order[1:]] == cell[order[:-1]]
        duplicates = order[later]
        x_NP, y_NP = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
        if duplicates.size:
            keep = np.ones(cell.size, dtype=np.bool_)
            keep[duplicates] = False
            cell, x, y = cell[keep], x[keep], y[keep]
        x_NP.ravel()[cell], y_NP.ravel()[cell] = x, y
        grid = cls(keys // (MAX_MICE + 1), keys % (MAX_MICE + 1), list(columns.parts), x_NP, y_NP)
        return grid, np.sort(good[duplicates])


def _instances(keys: Ints) -> tuple[Ints, Ints]:
    """Sorted distinct keys, and for each entry its index among them (fast where they come sorted)."""
    if not keys.size:
        return keys, keys
    step = np.diff(keys)
    if (step >= 0).all():
        index = np.concatenate(([0], np.cumsum(step > 0)))
        return keys[np.concatenate(([True], step > 0))], index
    distinct, index = np.unique(keys, return_inverse=True)
    return distinct, index


# --- filling, scaling, velocity ---------------------------------------------------------------------------
def _curate(grid: _Grid, meta: Any, max_gap: int) -> tuple[pa.Table, int, bool]:
    """The curated table, how many of its rows are imputed, and whether the centre had to be guessed."""
    measured_NP = ~np.isnan(grid.x)
    before_NP, after_NP = _neighbours(grid, measured_NP)
    donor_NP = _donors(grid.frame, measured_NP, before_NP, after_NP, max_gap)
    cell = np.flatnonzero(donor_NP >= 0)  # row-major: the contract's sort order
    instance, part = np.divmod(cell, grid.x.shape[1])
    donor = donor_NP.ravel()[cell]
    shown = donor * np.int64(grid.x.shape[1]) + part
    x, y = grid.x.ravel()[shown], grid.y.ravel()[shown]
    imputed = donor != instance

    centre, guessed = _centre(grid, meta)
    scale = _positive(meta.pix_per_cm)
    x_cm, y_cm = (
        (v.astype(np.float64) - c) / scale if scale else np.full(v.size, np.nan)
        for v, c in zip((x, y), centre, strict=True)
    )
    previous = before_NP.ravel()[cell]
    vx, vy = _velocity(grid, (instance, part), previous, imputed, max_gap=max_gap, meta=meta)
    arrays = [
        pa.array(np.full(x.size, meta.video_id, dtype=np.int64)),
        pa.array(grid.frame[instance].astype(np.int32)),
        pa.array(grid.mouse[instance].astype(np.int8)),
        _names(part, grid.parts),
        pa.array(x),
        pa.array(y),
        *(_nullable(v) for v in (x_cm, y_cm, vx, vy, np.hypot(vx, vy))),
        pa.array(imputed),
    ]
    return pa.Table.from_arrays(arrays, schema=arrow_schema("tracking_curated")), int(imputed.sum()), guessed


def _neighbours(grid: _Grid, measured_NP: Bools) -> tuple[Indices, Indices]:
    """Per cell: instance of the mouse's last point measured strictly before, of the next one after; -1 if none."""
    before_NP, after_NP = (np.full(measured_NP.shape, -1, dtype=np.int32) for _ in range(2))
    for mouse in np.unique(grid.mouse):
        own = np.flatnonzero(grid.mouse == mouse).astype(np.int32)  # ascending in frame
        seen = measured_NP[own]
        position = np.arange(own.size, dtype=np.int32)[:, None]
        last = np.maximum.accumulate(np.where(seen, position, np.int32(-1)), axis=0)
        following = np.minimum.accumulate(np.where(seen, position, np.int32(own.size))[::-1], axis=0)[::-1]
        lookup = np.append(own, np.int32(-1))  # both "none" values, -1 and own.size, find the -1 at its end
        before_NP[own[1:]] = lookup[last[:-1]]
        after_NP[own[:-1]] = lookup[following[1:]]
    return before_NP, after_NP


def _donors(frame_N: Ints, measured_NP: Bools, before_NP: Indices, after_NP: Indices, max_gap: int) -> Indices:
    """Per cell: the instance whose measured point it shows (itself, the last, else the next); -1 for no row."""
    donor_NP = np.where(measured_NP, np.arange(frame_N.size, dtype=np.int32)[:, None], np.int32(-1))
    for neighbour_NP in (before_NP, after_NP):  # forward, then backward
        instance, part = np.nonzero((donor_NP < 0) & (neighbour_NP >= 0))
        candidate = neighbour_NP[instance, part]
        near = np.abs(frame_N[instance] - frame_N[candidate]) <= max_gap
        donor_NP[instance[near], part[near]] = candidate[near]
    return donor_NP


def _centre(grid: _Grid, meta: Any) -> tuple[tuple[float, float], bool]:
    width, height = _positive(meta.width_pix), _positive(meta.height_pix)
    if width and height:
        return (width / 2, height / 2), False
    if np.isnan(grid.x).all():
        return (0.0, 0.0), True
    low_high = [(np.nanmin(v) + np.nanmax(v)) / 2 for v in (grid.x, grid.y)]
    return (float(low_high[0]), float(low_high[1])), True


def _velocity(
    grid: _Grid, cells: tuple[Ints, Ints], previous: Indices, imputed: Bools, *, max_gap: int, meta: Any
) -> tuple[Floats, Floats]:
    """cm/s since the previous measured point; NaN where it is not defined (see `curate_tracking`)."""
    instance, part = cells
    vx, vy = np.full(instance.size, np.nan), np.full(instance.size, np.nan)
    fps, scale = _positive(meta.fps), _positive(meta.pix_per_cm)
    if not (fps and scale):
        return vx, vy
    elapsed = grid.frame[instance] - grid.frame[previous]
    rows = np.flatnonzero((previous >= 0) & ~imputed & (elapsed <= max_gap))
    here, then = (i[rows].astype(np.int64) * grid.x.shape[1] + part[rows] for i in (instance, previous))
    factor = fps / (scale * elapsed[rows])
    for v, values in ((vx, grid.x.ravel()), (vy, grid.y.ravel())):
        v[rows] = (values[here].astype(np.float64) - values[then]) * factor
    return vx, vy


def _positive(value: float | None) -> float | None:
    """The value if it is a finite number above 0, else None: 0, NaN and None all mean unknown."""
    if value is None or not np.isfinite(value) or value <= 0:
        return None
    return float(value)


def _names(part: Ints, parts: Sequence[str]) -> pa.Array:
    indices = pa.array(part.astype(np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array(parts, pa.string())).cast(pa.string())


def _nullable(values: Floats) -> pa.Array:
    """float32, null where NaN."""
    return pa.array(values.astype(np.float32), mask=np.isnan(values))
