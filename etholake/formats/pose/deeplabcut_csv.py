"""Read DeepLabCut's csv files: tracks of one or several animals, labelled images, three dimensions.

The header has three or four rows: scorer, individuals (several animals only), bodyparts, coords. Labelled
images have one index column with a path, or three with its components.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions
from etholake.formats.dialect import Dialect, dialect_of
from etholake.formats.pose.deeplabcut_columns import index_columns, recordings
from etholake.formats.pose.number_table import NumberTable, read_numbers
from etholake.formats.reading import head_rows, header_rows, reading

__all__ = ["FORMAT", "DeepLabCutCsv"]

SIMBA = "IMPORTED_POSE"  # what SimBA puts in the place of the names
ROWS = ("scorer", "individuals", "bodyparts", "coords")


class DeepLabCutCsv(PoseFormat):
    """A csv file of DeepLabCut."""

    name = "deeplabcut_csv"
    title = "DeepLabCut csv"
    suffixes = (".csv",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the first column of the header names DeepLabCut's rows."""
        rows = head_rows(path, 4)
        header = [row[0].strip().lower() for row in rows if row and SIMBA not in row]
        if "bodyparts" in header and "coords" in header and header[0] in ("scorer", "individuals", "bodyparts"):
            several = " and 'individuals'" if "individuals" in header else ""
            return Detection(1.0, f"its header has the rows 'bodyparts'{several} and 'coords'")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:
        """Yield the tracks of a video, or the labelled images of each video folder."""
        with reading(path, self.title):
            dialect = dialect_of(path)
            header, count = _header(path, dialect)
            n_index = _index_columns(path, header["coords"])
            width = len(header["coords"])
            individuals = header.get("individuals", [""] * width)
            columns = [
                (individuals[at].strip(), header["bodyparts"][at].strip(), header["coords"][at].strip())
                for at in range(n_index, width)
            ]
            where = index_columns(path, columns, options)
            names = [" ".join(filter(None, column)) for column in columns]
            table = read_numbers(path, skip_rows=count, index_columns=n_index, names=names, dialect=dialect)
            scorer = "".join(header.get("scorer", [])[n_index : n_index + 1]).strip()
            yield from recordings(path, where, table.values, _index(path, table, count), scorer)


def _header(path: Path, dialect: Dialect) -> tuple[dict[str, list[str]], int]:
    """Return {row's name: cells} and the number of header rows. Raises DataError if they do not fit."""
    header: dict[str, list[str]] = {}
    for row in header_rows(path, 4, dialect):
        name = row[0].strip().lower() if row else ""
        if name not in ROWS or name in header:
            break
        header[name] = row
        if name == "coords":
            break
    if not {"bodyparts", "coords"} <= header.keys():
        raise DataError(f"{path}: a DeepLabCut csv begins with the rows scorer, (individuals,) bodyparts, coords.")
    for name, row in header.items():
        if name != "scorer" and len(row) != len(header["coords"]):
            raise DataError(
                f"{path}: the header's row '{name}' has {len(row)} cells, 'coords' has {len(header['coords'])}."
            )
    return header, len(header)


def _index_columns(path: Path, coords: list[str]) -> int:
    count = 1
    while count < len(coords) and not coords[count].strip():
        count += 1
    if count not in (1, 3) or count == len(coords):
        raise DataError(f"{path}: expected 1 or 3 index columns before the coordinates, but got {count}.")
    return count


def _index(path: Path, table: NumberTable, header: int) -> npt.NDArray[Any] | list[tuple[str, ...]]:
    """Return frame numbers, or the components of the images' paths."""
    if len(table.index) > 1:
        return list(zip(*table.index, strict=True))
    cells = table.index[0]
    if cells and any(mark in cells[0] for mark in ("/", "\\", ".png", ".jpg", ".jpeg", ".bmp", ".tif")):
        return [(cell,) for cell in cells]
    try:
        numbers = np.array(cells, dtype=np.float64)
    except ValueError:
        row = next(row for row, cell in enumerate(cells) if not cell.strip().isdigit())
        raise DataError(
            f"{path}, line {header + row + 1}: the first column is '{cells[row][:40]}', which is no frame number."
        ) from None
    if not np.isfinite(numbers).all() or (numbers != np.floor(numbers)).any() or (np.abs(numbers) > 2**53).any():
        raise DataError(f"{path}: the first column holds numbers that are no frame numbers.")
    return numbers.astype(np.int64)


FORMAT = DeepLabCutCsv()
