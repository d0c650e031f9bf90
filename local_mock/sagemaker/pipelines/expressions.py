"""Expressions in a definition: `Get`, `Std:Join` and `Std:JsonGet`, and the paths that they name.

Schema: https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from local_mock.sagemaker.errors import RunError

__all__ = [
    "GET",
    "JOIN",
    "JSON_GET",
    "Segment",
    "ValueScope",
    "as_text",
    "expressions",
    "follow",
    "parse_path",
    "resolve",
]

GET, JOIN, JSON_GET = "Get", "Std:Join", "Std:JsonGet"
_SEGMENT = re.compile(r"\.?([A-Za-z0-9_\-]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")
Segment = str | int


class ValueScope(Protocol):
    """Gives expressions their values while a step starts."""

    def get(self, path: str) -> Any:
        """Return the value of a `Get`. Raises RunError if it has none."""

    def json(self, source: Mapping[str, Any]) -> Any:
        """Return the document that a `Std:JsonGet` reads. Raises RunError if there is none."""


def _expression(value: Any) -> str:
    """Return the kind of an expression, "" for any other value."""
    if isinstance(value, dict) and len(value) == 1:
        name = str(next(iter(value)))
        if name == GET or name.startswith("Std:"):
            return name
    return ""


def expressions(value: Any) -> Iterator[tuple[str, Any]]:
    """Return (kind, content) of every expression in a value, also of those within expressions."""
    if kind := _expression(value):
        yield kind, value[kind]
    children: Sequence[Any] = ()
    if isinstance(value, dict):
        children = list(value.values())
    elif isinstance(value, list):
        children = value
    for child in children:
        yield from expressions(child)


def resolve(value: Any, scope: ValueScope) -> Any:
    """Return a value with its expressions replaced by what they stand for. Raises RunError."""
    kind = _expression(value)
    if kind == GET:
        return scope.get(value[GET])
    if kind == JOIN:
        return str(value[JOIN].get("On", "")).join(as_text(resolve(v, scope)) for v in value[JOIN]["Values"])
    if kind == JSON_GET:
        content = value[JSON_GET]
        document = scope.json({k: v if k == "PropertyFile" else resolve(v, scope) for k, v in content.items()})
        return follow(document, parse_path(content["Path"]), f"The path '{content['Path']}' of {JSON_GET}")
    if isinstance(value, dict):
        return {key: resolve(item, scope) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, scope) for item in value]
    return value


def as_text(value: Any) -> str:
    """Return a value as `Std:Join` writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def parse_path(path: str) -> list[Segment]:
    """Return the names and indices of ``a.b[0]['key']`` or ``$.a.b``. Raises ValueError for any other text."""
    rest, segments = path.removeprefix("$"), list[Segment]()
    while rest:
        match = _SEGMENT.match(rest)
        if not match:
            raise ValueError(f"'{path}' is no path of the form a.b[0]['key'].")
        name, index, key = match.groups()
        segments.append(int(index) if index is not None else name or key)
        rest = rest[match.end() :]
    return segments


def follow(document: Any, segments: Sequence[Segment], what: str) -> Any:
    """Return the value at the segments. A member of a list may be named by its ``…Name``, as in a definition.

    Raises
    ------
    RunError : there is none; `what` says who asked.
    """
    value = document
    for segment in segments:
        try:
            value = _member(value, segment)
        except LookupError as err:
            raise RunError(f"{what} has no value: there is no {segment!r}.") from err
    return value


def _member(value: Any, segment: Any) -> Any:
    if isinstance(value, dict) or (isinstance(value, list) and isinstance(segment, int)):
        return value[segment]
    named = [item for item in value if _is_named(item, segment)] if isinstance(value, list) else []
    return named[0]


def _is_named(item: Any, name: Segment) -> bool:
    return isinstance(item, dict) and any(k.endswith("Name") and v == name for k, v in item.items())
