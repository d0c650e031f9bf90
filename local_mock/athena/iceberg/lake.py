"""PyIceberg on the mock: its files are objects of `DataAccess`, its catalog is the Glue mock, without HTTP."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
from pyarrow.fs import FileInfo, FileSystemHandler, FileType, PyFileSystem
from pyiceberg.catalog.glue import GlueCatalog as PyIcebergCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO

from local_mock.athena.catalog import GlueCatalog
from local_mock.data import DataAccess
from local_mock.glue.optimistic import ConcurrentModificationError, update_table

__all__ = ["IcebergCatalog", "ObjectIO"]


class _Upload(io.BytesIO):
    """A buffer that becomes an object when it is closed."""

    def __init__(self, data: DataAccess, uri: str) -> None:
        super().__init__()
        self._data, self._uri = data, uri

    def close(self) -> None:
        if not self.closed:
            self._data.write(self._uri, self.getvalue())
        super().close()


class _Objects(FileSystemHandler):
    """Objects as a file system of Arrow: a path is ``bucket/key``. There are no folders to make or to list."""

    def __init__(self, data: DataAccess) -> None:
        self._data = data

    def get_type_name(self) -> str:
        return "local_mock"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[FileInfo]:
        return [self._info(path) for path in paths]

    def _info(self, path: str) -> FileInfo:
        size = next((i.size for i in self._data.list(f"s3://{path}") if i.uri == f"s3://{path}"), None)
        return FileInfo(path, FileType.NotFound) if size is None else FileInfo(path, FileType.File, size=size)

    def open_input_file(self, path: str) -> Any:
        return pa.OSFile(str(self._data.local_file(f"s3://{path}")))

    open_input_stream = open_input_file

    def open_output_stream(self, path: str, _metadata: Any) -> Any:
        return pa.PythonFile(_Upload(self._data, f"s3://{path}"), mode="w")

    def delete_file(self, path: str) -> None:
        self._data.delete(f"s3://{path}")

    def _refuse(self, *_: Any) -> Any:
        raise NotImplementedError("PyIceberg reads, writes and deletes single objects only.")

    get_file_info_selector = create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refuse
    move = copy_file = open_append_stream = _refuse


class ObjectIO(PyArrowFileIO):
    """PyIceberg's files in the mock's buckets, whatever their scheme is called (s3, s3a, s3n)."""

    def __init__(self, data: DataAccess, properties: dict[str, str]) -> None:
        super().__init__(properties)
        system = PyFileSystem(_Objects(data))
        self.fs_by_scheme = lambda _scheme, _netloc=None: system


class _GlueClient:
    """The calls of a boto3 Glue client that PyIceberg's catalog makes, on the backend itself."""

    class exceptions:  # noqa: N801 - boto3's name
        class EntityNotFoundException(Exception):  # noqa: N818
            pass

        class AlreadyExistsException(Exception):  # noqa: N818
            pass

        class ConcurrentModificationException(Exception):  # noqa: N818
            pass

        class InvalidInputException(Exception):  # noqa: N818
            pass

    def __init__(self, catalog: GlueCatalog) -> None:
        self._catalog = catalog

    def get_database(self, Name: str) -> dict[str, Any]:
        if not self._catalog.has_database(Name):
            raise self.exceptions.EntityNotFoundException(Name)
        return {"Database": {"Name": Name}}

    def get_table(self, DatabaseName: str, Name: str) -> dict[str, Any]:
        entry = self._catalog.entry(DatabaseName, Name)
        if entry is None:
            raise self.exceptions.EntityNotFoundException(f"{DatabaseName}.{Name}")
        return {"Table": {**entry, "Parameters": dict(entry.get("Parameters") or {})}}

    def create_table(self, DatabaseName: str, TableInput: dict[str, Any]) -> None:
        if self._catalog.entry(DatabaseName, TableInput["Name"]) is not None:
            raise self.exceptions.AlreadyExistsException(TableInput["Name"])
        if DatabaseName == "default" and DatabaseName not in self._catalog.backend.databases:
            self._catalog.backend.create_database(DatabaseName, {"Name": DatabaseName})
        self._catalog.backend.create_table(DatabaseName, TableInput["Name"], _current(TableInput))

    def update_table(
        self,
        DatabaseName: str,
        TableInput: dict[str, Any],
        SkipArchive: bool,
        VersionId: str,
    ) -> None:
        try:
            update_table(
                self._catalog.backend, DatabaseName, _current(TableInput), VersionId, skip_archive=SkipArchive
            )
        except ConcurrentModificationError as err:
            raise self.exceptions.ConcurrentModificationException(str(err)) from err

    def delete_table(self, DatabaseName: str, Name: str) -> None:
        self._catalog.backend.delete_table(DatabaseName, Name)


def _current(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table whose columns are those of the current schema, as Athena writes it."""
    storage = table["StorageDescriptor"]
    columns = [
        column
        for column in storage["Columns"]
        if (column.get("Parameters") or {}).get("iceberg.field.current", "true") == "true"
    ]
    return {**table, "StorageDescriptor": {**storage, "Columns": columns}}


class IcebergCatalog(PyIcebergCatalog):
    """PyIceberg's Glue catalog over the mock's own backend and objects."""

    def __init__(self, catalog: GlueCatalog, data: DataAccess) -> None:
        super().__init__("local_mock", client=_GlueClient(catalog), **{"glue.skip-archive": "true"})
        self._data = data

    def _load_file_io(self, properties: Any = None, location: str | None = None) -> ObjectIO:
        del location
        return ObjectIO(self._data, {**self.properties, **(properties or {})})
