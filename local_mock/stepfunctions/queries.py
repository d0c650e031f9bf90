"""JSONata in state machines: expressions ``{% … %}``, evaluated by `jsonata-python`.

`problem` says what is wrong with an expression; `evaluate` computes it from ``$states`` and the variables. The
functions that Step Functions adds are here, and those that it takes away are not.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["OPEN", "ExpressionError", "evaluate", "is_expression", "problem", "source"]

OPEN, _CLOSE = "{%", "%}"
_HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


class ExpressionError(ValueError):
    """An expression cannot be evaluated: `States.QueryEvaluationError`."""


def is_expression(value: Any) -> bool:
    """Return whether a value of a definition is an expression in its delimiters."""
    return isinstance(value, str) and value.startswith(OPEN) and value.endswith(_CLOSE) and len(value) >= 4


def source(value: str) -> str:
    """Return what stands between the delimiters."""
    return value.removeprefix(OPEN).removesuffix(_CLOSE).strip()


def problem(expression: str) -> str | None:
    """Return what is wrong with the syntax of an expression, None if nothing is."""
    import jsonata

    try:
        jsonata.Jsonata(expression)
    except Exception as err:  # its errors have no class of their own
        return str(err)
    return None


def evaluate(expression: str, states: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    """Return the value as JSON.

    Raises
    ------
    ExpressionError : an error of the expression, nothing as its result, or a function.
    """
    try:
        parsed = _parse(expression)
        for name, function in _FUNCTIONS.items():
            parsed.register_lambda(name, function)
        bindings = {"states": dict(states), **variables}
        answer = parsed.evaluate(None, {name: _with_nulls(value) for name, value in bindings.items()})
    except Exception as err:
        raise ExpressionError(str(err)) from err
    if "value" not in answer:
        raise ExpressionError(f"The JSONata expression '{expression}' returned nothing (undefined).")
    return _plain(answer["value"], expression)


def _parse(expression: str) -> Any:
    import jsonata

    # In an object, null and nothing (which is left out) can be told apart.
    return jsonata.Jsonata(f'{{"value": ({expression}\n)}}')


def _with_nulls(value: Any) -> Any:
    """Return a JSON value as the library takes it: null is an object of its own, whole numbers are int."""
    from jsonata.utils import Utils

    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _with_nulls(item) for key, item in value.items()}
    return [_with_nulls(item) for item in value] if isinstance(value, list) else value


def _plain(value: Any, expression: str) -> Any:
    """Return a value in Python's own types. Raises ExpressionError for what is no JSON."""
    if isinstance(value, list):
        return [_plain(item, expression) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item, expression) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ExpressionError(f"The JSONata expression '{expression}' returned an unsupported result type.")


# --- functions of Step Functions --------------------------------------------------------------------------
def _partition(items: list[Any], size: float) -> list[list[Any]]:
    width = int(size)
    if width <= 0:
        raise ValueError("$partition needs a size above 0")
    return [items[i : i + width] for i in range(0, len(items), width)]


def _range(start: float, end: float, step: float) -> list[Any]:
    if not step:
        raise ValueError("$range needs a step other than 0")
    values, value = [], start
    while (value <= end) if step > 0 else (value >= end):
        values.append(value)
        value += step
        if len(values) > 1000:
            raise ValueError("$range makes at most 1000 items")
    return values


def _hash(text: str, algorithm: str) -> str:
    if algorithm not in _HASHES:
        raise ValueError(f"$hash knows {', '.join(_HASHES)}, not {algorithm}")
    return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _random(seed: float | None = None) -> float:
    return random.Random(seed).random()  # noqa: S311 - no secret


def _parse_json(text: str) -> Any:
    return _with_nulls(json.loads(text))


def _eval(*_: Any) -> Any:
    raise ValueError("$eval is not supported by Step Functions; $parse reads JSON")


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "partition": _partition, "range": _range, "hash": _hash, "random": _random, "parse": _parse_json,
    "eval": _eval, "uuid": lambda: str(uuid.uuid4()),
}  # fmt: skip
