"""Keys of every shape: plain ones are files of that path, the others lie in the private folder; pages of both."""

import http.client
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from s3_errors import code_of  # type: ignore[import-not-found]

from etholake.settings import Settings
from local_mock.keys import aside_keys, aside_path, is_plain

ODD = [
    "../escape", "a/../../escape", "a//b", "//", "/", "/absolute", "a/./b", "a/..", ".", "..", "x" * 256,
    "ä" * 200 + "/%2F+=", "nul\0byte", "a/.s3-folder", "a/.s3-folder/", "a/\0/", "/" * 1024,
]  # fmt: skip
PLAIN = ["%2F", "a+b=c", "100%", "a/" * 512, ("y" * 255 + "/") * 4]


@pytest.mark.parametrize("key", ODD)
def test_a_key_that_is_no_path_is_an_object_as_any_other(s3: Any, bucket: str, folder: Path, key: str) -> None:
    s3.put_object(Bucket=bucket, Key="keep", Body=b"1", Metadata={"m": "1"})
    s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": "keep"})
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"1"
    assert s3.head_object(Bucket=bucket, Key=key)["Metadata"] == {"m": "1"}
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == sorted([key, "keep"])
    assert [p.name for p in folder.iterdir()] == ["keep"]
    assert not list(folder.parent.parent.rglob("escape"))
    s3.delete_object(Bucket=bucket, Key=key)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["keep"]
    assert not (folder.parent / ".local_mock" / "aside" / bucket).exists()  # its folders went with it


@pytest.mark.parametrize("key", [*ODD, *PLAIN])
def test_the_name_of_a_file_spells_its_key(tmp_path: Path, key: str) -> None:
    path = aside_path(tmp_path, "bucket", key)
    assert all(len(part.encode()) <= 255 for part in path.relative_to(tmp_path).parts)
    assert ".." not in path.parts
    path.parent.mkdir(parents=True)
    path.touch()
    assert list(aside_keys(tmp_path, "bucket")) == [(key, path)]
    assert is_plain(key) == (key not in ODD)


def test_an_object_beside_objects_below_it(s3: Any, bucket: str, folder: Path) -> None:
    """`d` and `d/e`, written in both orders; the one that is written second is no plain file."""
    for first, second in (("d", "d/e"), ("f/g", "f")):
        s3.put_object(Bucket=bucket, Key=first, Body=first.encode())
        s3.put_object(Bucket=bucket, Key=second, Body=second.encode(), ContentType="text/x")
        assert (folder / first).read_bytes() == first.encode()
    keys = ["d", "d/e", "f", "f/g"]
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == keys
    assert [s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys] == keys
    assert s3.head_object(Bucket=bucket, Key="d/e")["ContentType"] == "text/x"
    response = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [o["Key"] for o in response["Contents"]] == ["d", "f"]
    assert [p["Prefix"] for p in response["CommonPrefixes"]] == ["d/", "f/"]
    s3.delete_object(Bucket=bucket, Key="d")
    s3.put_object(Bucket=bucket, Key="d/e", Body=b"again")  # now it can be a plain file, and it is
    assert (folder / "d" / "e").read_bytes() == b"again"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="d")["Contents"]] == ["d/e"]
    (folder / "d" / "e").unlink()
    (folder / "d").rmdir()
    (folder / "d").write_bytes(b"outside")
    assert s3.get_object(Bucket=bucket, Key="d")["Body"].read() == b"outside"


