"""Read a table that pandas wrote to HDF5, without pandas and without running a pickle.

pandas keeps names of columns as pickles in attributes, and some in arrays of pickles: `pandas.read_hdf` runs them.
Here they are read as data (`etholake.formats.inert_pickle`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.hdf5 import attribute, node, read, strings, text, walk
from etholake.formats.inert_pickle import loads, to_array

if TYPE_CHECKING:
    import h5py

__all__ = ["HdfTable", "last_level", "read_table", "table_keys"]

FIXED, TABLE = "frame", "frame_table"
MAX_BLOCKS = 1000
EMPTY = "shape"  # pandas' mark of an array without rows, in whose place it writes one value


@dataclass(frozen=True)
class HdfTable:
    """A table: `columns` are tuples, `values` float32 [N, columns], `index` numbers or tuples."""

    levels: tuple[str, ...]
    columns: list[tuple[str, ...]]
    values: npt.NDArray[np.float32]
    index: npt.NDArray[Any] | list[tuple[str, ...]]


def table_keys(file: h5py.File) -> list[str]:
    """Return the names of the groups that hold a pandas table, without the leading slash."""
    return [
        group.name.lstrip("/")
        for group in walk(file)
        if text(attribute(group, "pandas_type") or "") in (FIXED, TABLE)
    ]


def read_table(file: h5py.File, key: str) -> HdfTable:
    """Return the table of a key, of either of pandas' two layouts. Raises DataError if it is none."""
    import h5py

    group = node(file, key)
    if not isinstance(group, h5py.Group):
        raise DataError(f"{file.filename}: has no table '{key}'.")
    return _fixed(group) if text(attribute(group, "pandas_type") or "") == FIXED else _appendable(group)


def last_level(file: h5py.File, key: str) -> tuple[str, ...]:
    """Return the labels of the last level of a table's columns, without reading its values."""
    group = node(file, key)
    if text(attribute(group, "pandas_type") or "") == FIXED:
        return tuple(_labels(group, f"axis0_level{int(attribute(group, 'axis0_nlevels') or 1) - 1}"))
    return tuple(label[-1] for label in _column_tuples(group))


def _fixed(group: h5py.Group) -> HdfTable:
    levels, columns = _axis(group, "axis0")
    _, index = _axis(group, "axis1")
    axis = node(group, "axis1")  # None for an index of several levels
    if axis is not None and attribute(axis, EMPTY) is not None:
        index = index[:0]
    position = {column: at for at, column in enumerate(columns)}
    n_rows = len(index)
    blocks = int(attribute(group, "nblocks") or 0)
    if not 0 < blocks <= MAX_BLOCKS or len(position) < len(columns):
        raise DataError(f"{_place(group)}: has {blocks} blocks of columns, or columns of the same name.")
    values = np.full((n_rows, len(columns)), np.nan, np.float32)
    for number in range(blocks):
        _, items = _axis(group, f"block{number}_items")
        block = read(group, f"block{number}_values")
        dataset = node(group, f"block{number}_values")
        if not int(attribute(dataset, "transposed") or 0):
            block = block.T
        if attribute(dataset, EMPTY) is not None:
            block = block[:0].reshape(0, len(items))
        if block.shape != (n_rows, len(items)):
            raise DataError(f"{_place(group)}: block {number} is {block.shape}, not {(n_rows, len(items))}.")
        places = [position[item] for item in items]
        if places == list(range(len(columns))):
            values = block.astype(np.float32)
        else:
            values[:, places] = block
    return HdfTable(levels, columns, values, _plain(index))


