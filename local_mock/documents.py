"""YAML, JSON and XML that a client sends: bounded, and nothing in them is run or fetched.

`install` puts the bounded loader in the place of PyYAML's functions in this process, because moto calls those on
users' text (templates by the unsafe `yaml.Loader`). CloudFormation's own tags are in
`local_mock.cloudformation.templates`.
"""

from __future__ import annotations

import json
from typing import Any
from xml.parsers import expat

import yaml  # type: ignore[import-untyped]

__all__ = ["DEPTH", "BoundedLoader", "RefusedError", "install", "load_json", "load_yaml", "require_plain_xml"]

DEPTH = 100  # of nesting; AWS's services have limits from 16 to 1,000
_XML_DEPTH = 50
_CHARACTERS = 4 << 20  # of a YAML document, its aliases written out
_DIGITS = 400  # of a number: more than any 64-bit integer or double has


class RefusedError(yaml.YAMLError, ValueError):
    """A document is malformed, too deep or too large, or would run something. The message says which."""


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader that refuses deep documents, and aliases that unfold into more than can be kept."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose one node. Events come as they are asked for: what is too deep is never read to its end."""
        self._depth += 1
        if self._depth > DEPTH:
            raise _too_deep("YAML")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def get_node(self) -> Any:
        """Return the next document's node, measured."""
        return _measured(super().get_node())

    def get_single_node(self) -> Any:
        """Return the one document's node, measured."""
        return _measured(super().get_single_node())

    unique_keys = False  # whether a mapping that has a key twice is refused

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Return a mapping. Raises RefusedError for a key that stands twice, where `unique_keys` asks for it."""
        value = super().construct_mapping(node, deep)
        if self.unique_keys and len(value) < len(node.value):
            key = _repeated([self.construct_object(key, deep) for key, _ in node.value])
            raise RefusedError(f"line {node.start_mark.line + 1}: the key '{key}' stands twice in one mapping.")
        return value

    def construct_yaml_int(self, node: Any) -> int:
        """Return a whole number. Raises RefusedError for one that is too long to print."""
        if len(node.value) > _DIGITS:
            raise RefusedError(f"The YAML has a number of {len(node.value):,} digits.")
        return int(super().construct_yaml_int(node))


BoundedLoader.add_constructor("tag:yaml.org,2002:int", BoundedLoader.construct_yaml_int)


def _measured(node: Any) -> Any:
    """Return a node whose unfolded depth and size are within the limits. Raises RefusedError."""
    measures: dict[int, tuple[int, int]] = {}  # of each node: characters and depth, aliases written out
    entered: set[int] = set()

    def measure(node: Any) -> tuple[int, int]:
        if id(node) in measures:
            return measures[id(node)]
        if id(node) in entered:
            raise RefusedError("An alias stands within what it names.")
        entered.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            size, depth = len(node.value) + 1, 1
        else:
            parts = node.value if isinstance(node, yaml.SequenceNode) else [n for pair in node.value for n in pair]
            inner = [measure(part) for part in parts]
            size, depth = 1 + sum(s for s, _ in inner), 1 + max((d for _, d in inner), default=0)
        if depth > DEPTH:
            raise _too_deep("YAML")
        if size > _CHARACTERS:
            raise RefusedError(f"The YAML has more than {_CHARACTERS:,} characters, its aliases written out.")
        measures[id(node)] = size, depth
        return size, depth

    try:
        if node is not None:
            measure(node)
    except RecursionError as err:
        raise _too_deep("YAML") from err
    return node


def load_yaml(text: Any, loader: type[BoundedLoader] = BoundedLoader) -> Any:
    """Return the value of a YAML document.

    Raises
    ------
    RefusedError : it is malformed, has tags that the loader does not know, or is beyond the limits.
    """
    made = None
    try:
        made = loader(text)
        return made.get_single_data()
    except RefusedError:
        raise
    except (AttributeError, LookupError, TypeError) as err:  # PyYAML's own, for a value that its tag does not fit
        raise RefusedError("A value of the YAML does not fit its tag.") from err
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as err:
        mark = getattr(err, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise RefusedError(f"{where}{getattr(err, 'problem', None) or err}") from err
    finally:
        if made is not None:
            made.dispose()


def load_json(text: str | bytes, *, unique_keys: bool = False) -> Any:
    """Return the value of a JSON document.

    Raises
    ------
    RefusedError : it is malformed (NaN and Infinity are no JSON), nested deeper than `DEPTH`, or has a number of
        more than 400 digits; with `unique_keys` also if an object has a key twice.
    """
    pairs = _unique if unique_keys else None
    try:
        value = json.loads(
            text, parse_int=_integer, parse_float=_float, parse_constant=_constant, object_pairs_hook=pairs
        )
    except RefusedError:
        raise
    except RecursionError as err:
        raise _too_deep("JSON") from err
    except ValueError as err:
        raise RefusedError(f"The JSON is malformed: {err}") from err
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise _too_deep("JSON")
        containers = [v for v in level if isinstance(v, dict | list)]
        level = [part for v in containers for part in (v.values() if isinstance(v, dict) else v)]
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise RefusedError(f"The key '{_repeated([key for key, _ in pairs])}' stands twice in one object.")
    return value


def _repeated(keys: list[Any]) -> Any:
    return next(key for place, key in enumerate(keys) if key in keys[:place])


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise RefusedError(f"The JSON has a number of {len(text):,} digits.")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if len(text) > _DIGITS or value in (float("inf"), float("-inf")):
        raise RefusedError(f"The JSON has the number {text[:40]}, which no double holds.")
    return value


def _constant(text: str) -> Any:
    raise RefusedError(f"The JSON is malformed: it has {text}.")


def require_plain_xml(body: bytes) -> None:
    """Refuse XML that is malformed, defines a document type or entities (in any encoding), or is deep.

    Raises
    ------
    RefusedError : with the reason.
    """
    depth = 0

    def start(*_: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > _XML_DEPTH:
            raise _too_deep("XML")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: Any) -> None:
        raise RefusedError("The XML defines a document type or entities.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as err:
        if isinstance(err, RefusedError):
            raise
        raise RefusedError(f"The XML is malformed: {err}.") from err


def _too_deep(kind: str) -> RefusedError:
    return RefusedError(f"The {kind} is nested deeper than {_XML_DEPTH if kind == 'XML' else DEPTH} levels.")


def install() -> None:
    """Make every use of PyYAML in this process the bounded, safe one, whatever loader the caller names."""

    def load(stream: Any, Loader: Any = None) -> Any:  # noqa: ARG001 - PyYAML's own names
        return load_yaml(stream)

    yaml.load = yaml.safe_load = yaml.full_load = yaml.unsafe_load = load
