"""Commits, deletes and reads of versions, over a store.

The newest version is the plain file, unless it is a delete marker. Older ones are files below
``<s3_root>/.local_mock/versions/<bucket>/`` with rows in the index. A bucket that never had versioning enabled has
neither. https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from local_mock.s3.errors import S3Error, no_such_key
from local_mock.s3.index import NULL, Old, Row
from local_mock.s3.locks import check_unlocked
from local_mock.s3.store import Store, StoredObject, full_disk

__all__ = ["Deleted", "Versions"]

_Condition = Callable[[StoredObject | None], None]


@dataclass(frozen=True)
class Deleted:
    """The answer to a delete: the version that was deleted, or the delete marker that was made; '' for neither."""

    version: str = ""
    is_marker: bool = False


class Versions:
    """Change objects under versioning. Only `store` reads the present ones."""

    def __init__(self, store: Store) -> None:
        self.store, self.index = store, store.index

    def open(self, bucket: str, key: str, version: str = "") -> tuple[BinaryIO, StoredObject]:
        """Return the present object, or one version.

        Raises NoSuchKey, NoSuchVersion, or MethodNotAllowed for a marker.
        """
        try:
            return self._open(bucket, key, version)
        except S3Error as err:
            if err.code not in ("NoSuchKey", "NoSuchVersion") or not self.index.versioning(bucket):
                raise
        with self.store.lock(bucket, key):  # it may have been on its way from one place to the other
            return self._open(bucket, key, version)

    def _open(self, bucket: str, key: str, version: str) -> tuple[BinaryIO, StoredObject]:
        try:
            file, stored = self.store.open(bucket, key)
        except S3Error as err:
            if err.code != "NoSuchKey" or (not version and not self.index.versioning(bucket)):
                raise
        else:
            if not version or stored.row.version == version:
                return file, stored
            file.close()
        old = self.index.version(bucket, key, version)
        if old is None:
            if version not in ("", NULL) and not self.index.versioning(bucket):
                raise S3Error("InvalidArgument", "Invalid version id specified", ArgumentName="versionId")
            raise _no_such_version(key, version) if version else no_such_key(key)
        if old.is_marker:
            headers = {"x-amz-delete-marker": "true", "x-amz-version-id": old.row.version}
            if not version:
                raise S3Error("NoSuchKey", "The specified key does not exist.", headers, Key=key)
            message = "The specified method is not allowed against this resource."
            raise S3Error("MethodNotAllowed", message, headers | {"Allow": "DELETE"}, ResourceType="DeleteMarker")
        if not version:  # the present object vanished outside, and an older version is no substitute
            raise no_such_key(key)
        try:
            file = self._path(bucket, old.file).open("rb")
        except OSError as err:
            raise _no_such_version(key, version) from err
        return file, StoredObject(bucket, key, old.row)

    def head(self, bucket: str, key: str, version: str = "") -> StoredObject:
        file, stored = self.open(bucket, key, version)
        file.close()
        return stored

    def commit(
        self,
        temporary: Path,
        bucket: str,
        key: str,
        etag: str,
        headers: dict[str, str],
        tags: dict[str, str],
        condition: _Condition | None = None,
    ) -> StoredObject:
        """Make a finished temporary file the object. `condition` sees the present object and may raise."""
        with self.store.lock(bucket, key), full_disk():
            if condition is not None:
                condition(self.store.find(bucket, key))
            version = self._archive(bucket, key)
            return self.store.place(temporary, bucket, key, Row(0, 0, etag, headers, tags, version=version))

    def change(self, bucket: str, key: str, version: str, edit: Callable[[Row], Row]) -> StoredObject:
        """Replace headers and tags of the present object or of one version."""
        with self.store.lock(bucket, key):
            stored = self.head(bucket, key, version)
            old = self.index.version(bucket, key, version) if version else None
            present = self.store.find(bucket, key)
            if old is None or (present is not None and present.row.version == version):
                return self.store.change(bucket, key, edit)
            row = edit(stored.row)
            self.index.change_version(bucket, old, row)
        return StoredObject(bucket, key, row)

    def delete(
        self,
        bucket: str,
        key: str,
        version: str = "",
        condition: _Condition | None = None,
        *,
        bypass: bool = False,
    ) -> Deleted:
        """Delete the object (a bucket with versions gets a delete marker) or one version; none is no error.

        `bypass`: also what is locked in GOVERNANCE mode.
        """
        self.store.check(bucket, key)
        with self.store.lock(bucket, key):
            if condition is not None:
                condition(self.store.find(bucket, key))
            if version:
                return self._delete_version(bucket, key, version, bypass=bypass)
            if not self.index.versioning(bucket):
                self.store.remove(bucket, key)
                return Deleted()
            marker = self._archive(bucket, key)
            # A row of the index before the file goes: a reader finds the object or the marker.
            self.index.add_version(bucket, key, Row(time.time_ns(), 0, "", version=marker), "")
            self.store.remove(bucket, key)
            return Deleted(marker, is_marker=True)

    def _delete_version(self, bucket: str, key: str, version: str, *, bypass: bool) -> Deleted:
        present = self.store.find(bucket, key)
        if present is not None and present.row.version == version:
            check_unlocked(present.row.headers, bypass=bypass)
            self.store.remove(bucket, key)
            present, old = None, None
        else:
            old = self.index.version(bucket, key, version)
            if old is None:
                return Deleted(version)
            check_unlocked(old.row.headers, bypass=bypass)
            self._drop(bucket, old)
        if present is None:
            self._promote(bucket, key)
        return Deleted(version, is_marker=old is not None and old.is_marker)

    def _archive(self, bucket: str, key: str) -> str:
        """Keep the present object as an older version where the bucket asks for it; the next version's id."""
        status = self.index.versioning(bucket)
        if not status:
            return NULL
        version = uuid.uuid4().hex if status == "Enabled" else NULL
        present = self.store.find(bucket, key)
        old_null = self.index.version(bucket, key, NULL)
        if old_null is not None and (version == NULL or (present and present.row.version == NULL)):
            self._drop(bucket, old_null)  # there is one version 'null' at most
        if present is not None and present.row.version != version:
            name = uuid.uuid4().hex
            path = self._path(bucket, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.store.link(bucket, key, path)
            self.index.add_version(bucket, key, present.row, name)
        return version

    def _promote(self, bucket: str, key: str) -> None:
        """Make the next version the object again after the newest has gone, unless it is a marker."""
        newest = self.index.version(bucket, key)
        if newest is not None and not newest.is_marker:
            path = self._path(bucket, newest.file)
            if path.is_file():
                self.store.place(path, bucket, key, newest.row)
            self._drop(bucket, newest)

    def _drop(self, bucket: str, old: Old) -> None:
        self.index.drop_version(bucket, old)
        if old.file:
            self._path(bucket, old.file).unlink(missing_ok=True)

    def _path(self, bucket: str, name: str) -> Path:
        return self.store.private / "versions" / bucket / name[:2] / name


def _no_such_version(key: str, version: str) -> S3Error:
    return S3Error("NoSuchVersion", "The specified version does not exist.", Key=key, VersionId=version)
