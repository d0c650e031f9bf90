"""Read the tracks in SimBA's csv files (`input_csv`, `features_extracted`, `targets_inserted` and the like).

Columns are `<part>_x`, `<part>_y`, `<part>_p`; other columns (features, behaviours) follow. `input_csv` has three
header rows, of which two say IMPORTED_POSE. With several animals a part ends with the animal's number: `Nose_1`.
SimBA writes 0 for what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions
from etholake.formats.dialect import dialect_of
from etholake.formats.pose.deeplabcut_columns import index_columns, recordings
from etholake.formats.pose.number_table import read_numbers
from etholake.formats.reading import head_rows, header_rows, reading

__all__ = ["FORMAT", "Simba"]

IMPORTED = "IMPORTED_POSE"
COORDINATES = {"x": "x", "y": "y", "p": "likelihood"}


class Simba(PoseFormat):
    """A csv file of a SimBA project."""

    name = "simba_csv"
    title = "SimBA csv"
    suffixes = (".csv",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the columns are triples of x, y and p."""
        rows = head_rows(path, 3)
        names, header = _names(rows)
        if header == 3:
            return Detection(1.0, "its header says IMPORTED_POSE") if _triples(names) else None
        if _triples(names):
            return Detection(0.9, f"its columns are <part>_x, _y and _p, beginning with {names[_first(names)]}")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:
        """Yield the tracks of the video; its name is that of the file."""
        with reading(path, self.title):
            dialect = dialect_of(path)
            names, header = _names(header_rows(path, 3, dialect))
            triples, first = _triples(names), _first(names)
            if not triples:
                raise DataError(f"{path}: has no columns <part>_x, <part>_y and <part>_p.")
            columns = [("", part, COORDINATES[mark]) for part, mark in triples]
            where = index_columns(path, columns, options)
            table = read_numbers(
                path,
                skip_rows=header,
                index_columns=first,
                names=names[first:],
                dialect=dialect,
                wanted=range(len(columns)),
            )
            try:
                cells = table.index[0] if first else range(len(table.values))
                frames = np.array([int(float(cell)) for cell in cells], np.int64)
            except ValueError:
                raise DataError(f"{path}: the first column holds something else than frame numbers.") from None
            yield from recordings(path, where, table.values, frames, "")


def _names(rows: list[list[str]]) -> tuple[list[str], int]:
    """Return the columns' names and the number of header rows."""
    if len(rows) == 3 and len(rows[0]) > 1 and rows[0][1] == IMPORTED and rows[1][1:2] == [IMPORTED]:
        return rows[2], 3
    return (rows[0] if rows else []), 1


def _first(names: list[str]) -> int:
    """Return the first column of the tracks: the second, unless the table was saved without its index."""
    return 0 if names and names[0].endswith("_x") else 1


def _triples(names: list[str]) -> list[tuple[str, str]]:
    """Return (part, x/y/p) of the columns after the index, as long as they come in triples of one part."""
    triples: list[tuple[str, str]] = []
    for at in range(_first(names), len(names) - 2, 3):
        part = names[at][:-2]
        if not part or [name for name in names[at : at + 3]] != [f"{part}_{mark}" for mark in "xyp"]:
            break
        triples += [(part, mark) for mark in "xyp"]
    return triples


FORMAT = Simba()
