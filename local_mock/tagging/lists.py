"""The keys and the values of tags, each once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.core.resource_tagging import iter_taggable_backends

__all__ = ["tag_keys", "tag_values"]


def _tags(backend: Any) -> Iterator[tuple[str, str]]:
    for other in iter_taggable_backends(backend.account_id, backend.region_name):
        for resource in other.iter_tagged_resources():
            yield from resource.tags.items()


def tag_keys(self: Any) -> Iterator[str]:
    """Yield the keys of all tags, sorted."""
    yield from sorted({key for key, _ in _tags(self)})


def tag_values(self: Any, tag_key: str) -> Iterator[str]:
    """Yield the values that tags of this key have, sorted."""
    yield from sorted({value for key, value in _tags(self) if key == tag_key})
