"""Array functions with Trino's rules for NULL and NaN; those of maps are in `maps`.

Source: https://trino.io/docs/current/functions/array.html.
"""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

from local_mock.athena.functions.comparison import distinct_key, equality, ordering
from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.moments import DAY, Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS", "bad", "item"]

SEQUENCE_LIMIT = 10_000  # https://trino.io/docs/current/functions/array.html#sequence


def bad(message: str) -> Failure:
    return Failure("INVALID_FUNCTION_ARGUMENT", message)


def item(arguments: list[Type]) -> Type:
    return arguments[0].args[0]


def _contains(arguments: list[Type], _result: Type, *, strict: bool = True) -> Callable[..., bool | None]:
    """Return the function contains (`strict`: it refuses a NULL inside a value), and IN."""
    equal = equality(item(arguments))

    def contains(values: list[Any], wanted: Any) -> bool | None:
        unknown = False
        for value in values:
            same = None if value is None else equal(value, wanted)
            if strict and same is None and value is not None:
                raise Failure(
                    "NOT_SUPPORTED", "contains does not support arrays with elements that are null or contain null"
                )
            if same:
                return True
            unknown = unknown or same is None
        return None if unknown else False

    return contains


def _position(arguments: list[Type], _result: Type) -> Callable[..., int]:
    equal = equality(item(arguments))

    def position(values: list[Any], wanted: Any, instance: int = 1) -> int:
        if instance == 0:
            raise bad("array_position cannot take a 0-valued instance argument.")
        order = range(len(values)) if instance > 0 else range(len(values) - 1, -1, -1)
        left = abs(instance)
        for i in order:
            same = None if values[i] is None else equal(values[i], wanted)
            if same is None and values[i] is not None:
                raise Failure(
                    "NOT_SUPPORTED",
                    "array_position does not support arrays with elements that are null or contain null",
                )
            if same:
                left -= 1
                if not left:
                    return i + 1
        return 0

    return position


def _distinct(arguments: list[Type], _result: Type) -> Callable[[list[Any]], list[Any]]:
    key = distinct_key(item(arguments))
    return lambda values: _unique(values, key)


def _unique(values: list[Any], key: Callable[[Any], Any]) -> list[Any]:
    seen, out = set(), []
    for value in values:
        k = key(value)
        if k not in seen:
            seen.add(k)
            out.append(value)
    return out


def _sorted(arguments: list[Type], _result: Type) -> Callable[[list[Any]], list[Any]]:
    compare = functools.cmp_to_key(ordering(item(arguments)))

    def arrange(values: list[Any]) -> list[Any]:
        return sorted((v for v in values if v is not None), key=compare) + [None for v in values if v is None]

    return arrange


def _sorted_by(values: list[Any], table: list[list[int | None]]) -> list[Any]:
    """Return a table whose entry [i][j] is the result of comparing value i with value j."""

    def compare(i: int, j: int) -> int:
        result = table[i][j]
        if result not in (-1, 0, 1):
            raise bad("Lambda comparator must return either -1, 0, or 1")
        return result

    return [values[i] for i in sorted(range(len(values)), key=functools.cmp_to_key(compare))]


def _extreme(sign: int) -> Callable[..., Callable[..., Any]]:
    def make(arguments: list[Type], _result: Type) -> Callable[[list[Any]], Any]:
        compare = ordering(item(arguments), nan_first=sign > 0)

        def pick(values: list[Any]) -> Any:
            if not values or any(v is None for v in values):
                return None
            best = values[0]
            for value in values[1:]:
                if compare(value, best) * sign > 0:
                    best = value
            return best

        return pick

    return make


def _remove(arguments: list[Type], _result: Type) -> Callable[..., list[Any]]:
    equal = equality(item(arguments))

    def remove(values: list[Any], gone: Any) -> list[Any]:
        kept = []
        for value in values:
            same = None if value is None else equal(value, gone)
            if same is None and value is not None:
                raise Failure(
                    "NOT_SUPPORTED",
                    "array_remove does not support arrays with elements that are null or contain null",
                )
            if not same:
                kept.append(value)
        return kept

    return remove


