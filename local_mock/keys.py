"""The rules by which S3 keys become paths of files, shared by the S3 service and by `local_mock.data`.

A key is stored at ``<s3_root>/<bucket>/<key>``. It must not leave the bucket: no `..` or `.` part, not
absolute, no empty part; symbolic links are not followed. A key that ends in `/` (a folder marker, as Hadoop
and Arrow make them) is the file `.s3-folder` in that folder. Files in progress are not objects.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from local_mock.errors import DataError

__all__ = [
    "MARKER", "PRIVATE", "KeyRefusedError", "bucket_ok", "check_key", "is_in_progress", "object_path", "split_uri",
]  # fmt: skip

MARKER = ".s3-folder"
PRIVATE = ".local_mock"  # in s3_root: index, uploads, lock; never a bucket (a bucket name begins with a-z0-9)
MAX_KEY_BYTES = 1024  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}")


class KeyRefusedError(DataError):
    """A key that cannot be a file below its bucket. `reason` is the sentence without the key."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"Key '{key}' is refused: {reason}")
        self.reason = reason


def bucket_ok(name: str) -> bool:
    """Return whether `name` can be a bucket (and hence a folder below s3_root)."""
    return _BUCKET.fullmatch(name) is not None and ".." not in name


def check_key(key: str) -> None:
    """Raise KeyRefusedError if `key` would leave its bucket or cannot be a file name."""
    parts = key.removesuffix("/").split("/")
    if not key or key.startswith("/") or "" in parts:
        raise KeyRefusedError(key, "it must not be absolute or have empty parts ('//').")
    if ".." in parts or "." in parts:
        raise KeyRefusedError(key, "it must not have the parts '.' or '..'.")
    if "\0" in key or MARKER in parts:
        raise KeyRefusedError(key, f"it must not contain a NUL character or the part '{MARKER}'.")
    try:
        encoded = key.encode()
    except UnicodeEncodeError as err:
        raise KeyRefusedError(key.encode("utf-8", "replace").decode(), "it must be valid UTF-8.") from err
    if len(encoded) > MAX_KEY_BYTES or any(len(part.encode()) > 255 for part in parts):
        raise KeyRefusedError(key, "it must not exceed 1,024 bytes, nor 255 bytes between two slashes.")


def is_in_progress(relative: str) -> bool:
    """Return whether a file (path relative to its bucket) is unfinished or a writer's private one.

    `.tmp-*` (a writer's own partial files), `_temporary/` and `.spark-staging-*/` (Spark before commit), `.*.crc`
    (Hadoop's checksums of local files), and the folder marker.
    """
    *folders, name = relative.split("/")
    if any(f == "_temporary" or f.startswith((".spark-staging", ".tmp-")) for f in folders):
        return True
    return name.startswith(".tmp-") or (name.startswith(".") and name.endswith(".crc")) or name == MARKER


def object_path(root: Path, bucket: str, key: str) -> Path:
    """The file of an object. Raises KeyRefusedError for a bad key or one that lies behind a symbolic link.

    Parameters
    ----------
    root : the resolved s3_root.
    """
    if not bucket_ok(bucket):
        raise KeyRefusedError(key, f"'{bucket}' is not a bucket name.")
    check_key(key)
    path = root / bucket / (key + MARKER if key.endswith("/") else key)
    parent = os.fspath(path.parent)
    if os.path.realpath(parent) != parent or path.is_symlink():
        raise KeyRefusedError(key, "it lies behind a symbolic link, which is not followed.")
    return path


def split_uri(uri: str) -> tuple[str, str]:
    """('bucket', 'key or prefix, may be empty') of ``s3://bucket/…``. Raises DataError for anything else."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "s3a", "s3n") or not bucket_ok(bucket):
        raise DataError(f"Expected an URI like s3://bucket/key, but got '{uri}'.")
    return bucket, key
