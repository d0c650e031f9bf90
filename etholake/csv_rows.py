"""Read a csv file with a header row by row; what cannot be told for certain is refused.

Python's own `DictReader` takes the last of two columns of one name, and puts cells beyond the header aside without
a word. Not here: raw metadata, whose bad rows are quarantined one by one (`etholake.curate.metadata`), and other
tools' files (`etholake.formats`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from etholake.errors import DataError

__all__ = ["CsvRows", "open_rows", "surplus_remedy"]

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class CsvRows:
    """The columns of a csv file, and its rows as {column: cell}; a cell that a short row lacks is empty.

    Iterating raises DataError for a row with more cells than columns. Lines of blanks alone are passed over.
    """

    def __init__(self, path: Path, stream: IO[str]) -> None:
        self._path, self._reader = path, csv.reader(stream, strict=True)
        self.columns: list[str] = next(self._reader, [])

    def __iter__(self) -> Iterator[dict[str, str]]:
        width = len(self.columns)
        for cells in self._reader:
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            if len(cells) > width:
                raise DataError(
                    f"{self._path}: line {self._reader.line_num} has {len(cells)} cells, but the header names "
                    f"{width} columns. {surplus_remedy(cells[width:])}"
                )
            yield dict(zip(self.columns, [*cells, *[""] * (width - len(cells))], strict=True))


def surplus_remedy(cells: Sequence[str]) -> str:
    """Return a sentence on the cells of a row that stand beyond the header's columns."""
    if any(cell.strip() for cell in cells):
        return "Is a quote missing, or a comma too many?"
    commas = "a comma" if len(cells) == 1 else f"{len(cells)} commas"
    return f"The row ends with {commas} too many: remove what follows the last cell, or name the columns."


@contextmanager
def open_rows(path: Path, what: str, needed: Sequence[str] = ()) -> Iterator[CsvRows]:
    """Open a csv file of UTF-8 text, with or without a byte order mark.

    Parameters
    ----------
    what
        What the file should be, with its article, for errors: "a submission".
    needed
        Columns that the header must name.

    Raises
    ------
    DataError
        The file cannot be read, its header names a column twice or lacks a needed one, or a row has too many
        cells.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = CsvRows(path, stream)
            _check_header(path, rows.columns, needed)
            yield rows
    except UnicodeDecodeError as err:
        raise DataError(f"{path}: cannot be read as {what}: {err}. Save it as UTF-8.") from err
    except (OSError, csv.Error) as err:
        raise DataError(f"{path}: cannot be read as {what}: {err}.") from err


def _check_header(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    if doubled := sorted({name for name in columns if name and columns.count(name) > 1}):
        raise DataError(
            f"{path}: the header names {', '.join(doubled)} more than once; which of the columns counts cannot be "
            "known. Keep one of them."
        )
    if missing := [name for name in needed if name not in columns]:
        raise DataError(
            f"{path}: expected the columns {','.join(needed)}, but {', '.join(missing)} is missing."
            f"{_remedy(columns, missing)}"
        )


def _remedy(columns: Sequence[str], missing: Iterable[str]) -> str:
    """Return a sentence on why columns are missing, where the header shows it; "" where it does not."""
    header = ",".join(columns)
    if separator := next((s for s in _OTHER_SEPARATORS if len(columns) == 1 and s in header), None):
        return f" Its cells are separated by {_OTHER_SEPARATORS[separator]}: separate them by commas."
    plain = {name.strip().lower(): name for name in columns}
    renamed = [f"'{plain[name]}' to '{name}'" for name in missing if name in plain]
    return f" Rename {', '.join(renamed)}." if renamed else ""
