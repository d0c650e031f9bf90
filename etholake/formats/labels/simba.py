"""Read SimBA labels: the 0/1 columns at the right end of `targets_inserted` tables, one row a frame.

Of a table with pose (columns `…_x, …_y, …_p`) the labels are the last columns, as long as they hold only 0 and 1;
probabilities of classifiers stand between them in `machine_results`.
A table without pose has an unnamed index and nothing but such columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from etholake.errors import DataError
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark
from etholake.formats.dialect import own_name
from etholake.formats.labels.deepethogram import BACKGROUND
from etholake.formats.labels.directed import split_name
from etholake.formats.labels.onehot import bouts_of, is_binary, states_of
from etholake.formats.labels.reading import (
    FRAME_NAMES,
    INDEX_NAMES,
    column,
    first_rows,
    quietly,
    read_table,
    safe_name,
)

__all__ = ["FORMAT", "PROBABILITY"]

_NOT_LABELS = ("_x", "_y", "_p")
PROBABILITY = "probability_"  # of a classifier's column, which follows it in `machine_results`


class SimbaTargets(LabelFormat):
    """SimBA one-hot labels."""

    name = "simba_targets"
    title = "SimBA targets"
    suffixes = (".csv",)

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the columns are SimBA's, and the last ones hold 0 and 1."""
        rows = [row for row in first_rows(path) if any(row)]
        if len(rows) < 2 or not _is_simba(rows[0]) or not _labels(rows[0], rows[1:]):
            return None
        what = "SimBA's pose columns" if _has_pose(rows[0]) else "an index"
        return Detection(0.9, f"it has {what} and columns of 0 and 1 at the right end")

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the one recording of a file; frames count from its first row."""
        del options  # frames have no ends
        rows = [row for row in read_table(path) if any(row)]
        if not rows or not _is_simba(rows[0]):
            raise DataError(f"{path}: expected SimBA's columns: pose (…_x, …_y, …_p) or an index, then labels.")
        header, body = rows[0], rows[1:]
        ragged = [i for i, row in enumerate(body, start=2) if len(row) != len(header)]
        if ragged:
            raise DataError(f"{path}, line {ragged[0]}: expected {len(header)} cells; the file may be cut short.")
        columns = _labels(header, body)
        if not columns:
            raise DataError(f"{path}: its last column '{header[-1]}' is no label, since it is not only 0 and 1.")
        bouts: list[Bout] = []
        for c in columns:
            bouts += bouts_of(states_of([row[c] for row in body]), *split_name(header[c]))
        actions = tuple(dict.fromkeys(split_name(header[c])[0] for c in columns))
        text = f"the last columns with only 0 and 1 are taken as labels: {', '.join(header[c] for c in columns)}"
        yield LabelRecording(
            safe_name(own_name(path)),
            tuple(sorted(bouts, key=lambda bout: bout.start)),
            actions,
            "frame",
            frame_count=len(body),
            remarks=(Remark("assumed", text, path, remedy="leave others out in the mapping's actions"),),
        )


def _has_pose(header: Sequence[str]) -> bool:
    return all(any(name.endswith(suffix) for name in header) for suffix in _NOT_LABELS)


def _is_simba(header: Sequence[str]) -> bool:
    if BACKGROUND in header or len(header) < 2:
        return False
    return _has_pose(header) or (header[0] in INDEX_NAMES and column(header, *FRAME_NAMES) is None)


def _labels(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns of the labels: the last ones, as far as they hold only 0 and 1."""
    columns: list[int] = []
    for c in range(len(header) - 1, -1 if _has_pose(header) else 0, -1):
        if header[c].lower().startswith(PROBABILITY):
            continue
        cells = [row[c] for row in body if c < len(row)]
        if header[c].endswith(_NOT_LABELS) or not header[c] or not is_binary(cells):
            break
        columns.insert(0, c)
    if not _has_pose(header) and len(columns) != len(header) - 1:
        return []  # without pose there is nothing but labels
    return columns


FORMAT = SimbaTargets()
