"""Read text, tables and JSON of files that anybody may have written: bounded, strict, never executing anything.

Every failure is a DataError that names the file. `head` and `quietly` serve the detection of formats, which looks
at the beginning of a file and raises nothing.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from etholake.contract import number
from etholake.errors import DataError
from etholake.formats.base import Detection
from etholake.formats.dialect import delimiter_of, encoding_of, first_bytes, opened, split_separator_line
from etholake.formats.labels.clock import MAX_FRAMES

__all__ = [
    "FRAME_NAMES",
    "HEAD_BYTES",
    "INDEX_NAMES",
    "column",
    "first_rows",
    "frame_at",
    "head",
    "is_video_file",
    "json_ends",
    "number_at",
    "parse_json",
    "quietly",
    "read_json",
    "read_table",
    "read_text",
    "rows_of",
    "safe_name",
    "time_at",
    "video_name",
]

HEAD_BYTES = 64 * 1024  # what a detection looks at
MAX_BYTES = 512 * 2**20  # of a label file: some hundred times the largest known
MAX_UNPACKED_BYTES = 128 * 2**20  # of a compressed one: a small file may unpack to anything
FRAME_NAMES = ("frame", "frames", "frame number", "frame index", "frame idx", "video frame")
INDEX_NAMES = frozenset({"", "Unnamed: 0", "index"})  # of the column that pandas writes first
_VIDEO_SUFFIX = re.compile(
    r"\.(mp4|avi|mov|mkv|mpe?g|wmv|m4v|webm|seq|flv|h26[45]|m?ts|tiff?|asf|mp3|wav)$", re.IGNORECASE
)
_CLOCK = re.compile(r"(?:([0-9]{1,6}):)?([0-9]{1,6}):([0-9]{1,6}(?:[.,][0-9]+)?)")  # (hours:)minutes:seconds
T = TypeVar("T")


def quietly(detect: Callable[[T, Path], Detection | None]) -> Callable[[T, Path], Detection | None]:
    """Wrap a format's `detect` so that unreadable or broken content is None, not an error."""

    @wraps(detect)
    def wrapped(self: T, path: Path) -> Detection | None:
        try:
            return detect(self, path)
        except Exception:  # a damaged file makes h5py and others raise almost anything
            return None

    return wrapped


def head(path: Path, size: int = HEAD_BYTES) -> str:
    """Return the text of the first `size` bytes of a file. Raises DataError if it is not text."""
    return _decoded(path, first_bytes(path, size), cut=True)


def is_video_file(text: str) -> bool:
    """Return whether a text ends as the name of a video file does."""
    return _VIDEO_SUFFIX.search(text.strip()) is not None


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Return the text of a file: UTF-8, UTF-16 with a byte-order mark, else Windows-1252.

    Raises DataError if the file cannot be read, is larger than `limit` bytes or holds no text.
    """
    limit = min(limit, MAX_UNPACKED_BYTES) if path.suffix.lower() == ".gz" else limit
    try:
        with opened(path) as stream:
            data = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as err:
        raise DataError(f"{path}: cannot be read: {err}.") from err
    if len(data) > limit:
        raise DataError(f"{path}: a label file of at most {limit:,} bytes was expected, but it is larger.")
    return _decoded(path, data)


def _decoded(path: Path, data: bytes, *, cut: bool = False) -> str:
    encoding = encoding_of(data)
    if encoding != "utf-16" and b"\x00" in data:
        raise DataError(f"{path}: expected text, but the file holds binary data.")
    try:
        return data.decode(encoding, errors="replace" if encoding == "cp1252" else "strict")
    except UnicodeDecodeError as err:
        if cut and err.start > len(data) - 4:  # a character that the end of the sample cuts
            return data[: err.start].decode(encoding)
        if encoding != "utf-16":
            return data.decode("cp1252", errors="replace")
        raise DataError(f"{path}: the text is not {encoding}, although it starts as if it were: {err}.") from err


def first_rows(path: Path, count: int = 60) -> list[list[str]]:
    """Return the first rows of a table; of xlsx those of the first sheet.

    A line that the end of the sample may have cut is left out.
    """
    if path.suffix.lower() == ".xlsx":
        return _first_sheet(path, count)
    text = head(path)
    if len(text) >= HEAD_BYTES // 4:
        text = text.rpartition("\n")[0] or text
    return list(islice(rows_of(text), count))


def rows_of(text: str) -> Iterator[list[str]]:
    """Yield the rows of a text table in any dialect, without Excel's line `sep=;`."""
    text, delimiter = split_separator_line(text)
    yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or delimiter_of(text))


