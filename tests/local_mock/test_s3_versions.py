"""Versions, delete markers and object locks as bare boto3 uses them, against the running mock."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from s3_errors import code_of  # type: ignore[import-not-found]

from local_mock.s3.listing import versions_page
from local_mock.s3.store import Store
from local_mock.s3.versions import Versions


@pytest.fixture
def kept(s3: Any, bucket: str) -> str:
    """A bucket that keeps versions."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def put(s3: Any, bucket: str, key: str, body: bytes, **arguments: Any) -> str:
    return str(s3.put_object(Bucket=bucket, Key=key, Body=body, **arguments).get("VersionId"))


def body(s3: Any, bucket: str, key: str, version: str | None = None) -> bytes:
    arguments = {"VersionId": version} if version else {}
    return bytes(s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read())


def listed(s3: Any, bucket: str, **arguments: Any) -> list[tuple[str, str, bool, bool]]:
    """(key, version, is it a marker, is it the newest)."""
    response = s3.list_object_versions(Bucket=bucket, **arguments)
    shown = [(v["Key"], v["VersionId"], False, v["IsLatest"]) for v in response.get("Versions", [])]
    return shown + [(v["Key"], v["VersionId"], True, v["IsLatest"]) for v in response.get("DeleteMarkers", [])]


def test_versions_are_kept_read_and_deleted(s3: Any, kept: str, folder: Path) -> None:
    first = put(s3, kept, "a/k", b"1", Metadata={"m": "1"}, ContentType="text/x")
    second = put(s3, kept, "a/k", b"22")
    assert (folder / "a" / "k").read_bytes() == b"22"
    assert [p.name for p in folder.rglob("*") if p.is_file()] == ["k"]  # older versions are not in the lake
    assert (body(s3, kept, "a/k"), body(s3, kept, "a/k", first), body(s3, kept, "a/k", second)) == (
        b"22",
        b"1",
        b"22",
    )
    head = s3.head_object(Bucket=kept, Key="a/k", VersionId=first)
    assert (head["Metadata"], head["ContentType"], head["VersionId"]) == ({"m": "1"}, "text/x", first)
    assert listed(s3, kept) == [("a/k", second, False, True), ("a/k", first, False, False)]
    deleted = s3.delete_object(Bucket=kept, Key="a/k", VersionId=second)
    assert (deleted["VersionId"], "DeleteMarker" in deleted) == (second, False)
    assert (folder / "a" / "k").read_bytes() == b"1"  # the older one is the object again, as a plain file
    assert s3.head_object(Bucket=kept, Key="a/k")["Metadata"] == {"m": "1"}
    with pytest.raises(ClientError, match="version does not exist") as error:
        body(s3, kept, "a/k", second)
    assert code_of(error) == ("NoSuchVersion", 404)
    s3.delete_object(Bucket=kept, Key="a/k", VersionId=first)
    assert listed(s3, kept) == []
    s3.delete_bucket(Bucket=kept)


def test_a_delete_marker_hides_the_object_until_it_is_deleted(s3: Any, kept: str, folder: Path) -> None:
    version = put(s3, kept, "k", b"1")
    deleted = s3.delete_object(Bucket=kept, Key="k")
    marker = deleted["VersionId"]
    assert deleted["DeleteMarker"] is True
    assert not (folder / "k").exists()
    assert "Contents" not in s3.list_objects_v2(Bucket=kept)
    with pytest.raises(s3.exceptions.NoSuchKey, match="key does not exist") as error:
        s3.get_object(Bucket=kept, Key="k")
    assert error.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    with pytest.raises(ClientError, match="is not allowed against this resource") as error:
        s3.get_object(Bucket=kept, Key="k", VersionId=marker)
    assert code_of(error) == ("MethodNotAllowed", 405)
    with pytest.raises(ClientError, match="not empty"):
        s3.delete_bucket(Bucket=kept)
    assert body(s3, kept, "k", version) == b"1"
    assert listed(s3, kept) == [("k", version, False, False), ("k", marker, True, True)]
    assert s3.delete_object(Bucket=kept, Key="k", VersionId=marker)["DeleteMarker"] is True
    assert body(s3, kept, "k") == b"1"
    assert listed(s3, kept) == [("k", version, False, True)]


