"""Checksums and multipart uploads of S3 as bare boto3 uses them, against the running mock."""

import base64
import hashlib
import http.client
import io
import os
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from s3_errors import code_of  # type: ignore[import-not-found]

from etholake.settings import Settings
from local_mock.s3.checksums import combine_crc, composite


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_compared_and_given_back(s3: Any, bucket: str, algorithm: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", ChecksumAlgorithm=algorithm)
    response = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert response[f"Checksum{algorithm}"]
    assert response["Body"].read() == b"data"
    wrong = {f"Checksum{algorithm}": response[f"Checksum{algorithm}"]}
    with pytest.raises(ClientError, match="did not match") as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"other", **wrong)
    assert code_of(error) == ("BadDigest", 400)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"data"


def test_wrong_content_md5_is_refused(s3: Any, bucket: str) -> None:
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    with pytest.raises(ClientError, match="Content-MD5"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"data", ContentMD5=md5)


def test_aws_chunked_body_with_trailer(mock_settings: Settings, s3: Any, bucket: str) -> None:
    checksum = base64.b64encode(zlib.crc32(b"helloworld").to_bytes(4, "big")).decode()
    for value, status in ((checksum, 200), ("AAAAAA==", 400)):
        body = f"5\r\nhello\r\n5\r\nworld\r\n0\r\nx-amz-checksum-crc32:{value}\r\n\r\n".encode()
        request = urllib.request.Request(
            f"{mock_settings.endpoint_url}/{bucket}/chunked", data=body, method="PUT",
            headers={"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                     "Content-Encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32",
                     "x-amz-decoded-content-length": "10"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request) as answer:
                assert answer.status == status
        except urllib.error.HTTPError as err:
            assert err.code == status  # noqa: PT017
    response = s3.get_object(Bucket=bucket, Key="chunked")
    assert response["Body"].read() == b"helloworld"
    assert response["ChecksumCRC32"] == checksum
    assert "ContentEncoding" not in response


def test_upload_cut_short_leaves_the_old_object(
    mock_settings: Settings, s3: Any, bucket: str, folder: Path
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    connection = http.client.HTTPConnection("127.0.0.1", mock_settings.port)
    connection.putrequest("PUT", f"/{bucket}/k")
    connection.putheader("Content-Length", "1000")
    connection.endheaders()
    connection.send(b"only a little")
    connection.close()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"
    assert [p.name for p in folder.iterdir()] == ["k"]


def test_multipart_upload_has_the_etag_and_bytes_of_s3(s3: Any, bucket: str) -> None:
    parts = [os.urandom(5 << 20), os.urandom(5 << 20), b"end"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big", ContentType="x/y", Metadata={"m": "1"})[
        "UploadId"
    ]
    etags = [
        s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=n, Body=body)["ETag"]
        for n, body in enumerate(parts, 1)
    ]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["big"]
    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)["Parts"]
    assert [(p["PartNumber"], p["Size"]) for p in listed] == [(1, 5 << 20), (2, 5 << 20), (3, 3)]
    chosen = {"Parts": [{"PartNumber": n, "ETag": e} for n, e in enumerate(etags, 1)]}
    answer = s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=upload, MultipartUpload=chosen)
    expected = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest() + "-3"
    assert answer["ETag"] == f'"{expected}"'
    response = s3.get_object(Bucket=bucket, Key="big")
    assert response["Body"].read() == b"".join(parts)
    assert (response["ContentType"], response["Metadata"]) == ("x/y", {"m": "1"})
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ETag"] == f'"{expected}"'
    with pytest.raises(ClientError, match="upload does not exist"):
        s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)