def _intersect(arguments: list[Type], _result: Type) -> Callable[..., list[Any]]:
    key = distinct_key(item(arguments))

    def intersect(a: list[Any], b: list[Any]) -> list[Any]:
        if len(a) < len(b):
            a, b = b, a
        kept = {key(v) for v in b}
        return _unique([v for v in a if key(v) in kept], key)

    return intersect


def _union(arguments: list[Type], _result: Type) -> Callable[..., list[Any]]:
    key = distinct_key(item(arguments))
    return lambda a, b: _unique([*a, *b], key)


def _except(arguments: list[Type], _result: Type) -> Callable[..., list[Any]]:
    key = distinct_key(item(arguments))

    def without(a: list[Any], b: list[Any]) -> list[Any]:
        gone = {key(v) for v in b}
        return _unique([v for v in a if key(v) not in gone], key)

    return without


def _overlap(arguments: list[Type], _result: Type) -> Callable[..., bool | None]:
    key = distinct_key(item(arguments))

    def overlap(a: list[Any], b: list[Any]) -> bool | None:
        present = {key(v) for v in a if v is not None}
        if any(v is not None and key(v) in present for v in b):
            return True
        if not a or not b:
            return False
        return None if any(v is None for v in (*a, *b)) else False

    return overlap


def _slice(values: list[Any], start: int, length: int) -> list[Any]:
    if start == 0:
        raise bad("SQL array indices start at 1")
    if length < 0:
        raise bad("length must be greater than or equal to 0")
    begin = start - 1 if start > 0 else len(values) + start
    return values[begin : begin + length] if 0 <= begin < len(values) else []


def _trim(values: list[Any], count: int) -> list[Any]:
    if count < 0:
        raise bad(f"size must not be negative: {count}")
    if count > len(values):
        raise bad(f"size must not exceed array cardinality {len(values)}: {count}")
    return values[: len(values) - count]


def _repeat(value: Any, count: int) -> list[Any] | None:
    if count is None:
        return None
    if count > SEQUENCE_LIMIT:
        raise bad(f"count argument of repeat function must be less than or equal to {SEQUENCE_LIMIT}")
    if count < 0:
        raise bad("count argument of repeat function must be greater than or equal to 0")
    size = 8 * len(value) if isinstance(value, list) else len(str(value))
    if size * count > 1_000_000:
        raise bad("result of repeat function must not take more than 1000000 bytes")
    return [value] * count


def _checked(count: int) -> None:
    if count > SEQUENCE_LIMIT:
        raise bad(f"result of sequence function must not have more than {SEQUENCE_LIMIT} entries")


_DIRECTION = (
    "sequence stop value should be greater than or equal to start value if step is greater than zero "
    "otherwise stop should be less than or equal to start"
)