def _axis(group: h5py.Group, axis: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the levels' names and the labels of an axis: tuples of texts."""
    if text(attribute(group, f"{axis}_variety") or "") != "multi":
        return ("",), [(label,) for label in _labels(group, axis)]
    levels, codes, names = [], [], []
    for level in range(int(attribute(group, f"{axis}_nlevels") or 0)):
        labels = _labels(group, f"{axis}_level{level}")
        code = read(group, f"{axis}_label{level}", "iu")
        if len(labels) == 0 or (
            code.size and not -len(labels) <= int(code.min()) <= int(code.max()) < len(labels)
        ):
            raise DataError(f"{_place(group)}: the labels of '{axis}' do not fit its level {level}.")
        levels.append(labels)
        codes.append(code)
        names.append(_level_name(group, axis, level))
    if not codes or len({len(code) for code in codes}) != 1:
        raise DataError(f"{_place(group)}: the levels of '{axis}' differ in length.")
    columns = zip(*([label[at] for at in code] for label, code in zip(levels, codes, strict=True)), strict=True)
    return tuple(names), list(columns)


def _level_name(group: h5py.Group, axis: str, level: int) -> str:
    item = node(group, f"{axis}_level{level}")
    name = text(attribute(item, "name") or "") if item is not None else ""
    return "" if name in ("N.", "None") else name


def _labels(group: h5py.Group, name: str) -> Sequence[str]:
    """Return the labels of an axis or level as texts, whether pandas stored them as texts, numbers or a pickle."""
    item = node(group, name)
    if item is None:
        raise DataError(f"{_place(group)}: has no '{name}'.")
    if text(attribute(item, "PSEUDOATOM") or "") == "object":
        return [text(label) for label in to_array(loads(_pickle_bytes(group, name))).reshape(-1)]
    if item.dtype.kind in "SUO":
        return strings(group, name)
    return [str(label) for label in read(group, name).reshape(-1).tolist()]


def _pickle_bytes(group: h5py.Group, name: str) -> bytes:
    item = node(group, name)
    if item is None or item.shape is None or item.size != 1:
        raise DataError(f"{_place(group)}: '{name}' is not one pickle.")
    return np.asarray(item[0], dtype=np.uint8).tobytes()


def _appendable(group: h5py.Group) -> HdfTable:
    table = read(group, "table", "V")
    names = table.dtype.names or ()
    dataset = node(group, "table")
    all_columns, parts = _column_tuples(group), []
    columns: list[tuple[str, ...]] = []
    for name in (name for name in names if name.startswith("values_block_")):
        pickled = attribute(dataset, f"{name}_kind")
        labels = [_label(label) for label in loads(_attribute_bytes(pickled))]
        block = table[name].reshape(len(table), -1)
        if block.shape[1] != len(labels) or block.dtype.kind not in "biuf":
            raise DataError(f"{_place(group)}: the columns of {name} do not fit its values.")
        columns += labels
        parts.append(block.astype(np.float32))
    if "index" not in names or not parts:
        raise DataError(f"{_place(group)}: the table has no index or no values.")
    values = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
    if all_columns and columns != all_columns and sorted(columns) == sorted(all_columns):
        places = {column: at for at, column in enumerate(columns)}
        values, columns = values[:, [places[column] for column in all_columns]], all_columns
    index: list[tuple[str, ...]] = [(text(label).rstrip("\0"),) for label in table["index"].tolist()]
    return HdfTable(_table_levels(group), columns, values, _plain(index))


def _column_tuples(group: h5py.Group) -> list[tuple[str, ...]]:
    """Return the columns in the table's own order (blocks may have another)."""
    pickled = attribute(group, "non_index_axes")
    if pickled is None:
        return []
    (_, labels), *_ = loads(_attribute_bytes(pickled))
    return [_label(label) for label in labels]


def _table_levels(group: h5py.Group) -> tuple[str, ...]:
    pickled = attribute(group, "info")
    info = loads(_attribute_bytes(pickled)) if pickled is not None else {}
    for entry in info.values():
        if isinstance(entry, dict) and isinstance(entry.get("names"), list):
            return tuple("" if name is None else text(name) for name in entry["names"])
    return ()


def _attribute_bytes(value: Any) -> bytes:
    if value is None:
        raise DataError("A pandas table lacks the names of its columns.")
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


def _label(label: Any) -> tuple[str, ...]:
    return tuple(text(part) for part in label) if isinstance(label, tuple) else (text(label),)


def _plain(index: list[tuple[str, ...]]) -> npt.NDArray[Any] | list[tuple[str, ...]]:
    """Return the index as numbers if it is one column of whole numbers, which pandas may hold as floats."""
    if all(len(label) == 1 for label in index[:1]):
        with suppress(ValueError, OverflowError):
            return np.array([int(label[0].removesuffix(".0")) for label in index], dtype=np.int64)
    return index


def _place(group: h5py.Group) -> str:
    return f"{group.file.filename}, {group.name}"