def test_multipart_mistakes(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    target = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    etags = [s3.upload_part(**target, PartNumber=n, Body=b"small")["ETag"] for n in (1, 2)]
    parts = [{"PartNumber": n, "ETag": e} for n, e in enumerate(etags, 1)]
    for chosen, problem in (
        (parts, "smaller than the minimum"),
        (parts[::-1], "ascending order"),
        ([{"PartNumber": 1, "ETag": '"0"'}], "not the one given"),
        ([{"PartNumber": 9, "ETag": etags[0]}], "was not uploaded"),
    ):
        with pytest.raises(ClientError, match=problem):
            s3.complete_multipart_upload(**target, MultipartUpload={"Parts": chosen})
    s3.abort_multipart_upload(**target)
    with pytest.raises(ClientError, match="upload does not exist"):
        s3.upload_part(**target, PartNumber=1, Body=b"")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_upload_fileobj_and_download_of_a_large_object(s3: Any, bucket: str) -> None:
    data = os.urandom(20 << 20)
    s3.upload_fileobj(io.BytesIO(data), bucket, "large")  # the transfer manager: multipart, in threads
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    received = io.BytesIO()
    s3.download_fileobj(bucket, "large", received)  # by ranges, in threads
    assert received.getvalue() == data


def test_upload_part_copy(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    target = {"Bucket": bucket, "Key": "joined"}
    target["UploadId"] = s3.create_multipart_upload(**target)["UploadId"]
    copied = s3.upload_part_copy(
        **target, PartNumber=1, CopySource={"Bucket": bucket, "Key": "source"}, CopySourceRange="bytes=2-4"
    )
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="joined")["Body"].read() == b"234"


def test_combined_crc_is_that_of_the_whole() -> None:
    def crc(data: bytes) -> str:
        return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()

    pieces = [b"a" * 1000, b"", b"bcd", os.urandom(12345)]
    assert combine_crc("CRC32", [(crc(p), len(p)) for p in pieces]) == crc(b"".join(pieces))
    assert combine_crc("SHA256", [("", 0)]) is None


def test_check_values_of_the_crcs() -> None:
    # "123456789" is the standard check string; composite() of one part digests the part's own checksum bytes.
    part = base64.b64encode(b"123456789").decode()
    assert composite("CRC32C", [part]) == base64.b64encode(bytes.fromhex("e3069283")).decode() + "-1"
    assert composite("CRC64NVME", [part]) == base64.b64encode(bytes.fromhex("ae8b14860a799888")).decode() + "-1"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_lists_copies_and_attributes_name_the_checksum(s3: Any, bucket: str, algorithm: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"sum", ChecksumAlgorithm=algorithm)
    value = put[f"Checksum{algorithm}"]
    for listed in (
        s3.list_objects_v2(Bucket=bucket)["Contents"],
        s3.list_objects(Bucket=bucket)["Contents"],
        s3.list_object_versions(Bucket=bucket)["Versions"],
    ):
        assert (listed[0]["ChecksumAlgorithm"], listed[0]["ChecksumType"]) == ([algorithm], "FULL_OBJECT")
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")["CopyObjectResult"]
    assert copied[f"Checksum{algorithm}"] == value
    response = s3.get_object_attributes(Bucket=bucket, Key="copy", ObjectAttributes=["Checksum"])
    assert response["Checksum"] == {f"Checksum{algorithm}": value, "ChecksumType": "FULL_OBJECT"}
    other = s3.copy_object(Bucket=bucket, Key="other", CopySource=f"{bucket}/k", ChecksumAlgorithm="SHA1")
    assert "ChecksumSHA1" in other["CopyObjectResult"]
    assert f"Checksum{algorithm}" not in s3.head_object(Bucket=bucket, Key="other", ChecksumMode="ENABLED")


def test_a_range_that_is_the_whole_object_is_a_range(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    response = s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-4")
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["ContentRange"]) == (206, "bytes 0-4/5")


@pytest.mark.parametrize("kind", ["upload", "copy"])
def test_the_checksum_of_an_upload_is_its_own_algorithm(s3: Any, bucket: str, kind: str) -> None:
    """boto3 sends each part with a CRC32 unless it is told, whatever the upload was opened with."""
    bodies = [os.urandom(5 << 20), b"end"]
    target = {"Bucket": bucket, "Key": "k"}
    target["UploadId"] = s3.create_multipart_upload(**target, ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        if kind == "upload":
            etag = s3.upload_part(**target, PartNumber=number, Body=body)["ETag"]
        else:
            s3.put_object(Bucket=bucket, Key="source", Body=body)
            copied = s3.upload_part_copy(**target, PartNumber=number, CopySource=f"{bucket}/source")
            etag = copied["CopyPartResult"]["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    done = s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    joined = hashlib.sha256(b"".join(hashlib.sha256(body).digest() for body in bodies)).digest()
    assert done["ChecksumSHA256"] == base64.b64encode(joined).decode() + "-2"
    assert (
        s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == done["ChecksumSHA256"]
    )


def test_a_completion_that_is_repeated_gives_the_same_answer(s3: Any, bucket: str) -> None:
    """botocore repeats the request when the connection drops before the answer."""
    target = {"Bucket": bucket, "Key": "k"}
    target["UploadId"] = s3.create_multipart_upload(**target)["UploadId"]
    etag = s3.upload_part(**target, PartNumber=1, Body=b"1")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    first = s3.complete_multipart_upload(**target, MultipartUpload=parts)
    assert s3.complete_multipart_upload(**target, MultipartUpload=parts)["ETag"] == first["ETag"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"another")
    with pytest.raises(ClientError, match="upload does not exist"):
        s3.complete_multipart_upload(**target, MultipartUpload=parts)
