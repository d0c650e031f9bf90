"""JSON as Trino keeps it: canonical text (keys sorted, no blanks), its conversions and the plain functions on it.

Source: https://trino.io/docs/current/functions/json.html and Trino's JsonUtil, JsonOperators.
"""

# ruff: noqa: PLR0911, PLR0912 - one branch a kind
from __future__ import annotations

import decimal
import json
import math
import re
from collections.abc import Callable
from typing import Any

from local_mock.athena.functions.define import plain
from local_mock.athena.functions.moments import Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS", "canonical", "dump", "load", "quoted", "reader", "writer"]

_MAX_DEPTH = 1000


class Number(str):
    """A number of a JSON text, as it is written."""

    __slots__ = ()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(pairs)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=_constant, object_pairs_hook=_pairs
)


def load(text: str) -> Any:
    """Return a parsed text; numbers keep their writing. Raises ValueError."""
    try:
        return _DECODER.decode(text)
    except RecursionError as err:
        raise ValueError("JSON is nested too deeply") from err


def _number(written: str) -> str:
    """Return a number as Trino writes it back: whole ones as they are, others as a double."""
    if re.fullmatch(r"-?\d+", written):
        return "0" if written == "-0" else written
    value = float(written)
    if not math.isfinite(value):
        return written
    return java_double(value)


def java_double(value: float) -> str:
    from local_mock.athena.functions.casts import float_text

    return float_text(value, single=False)


def text_of(value: str) -> str:
    """Return a JSON string; only what must be is escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\x7f")


def dump(value: Any, *, sort: bool = True) -> str:
    """Return the canonical text of a parsed value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return _number(value)
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return java_double(value)
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        items = sorted(value.items()) if sort else value.items()
        return "{" + ",".join(f"{text_of(k)}:{dump(v, sort=sort)}" for k, v in items) + "}"
    return "[" + ",".join(dump(v, sort=sort) for v in value) + "]"


def canonical(text: str) -> str:
    """Compute `json_parse`. Raises Failure."""
    try:
        return dump(load(text))
    except ValueError as err:
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"Cannot convert value to JSON: '{text}'") from err


def quoted(text: str) -> str:
    """CAST(varchar AS json): a JSON string."""
    return text_of(text)


# --- JSON → SQL -------------------------------------------------------------------------------------------
def reader(target: Type) -> Callable[[Any], Any]:
    """CAST(json AS …)."""
    if target.base == "json":
        return lambda v: v
    convert = _reader(target)

    def read(text: str) -> Any:
        value = load(text)
        return None if value is None else convert(value)

    return read


def _bad(value: Any, target: Type) -> Failure:
    shown = value if isinstance(value, str) else dump(value)
    return Failure("INVALID_CAST_ARGUMENT", f"Cannot cast '{shown}' to {target}")


def _scalar(value: Any, target: Type) -> Any:
    from local_mock.athena.functions import casts

    if isinstance(value, dict | list):
        raise _bad(value, target)
    base = target.base
    if base in ("varchar", "char"):
        shown = (
            ("true" if value else "false")
            if isinstance(value, bool)
            else _number(value)
            if isinstance(value, Number)
            else value
        )
        if isinstance(value, Number) and not re.fullmatch(r"-?\d+", value):
            shown = casts.varchar_text(Type("double"))(float(value))
        return shown if target.length is None else shown[: target.length]
    if isinstance(value, bool):
        if base == "boolean":
            return value
        number: Any = int(value)
    elif isinstance(value, Number):
        number = int(value) if re.fullmatch(r"-?\d+", value) else float(value)
        if base == "boolean":
            if abs(number) >= 2**63 and (isinstance(number, int) or not math.isfinite(number)):
                raise _bad(value, target)
            return number != 0
        if base == "decimal" and isinstance(number, float):
            return casts.to_decimal(decimal.Decimal(str(value)), target)
    else:
        if base in ("date", "timestamp"):
            return casts.caster(Type("varchar"), target)(value)
        return casts.caster(Type("varchar"), target)(value)
    if target.is_integer:
        return casts.to_integer(number, target)
    if base == "decimal":
        return casts.to_decimal(number, target)
    if base in ("real", "double"):
        return float(number)
    raise _bad(value, target)