def test_a_file_from_outside_counts_before_one_in_the_private_folder(s3: Any, bucket: str, folder: Path) -> None:
    s3.put_object(Bucket=bucket, Key="d/e", Body=b"1")
    s3.put_object(Bucket=bucket, Key="d", Body=b"2")
    (folder / "d" / "e").unlink()
    (folder / "d").rmdir()
    (folder / "d").write_bytes(b"outside")
    assert [o["Size"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [7]
    assert s3.get_object(Bucket=bucket, Key="d")["Body"].read() == b"outside"
    s3.delete_object(Bucket=bucket, Key="d")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_what_s3_refuses_is_refused(s3: Any, bucket: str, mock_settings: Settings) -> None:
    with pytest.raises(ClientError, match="it must have 1 to 1,024 bytes") as error:
        s3.put_object(Bucket=bucket, Key="ä" * 513, Body=b"")
    assert code_of(error) == ("KeyTooLongError", 400)
    connection = http.client.HTTPConnection("127.0.0.1", mock_settings.port)
    connection.request("PUT", f"/{bucket}/%ff", body=b"")
    answer = connection.getresponse()
    assert (answer.status, b"must be valid UTF-8" in answer.read()) == (400, True)


def test_dots_sent_raw_over_http_do_not_leave_the_bucket(
    mock_settings: Settings, s3: Any, bucket: str, folder: Path
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", mock_settings.port)
    out = f"out-of-{bucket}"
    for path in (f"/{bucket}/../../{out}", f"/{bucket}/%2e%2e/{out}", f"/{bucket}/..%2f{out}"):
        connection.request("PUT", path, body=b"bad")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.request("PUT", f"/../{bucket}/{out}", body=b"bad")
    assert connection.getresponse().status == 404
    assert not list(folder.parent.parent.rglob(out))
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [f"../../{out}", f"../{out}"]


# --- pages ------------------------------------------------------------------------------------------------
KEYS = [
    "/x",
    "a",
    "a-b",
    "a.txt",
    "a/",
    "a/1",
    "a/2",
    "a//3",
    "a/b/c",
    "a=1/x",
    "b/c/d",
    "b/e",
    "z",
    "ä/1",
    "\U0001f42d",
]


@pytest.fixture(scope="module")
def full(s3: Any) -> str:
    s3.create_bucket(Bucket="full-of-keys")
    for key in KEYS:
        s3.put_object(Bucket="full-of-keys", Key=key, Body=b"")
    return "full-of-keys"


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "a//", "b/c", "zz"])
@pytest.mark.parametrize("delimiter", ["", "/", "/b", "a"])
@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
def test_pages_join_to_the_whole(
    s3: Any, full: str, operation: str, delimiter: str, prefix: str, size: int
) -> None:
    """Against the definition: keys with the prefix, rolled up at the first delimiter after it, in byte order."""
    expected = []
    for key in sorted(key for key in KEYS if key.startswith(prefix)):
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if cut < 0 else key[: cut + len(delimiter)]
        expected += [entry] if entry not in expected else []
    keys: list[str] = []
    content = "Versions" if operation == "list_object_versions" else "Contents"
    for page in s3.get_paginator(operation).paginate(
        Bucket=full, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": size}
    ):
        shown = [o["Key"] for o in page.get(content, [])] + [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        assert len(shown) <= size
        keys += sorted(shown)
    assert keys == expected


def test_start_after_a_prefix_does_not_hide_what_is_below_it(s3: Any, full: str) -> None:
    """Usual way past a folder's marker."""
    response = s3.list_objects_v2(Bucket=full, Prefix="a/", Delimiter="/", StartAfter="a/")
    assert [o["Key"] for o in response["Contents"]] == ["a/1", "a/2"]
    assert [p["Prefix"] for p in response["CommonPrefixes"]] == ["a//", "a/b/"]


@pytest.mark.parametrize("token", ["", "abc", "YWJj", "%%%"])
def test_a_token_that_is_none_of_ours_is_refused(s3: Any, full: str, token: str) -> None:
    with pytest.raises(ClientError, match="continuation token provided is incorrect") as error:
        s3.list_objects_v2(Bucket=full, ContinuationToken=token)
    assert code_of(error) == ("InvalidArgument", 400)


def test_uploads_in_pages(s3: Any, bucket: str) -> None:
    keys = ["a", "a", "b/1", "b/2", "c"]
    ids = [s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in keys]
    for size in (1, 2, 9):
        pages = list(s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": size}
        ))  # fmt: skip
        uploads = [u for page in pages for u in page["Uploads"]]
        assert [u["Key"] for u in uploads] == keys
        assert {u["UploadId"] for u in uploads} == set(ids)
    uploads = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", Prefix="")
    assert [u["Key"] for u in uploads["Uploads"]] == ["a", "a", "c"]
    assert [p["Prefix"] for p in uploads["CommonPrefixes"]] == ["b/"]


def test_buckets_in_pages(s3: Any) -> None:
    for n in range(3):
        s3.create_bucket(Bucket=f"paged-{n}")
    pages = s3.get_paginator("list_buckets").paginate(Prefix="paged-", PaginationConfig={"PageSize": 2})
    assert [[b["Name"] for b in page["Buckets"]] for page in pages] == [["paged-0", "paged-1"], ["paged-2"]]


def test_keys_come_back_as_they_were_sent(s3: Any, bucket: str, mock_settings: Settings) -> None:
    """Without encoding-type, over plain HTTP: XML escapes."""
    key = "a&<b>/ü%2B+ c"
    s3.put_object(Bucket=bucket, Key=key, Body=b"")
    connection = http.client.HTTPConnection("127.0.0.1", mock_settings.port)
    connection.request("GET", f"/{bucket}?list-type=2&prefix={urllib.parse.quote('a&<')}")
    assert "<Key>a&amp;&lt;b&gt;/ü%2B+ c</Key>".encode() in connection.getresponse().read()
