"""Read tables with one row a frame that any script may write: a frame number (or a time), and labels.

The labels are either columns of 0 and 1 (-1 or an empty cell: not labelled), one an action, or one column with the
action's name (empty, "none", "background" or "other": no action). A table without frame numbers needs a column of
seconds with a constant step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark, ScoredSpan
from etholake.formats.dialect import own_name
from etholake.formats.labels.clock import sample_rate
from etholake.formats.labels.directed import split_name
from etholake.formats.labels.onehot import bouts_of, is_binary, spans_of, state, states_of
from etholake.formats.labels.prediction import FORMAT as PREDICTION
from etholake.formats.labels.reading import (
    FRAME_NAMES,
    INDEX_NAMES,
    column,
    first_rows,
    frame_at,
    number_at,
    quietly,
    read_table,
    video_name,
)

__all__ = ["FORMAT"]

_TIME = ("time", "time (s)", "time s", "seconds", "time (sec)", "timestamp")
_ACTION = ("action", "behavior", "behaviour", "label")
_UNKNOWN = frozenset({"", "-1", "-1.0"})
_NONE = frozenset({"", "none", "background", "other", "nan"})
_MAX_GAP = 10_000_000  # frames: a longer jump between rows is a damaged number


@dataclass(frozen=True)
class _Columns:
    """The positions of the columns: frame number or time, and labels, which are names of actions if `named`."""

    clock: int
    unit: Literal["frame", "second"]
    labels: tuple[int, ...]
    named: bool


class FramewiseCsv(LabelFormat):
    """Generic frame-wise table."""

    name = "framewise_csv"
    title = "frame-wise table"
    suffixes = (".csv", ".tsv", ".txt", ".xlsx")

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if there is a column of frame numbers or times, and the others are labels."""
        rows = [[cell.strip() for cell in row] for row in first_rows(path) if any(row)]
        columns = _columns(rows[0]) if len(rows) > 1 else None
        if columns is None or PREDICTION.detect(path):
            return None
        clock = "a frame number" if columns.unit == "frame" else "a time"
        for row in rows[1:]:
            number_at(row[columns.clock], path, clock)
        if columns.named:
            return Detection(0.5, f"it has {clock} and an action's name in each row")
        cells = ([row[c] if c < len(row) else "?" for row in rows[1:]] for c in columns.labels)
        if all(is_binary(column, missing=_UNKNOWN) for column in cells):
            return Detection(0.5, f"it has {clock} and columns of 0 and 1")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the one recording of a file. A frame that has no row is not labelled."""
        del options  # frames have no ends
        rows = [row for row in read_table(path) if any(row)]
        columns = _columns(rows[0]) if len(rows) > 1 else None
        if columns is None:
            raise DataError(f"{path}: expected a column 'frame' (or 'time' in seconds) and columns of labels.")
        header, body = rows[0], rows[1:]
        for line, row in enumerate(body, start=2):
            if len(row) != len(header):
                raise DataError(
                    f"{path}, line {line}: expected {len(header)} cells, but got {len(row)}; is it cut short?"
                )
        cells = [row[columns.clock] for row in body]
        index_T, rate = _frames(path, cells) if columns.unit == "frame" else _samples(path, cells)
        if columns.named:
            bouts, scored, text = _of_names([row[columns.labels[0]] for row in body], index_T)
        else:
            bouts, scored, text = _of_columns(path, header, body, columns.labels, index_T)
        texts = [text]
        if rate is not None:
            bouts = [Bout(b.action, b.start / rate, b.stop / rate, b.agent, b.target) for b in bouts]
            scored = [ScoredSpan(s.action, s.start / rate, (s.stop or 0) / rate, s.agent) for s in scored]
            texts.append(f"each row lasts 1/{rate:g} s")
        elif index_T[0] == 1:
            texts.append("the first row is frame 1: if the tool counts from 1, subtract 1 in the table")
        yield LabelRecording(
            video_name(own_name(path)),
            tuple(sorted(bouts, key=lambda bout: bout.start)),
            tuple(dict.fromkeys(span.action for span in scored)),
            columns.unit,
            scored=tuple(scored),
            remarks=tuple(Remark("assumed", text, path) for text in texts),
        )


def _columns(header: Sequence[str]) -> _Columns | None:
    frame, time = column(header, *FRAME_NAMES), column(header, *_TIME)
    clock = time if frame is None else frame
    if clock is None or column(header, "observation id", "x", "y") is not None:
        return None
    index = {0} if header[0] in INDEX_NAMES else set()  # pandas' own
    labels = tuple(c for c in range(len(header)) if c not in {clock, time, *index} and header[c])
    if not labels:
        return None
    named = len(labels) == 1 and column([header[labels[0]]], *_ACTION) is not None
    return _Columns(clock, "second" if frame is None else "frame", labels, named)


def _frames(path: Path, cells: Sequence[str]) -> tuple[npt.NDArray[np.int64], None]:
    frames: list[int] = []
    for line, cell in enumerate(cells, start=2):
        frame = frame_at(cell, path, "the frame", line)
        if not -1 < frame - (frames[-1] if frames else -1) - 1 < _MAX_GAP:
            raise DataError(f"{path}, line {line}: frame {frame} does not follow the frame of the row above.")
        frames.append(frame)
    return np.array(frames), None


def _samples(path: Path, cells: Sequence[str]) -> tuple[npt.NDArray[np.int64], float]:
    """Return the numbers of evenly spaced samples, and how many there are in a second."""
    times = np.array([number_at(cell, path, "the time", line) for line, cell in enumerate(cells, start=2)])
    rate = sample_rate(path, times)
    return np.rint(times * rate).astype(np.int64), rate


def _of_names(cells: list[str], index_T: npt.NDArray[np.int64]) -> tuple[list[Bout], list[ScoredSpan], str]:
    names = sorted({cell for cell in cells if cell.lower() not in _NONE})
    values_T = np.array(cells)
    bouts: list[Bout] = []
    scored: list[ScoredSpan] = []
    for name in names:
        parts = split_name(name)
        states_T = (values_T == name).astype(np.int8)
        bouts += bouts_of(states_T, *parts, index_T)
        scored += spans_of(states_T, *parts[:2], index_T)
    return bouts, scored, "each row names the one action of its frame; frames count from 0"


def _of_columns(
    path: Path,
    header: Sequence[str],
    body: Sequence[Sequence[str]],
    labels: Sequence[int],
    index_T: npt.NDArray[np.int64],
) -> tuple[list[Bout], list[ScoredSpan], str]:
    bouts: list[Bout] = []
    scored: list[ScoredSpan] = []
    for c in labels:
        cells = [row[c] for row in body]
        if not is_binary(cells, missing=_UNKNOWN):
            if all(cell in _UNKNOWN for cell in cells):
                continue  # nobody looked for it
            wrong = next(i for i, cell in enumerate(cells) if state(cell) is None and cell not in _UNKNOWN)
            raise DataError(
                f"{path}, line {wrong + 2}: column '{header[c]}' must hold 0, 1 or -1, but holds "
                f"'{cells[wrong][:40]}'."
            )
        states_T = states_of(cells, missing=_UNKNOWN)
        parts = split_name(header[c])
        bouts += bouts_of(states_T, *parts, index_T)
        scored += spans_of(states_T, *parts[:2], index_T)
    return bouts, scored, "each column is an action; frames count from 0"


FORMAT = FramewiseCsv()
