"""Pages of the lists of pipelines, executions and steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from local_mock.sagemaker.errors import InvalidRequestError

__all__ = ["cut", "page_of", "within"]

MAX_RESULTS = 100
_TOKEN = re.compile(r"[0-9]{1,9}")


def within(items: Iterable[Any], request: Mapping[str, Any]) -> list[Any]:
    """Return the items that were created in the time that a request names."""
    after, before = request.get("CreatedAfter"), request.get("CreatedBefore")
    return [
        item
        for item in items
        if (after is None or item.creation_time > after) and (before is None or item.creation_time < before)
    ]


def page_of(
    items: list[Any], request: Mapping[str, Any], orders: Mapping[str, str]
) -> tuple[list[Any], dict[str, str]]:
    """Return the page that a request asks for, and the member with the token of the next.

    `orders` has the attribute of each SortBy; the first is the default. Raises InvalidRequestError.
    """
    by = _choice(request, "SortBy", list(orders))
    order = _choice(request, "SortOrder", ["Descending", "Ascending"])
    items = sorted(items, key=lambda item: getattr(item, orders[by]))  # equal ones keep their order
    if order == "Descending":
        items.reverse()
    return cut(items, request)


def cut(items: list[Any], request: Mapping[str, Any]) -> tuple[list[Any], dict[str, str]]:
    """Return the page of items that have their order, and the member with the token of the next page.

    Raises InvalidRequestError.
    """
    size = request.get("MaxResults", MAX_RESULTS)
    if not 1 <= size <= MAX_RESULTS:
        raise InvalidRequestError(f"MaxResults must be 1 to {MAX_RESULTS}, but got {size}.")
    text = request.get("NextToken") or "0"
    if not _TOKEN.fullmatch(text) or int(text) > len(items):
        raise InvalidRequestError(f"Invalid pagination token '{text}'.")
    end = int(text) + size
    return items[int(text) : end], {"NextToken": str(end)} if end < len(items) else {}


def _choice(request: Mapping[str, Any], member: str, values: list[str]) -> str:
    """Return a member that has one of some values, the first if it is not given. Raises InvalidRequestError."""
    value = request.get(member, values[0])
    if value not in values:
        raise InvalidRequestError(
            f"1 validation error detected: Value '{value}' at '{member[0].lower()}{member[1:]}' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(values)}]"
        )
    return str(value)
