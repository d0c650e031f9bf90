"""Check a lab's Parquet file by its footer. Its data are judged by the curation."""

from __future__ import annotations

from typing import Any

from etholake.contract import RAW_TRACKING_OPTIONAL_COLUMNS
from etholake.stages.lake.ingest.folder import KINDS, RawFile

__all__ = ["check"]


def check(file: RawFile, content: bytes | None = None) -> list[str]:
    """Return the file's problems as sentences with the remedy. `content` is its bytes, if already read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.kind in {"metadata", "boxes"}:
        return []
    if file.kind == "video":
        return _check_video(file)
    if file.size == 0:
        return [f"{file.path} is empty (0 bytes): copy or export it again."]
    try:
        with pa.OSFile(str(file.path)) if content is None else pa.BufferReader(content) as source:
            schema = pq.read_schema(source)
    except (pa.ArrowException, OSError) as err:
        reason = str(err).splitlines()[0].partition("input source '<Buffer>': ")
        return [f"{file.path} is not readable as Parquet ({reason[2] or reason[0]}): copy or export it again."]
    columns = KINDS[file.kind]
    optional = RAW_TRACKING_OPTIONAL_COLUMNS if file.kind == "tracking" else {}
    problems = []
    if missing := [name for name in columns if name not in schema.names]:
        problems.append(f"{file.path} lacks the columns {missing}: export it again with them.")
    if extra := [name for name in schema.names if name not in columns and name not in optional]:
        problems.append(f"{file.path} has columns that the layout does not know, {extra}: they will not be read.")
    wrong = {
        name: str(schema.field(name).type)
        for name, kind in (columns | optional).items()
        if schema.names.count(name) == 1 and not _holds(schema.field(name).type, kind)
    }
    if wrong:
        expected = ", ".join(
            f"{name} as {(columns | optional)[name]} but got {actual}" for name, actual in wrong.items()
        )
        problems.append(f"{file.path} has wrong types: expected {expected}; export it again.")
    return problems


def _check_video(file: RawFile) -> list[str]:
    """Return what speaks against a video by its first bytes: what is in it is told by the job that reads it."""
    from etholake.formats.video import container_of

    if file.size == 0:
        return [f"{file.path} is empty (0 bytes): copy or export it again."]
    if container_of(file.path) is None:
        return [f"{file.path} has the signature of no mp4, mov, avi or mkv video: convert it to mp4."]
    return []


def _holds(arrow_type: Any, kind: str) -> bool:
    """Return whether a column of type `arrow_type` fits the layout (coercible numbers are accepted)."""
    from pyarrow import types

    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    if kind == "string":
        return bool(types.is_string(arrow_type) or types.is_large_string(arrow_type))
    return bool(types.is_integer(arrow_type) or types.is_floating(arrow_type))
