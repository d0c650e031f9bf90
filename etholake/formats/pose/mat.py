"""Read numbers, texts, cells and structs of MATLAB files (version 5 to 7.2, and 7.3 in HDF5), within limits.

Only the variables that are asked for are unpacked; of the others no more than the name. A compressed variable
declares its size before it is unpacked, and no more than that is unpacked. Objects of MATLAB classes are skipped.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.hdf5 import attribute, is_hdf5, node, open_hdf5, read

__all__ = ["read_mat", "variable_names"]

MAX_BYTES = 2 << 30
MAX_RATIO = 1100  # DEFLATE compresses at most 1032-fold
MAX_DEPTH, MAX_ITEMS = 8, 1_000_000
COMPRESSED, MATRIX = 15, 14
TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",
}
UTF8 = 16
CELL, STRUCT, CHAR = 1, 2, 4
NUMERIC = range(6, 16)
HEAD = 4096  # of a compressed variable, enough for its name


@dataclass(frozen=True)
class _Element:
    kind: int
    data: memoryview


def is_mat5(path: Path) -> bool:
    """Return whether a file has the header of MATLAB's versions 5 to 7.2."""
    try:
        with path.open("rb") as file:
            header = file.read(128)
    except OSError:
        return False
    return len(header) == 128 and header.startswith(b"MATLAB 5.0 MAT-file") and header[126:128] in (b"IM", b"MI")


def variable_names(path: Path) -> tuple[str, ...]:
    """Return the names of the variables of a MATLAB file; () for another file."""
    if is_hdf5(path):
        with open_hdf5(path) as file:
            return tuple(name for name in file if not name.startswith("#"))
    if not is_mat5(path):
        return ()
    return tuple(name for name, _, _, _ in _variables(path, HEAD))


