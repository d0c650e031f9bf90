"""List the parts of Athena that are refused, for COVERAGE.md; each reason says "is not supported by local_mock"."""

# ruff: noqa: E501 - one line an entry
from __future__ import annotations

__all__ = ["render"]

_STATEMENTS = (
    "of Iceberg (extra `iceberg`): data in ORC or Avro files, equality deletes, columns of type uuid, time or fixed, format "
    "version 3, PARTITIONED BY changes, UNSET TBLPROPERTIES, REPLACE COLUMNS, the column `data` of `$partitions`; "
    "files are rewritten (copy on write) where Athena adds delete files, and VACUUM keeps orphan files",
    "rows of other tables than Iceberg's by UPDATE, DELETE and MERGE (as on Athena); S3 Tables",
    "Spark work groups (`run_spark_calculation`), federated catalogs",
    "tables of Grok, CloudTrail and Ion files (the catalog takes them); nested types of OpenCSVSerde, INSERT INTO its tables; Avro "
    "without the extra `avro`, SNAPPY in Avro files written; LZO, LZ4 and Snappy in text and JSON",
    "SORTED BY, buckets by float, decimal, timestamp or nested columns (buckets are layout only: no query skips them)",
    "partition projection of type `injected`",
    "an output location whose bucket does not exist (as on Athena)",
)
_CLAUSES = (
    "MATCH_RECOGNIZE, PIVOT, TABLESAMPLE other than BERNOULLI and SYSTEM, NATURAL JOIN, table functions (`TABLE(f(…))`)",
    "GROUP BY ALL and GROUP BY DISTINCT, FETCH … WITH TIES beside OFFSET or DISTINCT, EXCLUDE in a window frame, IGNORE NULLS on aggregates",
    "UNNEST joined ON anything but TRUE, names after the `*` of a relation",
    "grouping, DISTINCT, UNION and PARTITION BY over maps, over times with zone, and over timestamps with zones that differ by row",
    "max_by and min_by of several values by a float or a nested value; max and min of several floats; checksum of nested values",
    "typeof of nested text (lengths inside are not tracked); RANGE frames over timestamps with zone or more than 6 digits",
    "approx_percentile with weights or an accuracy (without, it takes the value at the exact rank; approx_distinct counts exactly)",
    r"the escapes `\h`, `\H`, `\R`, `\X`, `\K`, `\N`, `\C`, `\M`, `\Y`, `\y`, `\g` in patterns (Java and Joni read them differently); "
    "LISTAGG ON OVERFLOW TRUNCATE of more than 1 MiB",
    "json_table; the method datetime() and the division of decimals in paths of json_value and its like; wildcards and filters in those of json_extract",
    "date conversions in format(), names of zones in format_datetime other than UTC, eras and centuries in parse_datetime",
    "syntax of other dialects that Athena refuses, too: QUALIFY, ILIKE, `BETWEEN SYMMETRIC`, `UNION BY NAME`, `CAST … FORMAT`, "
    "`LIMIT … PERCENT`, `SELECT * EXCLUDE`, USING SAMPLE, MATERIALIZED",
)


def render() -> str:
    """Return a paragraph with lists, as Markdown."""
    from local_mock.athena.translate.calls import REFUSED_FUNCTIONS

    functions = ", ".join(f"`{name}`" for name in sorted(REFUSED_FUNCTIONS))
    lines = ["Of Athena, these are refused with a sentence:", ""]
    lines += [f"- {item}" for item in (*_STATEMENTS, *_CLAUSES)]
    lines += [f"- the functions {functions}, and all geospatial ones (`ST_…`)", ""]
    lines.append(
        "Whatever else the parser reads and the translator does not (`local_mock/athena/translate/consumed.py`) is refused "
        "by name as well. One query may hold half of `LOCAL_MOCK_ATHENA_MEMORY` (2GB) and take `LOCAL_MOCK_ATHENA_TIMEOUT` "
        "seconds (1800)."
    )
    return "\n".join(lines)
