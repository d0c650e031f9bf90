"""Read the numbers of a csv file fast, with an error that names line and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pc

from etholake.contract import number
from etholake.errors import DataError
from etholake.formats.dialect import Dialect, opened

__all__ = ["NumberTable", "read_numbers"]

MISSING = ["", "nan", "NaN", "NAN", "-nan", "NA", "N/A", "#N/A", "None", "null", "-"]
BLOCK_BYTES = 1 << 20
MAX_UNPACKED_BYTES = 1 << 30  # of a packed table: seven hours of four animals with twelve parts


@dataclass(frozen=True)
class NumberTable:
    """Columns of text before the numbers, and float32 [rows, columns] with NaN for empty cells (by column)."""

    index: list[list[str]]
    values: npt.NDArray[np.float32]


def read_numbers(
    path: Path,
    *,
    skip_rows: int,
    index_columns: int,
    names: Sequence[str],
    dialect: Dialect,
    wanted: Sequence[int] | None = None,
) -> NumberTable:
    """Return the table below a header of `skip_rows` rows.

    Parameters
    ----------
    dialect
        How the file is written; a decimal comma counts as a point.
    names
        Names of the numeric columns, for messages only.
    wanted
        Numbers of the numeric columns to read (default: all); the others may hold anything.

    Raises
    ------
    DataError
        For a row with another number of cells and for a cell that is no number, with line and column.
    """
    texts = [f"t{at}" for at in range(index_columns)]
    numbers = [f"n{at}" for at in range(len(names))]
    chosen = numbers if wanted is None else [numbers[at] for at in wanted]
    utf8 = dialect.encoding.startswith("utf-8")
    source: Any = pa.memory_map(str(path)) if utf8 and path.stat().st_size else str(path)
    if path.suffix.lower() == ".gz":
        source = pa.BufferReader(_unpacked(path))
    try:
        table = pc.read_csv(
            source,
            read_options=pc.ReadOptions(
                column_names=texts + numbers,
                skip_rows=dialect.skip + skip_rows,
                block_size=_block_size(path),
                encoding="utf8" if utf8 else dialect.encoding,
            ),
            parse_options=pc.ParseOptions(delimiter=dialect.delimiter),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(texts, pa.string()) | dict.fromkeys(numbers, pa.float32()),
                null_values=MISSING,
                decimal_point=dialect.decimal,
                include_columns=texts + chosen,
            ),
        )
    except pa.ArrowInvalid:
        return _read_carefully(path, skip_rows, index_columns, names, dialect, wanted)
    values = np.empty((len(chosen), table.num_rows), np.float32)
    for at, name in enumerate(chosen):
        start = 0
        for chunk in table.column(name).chunks:
            values[at, start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
            start += len(chunk)
    return _without_empty_end(NumberTable([table.column(name).to_pylist() for name in texts], values.T))


def _unpacked(path: Path) -> bytes:
    with opened(path) as file:
        content = file.read(MAX_UNPACKED_BYTES + 1)
    if len(content) > MAX_UNPACKED_BYTES:
        raise DataError(
            f"{path}: unpacks to more than {MAX_UNPACKED_BYTES:,} bytes: unpack it, or split the video."
        )
    return content


def _without_empty_end(table: NumberTable) -> NumberTable:
    """Return the table without the rows of empty cells at its end, which spreadsheets save."""
    rows = len(table.values)
    while table.index and rows and not any(cells[rows - 1].strip() for cells in table.index):
        if not np.isnan(table.values[rows - 1]).all():
            break
        rows -= 1
    return NumberTable([cells[:rows] for cells in table.index], table.values[:rows])


def _block_size(path: Path) -> int:
    """Return a block that holds several of the file's rows (pyarrow refuses a row longer than a block)."""
    with opened(path) as file:
        longest = max((len(file.readline(512 << 20)) for _ in range(6)), default=0)
    return max(BLOCK_BYTES, 4 * longest)


def _read_carefully(
    path: Path,
    skip_rows: int,
    index_columns: int,
    names: Sequence[str],
    dialect: Dialect,
    wanted: Sequence[int] | None,
) -> NumberTable:
    """Read row by row what pyarrow refuses: rows of empty cells may be short, as DeepLabCut writes them.

    Raises DataError with line and column for everything else.
    """
    width = index_columns + len(names)
    columns = range(len(names)) if wanted is None else wanted
    index: list[list[str]] = [[] for _ in range(index_columns)]
    values: list[list[float]] = []
    with io.TextIOWrapper(opened(path), dialect.encoding, errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.delimiter)
        try:
            for row in islice(reader, dialect.skip + skip_rows, None):
                if not row:
                    continue
                if index_columns <= len(row) < width and not any(row[index_columns:]):
                    row.extend([""] * (width - len(row)))
                if len(row) > width and not any(row[width:]):  # commas at the end of the row
                    del row[width:]
                if len(row) != width:
                    raise DataError(f"{path}, line {reader.line_num}: expected {width} cells, but got {len(row)}.")
                for at in range(index_columns):
                    index[at].append(row[at])
                values.append(
                    [_number(path, reader.line_num, names[at], row[index_columns + at]) for at in columns]
                )
        except csv.Error as err:
            raise DataError(f"{path}, line {reader.line_num}: cannot be read as csv: {err}.") from err
    table = NumberTable(index, np.array(values, np.float32).reshape(len(values), len(columns)))
    return _without_empty_end(table)


def _number(path: Path, line: int, name: str, cell: str) -> float:
    if cell.strip() in MISSING:
        return float("nan")
    if cell.strip().lower().lstrip("+-") in {"inf", "infinity"}:  # as pyarrow reads it: no coordinate
        return float("inf")
    value = number(cell if "." in cell else cell.replace(",", "."))
    if value is None:
        raise DataError(f"{path}, line {line}, column '{name}': '{cell[:40]}' is no number.")
    return value
