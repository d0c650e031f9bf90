"""A call of one of the Python functions (`local_mock.athena.functions`) in compiled SQL."""

from __future__ import annotations

from collections.abc import Sequence

from local_mock.athena.functions import calling
from local_mock.athena.sqltypes import Type
from local_mock.athena.translate.relations import Typed

__all__ = ["python", "python_sql"]


def python_sql(function: str, arguments: Sequence[tuple[str, Type]], result: Type) -> str:
    """Return SQL that calls `function` with (SQL, type) arguments."""
    name = calling(function, tuple(kind for _, kind in arguments), result)
    return f"{name}({', '.join(sql for sql, _ in arguments)})"


def python(function: str, arguments: Sequence[Typed], result: Type) -> Typed:
    """Return the same for compiled arguments."""
    return Typed(python_sql(function, [(a.sql, a.type) for a in arguments], result), result)
