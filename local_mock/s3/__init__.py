"""S3 whose buckets are folders and whose objects are plain files below `s3_root`.

`store` (files) and `index` (sidecar) hold the data, `objects`, `buckets`, `uploads` are the operations,
`responses` the HTTP side, `models` what moto's own code sees. Versions of objects are not kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from local_mock.context import Context

if TYPE_CHECKING:
    from pathlib import Path

    from local_mock.s3.store import Store

__all__ = ["EXECUTES", "install", "store_of"]

EXECUTES: frozenset[str] = frozenset({
    "AbortMultipartUpload", "CompleteMultipartUpload", "CopyObject", "CreateBucket", "CreateMultipartUpload",
    "DeleteBucket", "DeleteObject", "DeleteObjectTagging", "DeleteObjects", "GetObject", "GetObjectAttributes",
    "GetObjectTagging", "HeadBucket", "HeadObject", "ListBuckets", "ListMultipartUploads", "ListObjects",
    "ListObjectsV2", "ListParts", "PutObject", "PutObjectTagging", "UploadPart", "UploadPartCopy",
})  # fmt: skip
# Answered with 501 although moto has code for it: its code would look at objects that are not there.
ABSENT: frozenset[str] = frozenset({
    "GetObjectAcl", "GetObjectLegalHold", "GetObjectRetention", "GetObjectTorrent", "PutObjectAcl",
    "PutObjectLegalHold", "PutObjectRetention", "RestoreObject", "SelectObjectContent",
})  # fmt: skip


@lru_cache(maxsize=4)
def _store(root: Path) -> Store:
    from local_mock.s3.store import Store

    return Store(root)


def store_of(context: Context) -> Store:
    """The one store of a server."""
    return _store(context.s3_root)


def install(context: Context) -> None:
    """Point moto's S3 at the folders."""
    from local_mock.s3 import models

    store_of(context)
    models.patch()