def read_mat(path: Path, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Return {name: value} of the wanted variables that are there.

    A value is an array as MATLAB shows it, a text, a list (cell) or a dict (struct of one element); objects are
    None.
    """
    if is_hdf5(path):
        return _read_hdf5(path, wanted)
    if not is_mat5(path):
        raise DataError(f"{path}: is no MATLAB file: it has the header of none.")
    return {
        name: _Matrix(path, order).value(data if head is None else _unpacked(path, data, head, order)[8:])
        for name, data, head, order in _variables(path)
        if name in wanted
    }


def _read_hdf5(path: Path, wanted: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    with open_hdf5(path) as file:
        for name in wanted:
            if node(file, name) is None:
                continue
            array = read(file, name).T
            if attribute(node(file, name), "MATLAB_class") == b"char":
                values[name] = ["".join(map(chr, row)) for row in np.atleast_2d(array).tolist()]
            else:
                values[name] = array
    return values


def _variables(path: Path, limit: int = MAX_BYTES) -> Iterator[tuple[str, memoryview, memoryview | None, str]]:
    """Yield name, bytes (at most `limit`), beginning (of a compressed variable, else None) and byte order."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        order = "<" if mapped[126:128] == b"IM" else ">"
        at = 128
        while at + 8 <= len(mapped):
            kind, length = struct.unpack_from(f"{order}II", mapped, at)
            if length > min(len(mapped) - at - 8, MAX_BYTES):
                raise DataError(f"{path}: ends in the middle of a variable. The file is incomplete.")
            if kind == COMPRESSED:
                head = memoryview(
                    zlib.decompressobj().decompress(mapped[at + 8 : at + 8 + min(length, HEAD)], HEAD)
                )
                data = memoryview(mapped[at + 8 : at + 8 + min(length, limit)])
                yield _Matrix(path, order).name(head[8:]), data, head, order
            elif kind == MATRIX:
                data = memoryview(mapped[at + 8 : at + 8 + min(length, limit)])
                yield _Matrix(path, order).name(data), data, None, order
            at += 8 + length


def _unpacked(path: Path, data: memoryview, head: memoryview, order: str) -> memoryview:
    """Return a compressed variable. Raises DataError if it is not as long as it declares."""
    declared = struct.unpack_from(f"{order}I", head, 4)[0] + 8
    if declared > min(MAX_BYTES, MAX_RATIO * len(data) + HEAD):
        raise DataError(f"{path}: a variable declares {declared:,} bytes, more than {len(data):,} can hold.")
    unpacked = zlib.decompressobj().decompress(data, declared + 1)
    if len(unpacked) != declared:
        raise DataError(f"{path}: a variable has another length than it declares. The file is damaged.")
    return memoryview(unpacked)


class _Matrix:
    """Reads the parts of one array."""

    def __init__(self, path: Path, order: str) -> None:
        self.path, self.order = path, order

    def elements(self, data: memoryview) -> Iterator[_Element]:
        at = 0
        while at + 8 <= len(data):
            first, second = struct.unpack_from(f"{self.order}II", data, at)
            if first >> 16:
                kind, length, start = first & 0xFFFF, first >> 16, at + 4
                following = at + 8
            else:
                kind, length, start = first, second, at + 8
                following = start + (length + 7) // 8 * 8
            if start + length > len(data):
                raise DataError(f"{self.path}: a part of a variable ends beyond it. The file is damaged.")
            yield _Element(kind, data[start : start + length])
            at = following

    def name(self, data: memoryview) -> str:
        parts = self.elements(data)
        next(parts, None)
        next(parts, None)
        name = next(parts, None)
        return bytes(name.data).decode("latin-1") if name else ""

    def numbers(self, element: _Element) -> npt.NDArray[Any]:
        if element.kind not in TYPES:
            raise DataError(f"{self.path}: a variable holds values of the unknown type {element.kind}.")
        return np.frombuffer(element.data, np.dtype(f"{self.order}{TYPES[element.kind]}"))

    def value(self, data: memoryview, depth: int = 0) -> Any:
        parts = list(self.elements(data))
        if depth > MAX_DEPTH or len(parts) < 3:
            return None
        flags, shape = int(self.numbers(parts[0])[0]), tuple(int(n) for n in self.numbers(parts[1]))
        kind, count, rest = flags & 0xFF, int(np.prod(shape, dtype=object)), parts[3:]
        if any(n < 0 for n in shape) or count > MAX_BYTES:
            raise DataError(f"{self.path}: a variable declares the impossible shape {shape}.")
        if kind in NUMERIC:
            return self.shaped(self.numbers(rest[0]) if rest else np.empty(0), shape, count)
        if kind == CHAR:
            return self.texts(rest, shape, count)
        if kind == CELL:
            self.expect(len(rest) == count <= MAX_ITEMS)
            return [self.value(item.data, depth + 1) for item in rest]
        if kind == STRUCT and count == 1 and len(rest) >= 2:
            width = int(self.numbers(rest[0])[0])
            packed = bytes(rest[1].data)
            self.expect(0 < width <= 64 and len(packed) // width == len(rest) - 2)
            names = [
                packed[at : at + width].split(b"\0")[0].decode("latin-1") for at in range(0, len(packed), width)
            ]
            return {name: self.value(item.data, depth + 1) for name, item in zip(names, rest[2:], strict=True)}
        return None

    def texts(self, rest: list[_Element], shape: tuple[int, ...], count: int) -> str | list[str]:
        """Return a row of characters as text, a matrix of characters as its rows."""
        if not rest or not count:
            return ""
        if rest[0].kind == UTF8:
            letters = list(bytes(rest[0].data).decode("utf-8", errors="replace"))
        else:
            letters = [chr(code) for code in self.numbers(rest[0]).tolist()]
        self.expect(len(letters) == count and len(shape) == 2)
        rows = ["".join(letters[row :: shape[0]]) for row in range(shape[0])]
        return rows[0] if len(rows) == 1 else rows

    def shaped(self, numbers: npt.NDArray[Any], shape: tuple[int, ...], count: int) -> npt.NDArray[Any]:
        self.expect(len(numbers) == count)
        return numbers.reshape(shape, order="F")

    def expect(self, fits: bool) -> None:
        if not fits:
            raise DataError(f"{self.path}: the values of a variable do not fit its shape. The file is damaged.")
