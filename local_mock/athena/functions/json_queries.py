"""SQL's JSON functions: json_exists, json_value, json_query, json_object, json_array.

The first argument says, as JSON, what the clauses of the call are (`translate/functions/json_calls.py` writes it).
Source: https://trino.io/docs/current/functions/json.html.
"""

from __future__ import annotations

import decimal
import json
import math
import re
from collections.abc import Callable
from typing import Any

from local_mock.athena.functions import jsons
from local_mock.athena.functions.define import generic
from local_mock.athena.functions.json_path_values import PathError, evaluate
from local_mock.athena.functions.moments import Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS"]

_VARCHAR = Type("varchar")


class _NoInputError(ValueError):
    """An input text is no JSON."""


def _native(value: Any) -> Any:
    """Return a parsed JSON value with its numbers as numbers."""
    if isinstance(value, jsons.Number):
        return int(value) if re.fullmatch(r"-?\d+", value) else float(value)
    if isinstance(value, dict):
        return {key: _native(item) for key, item in value.items()}
    return [_native(item) for item in value] if isinstance(value, list) else value


def _parsed(text: str) -> Any:
    try:
        return _native(jsons.load(text))
    except ValueError as err:
        raise _NoInputError(f"conversion to JSON failed: {text}") from err


def _scalar(kind: Type) -> Callable[[Any], Any]:
    """Return a SQL value as an item: numbers, booleans and texts as they are, others as their text."""
    from local_mock.athena.functions.casts import varchar_text

    if kind.is_numeric or kind.base in ("boolean", "varchar", "unknown"):
        return lambda v: v
    show = varchar_text(kind)
    return lambda v: None if v is None else show(v)


