"""Write tables of measures into a folder: a Parquet file each, and one workbook with a sheet each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake.errors import DataError

__all__ = ["WORKBOOK", "write_tables"]

WORKBOOK = "metrics.xlsx"
MAX_ROWS = 1_048_576  # of a sheet, https://support.microsoft.com/office/excel-specifications-and-limits
Rows = Sequence[Mapping[str, Any]]


def write_tables(folder: Path, tables: Mapping[str, Rows]) -> list[str]:
    """Write ``<table>.parquet`` for each table with rows, and `WORKBOOK` with all; return the files' names.

    A Parquet file of an earlier run whose table has no row now is removed. In the workbook text stays text, also
    if it begins like a formula.

    Raises
    ------
    DataError
        A table has more rows than a sheet can hold. The Parquet files are then written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    (folder / WORKBOOK).unlink(missing_ok=True)
    written = []
    for name, rows in tables.items():
        path = folder / f"{name}.parquet"
        if rows:
            pq.write_table(pa.Table.from_pylist(list(rows)), path, compression="zstd")
            written.append(str(path))
        else:
            path.unlink(missing_ok=True)
    too_long = [f"{name} ({len(rows)} rows)" for name, rows in tables.items() if len(rows) >= MAX_ROWS]
    if too_long:
        raise DataError(
            f"{', '.join(too_long)} cannot be a sheet of {WORKBOOK}, which takes {MAX_ROWS - 1} rows: read the "
            f"Parquet files in {folder}, choose fewer videos or longer windows."
        )
    _write_workbook(folder / WORKBOOK, tables)
    return [*written, str(folder / WORKBOOK)]


def _write_workbook(path: Path, tables: Mapping[str, Rows]) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    for name, rows in tables.items():
        sheet = book.create_sheet(name)

        def cell(value: Any, sheet: Any = sheet) -> Any:
            if not isinstance(value, str):
                return value
            made = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("?", value))
            made.data_type = "s"  # openpyxl takes a text that begins with "=" for a formula
            return made

        if rows:
            sheet.append([cell(column) for column in rows[0]])
        for row in rows:
            sheet.append([cell(value) for value in row.values()])
    partial = path.with_name(f".{path.name}.partial")
    book.save(partial)
    partial.replace(path)
