"""Read the rows of a query from the file in which Athena leaves them: one request, whatever their number.

``GetQueryResults`` gives a thousand rows a request (https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html).
The file is CSV in which every value is quoted and a missing one is nothing, also not quotes
(https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from etholake.errors import AwsError

__all__ = ["rows_of"]

_CELL = re.compile(r'("(?:[^"]|"")*"|)(,|\r?\n)')


def rows_of(text: str, types: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the rows of a result file below its header, each value as PyAthena's own cursor converts it.

    Parameters
    ----------
    types
        Athena's name of each column's type, as in ``cursor.description``.

    Raises
    ------
    AwsError
        The text is not a result file of so many columns.
    """
    from pyathena.converter import DefaultTypeConverter

    converter = DefaultTypeConverter()
    cells, width = _cells(text), len(types)
    if len(cells) % width:
        raise AwsError(f"Expected a result file of {width} columns, but got {len(cells)} values.")
    columns = [map(converter.get(kind), cells[width + i :: width]) for i, kind in enumerate(types)]
    return list(zip(*columns, strict=True))


def _cells(text: str) -> list[str | None]:
    pairs = _CELL.findall(text if text.endswith("\n") or not text else text + "\n")
    if sum(len(value) + len(end) for value, end in pairs) < len(text):
        raise AwsError("Expected a result file in which every value is quoted, but got other text between values.")
    return [value[1:-1].replace('""', '"') if value else None for value, _ in pairs]
