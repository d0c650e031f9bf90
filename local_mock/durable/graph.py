"""Objects ↔ JSON: what a service holds as text that can be read back by the same version of the code.

Only classes of moto and of local_mock are made again, from their attributes, without calling anything of theirs:
a damaged or foreign file can give wrong values, but runs no code. An object that occurs twice stays one object.
Locks and events come back new; what cannot be written (a thread, a process) comes back as None, and is logged.
"""

from __future__ import annotations

import base64
import collections
import datetime as dt
import decimal
import enum
import importlib
import itertools
import json
import logging
import re
import threading
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

__all__ = ["GraphError", "Reader", "Writer", "stamp"]

_log = logging.getLogger("local_mock.durable")
_OURS = ("moto.", "local_mock.")
_PLAIN = (type(None), bool, int, float, str)
_DICTS: dict[str, type] = {
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "defaultdict": collections.defaultdict,
}
_FACTORIES: dict[str, type] = {"list": list, "dict": dict, "set": set, "int": int, "str": str}
_LOCKS: dict[type, Callable[[], Any]] = {
    type(threading.Lock()): threading.Lock,
    type(threading.RLock()): threading.RLock,
}
# class -> attributes that are not kept, with what they are afterwards
Dropped = Mapping[str, Mapping[str, Callable[[], Any]]]
# class -> attributes that are dictionaries of values which are replaced, never changed, and nowhere else
Constant = Mapping[str, frozenset[str]]
# class -> attributes that are trees of plain JSON; of what they hold, only the tree and its sections are shared
Trees = Mapping[str, frozenset[str]]
Pieces = dict[int, tuple[Any, str]]  # id -> such a value, and its text


class GraphError(Exception):
    """Text that this code has not written."""


class Writer:
    """Writes one document. `elsewhere` names objects that other documents hold: they become references.

    `pieces` of the document's last writing spare the constant values; `kept` is for the next one.
    """

    def __init__(
        self,
        elsewhere: Mapping[int, list[Any]],
        dropped: Dropped,
        constant: Constant | None = None,
        pieces: Pieces | None = None,
        trees: Trees | None = None,
    ) -> None:
        self._elsewhere, self._dropped, self._trees = elsewhere, dropped, trees or {}
        self._constant, self._pieces, self.kept = constant or {}, pieces or {}, Pieces()
        # id -> reference and the object too: its id must not be taken over meanwhile
        self._seen: dict[int, tuple[list[Any], Any]] = {}
        self._numbers = itertools.count()

    def write(self, value: Any, where: str = "") -> Any:
        """Return `value` as JSON can hold it."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if id(value) in self._elsewhere:
            return ["x", *self._elsewhere[id(value)]]
        if kind is tuple:
            return ["t", *(self.write(item, where) for item in value)]
        if (scalar := _scalar(value)) is not None:
            return scalar
        if id(value) in self._seen:
            return self._seen[id(value)][0]
        self._seen[id(value)] = ["r", next(self._numbers)], value
        return self._compound(value, kind, where)

    def _compound(self, value: Any, kind: type, where: str) -> Any:
        if kind is list:
            return ["l", *(self.write(item, where) for item in value.copy())]
        if kind in (set, frozenset):
            return ["s" if kind is set else "f", *(self.write(item, where) for item in sorted(value, key=repr))]
        if isinstance(value, dict) and _DICTS.get(kind.__name__) is kind:
            factory = getattr(value, "default_factory", None)
            made_by = next((name for name, registered in _FACTORIES.items() if registered is factory), "")
            items = [[self.write(k, where), self.write(v, f"{where}.{k}")] for k, v in list(value.items())]
            return ["d", kind.__name__, made_by, *items]
        if kind is pa.Table:  # text columns of a result
            return ["pa", [self.write(column.to_pylist()) for column in value.columns]]
        if kind.__module__.startswith(_OURS) and hasattr(value, "__dict__"):
            return self._object(value, kind, where)
        _log.warning("Not kept over a restart: %s (%s.%s)", where, kind.__module__, kind.__qualname__)
        return ["n"]

    def _object(self, value: Any, kind: type, where: str) -> Any:
        dropped = {name for base in kind.__mro__ for name in self._dropped.get(base.__name__, ())}
        constant = self._constant.get(kind.__name__, frozenset())
        trees = self._trees.get(kind.__name__, frozenset())
        held = [
            [
                k,
                self._values(v)
                if k in constant
                else (self._tree if k in trees else self.write)(v, f"{where}.{k}"),
            ]
            for k, v in list(vars(value).items())
            if k not in dropped
        ]
        items: Any = ["n"]
        if isinstance(value, dict):  # of a class of its own
            items = ["l", *([self.write(k), self.write(v, f"{where}.{k}")] for k, v in list(value.items()))]
        elif isinstance(value, list):
            items = ["l", *(self.write(item, where) for item in value)]
        return ["o", _class_name(kind), items, *held]

    def _tree(self, value: Any, where: str) -> Any:
        """Return a tree as one text: the library's own writer is twenty times as fast as `write`."""
        if type(value) is not dict or id(value) in self._seen:
            return self.write(value, where)
        try:
            text = json.dumps(value)
            if json.loads(text) != value:  # keys that are numbers, for instance
                return self.write(value, where)
        except (TypeError, ValueError, RecursionError):
            return self.write(value, where)
        number = next(self._numbers)
        self._seen[id(value)] = ["r", number], value
        for key, section in value.items():
            if isinstance(section, dict):
                self._seen.setdefault(id(section), (["p", number, key], section))
        return ["j", text]

    def _values(self, values: dict[str, Any]) -> Any:
        """Return a dictionary of constant values, each a document within the document."""
        items = []
        for key, value in list(values.items()):
            _, text = self._pieces.get(id(value)) or (value, "")
            text = text or json.dumps(Writer(self._elsewhere, self._dropped).write(value, key))
            self.kept[id(value)] = value, text
            items.append([key, text])
        return ["i", type(values).__name__, *items]


