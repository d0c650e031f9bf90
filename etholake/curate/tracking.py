"""Curation of one video's tracks: raw long rows to the columns of `tracking_curated`. numpy, no I/O.

The frame is the key, never the position of a row: input order is irrelevant, and gaps in the frames stay gaps.
`Curation` takes the rows in batches and gives the curated tables track by track, so that memory holds one video's
points and no more; `curate_tracking` is the same for a whole table at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etholake.contract import MAX_ANIMALS, RAW_TRACKING_COLUMNS, RAW_TRACKING_OPTIONAL_COLUMNS, arrow_schema
from etholake.curate.columns import (
    INVALID,
    check_columns,
    names,
    numbers,
    optional_numbers,
    source_row,
    whole_numbers,
)
from etholake.curate.plausibility import Plausibility, implausible_points
from etholake.curate.points import Points
from etholake.curate.quarantine import MAX_ROWS_PER_RULE, QuarantineRow, quarantine_rows
from etholake.curate.track import TrackRows, VideoScale, curate_track, positive
from etholake.errors import UsageError

__all__ = ["Counts", "CuratedTracking", "Curation", "VideoScale", "curate_tracking"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MAX_FRAME = 2**31 - 2  # the contract's video_frame is a 32-bit int


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
        Contract columns of `tracking_curated`, sorted by (mouse_id, bodypart, video_frame).
    summary
        Contract columns of `track_summary`: one row a track.
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
    summary: pa.Table
    quarantine: pa.Table
    counts: Counts
    flags: tuple[str, ...]
    mice: tuple[int, ...] = ()
    parts: tuple[str, ...] = ()
    last_frame: int | None = None


def curate_tracking(
    table: pa.Table,
    meta: Any,
    *,
    max_gap_frames: int,
    source_file: str = "",
    split: str | None = None,
    implausible_missing: bool = False,
) -> CuratedTracking:
    """Curate the raw tracking rows of one video.

    Parameters
    ----------
    table
        Columns `video_frame, mouse_id, bodypart, x, y` (px, origin top left, y down) in any order, rows in any
        order; `z` (px) and `likelihood` if they are there and hold numbers; further columns are not read.
    meta
        Anything with the attributes of `VideoScale`.
    max_gap_frames
        Longest distance in frames over which a point is filled, or a velocity computed.
    source_file, split
        Where the rows come from, for the quarantine table.
    implausible_missing
        Quarantine points at the origin and outside the picture (`curate.plausibility`) instead of flagging them.

    Returns
    -------
    CuratedTracking

    Notes
    -----
    - A row with an impossible frame, mouse, part or coordinate is quarantined. Of duplicates of a (frame,
      mouse, part) the one with the smallest (x, y) is kept, whatever the order of rows.
    - A point with a likelihood below the video's `min_likelihood` is quarantined: it was not measured.
    - A missing point is filled with the last measured one, else with the next one, if that is at most
      `max_gap_frames` away, and only in frames in which the mouse has a measured point: an absent mouse stays
      absent. Such rows have `is_imputed`.
    - `x_cm, y_cm` = (px - arena centre) / pix_per_cm, null without a scale. The centre is (width/2, height/2)
      of the video, else the centre of the observed extent of all measured points (flag `centre-from-extent`).
    - `vx, vy, speed` (cm/s) of a measured point: displacement since the track's previous *measured* point over
      the true elapsed frames. Null at a track's start, after a gap of more than `max_gap_frames`, for imputed
      points (a copied point did not move), and without fps or scale.
    - All is computed in 64 bits and stored in 32; a derived value that 32 bits cannot hold is null.

    Raises
    ------
    BadFileError
        A column is missing or has a type that cannot hold its values.
    UsageError
        `max_gap_frames` is below 1.
    """
    curation = Curation(meta, max_gap_frames, implausible_missing)
    curation.read(lambda: [table])
    tracks = list(curation.tracks())
    schema = arrow_schema("tracking_curated")
    return CuratedTracking(
        pa.Table.from_batches((track.rows for track in tracks), _plain(schema, tracks)).cast(schema),
        pa.Table.from_pylist([track.summary for track in tracks], arrow_schema("track_summary")),
        pa.Table.from_pylist(
            [row.located(source_file, split, meta.lab_id, meta.video_id) for row in curation.rejected],
            schema=arrow_schema("quarantine"),
        ),
        curation.counts, curation.flags, curation.mice, curation.parts, curation.last_frame,
    )  # fmt: skip


def _plain(schema: pa.Schema, tracks: list[TrackRows]) -> pa.Schema:
    return tracks[0].rows.schema if tracks else schema


@dataclass
class Curation:
    """Curates one video: call `read`, iterate over `tracks`, then use the results."""

    meta: Any
    max_gap_frames: int
    implausible_missing: bool = False
    rows_in: int = 0
    parts: tuple[str, ...] = ()
    rejected: tuple[QuarantineRow, ...] = ()
    _curated: int = 0
    _imputed: int = 0
    _flags: set[str] = field(default_factory=set)
    _flagged: Counter[str] = field(default_factory=Counter)
    _broken: dict[str, _Broken] = field(default_factory=dict)
    _points: Points = field(default_factory=Points)

    def __post_init__(self) -> None:
        if self.max_gap_frames < 1:
            raise UsageError(f"max_gap_frames must be at least 1, but got {self.max_gap_frames}.")

    def read(self, batches: Callable[[], Iterable[pa.Table]]) -> None:
        """Take all raw rows. `batches` is called again only if some rows must be shown in the quarantine.

        Raises BadFileError as `curate_tracking`.
        """
        for batch in batches():
            self._add(batch)
        rejected = [row for rule, broken in self._broken.items() for row in broken.quarantined(rule)]
        lost = self._points.remove_duplicates()
        if lost.size:
            shown = _source_rows(batches(), lost[:MAX_ROWS_PER_RULE])
            rejected += quarantine_rows("point-duplicate", lost, shown.__getitem__)
        self.rejected = tuple(rejected)
        self._flags |= {row.rule for row in rejected}
        if positive(self.meta.fps) is None:
            self._flags.add("fps-missing")
        if positive(self.meta.pix_per_cm) is None:
            self._flags.add("scale-missing")

    def _add(self, batch: pa.Table) -> None:
        extras = optional_numbers(batch, RAW_TRACKING_OPTIONAL_COLUMNS)
        self._flags |= check_columns(batch, RAW_TRACKING_COLUMNS, extras)
        part, parts = names(batch, "bodypart")
        frame, mouse = whole_numbers(batch, "video_frame"), whole_numbers(batch, "mouse_id")
        x, y = numbers(batch, "x"), numbers(batch, "y")
        good = np.ones(batch.num_rows, dtype=np.bool_)
        low = _low(extras.get("likelihood"), positive(self.meta.min_likelihood), len(x))
        for rule, broken in (*_row_rules(frame, mouse, part, x, y), ("likelihood-low", low)):
            rows = np.flatnonzero(broken & good)
            if rows.size:
                self._broken.setdefault(rule, _Broken()).add(rows, batch, self.rows_in)
                good &= ~broken
        self._judge_points(batch, x, y, good)
        if good.all():
            self._points.add((self.rows_in, None), frame, mouse, part, parts, x, y, extras)
        else:
            rows = np.flatnonzero(good)
            frame, mouse, part, x, y = (values[rows] for values in (frame, mouse, part, x, y))
            extras = {name: values[rows] for name, values in extras.items()}
            self._points.add((self.rows_in, rows), frame, mouse, part, parts, x, y, extras)
        self.rows_in += batch.num_rows

    def _judge_points(self, batch: pa.Table, x: Floats, y: Floats, good: Bools) -> None:
        """Flag the implausible points among the good rows, or take them out of `good` and quarantine them."""
        width, height = positive(self.meta.width_pix), positive(self.meta.height_pix)
        for rule, implausible in implausible_points(x, y, width, height):
            rows = np.flatnonzero(implausible & good)
            if not rows.size:
                continue
            if self.implausible_missing:
                self._broken.setdefault(rule, _Broken()).add(rows, batch, self.rows_in)
                good &= ~implausible
            else:
                self._flags.add(rule)
                self._flagged[rule] += rows.size

    def tracks(self) -> Iterator[TrackRows]:
        """Yield each track's curated rows (by frame) and its summary; tracks by mouse, then part."""
        if not self._points.mice:
            return
        width, height = positive(self.meta.width_pix), positive(self.meta.height_pix)
        if width and height:
            centre = (width / 2, height / 2)
        else:
            left, right, top, bottom = self._points.extent()
            centre = ((left + right) / 2, (top + bottom) / 2)
            self._flags.add("centre-from-extent")
        parts, plausibility = set(), Plausibility(self.meta)
        for track in self._points.tracks():
            plausibility.add(track)
            made = curate_track(track, self.meta, centre, self.max_gap_frames)
            parts.add(track.part)
            self._curated += made.summary["points_measured"]
            self._imputed += made.summary["points_imputed"]
            yield made
        self.parts = tuple(sorted(parts))
        self._flags |= plausibility.flags()

    @property
    def counts(self) -> Counts:
        """Return the balance of rows: what went in, and what `tracks` really gave."""
        return Counts(self.rows_in, self._curated, sum(row.rows for row in self.rejected), self._imputed)

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the ids of the rules that fired, sorted."""
        return tuple(sorted(self._flags))

    @property
    def flagged_rows(self) -> dict[str, int]:
        """Return the number of curated rows by the rule that flags them."""
        return dict(self._flagged)

    @property
    def mice(self) -> tuple[int, ...]:
        """Return the mice that have a point, sorted."""
        return self._points.mice

    @property
    def last_frame(self) -> int | None:
        """Return the largest frame that has a point."""
        return self._points.last_frame


def _row_rules(frame: Ints, mouse: Ints, part: Ints, x: Floats, y: Floats) -> Iterator[tuple[str, Bools]]:
    """Yield (rule, mask of the rows that break it). A row is counted under the first rule that it breaks."""
    yield "frame-invalid", (frame == INVALID) | (frame > MAX_FRAME)
    yield "frame-negative", frame < 0
    yield "mouse-unknown", (mouse < 1) | (mouse > MAX_ANIMALS)
    yield "bodypart-missing", part < 0
    largest = np.finfo(np.float32).max
    with np.errstate(invalid="ignore"):
        yield "coordinate-infinite", (np.abs(x) > largest) | (np.abs(y) > largest)
    yield "coordinate-missing", np.isnan(x) | np.isnan(y)


def _low(likelihood: Floats | None, limit: float | None, rows: int) -> Bools:
    """Return which points are less likely than the limit; NaN is not, as nobody says that it is unlikely."""
    if likelihood is None or limit is None:
        return np.zeros(rows, dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        return np.asarray(likelihood < limit)


def _source_rows(batches: Iterable[pa.Table], numbers: Ints) -> dict[int, dict[str, Any]]:
    """Return the rows of these numbers, ascending, as they came."""
    rows_by_number, first = {}, 0
    for batch in batches:
        for number in numbers[(numbers >= first) & (numbers < first + batch.num_rows)].tolist():
            rows_by_number[number] = source_row(batch, number - first)
        first += batch.num_rows
    return rows_by_number


@dataclass
class _Broken:
    """Rows that broke one rule: their number, and the first few as they came."""

    count: int = 0
    first: dict[int, dict[str, Any]] = field(default_factory=dict)

    def add(self, rows: Ints, batch: pa.Table, first_row: int) -> None:
        for row in rows[: max(0, MAX_ROWS_PER_RULE - len(self.first))].tolist():
            self.first[first_row + row] = source_row(batch, row)
        self.count += rows.size

    def quarantined(self, rule: str) -> list[QuarantineRow]:
        numbers = list(self.first)
        many = range(numbers[0], numbers[0] + self.count)  # too many to name: only the first and the number count
        return quarantine_rows(rule, many if self.count > len(numbers) else numbers, self.first.__getitem__)
