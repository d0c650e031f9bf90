"""Convert the contract's tables to Arrow schemas and Glue columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etholake.contract.tables import TABLES, Table

if TYPE_CHECKING:
    import pyarrow as pa

_SIMPLE_TYPES = {
    "bigint": "int64", "int": "int32", "smallint": "int16", "tinyint": "int8", "double": "float64",
    "float": "float32", "string": "string", "boolean": "bool_",
}  # fmt: skip


def arrow_type(athena_type: str) -> pa.DataType:
    """Return the Arrow type of an Athena type; ``array<t>`` becomes ``list<t>``."""
    import pyarrow as pa

    if athena_type.startswith("array<"):
        return pa.list_(arrow_type(athena_type[len("array<") : -1]))
    return getattr(pa, _SIMPLE_TYPES[athena_type])()


def arrow_schema(table: Table | str) -> pa.Schema:
    """Return the schema of a table's Parquet files: the columns in order, without the partition keys."""
    import pyarrow as pa

    columns = (TABLES[table] if isinstance(table, str) else table).columns
    return pa.schema([pa.field(c.name, arrow_type(c.type), nullable=c.nullable) for c in columns])


def glue_columns(table: Table | str) -> list[dict[str, str]]:
    """Return the columns as the Glue Catalog's `StorageDescriptor.Columns` wants them."""
    columns = (TABLES[table] if isinstance(table, str) else table).columns
    return [{"Name": c.name, "Type": c.type, "Comment": c.comment} for c in columns]
