"""Writes ddl/<table>.sql from the data contract: ``python athena_queries/ddl/generate.py``.

`etholake.lake` registers the same tables through the Glue API; these files are the same thing for people and
for tools that speak SQL. ``${bucket}`` stands for the bucket of the lake. A test compares files and contract.
"""

from __future__ import annotations

from pathlib import Path

from etholake.contract import CURATED_ZONE, TABLES, Column, Table

__all__ = ["statement"]


def statement(table: Table) -> str:
    """Return the file of one table: header and CREATE EXTERNAL TABLE."""
    if table.log:
        location = f"{CURATED_ZONE}/{table.name}/"
        where = (
            f"{', '.join(table.partitions)}; each partition is the folder that etholake.lake adds files to, and "
            "is registered by it"
        )
    elif table.partitions:
        location = f"{CURATED_ZONE}/{table.name}/"
        where = (
            f"{', '.join(table.partitions)}; each partition points to its current generation and is registered by "
            "etholake.lake.\n-- Never MSCK REPAIR: it would not find the generations."
        )
    else:
        location = f"{CURATED_ZONE}/_empty/"
        where = "none; etholake.lake points the table to its current generation"
    lines = [
        f"-- purpose: The table {table.name} of the curated zone (made by athena_queries/ddl/generate.py).",
        f"-- grain: one row per {table.grain}",
        f"-- partition filter: {where}",
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {table.name} (",
        ",\n".join(_column(column) for column in table.columns),
        ")",
    ]
    if table.partitions:
        lines.append(f"PARTITIONED BY ({', '.join(f'{key} string' for key in table.partitions)})")
    lines += ["STORED AS PARQUET", f"LOCATION 's3://${{bucket}}/{location}'"]
    lines.append("TBLPROPERTIES ('classification' = 'parquet')")
    return "\n".join(lines) + "\n"


def _column(column: Column) -> str:
    name = f"`{column.name}`" if column.name == "rows" else column.name
    comment = column.comment.replace("'", "")  # Hive and Trino escape a quote differently: have none
    return f"    {name} {column.type}" + (f" COMMENT '{comment}'" if comment else "")


if __name__ == "__main__":
    for _table in TABLES.values():
        (Path(__file__).parent / f"{_table.name}.sql").write_text(statement(_table), encoding="utf-8")
