"""A lake of a test's own on the running mock: bucket, database, work group, registered tables, rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etholake import aws
from etholake.contract import arrow_schema
from etholake.lake import Lake
from etholake.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["open_lake", "rows"]


def open_lake(settings: Settings, name: str) -> tuple[Settings, Lake]:
    """Return (settings, lake) of a new, empty lake whose bucket, database, work group and stack bear `name`."""
    own = replace(settings, bucket=f"{name}-lake", database=f"{name}_db", workgroup=name, stack=name)
    s3, glue = aws.client(own, "s3"), aws.client(own, "glue")
    s3.create_bucket(Bucket=own.bucket)
    glue.create_database(DatabaseInput={"Name": own.database})
    results = {"ResultConfiguration": {"OutputLocation": f"s3://{own.bucket}/query-results/"}}
    aws.client(own, "athena").create_work_group(Name=own.workgroup, Configuration=results)
    lake = Lake(s3, glue, own.bucket, own.database)
    lake.register()
    return own, lake


def rows(table: str, *items: dict[str, Any]) -> pa.Table:
    """Return rows of a contract table; an absent value is null, or the emptiest one where null is not allowed."""
    import pyarrow as pa

    schema = arrow_schema(table)
    empty = {"bool": False, "string": "", "list<item: string>": []}
    blank = {f.name: None if f.nullable else empty.get(str(f.type), 0) for f in schema}
    return pa.Table.from_pylist([blank | item for item in items], schema=schema)
