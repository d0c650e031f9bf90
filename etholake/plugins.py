"""Named extension points: what Etholake brings, what a caller registers, what an installed distribution declares.

A `Registry` finds an object by its name in three places, in this order: objects that `register` was given, the
built-in ones (imported only when one is asked for), and entry points of installed distributions. The entry point's
name is the object's name:

    [project.entry-points."etholake.models"]
    cnn_lstm = "my_package.family:FAMILY"
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, Protocol, TypeVar

from etholake.errors import ContractError, suggestion

__all__ = ["Named", "Registry"]


class Named(Protocol):
    """Anything that a registry can hold."""

    name: str


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Objects of one kind by name.

    Parameters
    ----------
    group
        The entry-point group in which other distributions declare theirs.
    noun
        What an object is called in messages, for example "model family".
    built_in
        {name: "module:attribute"}; a module is imported when its object is asked for.
    """

    def __init__(self, group: str, noun: str, built_in: Mapping[str, str]) -> None:
        self.group, self.noun = group, noun
        self._built_in = dict(built_in)
        self._registered: dict[str, T] = {}

    def register(self, item: T) -> T:
        """Add an object for this process, without an entry point; returns it.

        Raises ContractError if another object has its name.
        """
        if item.name in self._built_in or self._registered.get(item.name, item) is not item:
            raise ContractError(f"There is a {self.noun} '{item.name}' already: give yours another name.")
        self._registered[item.name] = item
        return item

    def get(self, name: str) -> T:
        """Return the object of a name.

        Raises ContractError if there is none (the message names the nearest), or if a distribution's object cannot
        be imported or has another name than its entry point.
        """
        if name in self._registered:
            return self._registered[name]
        if name in self._built_in:
            module, _, attribute = self._built_in[name].partition(":")
            built_in: T = getattr(import_module(module), attribute)
            return built_in
        declared = self._declared()
        if name in declared:
            return self._loaded(declared[name])
        raise ContractError(f"There is no {self.noun} '{name}'. {suggestion(name, self.names())}")

    def names(self) -> tuple[str, ...]:
        """Return the names of all objects: the built-in ones, the registered ones, the declared ones."""
        return tuple(dict.fromkeys([*self._built_in, *self._registered, *self._declared()]))

    def __iter__(self) -> Iterator[T]:
        return (self.get(name) for name in self.names())

    def entry_point(self, name: str) -> EntryPoint | None:
        """Return the entry point that declares an object; None for one that is built in or registered."""
        return None if name in self._built_in or name in self._registered else self._declared().get(name)

    def _declared(self) -> dict[str, EntryPoint]:
        """Return entry points by name. Raises ContractError if a name is taken twice."""
        declared: dict[str, EntryPoint] = {}
        for point in _points(self.group, tuple(sys.path)):
            other = declared.get(point.name)
            if point.name in self._built_in or (other is not None and other.value != point.value):
                owner = _distribution(other) if other else "Etholake itself"
                raise ContractError(
                    f"Two {self.noun} objects are called '{point.name}': that of {owner} and that of "
                    f"{_distribution(point)}. Uninstall one, or rename its entry point in the group {self.group}."
                )
            declared[point.name] = point
        return declared

    def _loaded(self, point: EntryPoint) -> T:
        try:
            item: T = point.load()
            name = item.name
        except Exception as err:  # any error of foreign code
            raise ContractError(
                f"The {self.noun} '{point.name}' of {_distribution(point)} cannot be loaded from {point.value}: "
                f"{type(err).__name__}: {err}"
            ) from err
        if name != point.name:
            raise ContractError(
                f"The {self.noun} of {_distribution(point)} is declared as '{point.name}', but calls itself "
                f"'{name}': use one name."
            )
        return item


@cache
def _points(group: str, search_path: tuple[str, ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001 - the cache's key
    """Return a group's entry points; every distribution's files are looked through once for each search path."""
    return tuple(entry_points(group=group))


def _distribution(point: EntryPoint) -> str:
    return f"the distribution {point.dist.name}" if point.dist else "an unnamed distribution"
