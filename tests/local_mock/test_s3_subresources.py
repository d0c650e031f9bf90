"""ACLs, storage classes, encryption with the client's key, parts by number, ranges of part copies."""

import os
from typing import Any

import pytest
from botocore.exceptions import ClientError
from s3_errors import code_of  # type: ignore[import-not-found]

_KEY, _OTHER = os.urandom(32), os.urandom(32)
_SIZE = 5 << 20


def encrypted(key: bytes, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key}


def test_acls_are_kept_and_given_back(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", Metadata={"m": "1"})
    owner = s3.get_object_acl(Bucket=bucket, Key="k")["Owner"]["ID"]

    def grants() -> list[tuple[str, str]]:
        response = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
        return [
            (g["Grantee"].get("ID") or g["Grantee"]["URI"].rpartition("/")[2], g["Permission"]) for g in response
        ]

    assert grants() == [(owner, "FULL_CONTROL")]
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
    assert grants() == [(owner, "FULL_CONTROL"), ("AllUsers", "READ")]
    everyone = "http://acs.amazonaws.com/groups/global/AllUsers"
    s3.put_object_acl(Bucket=bucket, Key="k", GrantRead=f'uri="{everyone}"', GrantFullControl=f"id={owner}")
    assert grants() == [(owner, "FULL_CONTROL"), ("AllUsers", "READ")]
    policy = s3.get_object_acl(Bucket=bucket, Key="k")
    policy = {"Owner": policy["Owner"], "Grants": policy["Grants"][:1]}
    s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy=policy)
    assert grants() == [(owner, "FULL_CONTROL")]
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"m": "1"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ACL="authenticated-read")
    assert grants()[1] == ("AuthenticatedUsers", "READ")
    for arguments, problem in (
        ({"ACL": "public", "Body": b""}, "canned ACL 'public' is not one of"),
        ({"ACL": "private", "GrantRead": f"id={owner}", "Body": b""}, "both Canned ACLs and Header Grants"),
        ({"GrantRead": "uri=http://nobody", "Body": b""}, "Invalid group uri"),
        ({"GrantRead": "everybody", "Body": b""}, "A grantee is"),
    ):
        with pytest.raises(ClientError, match=problem):
            s3.put_object(Bucket=bucket, Key="k", **arguments)


