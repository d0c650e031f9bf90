"""Read DeepEthogram labels (`<video>_labels.csv`): one row a frame, 1 and 0, and -1 where nobody labelled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Detection, LabelFormat, LabelRecording, ReadOptions, Remark
from etholake.formats.dialect import own_name
from etholake.formats.labels.directed import split_name
from etholake.formats.labels.onehot import UNLABELLED, bouts_of, spans_of
from etholake.formats.labels.reading import (
    FRAME_NAMES,
    INDEX_NAMES,
    column,
    first_rows,
    quietly,
    read_table,
    video_name,
)

__all__ = ["BACKGROUND", "FORMAT"]

BACKGROUND = "background"  # 1 where no other behaviour is
_VALUES = {"0": 0, "1": 1, "-1": UNLABELLED, "0.0": 0, "1.0": 1, "-1.0": UNLABELLED}


class DeepEthogramLabels(LabelFormat):
    """DeepEthogram labels."""

    name = "deepethogram"
    title = "DeepEthogram labels"
    suffixes = (".csv",)

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the columns are an index, `background` and behaviours of -1, 0 and 1."""
        rows = first_rows(path)
        if not rows or BACKGROUND not in rows[0] or column(rows[0], *FRAME_NAMES) is not None:
            return None
        if not all(cell in _VALUES for row in rows[1:] for cell in row[_first(rows[0]) :]):
            return None
        return Detection(1.0, "it has the column 'background' of DeepEthogram and values of -1, 0 and 1")

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the one recording of a file; the column `background` is left out, the others say all it says."""
        del options  # frames have no ends
        rows = read_table(path)
        if not rows or BACKGROUND not in rows[0]:
            raise DataError(f"{path}: DeepEthogram labels have a column 'background', but this table lacks it.")
        header = rows[0]
        first = _first(header)
        body = [row for row in rows[1:] if any(row)]
        states_TC = np.zeros((len(body), len(header)), dtype=np.int8)
        for t, row in enumerate(body):
            if len(row) != len(header) or not all(cell in _VALUES for cell in row[first:]):
                raise DataError(
                    f"{path}, line {t + 2}: expected {len(header) - first} cells of -1, 0 or 1, "
                    f"but got {row[first:]}."
                )
            states_TC[t, first:] = [_VALUES[cell] for cell in row[first:]]
        columns = [(c, split_name(name)) for c, name in enumerate(header) if c >= first and name != BACKGROUND]
        yield LabelRecording(
            video_name(re.sub(r"_labels$", "", own_name(path))),
            tuple(bout for c, parts in columns for bout in bouts_of(states_TC[:, c], *parts)),
            tuple(dict.fromkeys(parts[0] for _, parts in columns)),
            "frame",
            scored=tuple(span for c, parts in columns for span in spans_of(states_TC[:, c], *parts[:2])),
            frame_count=len(body),
            remarks=(Remark("note", "its column 'background' is what no other column is, and is not read", path),),
        )


def _first(header: Sequence[str]) -> int:
    """Return the first column of labels: the second, unless the table was saved without its index."""
    return int(header[0] in INDEX_NAMES)


FORMAT = DeepEthogramLabels()
