"""Objects by URI for code that runs inside jobs: read and write ``s3://bucket/key`` through Arrow.

`ETHOLAKE_S3_MOUNT` names a folder in which buckets are mounted (Mountpoint for S3 on AWS, the mock's plain
folders here); if it is set, objects are read and written there. Otherwise they go through S3
(`AWS_ENDPOINT_URL` is honoured). A write is atomic: a reader sees the old object or the new one.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from etholake.contract import MAX_POINTS
from etholake.errors import DataError

__all__ = ["filesystem", "output", "read_rows", "read_table", "split_uri", "write_bytes", "write_table"]

MOUNT = "ETHOLAKE_S3_MOUNT"
MAX_TEXT = 10_000  # bytes of one text in a file that a person hands in


def split_uri(uri: str) -> tuple[str, str]:
    """Return ('bucket', 'key') of ``s3://bucket/key``. Raises DataError for other texts and a `..` in the key."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or ".." in PurePosixPath(key).parts:
        raise DataError(f"Expected an URI like s3://bucket/key, but got '{uri}'.")
    return bucket, key


def filesystem(uri: str) -> tuple[Any, str]:
    """Return (Arrow filesystem, path in it) of an ``s3://`` URI or of a local path."""
    from pyarrow import fs

    if "://" not in uri:
        return fs.LocalFileSystem(), uri
    bucket, key = split_uri(uri)
    if mount := os.environ.get(MOUNT):
        return fs.LocalFileSystem(), str(Path(mount) / bucket / key)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    return fs.S3FileSystem(region=region, endpoint_override=endpoint), f"{bucket}/{key}"


def read_table(uri: str, columns: list[str] | None = None) -> Any:
    """Return a Parquet object as an Arrow table."""
    import pyarrow.parquet as pq

    files, path = filesystem(uri)
    return pq.ParquetFile(path, filesystem=files).read(columns=columns)


def read_rows(source: Any, columns: list[str] | None = None, max_values: int = MAX_POINTS) -> Any:
    """Return a Parquet file that a person hands in as an Arrow table, texts as codes of their distinct values.

    Parameters
    ----------
    source : a path, or a file object.
    columns : those to read; all without it. One that the file lacks is left out of the table.
    max_values : the most values of a column: a file of a few kB may unpack to any number of them.

    Raises
    ------
    DataError
        A column has more values, or a text of more than `MAX_TEXT` bytes.
    pyarrow.ArrowException, OSError
        The file cannot be read as Parquet.
    """
    import pyarrow as pa
    import pyarrow.compute as pac
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(source)
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    wanted = [i for i, leaf in enumerate(leaves) if columns is None or leaf.path.partition(".")[0] in columns]
    for i in wanted:
        count = sum(metadata.row_group(g).column(i).num_values for g in range(metadata.num_row_groups))
        if count > max_values:
            raise DataError(
                f"has {count:,} values in the column '{leaves[i].path}', but at most {max_values:,} are read."
            )
    texts = [leaves[i].path for i in wanted if leaves[i].physical_type == "BYTE_ARRAY"]
    if hasattr(source, "seek"):
        source.seek(0)
    table = pq.ParquetFile(source, metadata=metadata, read_dictionary=texts).read(columns=columns)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            longest = max(
                (pac.max(pac.binary_length(c.dictionary)).as_py() or 0 for c in column.chunks), default=0
            )
            if longest > MAX_TEXT:
                raise DataError(f"has a text of {longest:,} bytes in the column '{name}'; no name is so long.")
    return table


@contextmanager
def output(uri: str) -> Iterator[Any]:
    """Give a writable stream whose bytes become one object if the block ends well, and nothing otherwise.

    Errors name the URI (a full disk, say, leaves nothing behind).
    """
    from pyarrow import fs

    files, path = filesystem(uri)
    if not isinstance(files, fs.LocalFileSystem):
        stream = files.open_output_stream(path)  # S3: visible when the upload completes
        try:
            yield stream
        except BaseException:
            stream.close()
            files.delete_file(path)
            raise
        stream.close()
        return
    final = Path(path)
    partial = final.with_name(f".tmp-{uuid.uuid4().hex}")
    try:
        with _create(partial) as stream:
            yield stream
        partial.replace(final)
    except OSError as err:
        partial.unlink(missing_ok=True)
        raise DataError(
            f"Could not write {uri}: {err}. Free some space or check permissions, and run again."
        ) from err
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _create(path: Path) -> Any:
    import pyarrow as pa

    for last_try in (False, True):  # whoever deletes the folder's last object may remove the folder, too
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return pa.OSFile(str(path), "wb")
        except FileNotFoundError:
            if last_try:
                raise
    raise AssertionError("unreachable")


def write_bytes(uri: str, data: bytes | memoryview) -> None:
    """Write one object atomically, as `output`."""
    with output(uri) as stream:
        stream.write(data)


def write_table(uri: str, table: Any, **options: Any) -> int:
    """Write an Arrow table as one Parquet object, atomically; `options` go to `pyarrow.parquet.write_table`.

    Returns the object's size in bytes.
    """
    import pyarrow.parquet as pq

    with output(uri) as sink:
        pq.write_table(table, sink, **({"compression": "zstd"} | options))
        return int(sink.tell())