def _sequence(start: int, stop: int, step: int | None = None) -> list[int]:
    if step is None:
        step = 1 if stop >= start else -1
    if step == 0:
        raise bad("step must not be zero")
    if (stop - start) * step < 0:
        raise bad(_DIRECTION)
    _checked(abs(stop - start) // abs(step) + 1)
    return list(range(start, stop + (1 if step > 0 else -1), step))


def _moments(arguments: list[Type], _result: Type) -> Callable[..., list[int]]:
    """Return the function `sequence` of dates or timestamps by an interval (a day unless given)."""
    from local_mock.athena.functions.datetimes import add_months

    kind = arguments[0]
    unit = DAY if kind.base == "date" else 1
    months = len(arguments) == 3 and arguments[2].base == "interval year to month"

    def moments(start: int, stop: int, step: int | None = None) -> list[int]:
        if step is None:
            step = 86_400_000 if stop >= start else -86_400_000
        if step == 0:
            raise bad("interval must not be zero")
        if (stop - start) * step < 0:
            raise bad(_DIRECTION)
        if not months:
            picos = step * 10**9
            if kind.base == "date" and picos % DAY:
                raise bad("sequence step must be a day interval if start and end values are dates")
            width = picos // unit
            _checked(abs(stop - start) // abs(width) + 1)
            return list(range(start, stop + (1 if step > 0 else -1), width))
        out: list[int] = []
        while True:
            count = len(out) * step
            if kind.base == "date":
                value = add_months(start, count)
            else:
                value = add_months(start // DAY, count) * DAY + start % DAY
            if (value > stop) if step > 0 else (value < stop):
                return out
            out.append(value)
            _checked(len(out))

    return moments


def _join(arguments: list[Type], _result: Type) -> Callable[..., str]:
    from local_mock.athena.functions.casts import caster, varchar_text

    kind = item(arguments)
    if kind.args or kind.base == "varbinary":
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"Input type {kind} not supported")
    show = (
        caster(kind, Type("varchar"))
        if kind.base == "json"
        else (lambda v: v)
        if kind.base == "varchar"
        else varchar_text(kind)
    )

    def join(values: list[Any], separator: str, missing: str | None = None) -> str:
        shown = (None if v is None else show(v) for v in values)
        return separator.join(missing if v is None else v for v in shown if v is not None or missing is not None)  # type: ignore[misc]

    return join


def _ngrams(values: list[Any], size: int) -> list[list[Any]]:
    if size <= 0:
        raise bad("N must be positive")
    if len(values) <= size:
        return [values]
    return [values[i : i + size] for i in range(len(values) - size + 1)]


def _combinations(values: list[Any], size: int) -> list[list[Any]]:
    import itertools
    import math

    if size < 0:
        raise bad(f"combination size must not be negative: {size}")
    if size > 5:
        raise bad(f"combination size must not exceed 5: {size}")
    if math.comb(len(values), size) > 100_000:
        raise bad("combinations exceed max size")
    combinations = [list(c) for c in itertools.combinations(range(len(values)), size)]
    combinations.sort(key=lambda c: c[::-1])
    return [[values[i] for i in c] for c in combinations]


def _contains_sequence(arguments: list[Type], _result: Type) -> Callable[..., bool]:
    key = distinct_key(item(arguments))

    def contains(values: list[Any], part: list[Any]) -> bool:
        a, b = [key(v) for v in values], [key(v) for v in part]
        return any(a[i : i + len(b)] == b for i in range(len(a) - len(b) + 1))

    return contains


def _zip(*arrays: list[Any]) -> list[tuple[Any, ...]]:
    longest = max(map(len, arrays))
    return [tuple(a[i] if i < len(a) else None for a in arrays) for i in range(longest)]


def _element(values: list[Any], index: int) -> Any:
    if index == 0:
        raise bad("SQL array indices start at 1")
    return values[index - 1 if index > 0 else index] if abs(index) <= len(values) else None


def _flatten(values: list[list[Any] | None]) -> list[Any]:
    return [v for inner in values if inner is not None for v in inner]


def _concat_arrays(*arrays: list[Any]) -> list[Any]:
    return [v for a in arrays for v in a]


def _any_value(values: list[Any]) -> bool | None:
    if any(v for v in values):
        return True
    return None if any(v is None for v in values) else False


def _all_value(values: list[Any]) -> bool | None:
    if any(v is False for v in values):
        return False
    return None if any(v is None for v in values) else True


FUNCTIONS = {
    "contains": generic(_contains), "member": generic(lambda a, r: _contains(a, r, strict=False)), "array_position": generic(_position), "array_distinct": generic(_distinct),
    "array_sort": generic(_sorted), "array_max": generic(_extreme(1)), "array_min": generic(_extreme(-1)),
    "array_sort_by": plain(_sorted_by), "array_remove": generic(_remove), "array_intersect": generic(_intersect), "array_union": generic(_union),
    "array_except": generic(_except), "arrays_overlap": generic(_overlap), "slice": plain(_slice), "trim_array": plain(_trim),
    "repeat": plain(_repeat, nulls=True), "sequence": plain(_sequence), "moments": generic(_moments), "array_join": generic(_join),
    "ngrams": plain(_ngrams), "combinations": plain(_combinations), "contains_sequence": generic(_contains_sequence),
    "zip": plain(_zip), "element_at": plain(_element), "flatten": plain(_flatten), "concat_arrays": plain(_concat_arrays),
    "any_value": plain(_any_value), "all_value": plain(_all_value), "reverse_list": plain(lambda v: v[::-1]),
    "shuffle": plain(lambda v: random.sample(v, len(v))),
}  # fmt: skip
