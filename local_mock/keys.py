"""Map S3 keys to files and back: the rules shared by the S3 service and by `local_mock.data`.

A plain key is the file ``<s3_root>/<bucket>/<key>``; one that ends in `/` (a folder marker, as Hadoop and Arrow
make them) is the file `.s3-folder` in that folder. A key that cannot be such a file (a part that is empty, `.`,
`..` or over 255 bytes, a leading `/`), or whose place is taken (`d` beside `d/e`), is a file of the private folder
whose name spells the key: see `aside_path`. No key leads out of its bucket, and symbolic links are not followed.
Files in progress are not objects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from local_mock.errors import DataError

__all__ = [
    "MARKER", "PRIVATE", "KeyRefusedError", "aside_keys", "aside_path", "bucket_ok", "check_key", "is_in_progress",
    "is_plain", "object_path", "paths_of", "split_uri",
]  # fmt: skip

MARKER = ".s3-folder"
PRIVATE = ".local_mock"  # in s3_root: index, uploads, lock; never a bucket (a bucket name begins with a-z0-9)
MAX_PART_BYTES = 255  # of a file name on every usual file system
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
    """Raise KeyRefusedError for what S3 refuses too: no key, one that is not UTF-8, one over 1,024 bytes."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as err:
        raise KeyRefusedError(key.encode("utf-8", "replace").decode(), "it must be valid UTF-8.") from err
    if not 0 < size <= MAX_KEY_BYTES:
        raise KeyRefusedError(key[:100], "it must have 1 to 1,024 bytes.")


def is_plain(key: str) -> bool:
    """Return whether a key can be a relative path below its bucket's folder."""
    parts = key.removesuffix("/").split("/")
    return not (
        any(part in ("", ".", "..", MARKER) for part in parts)
        or "\0" in key
        or (len(key) > MAX_PART_BYTES // 4 and any(len(part.encode()) > MAX_PART_BYTES for part in parts))
    )


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
    """Return the file of an object whose key is plain, else its file in the private folder.

    Raises KeyRefusedError for a bad key or bucket, and for a key that lies behind a symbolic link.

    Parameters
    ----------
    root : the resolved s3_root.
    """
    if not bucket_ok(bucket):
        raise KeyRefusedError(key, f"'{bucket}' is not a bucket name.")
    check_key(key)
    if not is_plain(key):
        return aside_path(root, bucket, key)
    path = root / bucket / (key + MARKER if key.endswith("/") else key)
    parent = os.fspath(path.parent)
    if os.path.realpath(parent) != parent or path.is_symlink():
        raise KeyRefusedError(key, "it lies behind a symbolic link, which is not followed.")
    return path


def paths_of(root: Path, bucket: str, key: str) -> tuple[Path, ...]:
    """Return the places where an object may lie, the one that counts first. Raises as `object_path`."""
    path = object_path(root, bucket, key)
    return (path, aside_path(root, bucket, key)) if is_plain(key) else (path,)


# Pieces of a spelt key, joined, are the key; a folder's name ends in '+', the file's in '='.
_ESCAPES = (("%", "%25"), ("/", "%2F"), ("+", "%2B"), ("=", "%3D"), ("\0", "%00"))
_PIECE_BYTES = 200


def aside_path(root: Path, bucket: str, key: str) -> Path:
    """Return the private file of an object that cannot be a plain file; its path spells the key."""
    text = key
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    short = len(text) <= _PIECE_BYTES // 4
    pieces, size = [text if short else ""], 0
    for character in "" if short else text:
        size += len(character.encode())
        if size > _PIECE_BYTES:
            pieces, size = [*pieces, ""], len(character.encode())
        pieces[-1] += character
    return root.joinpath(PRIVATE, "aside", bucket, *(f"{piece}+" for piece in pieces[:-1]), f"{pieces[-1]}=")


def aside_keys(root: Path, bucket: str) -> Iterator[tuple[str, Path]]:
    """Yield (key, path) of every object of a bucket that is not a plain file, in no particular order."""

    def walk(folder: Path, text: str) -> Iterator[tuple[str, Path]]:
        try:
            paths = list(folder.iterdir())
        except OSError:
            return
        for path in paths:
            key = text + path.name[:-1]
            if path.name.endswith("+"):
                yield from walk(path, key)
            elif path.name.endswith("="):
                for character, escape in reversed(_ESCAPES):
                    key = key.replace(escape, character)
                yield key, path

    yield from walk(root / PRIVATE / "aside" / bucket, "")


def split_uri(uri: str) -> tuple[str, str]:
    """Return ('bucket', 'key or prefix, may be empty') of ``s3://bucket/…``.

    Raises DataError for anything else.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "s3a", "s3n") or not bucket_ok(bucket):
        raise DataError(f"Expected an URI like s3://bucket/key, but got '{uri}'.")
    return bucket, key
