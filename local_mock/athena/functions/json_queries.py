"""SQL's JSON functions: json_exists, json_value, json_query, json_object, json_array.

The first argument of each holds the clauses of the call as JSON (`translate/functions/json_calls.py` writes it).
Source: https://trino.io/docs/current/functions/json.html.
"""

from __future__ import annotations

import decimal
import json
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from local_mock.athena.functions import jsons
from local_mock.athena.functions.casts import caster, varchar_text
from local_mock.athena.functions.define import generic
from local_mock.athena.functions.json_path_values import PathError, evaluate
from local_mock.athena.functions.moments import Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS"]


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
    """Return a function that makes a SQL value an item: numbers, booleans and texts stay, others become texts."""
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


@lru_cache(maxsize=512)
def _read(clauses: str) -> dict[str, Any]:
    """Return the clauses of a call, read once; not to be changed."""
    return dict(json.loads(clauses))


# --- json_exists, json_value, json_query ------------------------------------------------------------------
def _over_path(kinds: list[Type], answer: Callable[[list[Any], dict[str, Any]], Any]) -> Callable[..., Any]:
    """Return a function that gives `answer` of the items which a path finds, or what ON EMPTY and ON ERROR say.

    `kinds` are the types of its values: those of PASSING, then the defaults of ON EMPTY and ON ERROR, if any.
    `answer` takes at least one item and the clauses. It may raise PathError, which is for ON ERROR.
    """
    items_of = [_scalar(kind) for kind in kinds]

    def called(options: str, source: str | None, *given: Any) -> Any:
        if source is None:
            return None
        clauses = _read(options)
        passing = clauses["passing"]
        defaults = dict(zip(("empty", "error"), given[len(passing) :], strict=False))
        try:
            root, bound = _parsed(source), dict[str, list[Any]]()
            for (name, is_json), item_of, value in zip(passing, items_of, given, strict=False):
                if is_json:
                    bound[name] = [] if value is None else [_parsed(value)]
                else:
                    bound[name] = [item_of(value)]
            items = evaluate(clauses["path"], root, bound)
            if not items:
                return _handled(clauses, "empty", "JSON path found no items", defaults)
            return answer(items, clauses)
        except (PathError, _NoInputError) as err:
            return _handled(clauses, "error", f"path evaluation failed: {err}", defaults)

    return called


def _handled(clauses: dict[str, Any], event: str, message: str, defaults: dict[str, Any]) -> Any:
    """Return what the call gives on an event, `empty` or `error`."""
    behaviour = clauses[event]
    if behaviour == "ERROR":
        raise Failure("PATH_EVALUATION_ERROR", message)
    if behaviour == "DEFAULT":
        return defaults[event]
    return {
        "NULL": None,
        "UNKNOWN": None,
        "TRUE": True,
        "FALSE": False,
        "EMPTY ARRAY": "[]",
        "EMPTY OBJECT": "{}",
    }[behaviour]


def _exists(arguments: list[Type], _result: Type) -> Callable[..., bool | None]:
    return _over_path(arguments[2:], lambda _items, _clauses: True)


def _decimal_type(value: decimal.Decimal) -> Type:
    return Type("decimal", numbers=(38, max(0, -int(value.as_tuple().exponent))))


def _value(arguments: list[Type], result: Type) -> Callable[..., Any]:
    from local_mock.athena.translate.casts import castable

    kinds = {bool: "boolean", int: "bigint", float: "double", str: "varchar"}

    def value(items: list[Any], _clauses: dict[str, Any]) -> Any:
        if len(items) > 1 or isinstance(items[0], list | dict):
            raise PathError("JSON path found several items, or an array or object")
        (item,) = items
        if item is None:
            return None
        kind = _decimal_type(item) if isinstance(item, decimal.Decimal) else Type(kinds[type(item)])
        if not castable(kind, result):
            raise PathError(f"cannot cast {kind} to {result}")
        try:
            return item if kind == result else caster(kind, result)(item)
        except Failure as err:
            raise PathError(str(err)) from err

    return _over_path(arguments[2:], value)


def _query(arguments: list[Type], _result: Type) -> Callable[..., str | None]:
    def query(items: list[Any], clauses: dict[str, Any]) -> str:
        is_one_nested = len(items) == 1 and isinstance(items[0], list | dict)
        if clauses["wrapper"] == "UNCONDITIONAL" or (clauses["wrapper"] == "CONDITIONAL" and not is_one_nested):
            return _text(items)
        if len(items) > 1:
            raise PathError("JSON path found multiple items")
        if clauses["omit_quotes"] and isinstance(items[0], str):
            return items[0]
        return _text(items[0])

    return _over_path(arguments[2:], query)


# --- json_array, json_object ------------------------------------------------------------------------------
def _duplicate(key: str) -> Failure:
    return Failure("INVALID_FUNCTION_ARGUMENT", f"duplicate key passed to JSON_OBJECT function: {key}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise _duplicate(key)
        members[key] = value
    return members


def _json_of(value: Any, item_of: Callable[[Any], Any], *, is_json: bool, unique: bool = False) -> str:
    """Return a value of json_array or json_object as JSON; `unique`: no object in it may have a key twice."""
    if value is None:
        return "null"
    if not is_json:
        return _text(item_of(value))
    try:
        parsed = _parsed(value)
    except _NoInputError as err:
        raise Failure("JSON_INPUT_CONVERSION_ERROR", str(err)) from err
    if unique:
        json.loads(value, object_pairs_hook=_unique)
    return _text(parsed)


def _array(arguments: list[Type], _result: Type) -> Callable[..., str]:
    items_of = [_scalar(kind) for kind in arguments[1:]]

    def array(options: str, *values: Any) -> str:
        clauses = _read(options)
        triples = zip(values, items_of, clauses["json"], strict=True)
        shown = (
            _json_of(value, item_of, is_json=is_json)
            for value, item_of, is_json in triples
            if value is not None or clauses["nulls"]
        )
        return f"[{','.join(shown)}]"

    return array


def _object(arguments: list[Type], _result: Type) -> Callable[..., str]:
    items_of = [_scalar(kind) for kind in arguments[2::2]]

    def make(options: str, *given: Any) -> str:
        clauses = _read(options)
        members: dict[str, str] = {}
        for key, value, item_of, is_json in zip(given[::2], given[1::2], items_of, clauses["json"], strict=True):
            if key is None:
                raise Failure(
                    "INVALID_FUNCTION_ARGUMENT", "null value passed for JSON object key to JSON_OBJECT function"
                )
            if value is None and not clauses["nulls"]:
                continue
            shown = _json_of(value, item_of, is_json=is_json, unique=clauses["unique"])
            if members.pop(key, None) is not None and clauses["unique"]:
                raise _duplicate(key)
            members[key] = shown  # the last of equal keys, in its own place
        return "{" + ",".join(f"{jsons.text_of(key)}:{shown}" for key, shown in members.items()) + "}"

    return make


FUNCTIONS = {
    "sql_json_exists": generic(_exists, nulls=True), "sql_json_value": generic(_value, nulls=True),
    "sql_json_query": generic(_query, nulls=True), "sql_json_array": generic(_array, nulls=True),
    "sql_json_object": generic(_object, nulls=True),
}  # fmt: skip
