"""Read text, tables and JSON of files that anybody may have written: bounded, strict, never executing anything.

Every failure is a DataError that names the file. `head` and `quietly` serve the detection of formats, which looks
at the beginning of a file and raises nothing.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from etholake.contract import number
from etholake.errors import DataError
from etholake.formats.base import Detection
from etholake.formats.labels.clock import MAX_FRAMES

__all__ = [
    "HEAD_BYTES",
    "column",
    "delimiter_of",
    "first_rows",
    "frame_at",
    "head",
    "json_head",
    "number_at",
    "parse_json",
    "quietly",
    "read_json",
    "read_table",
    "read_text",
    "safe_name",
    "video_name",
]

HEAD_BYTES = 64 * 1024  # what a detection looks at
MAX_BYTES = 512 * 2**20  # of a label file: some hundred times the largest known
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
_VIDEO_SUFFIX = re.compile(
    r"\.(mp4|avi|mov|mkv|mpe?g|wmv|m4v|webm|seq|flv|h26[45]|m?ts|tiff?|asf|mp3|wav)$", re.IGNORECASE
)
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
    with path.open("rb") as stream:
        return _decoded(path, stream.read(size), cut=True)


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Return the text of a file: UTF-8, UTF-16 with a byte-order mark, else Windows-1252.

    Raises DataError if the file cannot be read, is larger than `limit` bytes or holds no text.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            raise DataError(f"{path}: a label file of at most {limit:,} bytes was expected, but it has {size:,}.")
        return _decoded(path, path.read_bytes())
    except OSError as err:
        raise DataError(f"{path}: cannot be read: {err}.") from err


def _decoded(path: Path, data: bytes, *, cut: bool = False) -> str:
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\x00" in data:
        raise DataError(f"{path}: expected text, but the file holds binary data.")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as err:
        if cut and err.start > len(data) - 4:  # a character that the end of the sample cuts
            return data[: err.start].decode(encoding)
        if encoding == "utf-8":
            return data.decode("cp1252", errors="replace")
        raise DataError(f"{path}: the text is not {encoding}, although it starts as if it were: {err}.") from err


def delimiter_of(text: str) -> str:
    """Return the delimiter of a table: the one of tab, semicolon, comma that its first lines have most often."""
    sample = "\n".join(text.splitlines()[:50])
    return max("\t;,", key=lambda mark: (sample.count(mark), -"\t;,".index(mark)))


def first_rows(path: Path, count: int = 60) -> list[list[str]]:
    """Return the first rows of a csv or tsv file, without the last line that the sample may have cut."""
    text = head(path)
    if len(text) >= HEAD_BYTES // 4:
        text = text.rpartition("\n")[0] or text
    return list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text)), count))


def read_table(path: Path) -> list[list[str]]:
    """Return the rows of a csv, tsv or xlsx file as text cells, stripped of blanks; of xlsx the first sheet.

    Raises DataError if the file is none, or holds a cell that no table has.
    """
    if path.suffix.lower() == ".xlsx":
        from etholake.formats.labels.xlsx import read_sheets

        return next(iter(read_sheets(path).values()), [])
    text = read_text(path)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
        return [[cell.strip() for cell in row] for row in reader]
    except csv.Error as err:
        raise DataError(f"{path}: cannot be read as a table: {err}.") from err


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


def json_head(path: Path) -> str | None:
    """Return the beginning of a JSON object without blanks, for a look at its keys; None for other content."""
    text = head(path)
    return re.sub(r"\s+", "", text) if text.lstrip().startswith("{") else None


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
