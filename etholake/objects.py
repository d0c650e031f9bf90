"""Read, list and delete objects of S3 through a boto3 client, by key or by URI.

Jobs that read and write whole tables use `etholake.storage` (Arrow) instead.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from etholake.errors import AwsError, raise_collected
from etholake.storage import split_uri

__all__ = ["delete_objects", "list_objects", "object_exists", "read_object", "response_time", "store_time"]

DELETE_LIMIT = 1000  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html


def list_objects(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield `Key`, `Size`, `LastModified`, `ETag` of every object whose key begins with `prefix`, by key."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def delete_objects(s3: Any, bucket: str, keys: Iterable[str]) -> None:
    """Delete objects; keys without an object are ignored. Raises AwsError that names the keys which S3 refused."""
    remaining = list(keys)
    problems: list[str] = []
    for start in range(0, len(remaining), DELETE_LIMIT):
        batch = [{"Key": key} for key in remaining[start : start + DELETE_LIMIT]]
        response = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        problems += [f"{e['Key']}: {e.get('Message', e['Code'])}" for e in response.get("Errors", [])]
    raise_collected(AwsError, f"Objects of bucket '{bucket}' that could not be deleted", problems)


def object_exists(s3: Any, uri: str) -> bool:
    """Return whether the object at ``s3://bucket/key`` exists. Errors other than "not there" are raised."""
    bucket, key = split_uri(uri)
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as err:
        if err.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def response_time(response: Mapping[str, Any]) -> dt.datetime:
    """Return when S3 made a response, by S3's clock (in whole seconds). Raises AwsError if it does not say so.

    Ages of objects are differences to this time. The clock of this machine may be wrong, or may have been set.
    """
    date = response["ResponseMetadata"].get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(date).astimezone(dt.UTC)
    except ValueError as err:
        raise AwsError(
            f"A response of S3 has no valid date ('{date}'), so the age of an object cannot be told."
        ) from err


def store_time(s3: Any, bucket: str, key: str) -> dt.datetime:
    """Return the time by S3's clock, as `response_time`. `key`: one that the caller may read; it may be absent."""
    try:
        return response_time(s3.head_object(Bucket=bucket, Key=key))
    except s3.exceptions.ClientError as err:
        return response_time(err.response)


def read_object(s3: Any, uri: str) -> bytes:
    """Return the bytes of the object at ``s3://bucket/key``. Raises the client's error if it is not there."""
    bucket, key = split_uri(uri)
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
