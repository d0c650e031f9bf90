"""S3 whose buckets are folders and whose objects are plain files below `s3_root`.

`store` (files), `index` (sidecar) and `versions` hold the data; `objects`, `subresources`, `parts`, `buckets`
are the operations, `responses` the HTTP side, `models` what moto's own code sees.
"""

from __future__ import annotations

from local_mock.context import Context

__all__ = ["ABSENT", "EXECUTES", "install"]

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


def install(context: Context) -> None:
    """Point moto's S3 at the folders."""
    from local_mock.s3 import forms, models
    from local_mock.s3.store import store_of

    store_of(context)
    models.patch()
    forms.refuse_in_moto()
