"""Functions that DuckDB lacks or computes otherwise than Athena, in Python, for the query process.

The translator calls one by a name that `calling` gives, which says the function and the types of its arguments and
its result; `register` makes DuckDB know those that a query calls. A function takes and gives the values of
`values.py`; it is not called when an argument is NULL unless it asks for it.
"""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from local_mock.athena.sqltypes import Type, parse_type

__all__ = ["Spec", "called", "calling", "fail", "register"]

Spec = tuple[str, tuple[str, ...], str]
_MODULES = (
    "arrays", "binary", "casts", "comparison", "datetimes", "decimals", "distributions", "iso_dates", "joda_dates", "json_queries", "jsons", "maps", "mysql_dates",
    "network", "numbers", "regexps", "texts",
)  # fmt: skip
_NAMES: dict[str, Spec] = {}
_OWN_ERROR = re.compile(r"[A-Z][A-Z_]{5,}: ")
_CALL = re.compile(r"\bpy_[a-z0-9_]+_[0-9a-f]{12}\b")


def calling(function: str, arguments: tuple[Type, ...], result: Type) -> str:
    """Return the SQL name of a Python function for these types."""
    plain = (a.with_facts() if a.base == "varchar" else a for a in arguments)
    spec = (function, tuple(a.spelled for a in plain), result.spelled)
    name = f"py_{function}_{hashlib.sha1(repr(spec).encode(), usedforsecurity=False).hexdigest()[:12]}"
    _NAMES[name] = spec
    return name


def called(sql: str) -> dict[str, Spec]:
    """Return the Python functions that a compiled text calls."""
    return {name: _NAMES[name] for name in set(_CALL.findall(sql)) if name in _NAMES}


@cache
def _implementations() -> dict[str, Any]:
    implementations: dict[str, Any] = {}
    for module in _MODULES:
        implementations.update(importlib.import_module(f"{__name__}.{module}").FUNCTIONS)
    return implementations


def fail(messages: Any) -> Any:
    """Return `t_fail`: an error of Trino where SQL finds one; DuckDB's own `error` may not stand inside TRY."""
    for message in messages.to_pylist():
        if message is not None:
            raise ValueError(message)
    return messages


def register(connection: Any, functions: dict[str, Any]) -> None:
    """Make the functions of a request known to DuckDB (once each)."""
    for name, (function, arguments, result) in functions.items():
        if name not in _registered:
            _create(connection, name, function, [parse_type(a) for a in arguments], parse_type(result))
            _registered.add(name)


_registered: set[str] = set()


def _create(connection: Any, name: str, function: str, arguments: list[Type], result: Type) -> None:
    import pyarrow as pa

    from local_mock.athena.functions.values import decoder, encode_column

    made = _implementations()[function]
    call: Callable[..., Any] = made.make(arguments, result) if made.generic else made.call
    # Dates and timestamps as whole numbers: Python's own end at the year 9999.
    whole = [
        pa.int32() if a.base == "date" else pa.int64() if a.base == "timestamp" and a.precision <= 6 else None
        for a in arguments
    ]
    decoders = [
        (lambda v: v * 10**6) if w == pa.int64() else None if w else decoder(a)
        for a, w in zip(arguments, whole, strict=True)
    ]

    def compute(*columns: Any) -> Any:
        rows = []
        lists = [(c.cast(w) if w else c).to_pylist() for c, w in zip(columns, whole, strict=True)]
        for i, decode in enumerate(decoders):
            if decode is not None:
                lists[i] = [None if v is None else decode(v) for v in lists[i]]
        for values in zip(*lists, strict=True):
            rows.append(None if made.strict and None in values else call(*values))
        return encode_column(rows, result)

    def run(*columns: Any) -> Any:
        try:
            return compute(*columns)
        except RecursionError as err:
            raise ValueError(f"INVALID_FUNCTION_ARGUMENT: a value is nested too deeply for {function}") from err
        except (ArithmeticError, ValueError) as err:
            if _OWN_ERROR.match(str(err)):
                raise
            # A number beyond what Python's or Arrow's types hold: no function sees to it by itself.
            raise ValueError(f"NUMERIC_VALUE_OUT_OF_RANGE: a value is out of the range of {function}") from err

    kinds = [a.duckdb for a in arguments]
    connection.create_function(
        name, _of_arity(run, len(arguments)), kinds, result.duckdb, type="arrow", null_handling="special"
    )


def _of_arity(run: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return `run` with `count` parameters: DuckDB counts them."""
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(f"a{i}", inspect.Parameter.POSITIONAL_OR_KEYWORD) for i in range(count)]
    )
    return run
