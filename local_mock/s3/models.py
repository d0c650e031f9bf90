"""moto's S3 backend over the plain files, for what moto does itself: bucket settings, stacks, other services.

A bucket exists if its folder exists. Objects that moto's services read (a template, a Lambda package) or
write come from and go to the same store that answers S3 requests.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import sys
from typing import Any

from moto.s3.models import FakeBucket, FakeKey, S3Backend, s3_backends

from local_mock.context import get_context
from local_mock.keys import bucket_ok
from local_mock.s3.checksums import BodyDigest
from local_mock.s3.errors import S3Error
from local_mock.s3.listing import page, versions_page
from local_mock.s3.store import DEFAULT_TYPE, StoredObject, store_of
from local_mock.s3.versions import Versions

__all__ = ["FileKey", "FolderS3Backend", "patch"]


# Settings of a bucket that every write must know: they stand in the store, which answers before moto is imported.
_SETTINGS = (
    "versioning_status", "object_lock_enabled", "default_lock_mode", "default_lock_days", "default_lock_years",
)  # fmt: skip
_INITIALISING = "_initialising"


def patch() -> None:
    """Make moto's server use `FolderS3Backend`, and its buckets the settings of the store."""
    s3_backends.backend = FolderS3Backend
    s3_backends.clear()
    if isinstance(vars(FakeBucket).get(_SETTINGS[0]), property):
        return
    for name in _SETTINGS:
        setattr(FakeBucket, name, _setting(name))
    original = FakeBucket.__init__

    @functools.wraps(original)
    def initialise(self: FakeBucket, *args: Any, **kwargs: Any) -> None:
        vars(self)[_INITIALISING] = True  # its defaults must not replace what the store has
        original(self, *args, **kwargs)
        del vars(self)[_INITIALISING]

    FakeBucket.__init__ = initialise


def _setting(name: str) -> property:
    """Return a property of moto's bucket that is kept in the store."""

    def get(self: FakeBucket) -> Any:
        return store_of(get_context()).index.setting(self.name, name)

    def put(self: FakeBucket, value: Any) -> None:
        if _INITIALISING not in vars(self):
            store_of(get_context()).index.set_setting(self.name, name, value)

    return property(get, put)


class FileKey(FakeKey):
    """An object for moto, its bytes read from the file when they are asked for."""

    def __init__(self, versions: Versions, stored: StoredObject, account_id: str, region_name: str) -> None:
        super().__init__(
            stored.key,
            b"",
            account_id,
            region_name,
            etag=stored.etag,
            bucket_name=stored.bucket,
            version_id=stored.row.version,
        )
        self._versions, self._stored = versions, stored
        self.contentsize = stored.size
        self.last_modified = datetime.datetime.fromtimestamp(stored.modified, datetime.UTC).replace(tzinfo=None)
        self._metadata.update({"Content-Type": stored.row.headers.get("content-type", DEFAULT_TYPE)})

    @property
    def value(self) -> bytes:
        if not hasattr(self, "_stored"):
            return b""
        file, _ = self._versions.open(self._stored.bucket, self._stored.key, self._stored.row.version)
        with file:
            return file.read()

    @value.setter
    def value(self, new_value: bytes) -> None:
        self.contentsize = len(new_value)

    def set_metadata(self, metadata: Any, replace: bool = False) -> None:
        super().set_metadata(metadata, replace)
        headers = {k if k.lower().startswith("content-") else f"x-amz-meta-{k}": v for k, v in metadata.items()}
        sent = {k.lower(): str(v) for k, v in headers.items()}
        stored = self._stored
        self._stored = self._versions.change(
            stored.bucket,
            stored.key,
            stored.row.version,
            lambda row: dataclasses.replace(row, headers=({} if replace else row.headers) | sent),
        )