def read_table(path: Path) -> list[list[str]]:
    """Return the rows of a csv, tsv or xlsx file as text cells, stripped of blanks; of xlsx the first sheet.

    Raises DataError if the file is none, or holds a cell that no table has.
    """
    if path.suffix.lower() == ".xlsx":
        return _first_sheet(path)
    text = read_text(path)
    try:
        return [[cell.strip() for cell in row] for row in rows_of(text)]
    except csv.Error as err:
        raise DataError(f"{path}: cannot be read as a table: {err}.") from err


def _first_sheet(path: Path, max_rows: int | None = None) -> list[list[str]]:
    from etholake.formats.labels.xlsx import read_sheets

    return next(iter(read_sheets(path, max_rows).values()), [])


def read_json(path: Path, limit: int = MAX_BYTES) -> Any:
    """Return the value of a JSON file.

    Raises DataError if it is broken, nested deeper than any tool nests, holds numbers that are not finite, or
    numbers of thousands of digits.
    """
    text = read_text(path, limit)
    return parse_json(path, text)


def parse_json(path: Path, text: str) -> Any:
    """Return the value of JSON text that came from `path`. Raises as `read_json`."""

    def refused(constant: str) -> Any:
        raise DataError(f"{path}: the JSON holds the number {constant}, which no time or frame is.")

    try:
        return json.loads(text, parse_constant=refused)
    except RecursionError as err:
        raise DataError(f"{path}: the JSON is nested too deeply to be a label file.") from err
    except ValueError as err:
        raise DataError(f"{path}: the JSON is broken: {err}. Write it anew with the tool.") from err


def json_ends(path: Path) -> str:
    """Return beginning and end of a JSON object without blanks, for a look at its keys; "" for other content."""
    text = head(path)
    if not text.lstrip().startswith("{"):
        return ""
    with path.open("rb") as stream:
        stream.seek(max(path.stat().st_size - HEAD_BYTES, 0))
        text += stream.read().decode("utf-8", errors="replace")
    return re.sub(r"\s+", "", text)


def number_at(text: object, path: Path, what: str, line: int | None = None) -> float:
    """Return the finite number of a cell or a JSON value; a decimal comma counts as a point.

    Raises DataError, naming file, line and column, for anything else and for what no clock or frame counter shows.
    """
    value = None
    if isinstance(text, str):
        value = number(text.replace(",", ".") if "." not in text else text)
    elif isinstance(text, (int, float)) and not isinstance(text, bool):
        value = float(text) if abs(text) < 1e18 else None
    if value is None or not abs(value) <= MAX_FRAMES:
        at = f", line {line}" if line else ""
        shown = str(text)[:40]
        raise DataError(f"{path}{at}: {what} must be a number up to {MAX_FRAMES}, but is '{shown}'.")
    return value


def time_at(text: str, path: Path, what: str, line: int | None = None) -> float:
    """Return the seconds of a cell: a number, or a clock like `01:02:03.500`. Raises DataError as `number_at`."""
    if match := _CLOCK.fullmatch(text.strip()):
        hours, minutes, seconds = (number_at(part or "0", path, what, line) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds
    return number_at(text, path, what, line)


def frame_at(text: object, path: Path, what: str, line: int | None = None) -> int:
    """Return the whole number of a cell or a JSON value. Raises DataError as `number_at`, also for fractions."""
    value = number_at(text, path, what, line)
    if value != int(value):
        at = f", line {line}" if line else ""
        raise DataError(f"{path}{at}: {what} must be a whole frame number, but is {value:g}.")
    return int(value)


def video_name(file_name: str) -> str:
    """Return the name of a video without folder (of either kind of system) and without a video's suffix."""
    return safe_name(_VIDEO_SUFFIX.sub("", re.split(r"[\\/]", file_name.strip())[-1]))


def safe_name(name: str) -> str:
    """Return a name that is no path and has no control characters; "unnamed" if nothing is left."""
    plain = re.sub(r"[\x00-\x1f\x7f\\/]", "_", name).strip()
    return plain[:200] if plain.strip("._ ") else "unnamed"


def column(header: Sequence[str], *names: str) -> int | None:
    """Return the index of the first of `names` in a header, without regard to case and blanks; None if none is."""
    plain = [re.sub(r"[\s_]+", " ", cell.strip().lower()) for cell in header]
    return next((plain.index(name) for name in names if name in plain), None)
