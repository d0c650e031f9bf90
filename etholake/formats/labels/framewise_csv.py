"""Read tables with one row a frame that any script may write: a frame number, and labels.

The labels are either columns of 0 and 1 (-1 or an empty cell: not labelled), one an action, or one column with the
action's name (empty, "none", "background" or "other": no action).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark, ScoredSpan
from etholake.formats.labels.directed import split_name
from etholake.formats.labels.onehot import UNLABELLED, bouts_of, is_binary, spans_of
from etholake.formats.labels.prediction import FORMAT as PREDICTION
from etholake.formats.labels.reading import column, first_rows, frame_at, quietly, read_table, video_name

__all__ = ["FORMAT"]

_FRAME = ("frame", "frames", "frame number", "video frame", "frame idx")
_ACTION = ("action", "behavior", "behaviour", "label")
_UNKNOWN = frozenset({"", "-1", "-1.0"})
_NONE = frozenset({"", "none", "background", "other", "nan"})
_MAX_GAP = 10_000_000  # frames: a longer jump between rows is a damaged number


class FramewiseCsv(LabelFormat):
    """Generic frame-wise table."""

    name = "framewise_csv"
    title = "frame-wise table"
    suffixes = (".csv", ".tsv")

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the first column is a frame number, and the others are labels."""
        rows = [row for row in first_rows(path) if any(row)]
        if len(rows) < 2 or PREDICTION.detect(path) or column(rows[0][:1], *_FRAME) is None:
            return None
        if not all(row[0].strip().isdigit() for row in rows[1:]):
            return None
        if _named(rows[0]):
            return Detection(0.5, "it has a frame number and an action's name in each row")
        if len(rows[0]) > 1 and all(is_binary(cells, missing=_UNKNOWN) for cells in _transposed(rows)[1:]):
            return Detection(0.5, "it has a frame number and columns of 0 and 1")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the one recording of a file. A frame that has no row is not labelled."""
        del options  # frames have no ends
        rows = [row for row in read_table(path) if any(row)]
        if len(rows) < 2 or column(rows[0][:1], *_FRAME) is None:
            raise DataError(f"{path}: expected a first column 'frame' and columns of labels.")
        header, body = rows[0], rows[1:]
        frames: list[int] = []
        for line, row in enumerate(body, start=2):
            if len(row) != len(header):
                raise DataError(
                    f"{path}, line {line}: expected {len(header)} cells, but got {len(row)}; is it cut short?"
                )
            frame = frame_at(row[0], path, "the frame", line)
            if not -1 < frame - (frames[-1] if frames else -1) - 1 < _MAX_GAP:
                raise DataError(f"{path}, line {line}: frame {frame} does not follow the frame of the row above.")
            frames.append(frame)
        index_T = np.array(frames)
        if _named(header):
            bouts, scored, text = _of_names([row[1] for row in body], index_T)
        else:
            bouts, scored, text = _of_columns(path, header, body, index_T)
        yield LabelRecording(
            video_name(path.stem),
            tuple(sorted(bouts, key=lambda bout: bout.start)),
            tuple(dict.fromkeys(span.action for span in scored)),
            "frame",
            scored=tuple(scored),
            remarks=(Remark("assumed", text, path),),
        )


def _named(header: Sequence[str]) -> bool:
    return len(header) == 2 and column(header[1:], *_ACTION) is not None


def _transposed(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[row[c].strip() if c < len(row) else "?" for row in rows[1:]] for c in range(len(rows[0]))]


def _of_names(cells: list[str], index_T: np.ndarray) -> tuple[list[Bout], list[ScoredSpan], str]:
    names = sorted({cell for cell in cells if cell.lower() not in _NONE})
    values_T = np.array(cells)
    bouts: list[Bout] = []
    scored: list[ScoredSpan] = []
    for name in names:
        parts = split_name(name)
        dense_T = _dense((values_T == name).astype(np.int8), index_T)
        bouts += bouts_of(dense_T, *parts)
        scored += spans_of(dense_T, *parts[:2])
    return bouts, scored, "each row names the one action of its frame; frames count from 0"


def _of_columns(
    path: Path, header: Sequence[str], body: Sequence[Sequence[str]], index_T: np.ndarray
) -> tuple[list[Bout], list[ScoredSpan], str]:
    bouts: list[Bout] = []
    scored: list[ScoredSpan] = []
    for c, name in enumerate(header[1:], start=1):
        cells = [row[c] for row in body]
        if not is_binary(cells, missing=_UNKNOWN):
            if all(cell in _UNKNOWN for cell in cells):
                continue  # nobody looked for it
            line = next(
                i for i, cell in enumerate(cells, start=2) if not is_binary([cell]) and cell not in _UNKNOWN
            )
            raise DataError(
                f"{path}, line {line}: column '{name}' must hold 0, 1 or -1, but holds '{cells[line - 2][:40]}'."
            )
        states_T = np.array(
            [UNLABELLED if cell in _UNKNOWN else int(float(cell)) for cell in cells], dtype=np.int8
        )
        dense_T = _dense(states_T, index_T)
        parts = split_name(name)
        bouts += bouts_of(dense_T, *parts)
        scored += spans_of(dense_T, *parts[:2])
    return bouts, scored, "each column is an action; frames count from 0"


def _dense(states_T: np.ndarray, index_T: np.ndarray) -> np.ndarray:
    """Return the states on all frames from 0 to the last one; frames without a row are not labelled."""
    dense_T = np.full(int(index_T[-1]) + 1, UNLABELLED, dtype=np.int8)
    dense_T[index_T] = states_T
    return dense_T


FORMAT = FramewiseCsv()
