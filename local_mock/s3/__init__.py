"""S3 whose buckets are folders and whose objects are plain files below `s3_root`.

`store` (files), `index` (sidecar) and `versions` hold the data; `objects`, `subresources`, `parts`, `buckets`
are the operations, `responses` the HTTP side, `models` what moto's own code sees.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from local_mock.context import Context

if TYPE_CHECKING:
    from pathlib import Path

    from local_mock.s3.store import Store

__all__ = ["ABSENT", "EXECUTES", "install", "store_of"]

EXECUTES: frozenset[str] = frozenset({
    "AbortMultipartUpload", "CompleteMultipartUpload", "CopyObject", "CreateBucket", "CreateMultipartUpload",
    "DeleteBucket", "DeleteObject", "DeleteObjectTagging", "DeleteObjects", "GetBucketVersioning", "GetObject",
    "GetObjectAttributes", "GetObjectLegalHold", "GetObjectLockConfiguration", "GetObjectRetention",
    "GetObjectTagging", "HeadBucket", "HeadObject", "ListBuckets", "ListMultipartUploads", "ListObjects",
    "ListObjectsV2", "ListObjectVersions", "ListParts", "PutBucketVersioning", "PutObject", "PutObjectLegalHold",
    "PutObjectLockConfiguration", "PutObjectRetention", "PutObjectTagging", "UploadPart", "UploadPartCopy",
})  # fmt: skip
# Answered with 501. Moto has code for some, but on objects that are not there, and answers others with a list.
ABSENT: frozenset[str] = frozenset({
    "CreateBucketMetadataConfiguration", "CreateBucketMetadataTableConfiguration", "CreateSession",
    "DeleteBucketAnalyticsConfiguration", "DeleteBucketIntelligentTieringConfiguration",
    "DeleteBucketInventoryConfiguration", "DeleteBucketMetadataConfiguration",
    "DeleteBucketMetadataTableConfiguration", "DeleteBucketMetricsConfiguration", "DeleteObjectAnnotation",
    "GetBucketAbac", "GetBucketAnalyticsConfiguration", "GetBucketIntelligentTieringConfiguration",
    "GetBucketMetadataConfiguration", "GetBucketMetadataTableConfiguration", "GetBucketMetricsConfiguration",
    "GetObjectAnnotation", "GetObjectTorrent",
    "ListBucketAnalyticsConfigurations", "ListBucketIntelligentTieringConfigurations",
    "ListBucketMetricsConfigurations", "ListDirectoryBuckets", "ListObjectAnnotations", "PutBucketAbac",
    "PutBucketAnalyticsConfiguration", "PutBucketIntelligentTieringConfiguration",
    "PutBucketMetricsConfiguration", "PutObjectAnnotation",
    "RenameObject", "SelectObjectContent",
    "UpdateBucketMetadataAnnotationTableConfiguration", "UpdateBucketMetadataInventoryTableConfiguration",
    "UpdateBucketMetadataJournalTableConfiguration", "UpdateObjectEncryption", "WriteGetObjectResponse",
})  # fmt: skip


@lru_cache(maxsize=4)
def _store(root: Path) -> Store:
    from local_mock.s3.store import Store

    return Store(root)


def store_of(context: Context) -> Store:
    """Return the one store of a server."""
    return _store(context.s3_root)


def install(context: Context) -> None:
    """Point moto's S3 at the folders."""
    from local_mock.s3 import forms, models

    store_of(context)
    models.patch()
    forms.refuse_in_moto()