def _reader(target: Type) -> Callable[[Any], Any]:
    if target.base == "json":
        return dump
    if target.base == "array":
        item = _optional(target.args[0])

        def elements(value: Any) -> list[Any]:
            if not isinstance(value, list):
                raise _bad(value, target)
            return [item(x) for x in value]

        return elements
    if target.base == "map":
        key, item = _reader(target.args[0]), _optional(target.args[1])

        def entries(value: Any) -> list[tuple[Any, Any]]:
            if not isinstance(value, dict):
                raise _bad(value, target)
            from local_mock.athena.functions.casts import distinct_keys

            return distinct_keys([(key(k), item(v)) for k, v in value.items()])

        return entries
    if target.base == "row":
        names = [n.lower() for n in target.names]
        readers = [_optional(a) for a in target.args]

        def fields(value: Any) -> tuple[Any, ...]:
            if isinstance(value, list):
                if len(value) != len(readers):
                    raise _bad(value, target)
                return tuple(r(x) for r, x in zip(readers, value, strict=True))
            if not isinstance(value, dict):
                raise _bad(value, target)
            by_name = {k.lower(): v for k, v in value.items()}
            return tuple(r(by_name.get(n)) for r, n in zip(readers, names, strict=True))

        return fields
    return lambda v: _scalar(v, target)


def _optional(target: Type) -> Callable[[Any], Any]:
    convert = _reader(target)
    if target.base == "json":
        return convert
    return lambda v: None if v is None else convert(v)


# --- SQL → JSON -------------------------------------------------------------------------------------------
def writer(source: Type) -> Callable[[Any], str]:
    """CAST(… AS json)."""
    return _writer(source)


def _writer(source: Type) -> Callable[[Any], str]:
    from local_mock.athena.functions.casts import scalar_text, varchar_text

    base = source.base
    if base == "boolean":
        return lambda v: "true" if v else "false"
    if source.is_integer:
        return str
    if base in ("double", "real"):
        return lambda v: java_float(v, single=base == "real")
    if base == "decimal":
        show = scalar_text(source)
        return show
    if base in ("varchar", "char"):
        return text_of
    if base == "json":
        return lambda v: v
    if base == "array":
        item = _null_or(source.args[0])
        return lambda v: f"[{','.join(item(x) for x in v)}]"
    if base == "map":
        key, item = (
            varchar_text(source.args[0]) if source.args[0].base != "varchar" else str,
            _null_or(source.args[1]),
        )
        return lambda v: (
            "{" + ",".join(f"{text_of(k)}:{x}" for k, x in sorted((key(k), item(x)) for k, x in v)) + "}"
        )
    if base == "row":
        items = [_null_or(a) for a in source.args]
        names = source.names
        return lambda v: (
            "{" + ",".join(f"{text_of(n)}:{f(x)}" for n, f, x in zip(names, items, v, strict=True)) + "}"
        )
    show = scalar_text(source)
    return lambda v: text_of(show(v))


def java_float(value: float, *, single: bool) -> str:
    from local_mock.athena.functions.casts import float_text

    shown = float_text(value, single=single)
    return shown if math.isfinite(value) else text_of(shown)


def _null_or(kind: Type) -> Callable[[Any], str]:
    convert = _writer(kind)
    return lambda v: "null" if v is None else convert(v)


# --- paths of json_extract --------------------------------------------------------------------------------
_STEP = re.compile(r"""\.([^.\[\]\s"]+)|\.?\["((?:[^"\\]|\\.)*)"\]|\.?\['([^']*)'\]|\[(-?\d+)\]|\[([^\]"']+)\]""")


