"""Read DeepEthogram labels (`<video>_labels.csv`): one row a frame, 1 and 0, and -1 where nobody labelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Detection, LabelFormat, LabelRecording, ReadOptions, Remark
from etholake.formats.labels.directed import split_name
from etholake.formats.labels.onehot import UNLABELLED, bouts_of, spans_of
from etholake.formats.labels.reading import first_rows, quietly, read_table, video_name

__all__ = ["FORMAT"]

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
        if len(rows) < 2 or BACKGROUND not in rows[0] or rows[0][0] not in {"", "Unnamed: 0"}:
            return None
        if not all(cell in _VALUES for row in rows[1:] for cell in row[1:]):
            return None
        return Detection(1.0, "it has the column 'background' of DeepEthogram and values of -1, 0 and 1")

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the one recording of a file; the column `background` is left out, the others say all it says."""
        del options  # frames have no ends
        rows = read_table(path)
        if not rows or BACKGROUND not in rows[0]:
            raise DataError(f"{path}: DeepEthogram labels have a column 'background', but this table lacks it.")
        header = rows[0]
        body = [row for row in rows[1:] if any(row)]
        states_TC = np.zeros((len(body), len(header)), dtype=np.int8)
        for t, row in enumerate(body):
            if len(row) != len(header) or not all(cell in _VALUES for cell in row[1:]):
                raise DataError(
                    f"{path}, line {t + 2}: expected {len(header) - 1} cells of -1, 0 or 1, but got {row[1:]}."
                )
            states_TC[t, 1:] = [_VALUES[cell] for cell in row[1:]]
        columns = [(c, split_name(name)) for c, name in enumerate(header) if c and name != BACKGROUND]
        yield LabelRecording(
            video_name(re.sub(r"_labels$", "", path.stem)),
            tuple(bout for c, parts in columns for bout in bouts_of(states_TC[:, c], *parts)),
            tuple(dict.fromkeys(parts[0] for _, parts in columns)),
            "frame",
            scored=tuple(span for c, parts in columns for span in spans_of(states_TC[:, c], *parts[:2])),
            frame_count=len(body),
            remarks=(Remark("note", "its column 'background' is what no other column is, and is not read", path),),
        )


FORMAT = DeepEthogramLabels()
