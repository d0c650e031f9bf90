"""Map functions with Trino's rules for NULL, NaN and duplicate keys, and aggregates over pairs of values.

Source: https://trino.io/docs/current/functions/map.html.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from local_mock.athena.functions.arrays import bad, item
from local_mock.athena.functions.comparison import distinct_key, ordering
from local_mock.athena.functions.define import generic
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS"]

Pairs = list[tuple[Any, Any]]


def _unique_pairs(pairs: Pairs, key: Callable[[Any], Any], show: Callable[[Any], Any]) -> Pairs:
    seen: set[Any] = set()
    for k, _ in pairs:
        if k is None:
            raise bad("map key cannot be null")
        if key(k) in seen:
            raise bad(f"Duplicate map keys ({show(k)}) are not allowed")
        seen.add(key(k))
    return pairs


def _has_null(value: Any) -> bool:
    return value is None or (isinstance(value, list | tuple) and any(map(_has_null, value)))


def _map(arguments: list[Type], result: Type) -> Callable[..., Pairs]:
    from local_mock.athena.functions.casts import shower

    key, show = distinct_key(result.args[0]), shower(result.args[0])
    nested = bool(result.args[0].args)
    del arguments

    def make(keys: list[Any], values: list[Any]) -> Pairs:
        if len(keys) != len(values):
            raise bad("Key and value arrays must be the same length")
        if nested and any(_has_null(k) and k is not None for k in keys):
            raise bad(
                "map key cannot be indeterminate: "
                + str(next(show(k) for k in keys if k is not None and _has_null(k)))
            )
        return _unique_pairs(list(zip(keys, values, strict=True)), key, show)

    return make


def _from_entries(arguments: list[Type], result: Type) -> Callable[..., Pairs]:
    from local_mock.athena.functions.casts import shower

    key, show = distinct_key(result.args[0]), shower(result.args[0])
    del arguments

    def make(entries: list[Any]) -> Pairs:
        if any(e is None for e in entries):
            raise bad("map entry cannot be null")
        return _unique_pairs([(e[0], e[1]) for e in entries], key, show)

    return make


def _multimap(arguments: list[Type], result: Type) -> Callable[..., Pairs]:
    key = distinct_key(result.args[0])
    del arguments

    def make(entries: list[Any]) -> Pairs:
        merged: dict[Any, tuple[Any, list[Any]]] = {}
        for entry in entries:
            if entry is None:
                raise bad("map entry cannot be null")
            if entry[0] is None:
                raise bad("map key cannot be null")
            merged.setdefault(key(entry[0]), (entry[0], []))[1].append(entry[1])
        return list(merged.values())

    return make


def _first_pairs(arguments: list[Type], result: Type) -> Callable[..., Pairs]:
    """map_agg: the first value of a key stays."""
    key = distinct_key(result.args[0])
    del arguments

    def make(entries: list[Any]) -> Pairs:
        merged: dict[Any, tuple[Any, Any]] = {}
        for entry in entries:
            if entry is not None and entry[0] is not None:
                merged.setdefault(key(entry[0]), (entry[0], entry[1]))
        return list(merged.values())

    return make


def _concat(arguments: list[Type], _result: Type) -> Callable[..., Pairs]:
    key = distinct_key(arguments[0].args[0])

    def concat(*maps: Pairs) -> Pairs:
        merged: dict[Any, tuple[Any, Any]] = {}
        for pairs in maps:
            for k, v in pairs:
                merged[key(k)] = (k, v)
        return list(merged.values())

    return concat


def _union_maps(arguments: list[Type], _result: Type) -> Callable[..., Pairs]:
    key = distinct_key(arguments[0].args[0].args[0])

    def union(maps: list[Pairs | None]) -> Pairs:
        merged: dict[Any, tuple[Any, Any]] = {}
        for pairs in maps:
            for k, v in pairs or []:
                merged.setdefault(key(k), (k, v))
        return list(merged.values())

    return union


def _get(arguments: list[Type], _result: Type) -> Callable[..., Any]:
    key = distinct_key(arguments[0].args[0])

    def get(pairs: Pairs, wanted: Any) -> Any:
        k = key(wanted)
        return next((v for x, v in pairs if key(x) == k), None)

    return get


def _subscript(arguments: list[Type], _result: Type) -> Callable[..., Any]:
    from local_mock.athena.functions.casts import shower

    key, show = distinct_key(arguments[0].args[0]), shower(arguments[0].args[0])

    def get(pairs: Pairs, wanted: Any) -> Any:
        k = key(wanted)
        for x, v in pairs:
            if key(x) == k:
                return v
        raise bad(f"Key not present in map: {show(wanted)}")

    return get


def _by(sign: int) -> Callable[..., Callable[..., Any]]:
    """max_by and min_by over (value, key) pairs; pairs without a key do not count."""

    def make(arguments: list[Type], _result: Type) -> Callable[[list[Any]], Any]:
        compare = ordering(item(arguments).args[1], nan_first=sign > 0)

        def pick(pairs: list[Any]) -> Any:
            best: Any = None
            for pair in pairs:
                if pair[1] is not None and (best is None or compare(pair[1], best[1]) * sign > 0):
                    best = pair
            return None if best is None else best[0]

        return pick

    return make


def _paired(arguments: list[Type], _result: Type) -> Callable[..., list[tuple[Any, Any, Any]]]:
    """Return (key, value, value) of two maps, for map_zip_with."""
    key = distinct_key(arguments[0].args[0])

    def pair(a: Pairs, b: Pairs) -> list[tuple[Any, Any, Any]]:
        other = {key(k): v for k, v in b}
        own = {key(k) for k, _ in a}
        return [(k, v, other.get(key(k))) for k, v in a] + [(k, None, v) for k, v in b if key(k) not in own]

    return pair


def _histogram(arguments: list[Type], _result: Type, *, empty: Pairs | None = None) -> Callable[..., Pairs | None]:
    """Return the counts of values; `empty` is what no value gives."""
    key = distinct_key(arguments[0].args[0])

    def count(values: list[Any]) -> Pairs | None:
        counts: dict[Any, list[Any]] = {}
        for value in values:
            if value is not None:
                counts.setdefault(key(value), [value, 0])[1] += 1
        return [(v, n) for v, n in counts.values()] or empty

    return count


FUNCTIONS = {
    "map": generic(_map), "map_from_entries": generic(_from_entries), "multimap_from_entries": generic(_multimap),
    "first_pairs": generic(_first_pairs), "map_concat": generic(_concat), "map_union": generic(_union_maps),
    "map_get": generic(_get), "map_subscript": generic(_subscript), "map_paired": generic(_paired),
    "max_by": generic(_by(1)), "min_by": generic(_by(-1)), "histogram": generic(_histogram),
    "array_histogram": generic(functools.partial(_histogram, empty=[])),
}  # fmt: skip