def _text(value: Any) -> str:
    """Return an item as JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        raise PathError("a number that is not finite is no JSON")
    if isinstance(value, dict):
        return "{" + ",".join(f"{jsons.text_of(k)}:{_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return jsons.dump(value)


def _sequence(clauses: dict[str, Any], kinds: list[Type], source: str, given: tuple[Any, ...]) -> list[Any]:
    """Return what the path of a call finds. Raises PathError and _NoInputError."""
    bound: dict[str, list[Any]] = {}
    root = _parsed(source)
    for (name, is_json), kind, value in zip(clauses["passing"], kinds, given, strict=False):
        if is_json:
            bound[name] = [] if value is None else [_parsed(value)]
        else:
            bound[name] = [_scalar(kind)(value)]
    return evaluate(clauses["path"], root, bound)


def _called(options: str, cache: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if options not in cache:
        cache[options] = json.loads(options)
    return cache[options]


def _exists(arguments: list[Type], _result: Type) -> Callable[..., bool | None]:
    cache: dict[str, dict[str, Any]] = {}

    def exists(options: str, source: str | None, *given: Any) -> bool | None:
        clauses = _called(options, cache)
        if source is None:
            return None
        try:
            return bool(_sequence(clauses, arguments[2:], source, given))
        except (PathError, _NoInputError) as err:
            if clauses["error"] == "ERROR":
                raise Failure("PATH_EVALUATION_ERROR", f"path evaluation failed: {err}") from err
            return {"TRUE": True, "FALSE": False, "UNKNOWN": None}[clauses["error"]]

    return exists


def _handled(clauses: dict[str, Any], what: str, message: str, defaults: dict[str, Any]) -> Any:
    """Return what ON EMPTY or ON ERROR (`what`) says."""
    behaviour = clauses[what]
    if behaviour == "ERROR":
        raise Failure("PATH_EVALUATION_ERROR", message)
    return {"NULL": None, "EMPTY ARRAY": "[]", "EMPTY OBJECT": "{}", "DEFAULT": defaults.get(what)}[behaviour]


def _decimal_type(value: decimal.Decimal) -> Type:
    return Type("decimal", numbers=(38, max(0, -int(value.as_tuple().exponent))))


def _value(arguments: list[Type], result: Type) -> Callable[..., Any]:
    from local_mock.athena.functions.casts import caster
    from local_mock.athena.translate.casts import castable

    cache: dict[str, dict[str, Any]] = {}
    kinds = {bool: "boolean", int: "bigint", float: "double", str: "varchar"}

    def converted(item: Any) -> Any:
        kind = Type(kinds[type(item)]) if not isinstance(item, decimal.Decimal) else _decimal_type(item)
        if not castable(kind, result):
            raise PathError(f"cannot cast {kind} to {result}")
        return item if kind == result else caster(kind, result)(item)

    def value(options: str, source: str | None, *given: Any) -> Any:
        clauses = _called(options, cache)
        count = len(clauses["passing"])
        defaults = dict(zip(("empty", "error"), given[count:], strict=True))
        if source is None:
            return None
        try:
            items = _sequence(clauses, arguments[2:], source, given)
            if not items:
                return _handled(clauses, "empty", "JSON path found no items", defaults)
            if len(items) > 1 or isinstance(items[0], list | dict):
                raise PathError("JSON path found several items, or an array or object")
            return None if items[0] is None else converted(items[0])
        except (PathError, _NoInputError) as err:
            return _handled(clauses, "error", str(err), defaults)
        except Failure as err:
            if err.code == "PATH_EVALUATION_ERROR":
                raise
            return _handled(clauses, "error", str(err), defaults)

    return value


def _query(arguments: list[Type], _result: Type) -> Callable[..., str | None]:
    cache: dict[str, dict[str, Any]] = {}

    def query(options: str, source: str | None, *given: Any) -> str | None:
        clauses = _called(options, cache)
        if source is None:
            return None
        try:
            items = _sequence(clauses, arguments[2:], source, given)
            if not items:
                return _handled(clauses, "empty", "JSON path found no items", {})  # type: ignore[no-any-return]
            wrapper = clauses["wrapper"]
            if wrapper == "UNCONDITIONAL" or (
                wrapper == "CONDITIONAL" and not (len(items) == 1 and isinstance(items[0], list | dict))
            ):
                return _text(items)
            if len(items) > 1:
                raise PathError("JSON path found multiple items")
            if clauses["omit_quotes"] and isinstance(items[0], str):
                return items[0]
            return _text(items[0])
        except (PathError, _NoInputError) as err:
            return _handled(clauses, "error", str(err), {})  # type: ignore[no-any-return]

    return query


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise Failure("INVALID_FUNCTION_ARGUMENT", f"duplicate key passed to JSON_OBJECT function: {key}")
    return dict(pairs)


def _item_text(kind: Type, is_json: bool, value: Any, *, unique: bool = False) -> str:
    if is_json:
        try:
            parsed = _parsed(value)
            if unique:
                json.loads(value, object_pairs_hook=_unique)
            return _text(parsed)
        except _NoInputError as err:
            raise Failure("JSON_INPUT_CONVERSION_ERROR", str(err)) from err
    return _text(_scalar(kind)(value))


def _array(arguments: list[Type], _result: Type) -> Callable[..., str]:
    cache: dict[str, dict[str, Any]] = {}

    def array(options: str, *values: Any) -> str:
        clauses = _called(options, cache)
        out = []
        for kind, is_json, value in zip(arguments[1:], clauses["json"], values, strict=True):
            if value is not None:
                out.append(_item_text(kind, is_json, value))
            elif clauses["nulls"]:
                out.append("null")
        return f"[{','.join(out)}]"

    return array


def _object(arguments: list[Type], _result: Type) -> Callable[..., str]:
    cache: dict[str, dict[str, Any]] = {}

    def make(options: str, *given: Any) -> str:
        clauses = _called(options, cache)
        out: list[tuple[str, str]] = []
        for i, is_json in enumerate(clauses["json"]):
            key, value = given[2 * i : 2 * i + 2]
            if key is None:
                raise Failure(
                    "INVALID_FUNCTION_ARGUMENT", "null value passed for JSON object key to JSON_OBJECT function"
                )
            if value is None and not clauses["nulls"]:
                continue
            text = (
                "null"
                if value is None
                else _item_text(arguments[2 + 2 * i], is_json, value, unique=clauses["unique"])
            )
            if clauses["unique"] and any(k == key for k, _ in out):
                raise Failure("INVALID_FUNCTION_ARGUMENT", f"duplicate key passed to JSON_OBJECT function: {key}")
            out = [pair for pair in out if pair[0] != key] + [(key, text)]
        return "{" + ",".join(f"{jsons.text_of(k)}:{v}" for k, v in out) + "}"

    return make


FUNCTIONS = {
    "sql_json_exists": generic(_exists, nulls=True), "sql_json_value": generic(_value, nulls=True),
    "sql_json_query": generic(_query, nulls=True), "sql_json_array": generic(_array, nulls=True),
    "sql_json_object": generic(_object, nulls=True),
}  # fmt: skip