def steps(path: str) -> list[str | int]:
    """Return the steps of a path `$.a[0]["b c"]`. Raises Failure for what json_extract does not take."""
    if not path.startswith("$"):
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON path: '{path}'")
    position, parsed = 1, list[str | int]()
    while position < len(path):
        match = _STEP.match(path, position)
        if (
            match is None
            or (match.group(1) and (match.group(1) == "*" or "(" in match.group(1)))
            or match.group(5) == "*"
        ):
            if "*" in path or ".." in path or "?" in path:
                raise Failure("NOT_SUPPORTED", f"the JSON path {path} is not supported by local_mock")
            raise Failure("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON path: '{path}'")
        if match.group(4) is not None:
            parsed.append(int(match.group(4)))
        else:
            key = next(g for g in match.group(1, 2, 3, 5) if g is not None)
            parsed.append(re.sub(r"\\(.)", r"\1", key) if match.group(2) is not None else key)
        position = match.end()
    return parsed


def _walk(value: Any, path: str) -> tuple[bool, Any]:
    for step in steps(path):
        if isinstance(value, list):
            if isinstance(step, str):
                if not step.isdigit():
                    return False, None
                step = int(step)  # noqa: PLW2901
            if not -len(value) <= step < len(value) or step < 0:
                return False, None
            value = value[step]
        elif isinstance(value, dict):
            key = str(step)
            if key not in value:
                return False, None
            value = value[key]
        else:
            return False, None
    return True, value


def _parsed(text: str) -> tuple[bool, Any]:
    try:
        return True, load(text)
    except ValueError:
        return False, None


def extract(text: str, path: str) -> str | None:
    steps(path)
    ok, value = _parsed(text)
    ok, value = _walk(value, path) if ok else (False, None)
    return dump(value) if ok else None


def extract_scalar(text: str, path: str) -> str | None:
    steps(path)
    ok, value = _parsed(text)
    ok, value = _walk(value, path) if ok else (False, None)
    if not ok or value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def size(text: str, path: str) -> int | None:
    steps(path)
    ok, value = _parsed(text)
    ok, value = _walk(value, path) if ok else (False, None)
    return (len(value) if isinstance(value, dict | list) else 0) if ok else None


def array_length(text: str) -> int | None:
    ok, value = _parsed(text)
    return len(value) if ok and isinstance(value, list) else None


def array_get(text: str, index: int) -> str | None:
    ok, value = _parsed(text)
    if not ok or not isinstance(value, list) or not -len(value) <= index < len(value):
        return None
    item = value[index]
    if item is None:
        return None
    return str(item) if isinstance(item, str) else dump(item, sort=False)


def array_contains(text: str, wanted: Any) -> bool | None:
    ok, value = _parsed(text)
    if not ok or not isinstance(value, list):
        return None
    for item in value:
        if isinstance(wanted, bool):
            if isinstance(item, bool) and item == wanted:
                return True
        elif isinstance(wanted, int):
            if isinstance(item, Number) and re.fullmatch(r"-?\d+", item) and int(item) == wanted:
                return True
        elif isinstance(wanted, float):
            if isinstance(item, Number) and not re.fullmatch(r"-?\d+", item) and float(item) == wanted:
                return True
        elif isinstance(item, str) and not isinstance(item, Number) and item == wanted:
            return True
    return False


def is_scalar(text: str) -> bool:
    ok, value = _parsed(text)
    if not ok:
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON value: {text}")
    return not isinstance(value, dict | list)


FUNCTIONS = {
    "json_parse": plain(canonical), "json_extract": plain(extract), "json_extract_scalar": plain(extract_scalar),
    "json_size": plain(size), "json_array_length": plain(array_length), "json_array_get": plain(array_get),
    "json_array_contains": plain(array_contains), "is_json_scalar": plain(is_scalar),
}  # fmt: skip