def stamp(value: Any, constant: Constant) -> Any:
    """Return what is equal to an earlier stamp as long as `Writer` would write `value` as it did then.

    It takes a fraction of the time of writing. Of attributes in `constant` the identities count; the stamp holds
    the values too, so that no other value takes over the identity of one. Anything but objects, dictionaries,
    lists and plain values is unequal to everything. `value` must not hold itself.
    """
    kind = type(value)
    if kind in (str, int, type(None), dt.datetime):
        return value
    if kind in (bool, float):  # 1 == True == 1.0, which are written differently
        return kind, value
    if isinstance(value, dict) and _DICTS.get(kind.__name__) is kind:
        pairs = list(value.items())
        return [key for key, _ in pairs], [stamp(item, constant) for _, item in pairs]
    if kind is list:
        return [stamp(item, constant) for item in value.copy()]
    if kind.__module__.startswith(_OURS) and hasattr(value, "__dict__") and not isinstance(value, dict | list):
        named = constant.get(kind.__name__, frozenset())
        return value, [
            (k, [(key, id(item), item) for key, item in list(v.items())])
            if k in named
            else (k, stamp(v, constant))
            for k, v in list(vars(value).items())
        ]
    return object()


class Reader:
    """Reads one document. `elsewhere` finds what `Writer.elsewhere` named."""

    def __init__(self, elsewhere: Callable[[list[Any]], Any], dropped: Dropped) -> None:
        self._elsewhere, self._dropped = elsewhere, dropped
        self._made: list[Any] = []

    def read(self, text: Any) -> Any:
        """Return the value. Raises GraphError."""
        if not isinstance(text, list):
            return text
        tag, *rest = text
        if tag in _SCALARS:
            return _SCALARS[tag](*rest)
        if tag == "t":
            return tuple(self.read(item) for item in rest)
        if tag == "x":
            return self._elsewhere(rest)
        if tag in ("r", "p"):
            made = self._made[rest[0]]
            return made if tag == "r" else made[rest[1]]
        return self._compound(tag, rest)

    def _compound(self, tag: str, rest: list[Any]) -> Any:
        number = len(self._made)
        if tag == "d":
            name, factory, *items = rest
            made: Any = _DICTS[name](*([_FACTORIES.get(factory)] if name == "defaultdict" else []))
            self._made.append(made)
            for key, value in items:
                made[self.read(key)] = self.read(value)
        elif tag == "l":
            made = []
            self._made.append(made)
            made.extend(self.read(item) for item in rest)
        elif tag in ("s", "f"):
            made = set()
            self._made.append(made)
            made.update(self.read(item) for item in rest)
            if tag == "f":
                made = self._made[number] = frozenset(made)
        elif tag == "pa":
            self._made.append(None)
            columns = [self.read(column) for column in rest[0]]
            made = pa.table({str(i): pa.array(column, pa.string()) for i, column in enumerate(columns)})
            self._made[number] = made
        elif tag == "i":
            name, *items = rest
            made = _DICTS[name]()
            for key, value in items:
                made[key] = Reader(self._elsewhere, self._dropped).read(json.loads(value))
        elif tag == "j":
            made = json.loads(rest[0])
            self._made.append(made)
        elif tag == "o":
            made = self._object(rest)
        elif tag == "n":
            made = None
            self._made.append(made)
        else:
            raise GraphError(f"There is no kind '{tag}'.")
        return made

    def _object(self, rest: list[Any]) -> Any:
        name, items, *held = rest
        kind = _class_of(name)
        base = next(b for b in (dict, list, object) if issubclass(kind, b))
        made: Any = base.__new__(kind)
        self._made.append(made)
        for key, value in held:
            vars(made)[key] = self.read(value)
        for cls in reversed(kind.__mro__):
            for attribute, new in self._dropped.get(cls.__name__, {}).items():
                vars(made)[attribute] = new()
        if base is dict:
            for key, value in items[1:]:
                dict.__setitem__(made, self.read(key), self.read(value))
        elif base is list:
            list.extend(made, (self.read(item) for item in items[1:]))
        return made


