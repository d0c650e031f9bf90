"""The built-in classifiers of a crawler for text: one JSON object a line, and delimited text.

Source: https://docs.aws.amazon.com/glue/latest/dg/add-classifier.html. The CSV classifier knows the delimiters
comma, pipe, tab, semicolon and Ctrl-A and wants two columns and two rows. The first row is a header if all its
cells are text and differ, and at least one column below is something else than text. Dates are text there.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["SAMPLE_BYTES", "TextFacts", "classify_text"]

SAMPLE_BYTES = 1 << 20  # a crawler reads the first megabyte
_DELIMITERS = (",", "|", "\t", ";", "\x01")
_NAME = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True)
class TextFacts:
    """The facts of a text file: `kind` is csv or json; `settings` are those that its table needs to be read."""

    kind: str
    columns: dict[str, str]
    rows: int
    settings: dict[str, str] = field(default_factory=dict)


def classify_text(body: bytes, *, is_whole: bool) -> TextFacts:
    """Return the classification of a file's first bytes.

    Parameters
    ----------
    is_whole : whether `body` is the whole file; a last line that is cut is left out otherwise.

    Raises
    ------
    ValueError : it is neither JSON nor delimited text, with the reason.
    """
    lines = _decoded(body).split("\n")
    if not is_whole:
        lines = lines[:-1]
    lines = [line.rstrip("\r") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise ValueError("it holds no line")
    if lines[0].lstrip()[:1] in ("{", "["):
        return _json(lines)
    return _delimited(lines)


def _decoded(body: bytes) -> str:
    if body[:2] == b"\x1f\x8b":
        stream: Any = gzip.GzipFile(fileobj=io.BytesIO(body))
    elif body[:3] == b"BZh":
        stream = bz2.BZ2File(io.BytesIO(body))
    else:
        stream = io.BytesIO(body)
    try:
        content = stream.read(SAMPLE_BYTES)
    except (OSError, EOFError) as err:
        raise ValueError(f"it cannot be decompressed: {err}") from err
    try:
        return str(content.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        if err.start >= len(content) - 3:  # the sample ends inside a character
            return str(content[: err.start].decode("utf-8-sig"))
        raise ValueError("it is neither Parquet nor UTF-8 text") from err


# --- JSON -------------------------------------------------------------------------------------------------
def _json(lines: Sequence[str]) -> TextFacts:
    kind: Any = None
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as err:
            raise ValueError(f"line {number} is no JSON object: {err} (Athena reads one object a line)") from err
        if not isinstance(record, dict):
            raise ValueError(f"line {number} is JSON, but no object (Athena reads one object a line)")  # noqa: TRY004
        kind = _common(kind, _shape(record))
    if not kind:
        raise ValueError("its JSON objects are empty")
    columns = {name.lower(): _hive(shape) for name, shape in kind.items()}
    return TextFacts("json", columns, len(lines), {"paths": ",".join(sorted(kind))})


def _shape(value: Any) -> Any:
    """Return a type: a name, a dict of fields, a list with the type of items, None for null."""
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        shape: Any = None
        for item in value:
            shape = _common(shape, _shape(item))
        return [shape]
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int" if -(2**31) <= value < 2**31 else "bigint" if -(2**63) <= value < 2**63 else "double"
    return "double" if isinstance(value, float) else "string"


def _common(left: Any, right: Any) -> Any:
    if left is None or right is None or left == right:
        return right if left is None else left
    if isinstance(left, dict) and isinstance(right, dict):
        return {key: _common(left.get(key), right.get(key)) for key in {**left, **right}}
    if isinstance(left, list) and isinstance(right, list):
        return [_common(left[0], right[0])]
    numbers = ("int", "bigint", "double")
    if left in numbers and right in numbers:
        return max(left, right, key=numbers.index)
    return "string"


def _hive(shape: Any) -> str:
    if isinstance(shape, dict):
        return (
            f"struct<{','.join(f'{key.lower()}:{_hive(item)}' for key, item in shape.items())}>"
            if shape
            else "string"
        )
    return f"array<{_hive(shape[0])}>" if isinstance(shape, list) else shape or "string"


# --- delimited text ---------------------------------------------------------------------------------------
def _delimited(lines: Sequence[str]) -> TextFacts:
    for delimiter in _DELIMITERS:
        rows = list(csv.reader(lines, delimiter=delimiter))
        width = len(rows[0])
        if width > 1 and len(rows) > 1 and all(len(row) == width for row in rows):
            break
    else:
        raise ValueError(
            "no delimiter (comma, pipe, tab, semicolon, Ctrl-A) gives two columns and two rows of one width"
        )
    types = [_column_type([row[i] for row in rows[1:]]) for i in range(width)]
    first = [_column_type([cell]) for cell in rows[0]]
    names = [cell.strip() for cell in rows[0]]
    is_header = (
        all(names)
        and all(kind == "string" for kind in first)
        and len({name.lower() for name in names}) == width
        and all(len(name) <= 150 for name in names)
        and any(kind != "string" for kind in types)
    )
    if not is_header:
        names = [f"col{i}" for i in range(width)]
        types = [_column_type([row[i] for row in rows]) for i in range(width)]
    columns = {
        _NAME.sub("_", name.lower()) if is_header else name: kind for name, kind in zip(names, types, strict=True)
    }
    if len(columns) != width:
        raise ValueError("two columns of its header have one name")
    settings = {"delimiter": delimiter}
    if any('"' in line for line in lines):
        settings["quoteChar"] = '"'
    if is_header:
        settings["skip.header.line.count"] = "1"
    return TextFacts("csv", columns, len(rows) - is_header, settings)


def _column_type(cells: Sequence[str]) -> str:
    """Return the narrowest of bigint, double, boolean and string that all cells have."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled:
        return "string"
    tests = (("bigint", _is_whole), ("double", _is_number), ("boolean", _is_boolean))
    return next((name for name, fits in tests if all(map(fits, filled))), "string")


def _is_whole(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d{1,18}", text))


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text))


def _is_boolean(text: str) -> bool:
    return text.lower() in ("true", "false")