def test_storage_classes_stand_in_lists_and_are_not_copied(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", StorageClass="STANDARD_IA")
    for listed in (
        s3.list_objects_v2(Bucket=bucket)["Contents"],
        s3.list_objects(Bucket=bucket)["Contents"],
        s3.list_object_versions(Bucket=bucket)["Versions"],
    ):
        assert [o["StorageClass"] for o in listed] == ["STANDARD_IA"]
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "STANDARD_IA"
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k", StorageClass="ONEZONE_IA")
    response = {o["Key"]: o["StorageClass"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert response == {"copy": "STANDARD", "k": "ONEZONE_IA"}
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="copy")
    with pytest.raises(ClientError, match="storage class you specified is not valid") as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"", StorageClass="CHEAP")
    assert code_of(error) == ("InvalidStorageClass", 400)


def test_an_archived_object_is_read_after_a_restore(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", StorageClass="GLACIER")
    for call in (
        lambda: s3.get_object(Bucket=bucket, Key="k"),
        lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k"),
    ):
        with pytest.raises(ClientError, match=r"InvalidObjectState|ObjectNotInActiveTierError") as error:
            call()
        assert code_of(error)[1] == 403
    s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": 1})
    assert 'ongoing-request="false"' in s3.head_object(Bucket=bucket, Key="k")["Restore"]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


def test_an_object_with_a_customer_key_needs_it(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"1", **encrypted(_KEY))
    assert (put["SSECustomerAlgorithm"], "ServerSideEncryption" in put) == ("AES256", False)
    response = s3.get_object(Bucket=bucket, Key="k", **encrypted(_KEY))
    assert (response["Body"].read(), response["SSECustomerKeyMD5"]) == (b"1", put["SSECustomerKeyMD5"])
    for arguments, code in (({}, "InvalidRequest"), (encrypted(_OTHER), "AccessDenied")):
        with pytest.raises(ClientError, match=r"was stored (using a form of|with)") as error:
            s3.get_object(Bucket=bucket, Key="k", **arguments)
        assert code_of(error)[0] == code
    with pytest.raises(ClientError, match="400"):
        s3.head_object(Bucket=bucket, Key="k")
    source = encrypted(_KEY, "CopySource")
    with pytest.raises(ClientError, match="using a form of Server Side Encryption"):
        s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")
    s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k", **source, **encrypted(_OTHER))
    assert s3.get_object(Bucket=bucket, Key="c", **encrypted(_OTHER))["Body"].read() == b"1"
    s3.copy_object(Bucket=bucket, Key="open", CopySource=f"{bucket}/k", **source)
    assert s3.get_object(Bucket=bucket, Key="open")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="not applicable to this object"):
        s3.get_object(Bucket=bucket, Key="open", **encrypted(_KEY))
    with pytest.raises(ClientError, match="secret key was invalid"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", **encrypted(b"short"))
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", **encrypted(_KEY))["UploadId"]
    with pytest.raises(ClientError, match="using a form of Server Side Encryption"):
        s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"")


def test_parts_by_number(s3: Any, bucket: str) -> None:
    bodies = [os.urandom(_SIZE), os.urandom(_SIZE), b"end"]
    target = {"Bucket": bucket, "Key": "k"}
    target["UploadId"] = s3.create_multipart_upload(**target, StorageClass="STANDARD_IA")["UploadId"]
    numbers = [2, 5, 9]  # numbers have gaps; parts of the object are counted from 1
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**target, PartNumber=n, Body=b)["ETag"]}
        for n, b in zip(numbers, bodies, strict=True)
    ]
    assert s3.list_parts(**target)["StorageClass"] == "STANDARD_IA"
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    for number, expected in enumerate(bodies, 1):
        response = s3.get_object(Bucket=bucket, Key="k", PartNumber=number)
        assert response["Body"].read() == expected
        assert (response["PartsCount"], response["ResponseMetadata"]["HTTPStatusCode"]) == (3, 206)
    head = s3.head_object(Bucket=bucket, Key="k", PartNumber=3)
    assert (head["ContentLength"], head["ContentRange"]) == (
        3,
        f"bytes {2 * _SIZE}-{2 * _SIZE + 2}/{2 * _SIZE + 3}",
    )
    response = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"])["ObjectParts"]
    assert (response["TotalPartsCount"], [p["Size"] for p in response["Parts"]]) == (3, [_SIZE, _SIZE, 3])
    with pytest.raises(ClientError, match="partnumber is not satisfiable") as error:
        s3.get_object(Bucket=bucket, Key="k", PartNumber=4)
    assert code_of(error) == ("InvalidPartNumber", 416)
    with pytest.raises(ClientError, match="both Range header and partNumber"):
        s3.get_object(Bucket=bucket, Key="k", PartNumber=1, Range="bytes=0-1")
    s3.put_object(Bucket=bucket, Key="single", Body=b"12")
    response = s3.get_object(Bucket=bucket, Key="single", PartNumber=1)
    assert (response["Body"].read(), "PartsCount" in response) == (b"12", False)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=2-4", b"234"),
        ("bytes=0-9", b"0123456789"),
        ("bytes=9-9", b"9"),
        ("bytes=5-10", "InvalidRange"),
        ("bytes=4-2", "InvalidArgument"),
        ("bytes=5-", "InvalidArgument"),
        ("bytes=-5", "InvalidArgument"),
        ("0-4", "InvalidArgument"),
    ],
)
def test_the_range_of_a_part_copy(s3: Any, bucket: str, header: str, expected: bytes | str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    target: dict[str, Any] = {"Bucket": bucket, "Key": "joined"}
    target["UploadId"] = s3.create_multipart_upload(**target)["UploadId"]
    copy = {**target, "PartNumber": 1, "CopySource": f"{bucket}/source", "CopySourceRange": header}
    if isinstance(expected, str):
        with pytest.raises(ClientError, match=r"copy-source-range|not valid for source object") as error:
            s3.upload_part_copy(**copy)
        assert code_of(error)[0] == expected
        return
    parts = [{"PartNumber": 1, "ETag": s3.upload_part_copy(**copy)["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="joined")["Body"].read() == expected
