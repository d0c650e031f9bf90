"""Read the cells of an xlsx workbook as text, within limits that no bomb passes.

A workbook is a zip of XML. The sizes are checked before anything is unpacked, an XML part with a document type is
refused (entities are declared there), and so are nesting and cell positions beyond what a sheet has. Formulas are
read as the values that the file keeps for them.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from xml.parsers import expat

from etholake.errors import DataError

__all__ = ["check_workbook", "read_sheets", "sheet_names"]

MAX_UNPACKED = 512 * 2**20  # bytes of all parts together
MAX_PARTS = 2_000
MAX_CELLS = 20_000_000
MAX_COLUMNS, MAX_ROWS, MAX_DEPTH = 16_384, 1_048_576, 64  # of a sheet, and of its XML
_CHUNK = 1 << 16
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
Attributes = dict[str, str]
Path_ = tuple[str, ...]


def sheet_names(path: Path) -> list[str]:
    """Return the names of the sheets in their order. Raises DataError if the file is no workbook."""
    with _opened(path) as book:
        return [name for name, _ in _sheets(path, book)]


def read_sheets(path: Path, max_rows: int | None = None) -> dict[str, list[list[str]]]:
    """Return {sheet: rows of text cells} in the workbook's order; empty rows and cells in between are filled.

    Parameters
    ----------
    max_rows
        Rows of each sheet to read; None for all.

    Raises
    ------
    DataError
        The file is no workbook, is broken, or is larger than any workbook of labels.
    """
    with _opened(path) as book:
        strings = _shared_strings(path, book)
        return {name: _cells(path, book, part, strings, max_rows) for name, part in _sheets(path, book)}


def check_workbook(path: Path) -> None:
    """Raise DataError if a file is no workbook, or one that unpacks to more than any of labels."""
    _opened(path).close()


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        book = zipfile.ZipFile(path)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as err:
        raise DataError(f"{path}: expected an xlsx workbook, but it cannot be opened as one: {err}.") from err
    parts = book.infolist()
    total = sum(part.file_size for part in parts)
    if len(parts) > MAX_PARTS or total > MAX_UNPACKED:
        book.close()
        raise DataError(
            f"{path}: the workbook would unpack to {total:,} bytes in {len(parts):,} parts, more than "
            "any workbook of "
            f"labels ({MAX_UNPACKED:,} in {MAX_PARTS:,}): save the sheet as csv."
        )
    return book


def _parse(
    path: Path,
    book: zipfile.ZipFile,
    part: str,
    start: Callable[[Path_, Attributes], None] | None = None,
    end: Callable[[Path_, str], None] | None = None,
) -> None:
    """Call `start` with the path of local names at each tag, and `end` with the tag's own text at its end."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    stack: list[str] = []
    texts: list[list[str]] = []

    def refuse(*_: object) -> None:
        raise DataError(f"{path}: its part {part} declares a document type, which no spreadsheet writes.")

    def open_tag(name: str, attributes: Attributes) -> None:
        if len(stack) >= MAX_DEPTH:
            raise DataError(f"{path}: its part {part} is nested deeper than {MAX_DEPTH} levels.")
        stack.append(name.rpartition(" ")[2])
        texts.append([])
        if start:
            start(tuple(stack), {key.rpartition(" ")[2]: value for key, value in attributes.items()})

    def close_tag(_: str) -> None:
        text = "".join(texts.pop())
        if end:
            end(tuple(stack), text)
        stack.pop()

    def characters(text: str) -> None:
        if texts:
            texts[-1].append(text)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = open_tag, close_tag
    parser.CharacterDataHandler = characters
    try:
        with book.open(part) as stream:
            while chunk := stream.read(_CHUNK):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)
    except _Enough:
        return
    except KeyError as err:
        raise DataError(f"{path}: the workbook lacks its part {part}.") from err
    except (
        expat.ExpatError,
        zipfile.BadZipFile,
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as err:
        raise DataError(f"{path}: its part {part} is broken: {err}.") from err
    except zipfile.zlib.error as err:  # type: ignore[attr-defined]
        raise DataError(f"{path}: its part {part} is broken: {err}.") from err


class _Enough(Exception):  # noqa: N818 - a signal that enough was read, no error
    """Ends the reading of a part."""


def _sheets(path: Path, book: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Return (name, part) of the sheets."""
    targets: dict[str, str] = {}
    sheets: list[tuple[str, str]] = []

    def relation(tags: Path_, attributes: Attributes) -> None:
        if tags[-1] == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    def sheet(tags: Path_, attributes: Attributes) -> None:
        if tags[-1] == "sheet" and attributes.get("id") in targets:
            target = targets[attributes["id"]]
            part = target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
            sheets.append((attributes.get("name", f"sheet {len(sheets) + 1}"), part))

    _parse(path, book, "xl/_rels/workbook.xml.rels", start=relation)
    _parse(path, book, "xl/workbook.xml", start=sheet)
    if not sheets:
        raise DataError(f"{path}: the workbook has no sheet.")
    return sheets


def _shared_strings(path: Path, book: zipfile.ZipFile) -> list[str]:
    part = "xl/sharedStrings.xml"
    strings: list[str] = []
    pieces: list[str] = []

    def end(tags: Path_, text: str) -> None:
        if tags[-1] == "t" and "rPh" not in tags:  # rPh: how to pronounce it
            pieces.append(text)
        elif tags[-1] == "si":
            strings.append("".join(pieces))
            pieces.clear()

    if part in book.namelist():
        _parse(path, book, part, end=end)
    return strings


def _cells(
    path: Path, book: zipfile.ZipFile, part: str, strings: list[str], max_rows: int | None
) -> list[list[str]]:
    rows: list[list[str]] = []
    cell = {"t": "", "column": 0, "text": ""}
    count = 0

    def start(tags: Path_, attributes: Attributes) -> None:
        nonlocal count
        if tags[-1] == "row":
            number = int(attributes.get("r", len(rows) + 1))
            if max_rows is not None and number > max_rows:
                raise _Enough
            if not len(rows) < number <= MAX_ROWS:
                raise DataError(f"{path}: {part} has a row {number} after row {len(rows)}; no sheet has that.")
            rows.extend([] for _ in range(number - len(rows)))
        elif tags[-1] == "c" and rows:
            count += 1
            position = _REFERENCE.fullmatch(attributes["r"]) if "r" in attributes else None
            place = _column_number(position[1]) if position else len(rows[-1])
            if count > MAX_CELLS or not len(rows[-1]) <= place < MAX_COLUMNS:
                raise DataError(
                    f"{path}: {part} has a cell in column {place + 1} of row {len(rows)}; no sheet has that."
                )
            count += place - len(rows[-1])  # the empty ones that fill the row
            cell.update(t=attributes.get("t", "n"), column=place, text="")

    def end(tags: Path_, text: str) -> None:
        if tags[-1] in {"v", "t"} and "rPh" not in tags:
            cell["text"] = f"{cell['text']}{text}" if tags[-1] == "t" else text
        elif tags[-1] == "c" and rows:
            value = str(cell["text"])
            if cell["t"] == "s":
                value = strings[int(value)] if value.isdigit() and int(value) < len(strings) else ""
            rows[-1].extend("" for _ in range(int(str(cell["column"])) - len(rows[-1])))
            rows[-1].append(value.strip())

    _parse(path, book, part, start, end)
    return rows


def _column_number(letters: str) -> int:
    value = 0
    for letter in letters:
        value = value * 26 + ord(letter) - 64
    return value - 1
