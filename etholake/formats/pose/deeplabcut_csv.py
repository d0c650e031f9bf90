"""Read DeepLabCut's csv files: tracks of one or several animals, labelled images, three dimensions.

The header has three or four rows: scorer, individuals (several animals only), bodyparts, coords. Labelled
images have one index column with a path, or three with its components. Tables that went through pandas or a
spreadsheet may have lost the rows' names (`Unnamed: 0_level_0`), cells that repeat their left neighbour, or a row,
or have one more; the row of x and y is found by its content then, and the body parts stand above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.dialect import dialect_of
from etholake.formats.pose.deeplabcut_columns import COORDINATES, LIKELIHOODS, index_columns, recordings
from etholake.formats.pose.number_table import NumberTable, read_numbers
from etholake.formats.pose.points import unique
from etholake.formats.reading import head_rows, header_rows, reading

__all__ = ["FORMAT", "DeepLabCutCsv"]

SIMBA = "IMPORTED_POSE"  # what SimBA puts in the place of the names
ROWS = ("scorer", "individuals", "bodyparts", "coords")
MAX_HEADER = 6  # rows: one more than DeepLabCut's four, and the name that pandas gives the index
_UNNAMED = re.compile(r"(Unnamed: \d+_level_\d+|level_\d+|Unnamed: \d+)?", re.IGNORECASE)
_COORDINATES = frozenset((*COORDINATES, *LIKELIHOODS))


@dataclass(frozen=True)
class _Header:
    """A header: its rows, how many there are, and how many columns are the index."""

    individuals: list[str]
    bodyparts: list[str]
    coords: list[str]
    scorer: str
    rows: int
    index_columns: int
    remarks: tuple[Remark, ...] = ()


class DeepLabCutCsv(PoseFormat):
    """A csv file of DeepLabCut."""

    name = "deeplabcut_csv"
    title = "DeepLabCut csv"
    suffixes = (".csv",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the first column of the header names DeepLabCut's rows."""
        rows = head_rows(path, MAX_HEADER)
        header = [row[0].strip().lower() for row in rows if row and SIMBA not in row]
        if "bodyparts" in header and "coords" in header and header[0] in ("scorer", "individuals", "bodyparts"):
            several = " and 'individuals'" if "individuals" in header else ""
            return Detection(1.0, f"its header has the rows 'bodyparts'{several} and 'coords'")
        place = _coords_row(rows)
        if place and len(rows[place - 1]) == len(rows[place]) and not any(SIMBA in row for row in rows):
            return Detection(0.9, f"row {place + 1} of its header holds x and y of each body part")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:
        """Yield the tracks of a video, or the labelled images of each video folder."""
        with reading(path, self.title):
            dialect = dialect_of(path)
            header = _header(path, header_rows(path, MAX_HEADER, dialect))
            columns = [
                (header.individuals[at], header.bodyparts[at], header.coords[at])
                for at in range(header.index_columns, len(header.coords))
            ]
            where = index_columns(path, columns, options)
            where = replace(where, remarks=(*where.remarks, *header.remarks))
            names = [" ".join(filter(None, column)) for column in columns]
            table = read_numbers(
                path, skip_rows=header.rows, index_columns=header.index_columns, names=names, dialect=dialect
            )
            yield from recordings(path, where, table.values, _index(path, table, header.rows), header.scorer)


def _coords_row(rows: list[list[str]]) -> int | None:
    """Return the row named coords, else the first one of only x, y and the like that has no name; None without."""
    for place, row in enumerate(rows[1:], 1):
        name, *cells = (cell.strip().lower() for cell in row or [""])
        named = [cell for cell in cells if not _UNNAMED.fullmatch(cell)]
        if name == "coords" or (_UNNAMED.fullmatch(name) and {"x", "y"} <= set(named) <= _COORDINATES):
            return place
    return None


def _header(path: Path, rows: list[list[str]]) -> _Header:  # noqa: PLR0912
    """Return what a header says. Raises DataError if it is none, or its rows do not fit."""
    place = _coords_row(rows)
    if not place:
        raise DataError(f"{path}: a DeepLabCut csv begins with the rows scorer, (individuals,) bodyparts, coords.")
    coords = ["" if _UNNAMED.fullmatch(cell.strip()) else cell.strip() for cell in rows[place]]
    coords[1:] = [cell.lower() for cell in coords[1:]]
    first = _index_columns(path, coords)
    levels: dict[str, list[str]] = {}
    others: list[tuple[str, list[str]]] = []
    for row in rows[:place]:
        name = row[0].strip() if row else ""
        level = name.lower()
        if level != "scorer" and len(row) != len(coords):
            raise DataError(f"{path}: the header's row '{name}' has {len(row)} cells, 'coords' has {len(coords)}.")
        cells = _filled(row, first)
        if level != "scorer" and _UNNAMED.fullmatch(cells[first]):
            raise DataError(f"{path}: the header's row '{name}' has no name above the first coordinate.")
        if level in ROWS and level not in levels:
            levels[level] = cells
        else:
            others.append(("" if _UNNAMED.fullmatch(name) else name, cells))
    if "bodyparts" not in levels:
        if not others or others[-1][0]:
            raise DataError(f"{path}: the header has no row of body parts above that of x and y.")
        levels["bodyparts"] = others.pop()[1]
    remarks = []
    # a constant row without a name is the scorer's if it is the first one, and that of the only animal below it
    if "scorer" not in levels and others and not others[0][0] and len(set(others[0][1][first:])) == 1:
        levels["scorer"] = others.pop(0)[1]
    for name, cells in others[::-1]:
        if "individuals" not in levels and not name:
            levels["individuals"] = cells
            text = f"a header row without a name holds the animals: {', '.join(unique(cells[first:]))}"
            remarks.append(Remark("assumed", text, path))
        elif len(set(cells[first:])) > 1:
            raise DataError(
                f"{path}: the header's row '{name}' tells columns of one body part apart: it is no row of "
                "DeepLabCut. Split the table by it."
            )
        else:
            remarks.append(Remark("note", f"the header's row '{name}' says '{cells[-1]}' throughout", path))
    count = place + 1
    if count < len(rows) and _is_index_name(rows[count]):
        count += 1
    scorer = "".join(levels.get("scorer", [])[first : first + 1])
    individuals = levels.get("individuals", [""] * len(coords))
    return _Header(individuals, levels["bodyparts"], coords, scorer, count, first, tuple(remarks))


def _is_index_name(row: list[str]) -> bool:
    """Return whether a row below the header is the one into which pandas writes the name of the index."""
    first, *others = (cell.strip() for cell in row or [""])
    return re.fullmatch(r"[A-Za-z_ ]+", first) is not None and not any(others)


def _filled(row: list[str], first: int) -> list[str]:
    """Return the cells of a header's row; one without a name repeats its left neighbour, as merged cells do."""
    cells: list[str] = []
    for at, cell in enumerate(row):
        plain = cell.strip()
        nameless = at > first and _UNNAMED.fullmatch(plain)
        cells.append(cells[-1] if nameless else plain)
    return cells


def _index_columns(path: Path, coords: list[str]) -> int:
    count = 1
    while count < len(coords) and not coords[count]:
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
