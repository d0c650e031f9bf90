"""Objects of an S3 elsewhere (LocalStack), through a client, with local copies of what was read."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from local_mock.data.access import DataAccess, ObjectInfo, check_plain
from local_mock.errors import DataError
from local_mock.keys import check_key, split_uri
from local_mock.options import DUMMY_KEY

__all__ = ["ClientData"]


class ClientData(DataAccess):
    """Objects of an S3 at `endpoint`; `cache` is a folder for local copies, named by URI and ETag."""

    def __init__(self, endpoint: str, region: str, cache: Path) -> None:
        self._endpoint, self._region, self._cache = endpoint, region, cache
        self._made: Any = None

    @property
    def _client(self) -> Any:
        if self._made is None:  # boto3 costs half a second: not at the server's start
            import boto3
            from botocore.config import Config

            config = Config(
                s3={"addressing_style": "path"}, retries={"mode": "standard"}, proxies={}, max_pool_connections=32
            )
            from local_mock.localstack import work_around

            made = boto3.session.Session().client(
                "s3",
                endpoint_url=self._endpoint,
                region_name=self._region,
                aws_access_key_id=DUMMY_KEY,
                aws_secret_access_key=DUMMY_KEY,
                config=config,
            )
            self._made = work_around(made)
        return self._made

    def list(self, uri_prefix: str) -> list[ObjectInfo]:
        bucket, prefix = split_uri(uri_prefix)
        objects = []
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                objects += [
                    ObjectInfo(f"s3://{bucket}/{i['Key']}", i["Key"], i["Size"], i["ETag"].strip('"'))
                    for i in page.get("Contents", [])
                    if not i["Key"].endswith("/")
                ]
        except self._client.exceptions.NoSuchBucket:
            return []
        return objects

    def has_bucket(self, uri: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._client.head_bucket(Bucket=split_uri(uri)[0])
        except ClientError:
            return False
        return True

    def read(self, uri: str) -> bytes:
        bucket, key = self._split(uri)
        with self._missing(uri):
            return bytes(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())
        raise AssertionError

    def write(self, uri: str, data: bytes) -> None:
        bucket, key = self._split(uri)
        check_plain(key)
        with self._missing(uri):
            self._client.put_object(Bucket=bucket, Key=key, Body=data)

    def local_file(self, uri: str) -> Path:
        bucket, key = self._split(uri)
        with self._missing(uri):
            etag = self._client.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
        return self._cached(uri, etag)

    def local_files(self, infos: Sequence[ObjectInfo]) -> Sequence[Path]:
        with ThreadPoolExecutor(max_workers=8) as pool:
            return list(pool.map(lambda info: self._cached(info.uri, info.etag), infos))

    def seekable(self, info: ObjectInfo) -> Path | IO[bytes]:
        path = self._local(info.uri, info.etag)
        return path if path.is_file() else io.BufferedReader(_Ranged(self, info), 1 << 16)

    def range(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        """Return the bytes `start` to before `stop` of one version.

        Raises FileNotFoundError if the object is no longer that version.
        """
        bucket, key = self._split(info.uri)
        with self._missing(info.uri):
            response = self._client.get_object(
                Bucket=bucket, Key=key, IfMatch=f'"{info.etag}"', Range=f"bytes={start}-{stop - 1}"
            )
            return bytes(response["Body"].read())
        raise AssertionError

    def delete(self, uri: str) -> None:
        bucket, key = self._split(uri)
        self._client.delete_object(Bucket=bucket, Key=key)

    def download(self, uri_prefix: str, folder: Path, share: slice = slice(None)) -> int:
        self.local_files(self.list(uri_prefix))  # fill the cache side by side
        return super().download(uri_prefix, folder, share)

    def _put_file(self, path: Path, uri: str) -> None:
        bucket, key = self._split(uri)
        check_plain(key)
        with self._missing(uri):
            self._client.upload_file(os.fspath(path), bucket, key)

    def _cached(self, uri: str, etag: str) -> Path:
        """Return the local copy of one version, downloaded if absent; it keeps the file's suffix for readers."""
        bucket, key = self._split(uri)
        path = self._local(uri, etag)
        if path.is_file():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".tmp-{uuid.uuid4().hex}")
        try:
            with self._missing(uri):
                body = self._client.get_object(Bucket=bucket, Key=key, IfMatch=f'"{etag}"')["Body"]
                with partial.open("wb") as file:
                    shutil.copyfileobj(body, file, 1 << 20)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path

    def _local(self, uri: str, etag: str) -> Path:
        """Return the path at which the copy of one version lies once it has been downloaded."""
        name = hashlib.sha256(f"{uri}\n{etag}".encode()).hexdigest()[:40]
        return self._cache / name[:2] / (name + Path(uri).suffix)

    @staticmethod
    def _split(uri: str) -> tuple[str, str]:
        bucket, key = split_uri(uri)
        check_key(key)
        return bucket, key

    @contextlib.contextmanager
    def _missing(self, uri: str) -> Iterator[None]:
        from botocore.exceptions import ClientError

        try:
            yield
        except ClientError as err:
            code = err.response["Error"]["Code"]
            if code in ("NoSuchKey", "NoSuchBucket", "404", "PreconditionFailed", "412"):
                raise FileNotFoundError(f"There is no object {uri}.") from err
            raise DataError(f"{uri}: {err}") from err


class _Ranged(io.RawIOBase):
    """One version of an object as a stream whose reads are ranged GETs."""

    def __init__(self, data: ClientData, info: ObjectInfo) -> None:
        super().__init__()
        self._data, self._info, self._at = data, info, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._info.size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._info.size)
        if stop <= self._at:
            return 0
        body = self._data.range(self._info, self._at, stop)
        buffer[: len(body)] = body
        self._at += len(body)
        return len(body)
