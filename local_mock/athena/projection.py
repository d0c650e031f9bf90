"""Partition projection: partitions computed from table properties (enum, integer, date).

Source: https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
"""

from __future__ import annotations

import datetime as dt
import itertools
import re

from local_mock.athena.catalog import Partition, Table
from local_mock.athena.errors import QueryError, not_supported

__all__ = ["projected"]

_LIMIT = 100_000
_JAVA = (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"))


def projected(table: Table) -> list[Partition]:
    """Return all partitions that the table's `projection.*` properties describe."""
    keys = [name for name, _ in table.partition_keys]
    ranges = [_values(table, key) for key in keys]
    template = table.parameters.get("storage.location.template")
    partitions: list[Partition] = []
    for values in itertools.product(*ranges):
        if len(partitions) >= _LIMIT:
            raise not_supported(f"partition projection with more than {_LIMIT} partitions")
        pairs = dict(zip(keys, values, strict=True))
        if template:
            location = re.sub(r"\$\{(\w+)\}", lambda m, p=pairs: p[m.group(1).lower()], template)  # type: ignore[misc]
        else:
            location = table.location.rstrip("/") + "/" + "/".join(f"{k}={v}" for k, v in pairs.items())
        partitions.append(Partition(values, location))
    return partitions


def _values(table: Table, key: str) -> list[str]:
    def setting(name: str, default: str = "") -> str:
        return table.parameters.get(f"projection.{key}.{name}", default)

    kind = setting("type").lower()
    if kind == "enum":
        return [value.strip() for value in setting("values").split(",")]
    if kind == "integer":
        low, high = (int(part) for part in setting("range").split(","))
        digits = int(setting("digits", "0"))
        return [str(n).zfill(digits) for n in range(low, high + 1, int(setting("interval", "1")))]
    if kind == "date":
        return _dates(setting("range"), setting("format"), int(setting("interval", "1")), setting("interval.unit"))
    if kind == "injected":
        raise not_supported(f"the injected partition projection of '{key}'")
    raise QueryError("INVALID_TABLE_PROPERTY", f"Missing projection.{key}.type")


def _dates(span: str, pattern: str, interval: int, unit: str) -> list[str]:
    shape = pattern.replace("'", "")
    for java, code in _JAVA:
        shape = shape.replace(java, code)
    if re.search(r"(?<!%)[A-Za-z]{2}", shape.replace("T", "")):
        raise not_supported(f"the projection date format {pattern}")
    low, high = (_moment(part.strip(), shape) for part in span.split(","))
    unit = unit.lower().rstrip("s") or (
        "hour" if "%H" in shape else "day" if "%d" in shape else "month" if "%m" in shape else "year"
    )
    values = []
    while low <= high:
        values.append(low.strftime(shape))
        low = _step(low, interval, unit)
    return values


def _moment(text: str, shape: str) -> dt.datetime:
    match = re.fullmatch(r"NOW\s*(?:([+-])\s*(\d+)\s*([A-Z]+?)S?)?", text, re.IGNORECASE)
    if match is None:
        return dt.datetime.strptime(text, shape)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    if match.group(1) is None:
        return now
    return _step(now, int(match.group(1) + match.group(2)), match.group(3).lower())


def _step(moment: dt.datetime, count: int, unit: str) -> dt.datetime:
    if unit in ("month", "year"):
        months = moment.month - 1 + count * (12 if unit == "year" else 1)
        return moment.replace(year=moment.year + months // 12, month=months % 12 + 1)
    return moment + dt.timedelta(**{f"{unit}s": count})
