"""Read raw Arrow columns as numpy arrays, with one sentinel for missing or impossible values.

Labs write the same column as int8, int64, float (pandas, because of a NaN) or string. Whole numbers in floats
are accepted; text in the place of numbers is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etholake.contract import plain_name
from etholake.curate.quarantine import BadFileError

__all__ = ["INVALID", "check_columns", "names", "numbers", "optional_numbers", "source_row", "whole_numbers"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

INVALID = -(2**62)  # a whole number that is missing or is none


def check_columns(table: pa.Table, wanted: Iterable[str], optional: Iterable[str] = ()) -> set[str]:
    """Return the flags of the column names. Raises BadFileError if a column is missing or doubled.

    A column beyond `wanted` and `optional` is extra.
    """
    present, wanted = table.schema.names, list(wanted)
    if missing := [name for name in wanted if name not in present]:
        detail = f"Expected the columns {wanted}, but {missing} are missing (it has {present})."
        raise BadFileError("column-missing", detail, table.num_rows)
    if doubled := [name for name in wanted if present.count(name) > 1]:
        raise BadFileError("column-type", f"The columns {doubled} are there more than once.", table.num_rows)
    return {"column-extra"} if set(present) - {*wanted, *optional} else set()


def whole_numbers(table: pa.Table, name: str) -> Ints:
    """Return a column of integers, or of floats that hold integers, as int64; any other value is `INVALID`."""
    column = table[name]
    if pa.types.is_null(column.type):
        return np.full(len(column), INVALID, dtype=np.int64)
    if pa.types.is_integer(column.type) and column.type != pa.uint64():
        values = column.cast(pa.int64())
        if column.type == pa.int64():  # a value must not be taken for the mark
            values = pc.max_element_wise(values, pa.scalar(INVALID + 1), skip_nulls=False)
        return np.asarray((pc.fill_null(values, INVALID) if values.null_count else values).to_numpy())
    if pa.types.is_floating(column.type) or column.type == pa.uint64():
        floats = _to_float(column)
        whole = np.isfinite(floats) & (floats == np.floor(floats)) & (np.abs(floats) < 2**53)
        return np.where(whole, np.where(whole, floats, 0).astype(np.int64), INVALID)
    raise _wrong_type(name, "whole numbers", column)


def numbers(table: pa.Table, name: str) -> npt.NDArray[Any]:
    """Return a column of numbers as float64, NaN where null; float32 if that is what the column holds."""
    column = table[name]
    if pa.types.is_float32(column.type):
        return np.asarray((pc.fill_null(column, float("nan")) if column.null_count else column).to_numpy())
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type):
        return _to_float(column)
    raise _wrong_type(name, "numbers", column)


def optional_numbers(table: pa.Table, wanted: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """Return those of the columns that are there once and hold numbers, as `numbers`; an infinite one is NaN.

    A column of another type is none of ours: it is left out, and counts as extra.
    """
    columns = {}
    for name in wanted:
        if table.schema.names.count(name) == 1 and _holds_numbers(table.schema.field(name).type):
            values = numbers(table, name)
            columns[name] = np.where(np.isfinite(values), values, np.nan)
    return columns


def _holds_numbers(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_) or pa.types.is_integer(type_))


def names(table: pa.Table, name: str) -> tuple[Ints, list[str]]:
    """Return a text column as codes into its distinct `plain_name`s, sorted; -1 where missing or blank."""
    column = table[name]
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(type_):
        return np.full(len(column), -1, dtype=np.int64), []
    if not (pa.types.is_string(type_) or pa.types.is_large_string(type_)):
        raise _wrong_type(name, "names", column)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    merged = column.unify_dictionaries().combine_chunks()
    encoded = merged.chunk(0) if isinstance(merged, pa.ChunkedArray) else merged
    try:
        values = ["" if value is None else plain_name(value) for value in encoded.dictionary.to_pylist()]
    except UnicodeDecodeError as err:
        raise BadFileError(
            "file-unreadable", f"Column '{name}' holds bytes that are no text: {err}.", len(column)
        ) from err
    codes = np.asarray(pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False))
    used = np.flatnonzero(np.bincount(codes + 1, minlength=len(values) + 1)[1:])
    distinct = sorted({values[code] for code in used} - {""})
    code_of = {value: code for code, value in enumerate(distinct)}
    translate = np.array([code_of.get(value, -1) for value in values] + [-1], dtype=np.int64)
    return translate[codes], distinct


def source_row(table: pa.Table, number: int) -> dict[str, Any]:
    """Return one row as it came, for the quarantine."""
    row: dict[str, Any] = table.slice(number, 1).to_pylist()[0]
    return row


def _to_float(column: pa.ChunkedArray) -> Floats:
    values = column.cast(pa.float64(), safe=False)
    return np.asarray((pc.fill_null(values, float("nan")) if values.null_count else values).to_numpy())


def _wrong_type(name: str, wanted: str, column: pa.ChunkedArray) -> BadFileError:
    detail = f"Expected the column '{name}' to hold {wanted}, but its type is {column.type}."
    return BadFileError("column-type", detail, len(column))
