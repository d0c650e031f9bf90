"""Formats of files: the options of Glue's readers and writers as options of Spark's.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-format.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .refusal import check_options, refuse

__all__ = ["reader", "table_format", "writer"]

_SPARK = {"parquet": "parquet", "glueparquet": "parquet", "orc": "orc", "json": "json", "csv": "csv"}
_READ = {
    "csv": ("separator", "quoteChar", "escaper", "withHeader", "multiline", "skipFirst", "optimizePerformance"),
    "json": ("multiline", "optimizePerformance"),
    "parquet": ("useGlueParquetWriter",),
    "orc": (),
}
_WRITE = {
    "csv": ("separator", "quoteChar", "writeHeader"),
    "json": (),
    "parquet": ("compression", "useGlueParquetWriter", "blockSize", "pageSize"),
    "orc": ("compression",),
}
_SERDES = {
    "ParquetHiveSerDe": "parquet", "OrcSerde": "orc", "JsonSerDe": "json", "LazySimpleSerDe": "csv",
    "OpenCSVSerde": "csv",
}  # fmt: skip


def _spark_format(name: str | None) -> str:
    if name not in _SPARK:
        raise refuse(f"the format {name!r} (of {', '.join(_SPARK)})")
    return _SPARK[name]


def _truth(value: Any) -> str:
    return "true" if str(value).lower() == "true" else "false"


def _csv(options: Mapping[str, Any]) -> dict[str, str]:
    quote = str(options.get("quoteChar", '"'))
    return {"sep": str(options.get("separator", ",")), "quote": "" if quote == "-1" else quote}


def reader(name: str | None, options: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return (format, options) for Spark's reader of files without a table. Raises NotImplementedError."""
    kind = _spark_format(name)
    check_options(options, _READ[kind], f"reading {kind}")
    if kind == "csv":
        if "skipFirst" in options and _truth(options["skipFirst"]) == "true" != _truth(options.get("withHeader")):
            raise refuse("skipFirst of csv without withHeader")
        escape = str(options.get("escaper", "none"))
        return kind, {
            **_csv(options),
            "header": _truth(options.get("withHeader", False)),
            "enforceSchema": "false",  # a file whose header differs is refused
            "multiLine": _truth(options.get("multiline", False)),
            "escape": '"' if escape == "none" else escape,
            "mode": "FAILFAST",
        }
    if kind == "json":
        return kind, {"multiLine": _truth(options.get("multiline", False)), "mode": "FAILFAST"}
    return kind, {}


def writer(name: str | None, options: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return (format, options) for Spark's writer. Raises NotImplementedError."""
    kind = _spark_format(name)
    check_options(options, _WRITE[kind], f"writing {kind}")
    if kind == "csv":
        never_quoted = str(options.get("quoteChar", '"')) == "-1"
        made = {**_csv(options), "header": _truth(options.get("writeHeader", True)), "escape": '"'}
        return kind, made | ({"quote": "\u0000"} if never_quoted else {})
    return kind, {"compression": str(options["compression"])} if "compression" in options else {}


def table_format(table: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return (format, options) for Spark's reader of a table of the catalog. Raises NotImplementedError."""
    serde = table["StorageDescriptor"].get("SerdeInfo") or {}
    library = str(serde.get("SerializationLibrary") or "").rpartition(".")[2]
    parameters = {**(table.get("Parameters") or {}), **(serde.get("Parameters") or {})}
    kind = _SERDES.get(library)
    if kind is None or str(parameters.get("table_type", "")).lower() == "iceberg":
        raise refuse(f"the table {table['Name']} (SerDe {library or 'none'}, {parameters.get('table_type', '')})")
    if kind == "json":
        return kind, {"mode": "FAILFAST"}
    if kind != "csv":
        return kind, {}
    is_quoted = library == "OpenCSVSerde"
    separator = parameters.get("separatorChar" if is_quoted else "field.delim") or ("," if is_quoted else "\u0001")
    skipped = str(parameters.get("skip.header.line.count", "0"))
    if skipped not in ("0", "1"):
        raise refuse(f"skip.header.line.count={skipped} of the table {table['Name']}")
    return kind, {
        "sep": separator,
        "quote": str(parameters.get("quoteChar", '"')) if is_quoted else "",
        "escape": str(parameters.get("escapeChar", "\\"))
        if is_quoted
        else str(parameters.get("escape.delim", "\\")),
        "header": "true" if skipped == "1" else "false",
        "enforceSchema": "true",
        "mode": "FAILFAST",
    }