# --- what is one value ------------------------------------------------------------------------------------
PrivateKey = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)  # of KMS
_KEY_FORM = (
    serialization.Encoding.DER,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
_AS_TEXT: dict[type, Callable[[Any], list[Any]]] = {
    bytes: lambda value: ["b", base64.b64encode(value).decode()],
    dt.datetime: lambda value: ["dt", value.isoformat()],
    dt.date: lambda value: ["da", value.isoformat()],
    dt.timedelta: lambda value: ["td", value.days, value.seconds, value.microseconds],
    decimal.Decimal: lambda value: ["de", str(value)],
    uuid.UUID: lambda value: ["u", str(value)],
    re.Pattern: lambda value: ["re", value.pattern, value.flags],
    threading.Event: lambda value: ["ev", value.is_set()],
}


def _scalar(value: Any) -> list[Any] | None:
    kind = type(value)
    if kind in _LOCKS:
        return ["lo", [*_LOCKS].index(kind)]
    if kind in _AS_TEXT:
        return _AS_TEXT[kind](value)
    if isinstance(value, PrivateKey):
        return ["k", base64.b64encode(value.private_bytes(*_KEY_FORM)).decode()]
    if isinstance(value, enum.Enum) and kind.__module__.startswith(_OURS):
        return ["e", _class_name(kind), value.name]
    named = isinstance(value, type) or (isinstance(value, types.FunctionType) and "<" not in value.__qualname__)
    return ["c", _class_name(value)] if named and value.__module__.startswith(_OURS) else None


def _key(text: str) -> Any:
    return serialization.load_der_private_key(base64.b64decode(text), None)


def _event(is_set: bool) -> threading.Event:
    event = threading.Event()
    if is_set:
        event.set()
    return event


def _class_name(kind: Any) -> str:
    if "<locals>" in kind.__qualname__ and hasattr(kind, "cloudformation_type"):  # one of our resource types
        return f"cloudformation:{kind.cloudformation_type()}"
    return f"{kind.__module__}:{kind.__qualname__}"


def _class_of(name: str) -> Any:
    value = _found(name)
    if not isinstance(value, type):
        raise GraphError(f"'{name}' is no class.")
    return value


def _found(name: str) -> Any:
    """Return a class (or function) of moto or local_mock by its name; nothing else."""
    module, _, path = name.partition(":")
    if module == "cloudformation":
        from moto.cloudformation.parsing import get_model_map

        return get_model_map()[path]
    if not module.startswith(_OURS):
        raise GraphError(f"'{name}' is not of moto or local_mock.")
    try:
        value: Any = importlib.import_module(module)
        for part in path.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as err:
        raise GraphError(f"There is no '{name}'.") from err
    if not isinstance(value, (type, types.FunctionType)) or not value.__module__.startswith(_OURS):
        raise GraphError(f"'{name}' is not of moto or local_mock.")
    return value


_SCALARS: dict[str, Callable[..., Any]] = {
    "b": base64.b64decode,
    "e": lambda cls, name: _class_of(cls)[name],
    "dt": dt.datetime.fromisoformat,
    "da": dt.date.fromisoformat,
    "td": dt.timedelta,
    "de": decimal.Decimal,
    "re": re.compile,
    "lo": lambda number: [*_LOCKS.values()][number](),
    "ev": _event,
    "u": uuid.UUID,
    "k": _key,
    "c": _found,
}
