"""S3 operations as bare boto3 uses them, against the running mock."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from s3_errors import code_of  # type: ignore[import-not-found]

from etholake.settings import Settings


def test_put_makes_a_plain_file_and_etag_is_md5(s3: Any, bucket: str, folder: Path) -> None:
    answer = s3.put_object(Bucket=bucket, Key="lab=a b/ü+%/x.txt", Body=b"hello")
    assert (folder / "lab=a b" / "ü+%" / "x.txt").read_bytes() == b"hello"
    assert answer["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    response = s3.get_object(Bucket=bucket, Key="lab=a b/ü+%/x.txt")
    assert response["Body"].read() == b"hello"
    assert response["ContentLength"] == 5
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["lab=a b/ü+%/x.txt"]


def test_metadata_content_type_and_tags_come_back(s3: Any, bucket: str) -> None:
    s3.put_object(
        Bucket=bucket, Key="k", Body=b"1", ContentType="text/csv", CacheControl="no-cache",
        Metadata={"lab": "one", "with_underscore": "two"}, Tagging="a=1&b=2%203",
    )  # fmt: skip
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentType"] == "text/csv"
    assert head["CacheControl"] == "no-cache"
    assert head["Metadata"] == {"lab": "one", "with_underscore": "two"}
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": "2 3"},
    ]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "<&>"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "c", "Value": "<&>"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/csv"


def test_eleven_tags_are_refused(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError, match="cannot be greater than 10"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="&".join(f"k{i}=v" for i in range(11)))


@pytest.mark.parametrize(
    ("header", "expected", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=5-99", b"56789", "bytes 5-9/10"),
    ],
)
def test_ranges(s3: Any, bucket: str, header: str, expected: bytes, content_range: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    response = s3.get_object(Bucket=bucket, Key="k", Range=header)
    assert response["Body"].read() == expected
    assert response["ContentRange"] == content_range
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_range_beyond_the_end_is_416(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    with pytest.raises(ClientError, match="not satisfiable") as error:
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=10-")
    assert code_of(error) == ("InvalidRange", 416)


def test_conditional_reads(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"x"
    with pytest.raises(ClientError, match="Not Modified") as error:
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    assert code_of(error)[1] == 304
    with pytest.raises(ClientError, match="Not Modified") as error:
        s3.get_object(Bucket=bucket, Key="k", IfModifiedSince=modified)
    assert code_of(error)[1] == 304
    with pytest.raises(ClientError, match="pre-conditions") as error:
        s3.get_object(Bucket=bucket, Key="k", IfMatch='"other"')
    assert code_of(error) == ("PreconditionFailed", 412)


def test_conditional_writes(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError, match="pre-conditions") as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert code_of(error) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError, match="pre-conditions"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch='"other"')
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_only_one_of_many_writers_creates(s3: Any, bucket: str) -> None:
    def create(n: int) -> bool:
        try:
            s3.put_object(Bucket=bucket, Key="lease", Body=str(n).encode(), IfNoneMatch="*")
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(16))) == 1


def test_copy_keeps_or_replaces_metadata(s3: Any, bucket: str) -> None:
    s3.put_object(
        Bucket=bucket, Key="from/ü b", Body=b"data", Metadata={"m": "1"}, ContentType="text/x", Tagging="t=1"
    )
    source = {"Bucket": bucket, "Key": "from/ü b"}
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source)
    assert s3.head_object(Bucket=bucket, Key="to")["Metadata"] == {"m": "1"}
    assert s3.get_object_tagging(Bucket=bucket, Key="to")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source, MetadataDirective="REPLACE", Metadata={"n": "2"})
    assert s3.head_object(Bucket=bucket, Key="to")["Metadata"] == {"n": "2"}
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == b"data"
    with pytest.raises(ClientError, match="copy an object to itself"):
        s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "to"})
    with pytest.raises(ClientError, match="pre-conditions"):
        s3.copy_object(Bucket=bucket, Key="x", CopySource=source, CopySourceIfMatch='"other"')


def test_missing_things_have_their_own_errors(s3: Any, bucket: str) -> None:
    with pytest.raises(s3.exceptions.NoSuchKey, match="key does not exist"):
        s3.get_object(Bucket=bucket, Key="none")
    with pytest.raises(s3.exceptions.NoSuchBucket, match="bucket does not exist"):
        s3.list_objects_v2(Bucket="no-such-bucket-here")
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=bucket, Key="none")
    s3.delete_object(Bucket=bucket, Key="none")  # no error, as on AWS


@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("version", ["list_objects", "list_objects_v2"])
def test_pages_join_to_the_whole_list_in_byte_order(s3: Any, bucket: str, version: str, delimiter: str) -> None:
    keys = ["a-b", "a.txt", "a/1", "a/2", "a=1/x", "a0", "b/c/d", "b/e", "z", "ä/1", "\U0001f42d"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    pages = s3.get_paginator(version).paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 2}, **({"Delimiter": delimiter} if delimiter else {})
    )
    joined: list[str] = []
    for shown in pages:
        joined += [o["Key"] for o in shown.get("Contents", [])] + [
            p["Prefix"] for p in shown.get("CommonPrefixes", [])
        ]
    expected = {key.split("/")[0] + "/" if "/" in key else key for key in keys} if delimiter else set(keys)
    assert sorted(joined, key=str.encode) == sorted(expected, key=str.encode)
    assert len(joined) == len(set(joined))
    if not delimiter:
        assert joined == sorted(keys, key=str.encode)


def test_list_by_prefix_and_start_after(s3: Any, bucket: str) -> None:
    for key in ("p/1", "p/2", "p/3", "p2", "q"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    response = s3.list_objects_v2(Bucket=bucket, Prefix="p/", StartAfter="p/1")
    assert [o["Key"] for o in response["Contents"]] == ["p/2", "p/3"]
    assert s3.list_objects_v2(Bucket=bucket, Prefix="p/", MaxKeys=0)["KeyCount"] == 0
    assert [v["Key"] for v in s3.list_object_versions(Bucket=bucket, Prefix="p2")["Versions"]] == ["p2"]


def test_delete_objects_reports_each_key(s3: Any, bucket: str) -> None:
    for key in ("a/1", "a/2"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    response = s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": k} for k in ("a/1", "a/2", "none", "x" * 1025)]}
    )
    assert [d["Key"] for d in response["Deleted"]] == ["a/1", "a/2", "none"]
    assert [(e["Key"], e["Code"]) for e in response["Errors"]] == [("x" * 1025, "KeyTooLongError")]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_bucket_settings_and_deletion(s3: Any, bucket: str, folder: Path) -> None:
    tags = {"TagSet": [{"Key": "a", "Value": "1"}]}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tags)
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags["TagSet"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with pytest.raises(ClientError, match="not empty"):
        s3.delete_bucket(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    assert not folder.exists()
    assert bucket not in [b["Name"] for b in s3.list_buckets()["Buckets"]]


def test_absent_operations_say_so(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with pytest.raises(ClientError, match="does not implement s3:GetObjectTorrent") as error:
        s3.get_object_torrent(Bucket=bucket, Key="k")
    assert code_of(error) == ("NotImplemented", 501)
    with pytest.raises(ClientError, match="does not implement s3:ListBucketMetricsConfigurations"):
        s3.list_bucket_metrics_configurations(Bucket=bucket)
    with pytest.raises(ClientError, match="Invalid version id"):
        s3.get_object(Bucket=bucket, Key="k", VersionId="abc")


def test_sixteen_clients_at_once(mock_settings: Settings, bucket: str) -> None:
    def work(n: int) -> int:
        client = boto3.client("s3", endpoint_url=mock_settings.endpoint_url)
        for i in range(20):
            client.put_object(Bucket=bucket, Key=f"{n}/{i}", Body=f"{n}-{i}".encode())
        bodies = [client.get_object(Bucket=bucket, Key=f"{n}/{i}")["Body"].read() for i in range(20)]
        assert bodies == [f"{n}-{i}".encode() for i in range(20)]
        return len(client.list_objects_v2(Bucket=bucket, Prefix=f"{n}/")["Contents"])

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(16))) == [20] * 16
