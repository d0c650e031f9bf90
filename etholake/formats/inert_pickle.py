"""Read the data in a pickle without running any of it.

`pickle.loads` calls whatever function a file names. Here a pickle is only a list of instructions: numbers, texts,
lists and dicts are built, and a call that the file asks for becomes a `PickledCall` object that says what it
asked for. Arrays are then made from such calls where they are numpy's own and hold numbers or texts.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError

__all__ = ["PickledCall", "loads", "to_array"]

_VALUES = frozenset(
    (
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
        "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
        "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    )
)  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS = re.compile(r"[<>|=]?[biufSU?]\d*")
_RECONSTRUCT = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_FROM_BUFFER = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
_SCALAR = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")


@dataclass
class PickledCall:
    """A call that a pickle asks for, and that is not made."""

    function: str
    arguments: tuple[Any, ...] | None = None  # None: only the function is named
    state: Any = None


class _Mark:
    pass


_MARK = _Mark()


def loads(data: bytes | IO[bytes]) -> Any:
    """Return the object of a pickle, with `PickledCall` in the place of everything that would run code.

    Raises DataError for instructions that plain data does not need; may raise ValueError and the like for damage.
    """
    machine = _Machine()
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "STOP":
            return machine.stack.pop()
        machine.step(opcode.name, argument)
    raise DataError("A pickle ends before its last instruction.")


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self._steps: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self.stack.append(_MARK),
            "POP": lambda _: self._drop(),
            "POP_MARK": lambda _: self._drop_to_mark(),
            "DUP": lambda _: self.stack.append(self.stack[-1]),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "TUPLE": lambda _: self.stack.append(tuple(self._to_mark())),
            "LIST": lambda _: self.stack.append(self._to_mark()),
            "DICT": lambda _: self.stack.append(_pairs(self._to_mark())),
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "APPEND": lambda _: self._append([self.stack.pop()]),
            "APPENDS": lambda _: self._append(self._to_mark()),
            "SETITEM": lambda _: self._set(self._popped(2)),
            "SETITEMS": lambda _: self._set(self._to_mark()),
            "MEMOIZE": lambda _: self._put(len(self.memo)),
            "GLOBAL": lambda name: self.stack.append(PickledCall(str(name).replace(" ", "."))),
            "STACK_GLOBAL": lambda _: self.stack.append(PickledCall(".".join(map(str, self._popped(2))))),
            "REDUCE": lambda _: self._call(),
            "NEWOBJ": lambda _: self._call(),
            "BUILD": lambda _: self._build(),
        }
        self._steps |= dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._put)
        self._steps |= dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), self._get)

    def step(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in self._steps:
            self._steps[name](argument)
        elif name not in ("PROTO", "FRAME"):
            raise DataError(f"A pickle uses the instruction {name}, which tables and arrays do not need.")

    def _popped(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("a pickle takes more values than it gives")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def _drop(self) -> None:
        self.stack.pop()

    def _drop_to_mark(self) -> None:
        self._to_mark()

    def _to_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                values = self.stack[index + 1 :]
                del self.stack[index:]
                return values
        raise ValueError("a pickle closes a list that it did not open")

    def _tuple(self, count: int) -> None:
        self.stack.append(tuple(self._popped(count)))

    def _append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError("a pickle appends to what is no list")
        target.extend(values)

    def _set(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise TypeError("a pickle sets items of what is no dict")
        target.update(_pairs(values))

    def _put(self, index: Any) -> None:
        self.memo[int(index)] = self.stack[-1]

    def _get(self, index: Any) -> None:
        self.stack.append(self.memo[int(index)])

    def _call(self) -> None:
        function, arguments = self._popped(2)
        if not isinstance(function, PickledCall) or not isinstance(arguments, tuple):
            raise TypeError("a pickle calls what is no function")
        self.stack.append(PickledCall(function.function, arguments))

    def _build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], PickledCall):
            raise TypeError("a pickle gives a state to a plain value")
        self.stack[-1].state = state


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))


def to_array(value: Any) -> npt.NDArray[Any]:
    """Return the numpy array that a `PickledCall` describes.

    Arrays hold numbers or texts; an object array holds its items as they were read. Raises DataError for anything
    else.
    """
    if isinstance(value, PickledCall) and value.function in _RECONSTRUCT and isinstance(value.state, tuple):
        _, shape, dtype, fortran, data = value.state
        if isinstance(data, list):
            items = np.empty(len(data), object)
            items[:] = data
            return items.reshape(shape)
        flat = np.frombuffer(_bytes(data), _dtype(dtype))
        return flat.reshape(shape, order="F" if fortran else "C")
    if isinstance(value, PickledCall) and value.function in _FROM_BUFFER and value.arguments:
        data, dtype, shape, order = value.arguments
        return np.frombuffer(_bytes(data), _dtype(dtype)).reshape(shape, order="F" if order == "F" else "C")
    if isinstance(value, PickledCall) and value.function in _SCALAR and value.arguments:
        dtype, data = value.arguments
        return np.frombuffer(_bytes(data), _dtype(dtype)).reshape(())
    if isinstance(value, (int, float, str, list)):
        return np.asarray(value)
    wanted = value.function if isinstance(value, PickledCall) else type(value).__name__
    raise DataError(f"A pickle holds '{wanted}' where an array of numbers or texts is expected: it is not run.")


def _dtype(value: Any) -> np.dtype[Any]:
    """Return the type that a call of numpy.dtype describes: numbers and texts only."""
    if not isinstance(value, PickledCall) or value.function != "numpy.dtype" or not value.arguments:
        raise DataError("A pickle describes an array without a type.")
    code = str(value.arguments[0])
    if not _NUMBERS.fullmatch(code):
        raise DataError(f"A pickle holds an array of type '{code}': only numbers and texts are read.")
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "|"
    dtype = np.dtype(code)
    if order not in ("<", ">"):
        return dtype
    return dtype.newbyteorder("<" if order == "<" else ">")


def _bytes(data: Any) -> bytes:
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    if isinstance(data, str):  # a pickle of protocol 0 to 2
        return data.encode("latin-1")
    if isinstance(data, PickledCall) and data.function == "_codecs.encode" and data.arguments:
        return str(data.arguments[0]).encode("latin-1")
    raise DataError("A pickle describes an array without values.")