def test_suspended_versioning_writes_the_one_version_null(s3: Any, bucket: str) -> None:
    put(s3, bucket, "k", b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert listed(s3, bucket) == [("k", "null", False, True)]
    first = put(s3, bucket, "k", b"1")
    assert body(s3, bucket, "k", "null") == b"before"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    assert put(s3, bucket, "k", b"null 1") == "null"
    assert put(s3, bucket, "k", b"null 2") == "null"
    assert listed(s3, bucket) == [("k", "null", False, True), ("k", first, False, False)]
    assert (body(s3, bucket, "k", "null"), body(s3, bucket, "k", first)) == (b"null 2", b"1")
    assert s3.delete_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    assert listed(s3, bucket) == [("k", first, False, False), ("k", "null", True, True)]
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert body(s3, bucket, "k") == b"1"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_versions_in_pages(s3: Any, kept: str, size: int) -> None:
    expected = []
    for key in ("a", "d/e", "d", "z//y"):
        versions = [put(s3, kept, key, b"%d" % n) for n in range(3)]
        expected += [(key, version) for version in reversed(versions)]
    marker = s3.delete_object(Bucket=kept, Key="d/e")["VersionId"]
    expected.append(("d/e", marker))
    pages = list(
        s3.get_paginator("list_object_versions").paginate(Bucket=kept, PaginationConfig={"PageSize": size})
    )
    shown = [v for page in pages for kind in ("Versions", "DeleteMarkers") for v in page.get(kind, [])]
    listed = [(v["Key"], v["VersionId"]) for v in shown]
    assert sorted(listed) == sorted(expected)
    assert [key for key, _ in listed if key != "d/e"] == ["a"] * 3 + ["d"] * 3 + ["z//y"] * 3
    assert all(len(p.get("Versions", [])) + len(p.get("DeleteMarkers", [])) <= size for p in pages)
    newest = [v["VersionId"] for v in shown if v["IsLatest"]]
    assert sorted(newest) == sorted(
        [marker] + [next(v for k, v in expected if k == key) for key in ("a", "d", "z//y")]
    )
    rolled = s3.list_object_versions(Bucket=kept, Delimiter="/")
    assert {v["Key"] for v in rolled["Versions"]} == {"a", "d"}
    assert [p["Prefix"] for p in rolled["CommonPrefixes"]] == ["d/", "z/"]


def test_delete_objects_by_version(s3: Any, kept: str) -> None:
    first, second = put(s3, kept, "k", b"1"), put(s3, kept, "k", b"2")
    answer = s3.delete_objects(
        Bucket=kept, Delete={"Objects": [{"Key": "k", "VersionId": first}, {"Key": "k"}, {"Key": "new"}]}
    )
    by_version, marker, other = answer["Deleted"]
    assert by_version == {"Key": "k", "VersionId": first}
    assert (marker["DeleteMarker"], other["DeleteMarker"]) == (True, True)
    assert {version for _, version, *_ in listed(s3, kept)} == {
        second, marker["DeleteMarkerVersionId"], other["DeleteMarkerVersionId"]
    }  # fmt: skip


def test_copies_tags_and_attributes_of_a_version(s3: Any, kept: str) -> None:
    first = put(s3, kept, "k", b"1", Tagging="t=1", Metadata={"m": "1"})
    second = put(s3, kept, "k", b"22", Tagging="t=2")
    source = {"Bucket": kept, "Key": "k", "VersionId": first}
    copied = s3.copy_object(Bucket=kept, Key="copy", CopySource=source)
    assert copied["CopySourceVersionId"] == first
    assert (body(s3, kept, "copy"), copied["VersionId"] != first) == (b"1", True)
    s3.copy_object(Bucket=kept, Key="k", CopySource=source)  # the usual way to bring an old version back
    assert (body(s3, kept, "k"), s3.head_object(Bucket=kept, Key="k")["Metadata"]) == (b"1", {"m": "1"})
    tags = {"TagSet": [{"Key": "new", "Value": "3"}]}
    s3.put_object_tagging(Bucket=kept, Key="k", VersionId=first, Tagging=tags)
    assert s3.get_object_tagging(Bucket=kept, Key="k", VersionId=first)["TagSet"] == tags["TagSet"]
    assert s3.get_object_tagging(Bucket=kept, Key="k", VersionId=second)["TagSet"] == [{"Key": "t", "Value": "2"}]
    assert s3.get_object_tagging(Bucket=kept, Key="k")["TagSet"] == [{"Key": "t", "Value": "1"}]
    response = s3.get_object_attributes(Bucket=kept, Key="k", VersionId=second, ObjectAttributes=["ObjectSize"])
    assert (response["ObjectSize"], response["VersionId"]) == (2, second)
    upload = s3.create_multipart_upload(Bucket=kept, Key="parts")["UploadId"]
    target = {"Bucket": kept, "Key": "parts", "UploadId": upload}
    part = s3.upload_part_copy(**target, PartNumber=1, CopySource=source | {"VersionId": second})
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
    done = s3.complete_multipart_upload(**target, MultipartUpload=parts)
    assert body(s3, kept, "parts", done["VersionId"]) == b"22"


def test_a_file_from_outside_is_the_version_null(s3: Any, kept: str, folder: Path) -> None:
    first = put(s3, kept, "k", b"1")
    (folder / "k.tmp").write_bytes(b"outside")
    (folder / "k.tmp").replace(folder / "k")
    assert listed(s3, kept) == [("k", "null", False, True)]  # the file that held the version is gone
    assert body(s3, kept, "k", "null") == b"outside"
    second = put(s3, kept, "k", b"2")
    assert listed(s3, kept) == [("k", second, False, True), ("k", "null", False, False)]
    (folder / "k").unlink()
    with pytest.raises(s3.exceptions.NoSuchKey, match="key does not exist"):
        s3.get_object(Bucket=kept, Key="k")
    assert body(s3, kept, "k", "null") == b"outside"
    assert first not in [version for _, version, *_ in listed(s3, kept)]


def test_a_bucket_without_versions_has_null_only(s3: Any, bucket: str) -> None:
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert "VersionId" not in s3.head_object(Bucket=bucket, Key="k")
    assert body(s3, bucket, "k", "null") == b"1"
    with pytest.raises(ClientError, match="Invalid version id") as error:
        body(s3, bucket, "k", "abc")
    assert code_of(error) == ("InvalidArgument", 400)
    assert listed(s3, bucket) == [("k", "null", False, True)]


# --- in process: a store that is opened again, and one that is killed --------------------------------------
@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.create_bucket("bucket")
    store.index.set_setting("bucket", "versioning_status", "Enabled")
    return store


def commit(store: Store, data: bytes) -> None:
    with store.incoming() as (temporary, file):
        file.write(data)
        Versions(store).commit(temporary, "bucket", "k", data.decode(), {}, {})


def etags(store: Store) -> list[str]:
    """Those of all versions, newest first."""
    versions = versions_page(store, "bucket", prefix="", delimiter="", after="", after_version="", limit=9)
    return [stored.etag for stored, _, _ in versions.versions]


def test_versions_survive_a_restart(store: Store) -> None:
    """The store itself knows that the bucket keeps versions: it answers before moto is imported."""
    commit(store, b"1")
    commit(store, b"2")
    again = Store(store.root)
    commit(again, b"3")
    assert etags(again) == ["3", "2", "1"]


def test_a_kill_between_archive_and_rename_shows_each_version_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def die(*_: object) -> None:
        raise KilledError("killed")

    commit(store, b"1")
    monkeypatch.setattr(store, "_move", die)
    with pytest.raises(KilledError, match="killed"):
        commit(store, b"2")
    again = Store(store.root)
    assert etags(again) == ["1"]
    commit(again, b"3")
    assert etags(again) == ["3", "1"]


def test_a_bucket_that_is_made_again_has_no_old_versions(store: Store) -> None:
    """Its folder was removed from outside."""
    commit(store, b"1")
    commit(store, b"2")
    (store.root / "bucket" / "k").unlink()
    (store.root / "bucket").rmdir()
    store.create_bucket("bucket")
    assert etags(store) == []
    assert store.index.versioning("bucket") == ""


# --- object lock ------------------------------------------------------------------------------------------
@pytest.fixture
def locked(s3: Any, bucket: str) -> str:
    name = f"locked-{bucket[-12:]}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def test_retention_and_legal_hold_keep_a_version(s3: Any, locked: str) -> None:
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    version = put(s3, locked, "k", b"1", **lock)
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"]["Mode"] == "GOVERNANCE"
    assert s3.head_object(Bucket=locked, Key="k")["ObjectLockMode"] == "GOVERNANCE"
    assert s3.delete_object(Bucket=locked, Key="k")["DeleteMarker"] is True  # hides it only
    target = {"Bucket": locked, "Key": "k", "VersionId": version}
    with pytest.raises(ClientError, match="protected by object lock") as error:
        s3.delete_object(**target)
    assert code_of(error) == ("AccessDenied", 403)
    with pytest.raises(ClientError, match="protected by object lock"):
        s3.put_object_retention(
            **target, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until - dt.timedelta(1)}
        )
    s3.put_object_legal_hold(**target, LegalHold={"Status": "ON"})
    assert s3.get_object_legal_hold(**target)["LegalHold"] == {"Status": "ON"}
    with pytest.raises(ClientError, match="protected by object lock"):
        s3.delete_object(**target, BypassGovernanceRetention=True)
    s3.put_object_legal_hold(**target, LegalHold={"Status": "OFF"})
    s3.delete_object(**target, BypassGovernanceRetention=True)
    assert version not in [v for _, v, *_ in listed(s3, locked)]


def test_the_bucket_gives_its_lock_to_new_objects(s3: Any, locked: str, bucket: str) -> None:
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    version = put(s3, locked, "k", b"1")
    with pytest.raises(ClientError, match="protected by object lock"):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    with pytest.raises(ClientError, match="missing ObjectLockConfiguration"):
        put(s3, bucket, "k", b"1", ObjectLockLegalHoldStatus="ON")
    with pytest.raises(ClientError, match="does not have a ObjectLock configuration"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"") and s3.get_object_retention(Bucket=bucket, Key="k")
