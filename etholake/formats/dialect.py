"""Tell how a text table is written: encoding, delimiter, decimal mark, and Excel's first line `sep=;`.

Spreadsheets of many countries save tables with semicolons and decimal commas, in the encoding of their system, so
that the same table of a tool comes in several dialects.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Dialect",
    "decoded_head",
    "delimiter_of",
    "dialect_of",
    "encoding_of",
    "first_bytes",
    "opened",
    "own_name",
    "split_separator_line",
]

HEAD_BYTES = 1 << 17  # a DeepLabCut header of 8 animals with 30 parts takes about 40 kB
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
_FALLBACK = "cp1252"  # what Windows writes where it does not write UTF-8
_SEPARATOR_LINE = re.compile('\ufeff?"?sep=([;,\t])"?\r?\n', re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r'"?-?\d+,\d+(?:[eE][-+]?\d+)?"?')
_SAMPLE_LINES = 50


@dataclass(frozen=True)
class Dialect:
    """The way a table is written; `skip` counts the lines above its first row."""

    encoding: str
    delimiter: str
    decimal: str
    skip: int


def opened(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """Open a file for reading; of a packed one (`.gz`) what it holds."""
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def first_bytes(path: Path, size: int) -> bytes:
    """Return at most `size` bytes from a file's beginning; of a damaged packed one what there is."""
    content = b""
    with opened(path) as file, suppress(EOFError, zlib.error, gzip.BadGzipFile):
        while len(content) < size and (block := file.read1(size - len(content))):
            content += block
    return content


def own_name(path: Path) -> str:
    """Return the name of a file without its suffix, and without the one below `.gz`."""
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def encoding_of(head: bytes) -> str:
    """Return the encoding of a text that begins with `head`: by its byte-order mark, UTF-8, else Windows-1252."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as err:
        if err.start < len(head) - 3:  # not merely a character that the end of the sample cuts
            return _FALLBACK
    return "utf-8-sig"


def decoded_head(path: Path, size: int = HEAD_BYTES) -> str:
    """Return the beginning of a text file; "" if it is binary or cannot be read."""
    try:
        head = first_bytes(path, size)
    except OSError:
        return ""
    encoding = encoding_of(head)
    if encoding != "utf-16" and b"\0" in head:
        return ""
    return head.decode(encoding, errors="replace" if len(head) < size else "ignore")


def split_separator_line(text: str) -> tuple[str, str | None]:
    """Return a text without Excel's line `sep=;`, and the delimiter that the line names (None without one)."""
    match = _SEPARATOR_LINE.match(text)
    return (text[match.end() :], match[1]) if match else (text, None)


def delimiter_of(text: str) -> str:
    """Return the delimiter of a table: the one of tab, semicolon and comma that the most of its lines have.

    Of several that all lines have it is the first in this order, because a comma may be a decimal mark then.
    """
    lines = [line for line in text.splitlines()[:_SAMPLE_LINES] if line.strip()]
    return max("\t;,", key=lambda mark: (sum(mark in line for line in lines), -"\t;,".index(mark)))


def dialect_of(path: Path) -> Dialect:
    """Return the dialect of a text table, from its beginning."""
    encoding = encoding_of(first_bytes(path, HEAD_BYTES))
    text, named = split_separator_line(decoded_head(path))
    delimiter = named or delimiter_of(text)
    decimal = "."
    if delimiter != ",":
        cells = (cell.strip() for line in text.splitlines()[:_SAMPLE_LINES] for cell in line.split(delimiter))
        decimal = "," if any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells) else "."
    return Dialect(encoding, delimiter, decimal, 1 if named else 0)
