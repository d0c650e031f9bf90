"""Function signatures as text, and overload resolution by Trino's coercions.

A line reads `name(type, …) -> type = template`. Type letters (T U K V S) are bound by the arguments;
`function(T,U)` is a lambda. In a template `{0}` is the first argument, cast to the declared type; in an
aggregate `{d}` is DISTINCT, `{o}` the ORDER BY inside, `{w}` FILTER and OVER. `*` after the last type: any number.
"""

# ruff: noqa: PLR0911 - one branch a kind
from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from local_mock.athena.sqltypes import UNKNOWN, Type, common_type, is_coercible, parse_type

__all__ = ["Lambda", "Signature", "bind", "load", "substitute"]

_LETTERS = frozenset("TUKVSWR")
_LINE = re.compile(r"^(\w+)\((.*)\)\s*->\s*(.+?)\s*=\s(.+)$")


@dataclass(frozen=True)
class Lambda:
    """An argument of function type: parameter types, result type (patterns with letters)."""

    parameters: tuple[Type, ...]
    result: Type


@dataclass(frozen=True)
class Signature:
    name: str
    arguments: tuple[Type | Lambda, ...]
    variadic: bool
    result: Type
    template: str

    def arity_fits(self, count: int) -> bool:
        return count == len(self.arguments) or (self.variadic and count >= len(self.arguments) - 1)

    def argument(self, index: int) -> Type | Lambda:
        return self.arguments[min(index, len(self.arguments) - 1)]


def split_top(listing: str) -> list[str]:
    """Split at commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(listing):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(listing[start:i].strip())
            start = i + 1
    last = listing[start:].strip()
    return [*parts, last] if last else parts


def _pattern(name: str) -> Type:
    if name in _LETTERS:
        return Type(name)
    head, _, rest = name.partition("(")
    if head in ("array", "map", "row") and rest:
        args = tuple(_pattern(part) for part in split_top(rest[:-1]))
        return Type(head, args, ("",) * len(args) if head == "row" else ())
    return Type("decimal") if name == "decimal" else parse_type(name)


def _argument(name: str) -> Type | Lambda:
    if name.startswith("function("):
        *parameters, result = (_pattern(part) for part in split_top(name[9:-1]))
        return Lambda(tuple(parameters), result)
    return _pattern(name)


def load(table: str) -> dict[str, list[Signature]]:
    """Return the signatures by name from the lines of `table` (blank lines and `#` comments aside)."""
    signatures: dict[str, list[Signature]] = {}
    for line in table.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line.strip())
        assert match, f"not a signature: {line}"
        name, listing, result, template = match.groups()
        variadic = listing.endswith("*")
        arguments = tuple(_argument(part) for part in split_top(listing.rstrip("*")))
        signatures.setdefault(name, []).append(Signature(name, arguments, variadic, _pattern(result), template))
    return signatures


def substitute(pattern: Type, letters: dict[str, Type]) -> Type:
    """Return `pattern` with its letters replaced (unbound ones are unknown)."""
    if pattern.base in _LETTERS:
        return letters.get(pattern.base, UNKNOWN)
    if pattern.args:
        return Type(pattern.base, tuple(substitute(a, letters) for a in pattern.args), pattern.names)
    return pattern


def _unify(pattern: Type, actual: Type, letters: dict[str, Type]) -> bool:
    if pattern.base in _LETTERS:
        bound = common_type(letters.get(pattern.base, UNKNOWN), actual)
        if bound is None:
            return False
        letters[pattern.base] = bound
        return True
    if actual == UNKNOWN:
        return True
    if pattern.args and pattern.base == actual.base and len(pattern.args) == len(actual.args):
        return all(_unify(p, a, letters) for p, a in zip(pattern.args, actual.args, strict=True))
    if pattern.base == "decimal":
        return actual.base == "decimal"
    if pattern.base == "varchar" and actual.base == "char":
        return True
    if pattern.base in ("timestamp", "timestamp with time zone", "char"):
        return actual.base == pattern.base or is_coercible(actual, pattern)
    return not pattern.args and is_coercible(actual, pattern)


def _cost(pattern: Type, actual: Type) -> int:
    if pattern.base in _LETTERS or pattern.base == actual.base or actual == UNKNOWN:
        return 0
    ranks = ("tinyint", "smallint", "integer", "bigint", "decimal", "real", "double")
    if pattern.base in ranks and actual.base in ranks:
        return ranks.index(pattern.base) - ranks.index(actual.base)
    return 1


def bind(
    candidates: Iterable[Signature],
    types: list[Type | None],
    accepts: Callable[[Signature], bool] = lambda _: True,
) -> tuple[Signature, dict[str, Type]] | None:
    """Return the cheapest signature for the argument types (None: a lambda) with its letters, or None."""
    best: tuple[int, Signature, dict[str, Type]] | None = None
    for signature in candidates:
        if not signature.arity_fits(len(types)) or not accepts(signature):
            continue
        letters: dict[str, Type] = {}
        cost = _try(signature, types, letters)
        if cost is not None and (best is None or cost < best[0]):
            best = (cost, signature, letters)
    return (best[1], best[2]) if best else None


def _try(signature: Signature, types: list[Type | None], letters: dict[str, Type]) -> int | None:
    cost = 0
    for i, actual in enumerate(types):
        pattern = signature.argument(i)
        if isinstance(pattern, Lambda) != (actual is None):
            return None
        if isinstance(pattern, Lambda) or actual is None:
            continue
        if not _unify(pattern, actual, letters):
            return None
        cost += _cost(pattern, actual)
    return cost
