"""Find and delete the resources that hold data and outlive their stack: buckets, key, registry, endpoint's log.

`deploy` reuses those that it finds; `destroy` deletes them when the bucket is named.
"""

from __future__ import annotations

from typing import Any

from etholake import aws
from etholake.errors import AwsError, UsageError, raise_collected
from etholake.settings import Settings
from etholake.stages.serving.endpoint_requests import endpoint_name, log_group

__all__ = [
    "bucket_exists", "delete_bucket", "delete_key", "delete_registry", "endpoint_log", "key_of", "registry",
]  # fmt: skip

TRIES = 5


def bucket_exists(settings: Settings, bucket: str) -> bool:
    """Return whether the bucket is there. Raises UsageError if it belongs to another account or region."""
    from botocore.exceptions import ClientError

    try:
        aws.client(settings, "s3").head_bucket(Bucket=bucket)
    except ClientError as err:
        status = err.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return False
        if status in (301, 403):
            raise UsageError(
                f"Bucket '{bucket}' belongs to another account or region: set ETHOLAKE_BUCKET to a name "
                "of your own."
            ) from err
        raise
    return True


def delete_bucket(settings: Settings, bucket: str) -> int | None:
    """Delete every version of every object, then the bucket. Returns the number of versions, None if no bucket."""
    if not bucket_exists(settings, bucket):
        return None
    s3 = aws.client(settings, "s3")
    count, tries = 0, 0
    while True:
        count += _delete_versions(s3, bucket)
        try:
            s3.delete_bucket(Bucket=bucket)
        except s3.exceptions.ClientError as err:  # access logs are delivered for a while after the last request
            tries += 1
            if err.response["Error"]["Code"] != "BucketNotEmpty" or tries == TRIES:
                raise
        else:
            return count


def _delete_versions(s3: Any, bucket: str) -> int:
    count = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        keys = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in versions]
        if keys:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            problems = [f"{e['Key']}: {e['Message']}" for e in answer.get("Errors", [])]
            raise_collected(AwsError, f"Objects of bucket '{bucket}' could not be deleted", problems)
            count += len(keys)
    return count


def key_of(settings: Settings) -> str:
    """Return the ARN of the key that encrypts the bucket, '' if none does."""
    from botocore.exceptions import ClientError

    try:
        encryption = aws.client(settings, "s3").get_bucket_encryption(Bucket=settings.bucket)
    except ClientError:
        return ""
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    key = str(rule.get("KMSMasterKeyID", ""))
    return key if key.startswith("arn:") else ""


def delete_key(settings: Settings, arn: str) -> bool:
    """Schedule the key's deletion if it is the bucket's own; return whether it is."""
    if not arn:
        return False
    kms = aws.client(settings, "kms")
    mark = {"TagKey": "etholake:bucket", "TagValue": settings.bucket}
    if mark not in kms.list_resource_tags(KeyId=arn)["Tags"]:
        return False
    kms.schedule_key_deletion(KeyId=arn.rpartition("/")[2], PendingWindowInDays=30)
    return True


def registry(settings: Settings) -> dict[str, Any] | None:
    """Return the description of the model package group, None if there is none."""
    from botocore.exceptions import ClientError

    try:
        group: dict[str, Any] = aws.client(settings, "sagemaker").describe_model_package_group(
            ModelPackageGroupName=settings.stack
        )
    except ClientError:
        return None
    return group


def endpoint_log(settings: Settings) -> bool:
    """Return whether the endpoint's log group is there: an endpoint makes it, and leaves it."""
    name = log_group(endpoint_name())
    groups = aws.client(settings, "logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(group["logGroupName"] == name for group in groups)


def delete_registry(settings: Settings) -> None:
    """Delete the model package group with its versions, if there is one."""
    if registry(settings) is None:
        return
    sagemaker = aws.client(settings, "sagemaker")
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=settings.stack)
    for page in pages:
        for package in page["ModelPackageSummaryList"]:
            sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
    sagemaker.delete_model_package_group(ModelPackageGroupName=settings.stack)