class FolderS3Backend(S3Backend):
    """Buckets are folders. `unclaimed`: found on disk, not yet created by anyone in this server's life."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._store = store_of(get_context())
        self._objects = Versions(self._store)
        self._unclaimed: set[str] = set()
        self._adopt_all()

    def _adopt_all(self) -> None:
        for name, made in self._store.buckets():
            if name not in self.buckets:
                self._adopt(name, made)
        for name in [n for n in self.buckets if not self._store.has_bucket(n)]:
            self.buckets.pop(name)
            s3_backends.bucket_accounts.pop(name, None)

    def _adopt(self, name: str, made: float) -> None:
        bucket = FakeBucket(name, self.account_id, get_context().region)
        bucket.creation_date = datetime.datetime.fromtimestamp(made, datetime.UTC)
        self.buckets[name] = bucket
        self._unclaimed.add(name)

    def get_bucket(self, bucket_name: str) -> FakeBucket:
        self._adopt_all()
        return super().get_bucket(bucket_name)

    def list_buckets(self, *args: Any, **kwargs: Any) -> list[FakeBucket]:
        self._adopt_all()
        buckets: list[FakeBucket] = super().list_buckets(*args, **kwargs)
        return buckets

    def create_bucket(self, bucket_name: str, region_name: str, *args: Any, **kwargs: Any) -> FakeBucket:
        """Make the folder. A bucket that survived a restart is taken over by the first who creates it again."""
        self._adopt_all()
        if bucket_name in self._unclaimed:
            self._unclaimed.discard(bucket_name)
            return self.buckets[bucket_name]
        bucket = super().create_bucket(bucket_name, region_name, *args, **kwargs)
        if not bucket_ok(bucket_name):
            self.buckets.pop(bucket_name)
            s3_backends.bucket_accounts.pop(bucket_name, None)
            from moto.s3.exceptions import InvalidBucketName

            raise InvalidBucketName
        self._store.create_bucket(bucket_name)
        self._store.index.set_setting(bucket_name, "region", region_name)
        return bucket

    def delete_bucket(self, bucket_name: str) -> FakeBucket | None:
        """None (moto answers BucketNotEmpty) if there are objects."""
        bucket = self.get_bucket(bucket_name)
        if not self._store.has_bucket(bucket_name):
            return super().delete_bucket(bucket_name)
        entries = versions_page(
            self._store, bucket_name, prefix="", delimiter="", after="", after_version="", limit=1
        )
        if entries.versions:
            return None
        self._store.remove_bucket(bucket_name)
        self._unclaimed.discard(bucket_name)
        self.buckets.pop(bucket_name, None)
        s3_backends.bucket_accounts.pop(bucket_name, None)
        return bucket

    def get_object(self, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> FakeKey | None:
        if not self._store.has_bucket(bucket_name):  # a table bucket of moto's own
            return super().get_object(bucket_name, key_name, *args, **kwargs)
        version = kwargs.get("version_id") or (args[0] if args else None) or ""
        try:
            stored = self._objects.head(bucket_name, key_name, version)
        except S3Error:
            return None
        return FileKey(self._objects, stored, self.account_id, self.region_name)

    def put_object(self, bucket_name: str, key_name: str, value: bytes, *args: Any, **kwargs: Any) -> FakeKey:
        if not self._store.has_bucket(bucket_name):
            return super().put_object(bucket_name, key_name, value, *args, **kwargs)
        data = value.encode() if isinstance(value, str) else value
        digest = BodyDigest()
        digest.update(data)
        with self._store.incoming() as (temporary, file):
            file.write(data)
            stored = self._objects.commit(
                temporary, bucket_name, key_name, digest.md5, {"content-type": DEFAULT_TYPE}, {}
            )
        return FileKey(self._objects, stored, self.account_id, self.region_name)

    def delete_object(
        self, bucket_name: str, key_name: str, *args: Any, **kwargs: Any
    ) -> tuple[bool, dict[str, Any]]:
        if not self._store.has_bucket(bucket_name):
            result: tuple[bool, dict[str, Any]] = super().delete_object(bucket_name, key_name, *args, **kwargs)
            return result
        version = kwargs.get("version_id") or (args[0] if args else None) or ""
        bypass = bool(kwargs.get("bypass"))
        done = self._objects.delete(bucket_name, key_name, version, bypass=bypass)
        return True, {"version-id": done.version} if done.version else {}

    def list_objects(
        self,
        bucket: FakeBucket,
        prefix: str | None,
        delimiter: str | None,
        marker: str | None,
        max_keys: int | None,
    ) -> tuple[Any, Any, bool, str | None]:
        entries = page(
            self._store,
            bucket.name,
            prefix=prefix or "",
            delimiter=delimiter or "",
            after=marker or "",
            limit=max_keys if max_keys is not None else sys.maxsize,
        )
        keys = [FileKey(self._objects, item, self.account_id, self.region_name) for item in entries.objects]
        return keys, entries.prefixes, entries.truncated, entries.last if entries.truncated else None
