"""The plain files behind S3: adoption of outside changes, links, restarts, kills, full disks; and DataAccess."""

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from etholake import aws, local_server
from etholake.settings import Settings
from local_mock.data import ClientData, DataAccess, FolderData
from local_mock.errors import DataError
from local_mock.lifecycle import Running
from local_mock.s3.errors import S3Error
from local_mock.s3.store import Store, full_disk


@pytest.fixture(scope="module")
def s3(mock_settings: Settings) -> Any:
    client = aws.client(mock_settings, "s3")
    client.create_bucket(Bucket="files-bucket")
    return client


@pytest.fixture
def folder(mock_settings: Settings, s3: Any) -> Iterator[Path]:
    """The folder of bucket `files-bucket`, emptied afterwards."""
    folder = Path(mock_settings.s3_root) / "files-bucket"
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def keys(s3: Any) -> list[str]:
    return [o["Key"] for o in s3.list_objects_v2(Bucket="files-bucket").get("Contents", [])]


def test_files_from_outside_are_adopted_changed_and_dropped(s3: Any, folder: Path) -> None:
    path = folder / "table" / "lab_id=x" / "part-0.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    assert keys(s3) == ["table/lab_id=x/part-0.parquet"]
    head = s3.head_object(Bucket="files-bucket", Key="table/lab_id=x/part-0.parquet")
    assert head["ETag"].strip('"') == hashlib.md5(b"one").hexdigest()
    path.write_bytes(b"another")
    listed = s3.list_objects_v2(Bucket="files-bucket")["Contents"][0]
    assert (listed["Size"], listed["ETag"].strip('"')) == (7, hashlib.md5(b"another").hexdigest())
    path.unlink()
    assert keys(s3) == []
    with pytest.raises(s3.exceptions.NoSuchKey, match="does not exist"):
        s3.get_object(Bucket="files-bucket", Key="table/lab_id=x/part-0.parquet")


def test_a_file_replaced_from_outside_loses_the_old_metadata(s3: Any, folder: Path) -> None:
    s3.put_object(Bucket="files-bucket", Key="k", Body=b"1", Metadata={"m": "1"}, ContentType="text/x")
    (folder / "k").write_bytes(b"other")
    head = s3.head_object(Bucket="files-bucket", Key="k")
    assert (head["Metadata"], head["ContentType"]) == ({}, "binary/octet-stream")


def test_files_in_progress_are_not_listed(s3: Any, folder: Path, mock_settings: Settings) -> None:
    for name in (".tmp-1", "_temporary/0/part", "t/.part-0.parquet.crc", "t/_SUCCESS", "t/part-0.parquet"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    assert keys(s3) == ["t/_SUCCESS", "t/part-0.parquet"]
    data = FolderData(Path(mock_settings.s3_root))
    assert [i.key for i in data.list("s3://files-bucket/")] == ["t/_SUCCESS", "t/part-0.parquet"]
    s3.put_object(Bucket="files-bucket", Key="_temporary/by-api", Body=b"")  # S3A's committer does this
    assert keys(s3) == ["_temporary/by-api", "t/_SUCCESS", "t/part-0.parquet"]


def test_links_never_lead_out_of_the_bucket(s3: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "out").symlink_to(tmp_path)
    assert keys(s3) == []
    for key in ("link", "out/secret", "out/new"):
        with pytest.raises(ClientError, match="behind a symbolic link"):
            s3.get_object(Bucket="files-bucket", Key=key)
        with pytest.raises(ClientError, match="behind a symbolic link"):
            s3.put_object(Bucket="files-bucket", Key=key, Body=b"changed")
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").read_text() == "secret"


def test_folder_markers_are_objects(s3: Any, folder: Path) -> None:
    s3.put_object(Bucket="files-bucket", Key="dir/sub/", Body=b"")
    assert keys(s3) == ["dir/sub/"]
    s3.put_object(Bucket="files-bucket", Key="dir/sub/a", Body=b"1")
    assert keys(s3) == ["dir/sub/", "dir/sub/a"]
    s3.delete_object(Bucket="files-bucket", Key="dir/sub/")
    assert keys(s3) == ["dir/sub/a"]


@pytest.mark.server
def test_objects_metadata_and_uploads_survive_restart_and_kill(tmp_path: Path) -> None:
    settings = Settings(port=0, state_dir=str(tmp_path / "state"), s3_root=str(tmp_path / "s3"))

    def start() -> tuple[Any, Running]:
        running = local_server.up(settings)
        return boto3.client("s3", endpoint_url=running.url), running

    s3, running = start()
    try:
        s3.create_bucket(Bucket="lives")
        s3.put_object(Bucket="lives", Key="k", Body=b"1", Metadata={"m": "1"}, ContentType="text/x", Tagging="t=1")
        upload = s3.create_multipart_upload(Bucket="lives", Key="multi")["UploadId"]
        target = {"Bucket": "lives", "Key": "multi", "UploadId": upload}
        part = s3.upload_part(**target, PartNumber=1, Body=b"part")["ETag"]
        os.kill(running.pid, signal.SIGKILL)
        os.waitpid(running.pid, 0)
        (tmp_path / "s3" / "lives" / "meanwhile").write_bytes(b"2")

        s3, _ = start()
        assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["lives"]
        head = s3.head_object(Bucket="lives", Key="k")
        assert (head["Metadata"], head["ContentType"]) == ({"m": "1"}, "text/x")
        assert s3.get_object_tagging(Bucket="lives", Key="k")["TagSet"] == [{"Key": "t", "Value": "1"}]
        done = s3.complete_multipart_upload(**target, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
        assert local_server.down(settings)

        s3, _ = start()
        etags = {o["Key"]: o["ETag"] for o in s3.list_objects_v2(Bucket="lives")["Contents"]}
        assert sorted(etags) == ["k", "meanwhile", "multi"]
        assert etags["multi"] == done["ETag"]
        s3.create_bucket(Bucket="lives")  # whoever deploys again takes the bucket over
    finally:
        local_server.down(settings)


def test_a_damaged_index_costs_metadata_but_no_object(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "k").write_bytes(b"1")
    assert store.head("bucket", "k").etag == hashlib.md5(b"1").hexdigest()
    index = tmp_path / ".local_mock" / "index.sqlite"
    del store
    for side in index.parent.glob("index.sqlite*"):
        side.write_bytes(b"rubbish " * 1000)
    assert Store(tmp_path).head("bucket", "k").etag == hashlib.md5(b"1").hexdigest()


def test_a_full_disk_is_an_error_that_is_not_retried_and_keeps_the_old_object(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "k").write_bytes(b"old")
    full = Path("/dev/full")  # every write to it fails with 'no space left'
    with pytest.raises(S3Error, match="disk of the S3 folder is full") as error, full_disk():
        full.write_bytes(b"x")
    assert error.value.status == 507
    with pytest.raises(S3Error, match="is full"), store.incoming():
        full.write_bytes(b"x")
    assert (tmp_path / "bucket" / "k").read_bytes() == b"old"
    assert not list((tmp_path / ".local_mock" / "tmp").iterdir())


# --- DataAccess: the same tests over the folders and over an S3 client with our own S3 as the remote --------
@pytest.fixture(params=["folder", "client"])
def data(
    request: pytest.FixtureRequest, mock_settings: Settings, s3: Any, folder: Path, tmp_path: Path
) -> DataAccess:
    if request.param == "folder":
        return FolderData(Path(mock_settings.s3_root))
    return ClientData(str(mock_settings.endpoint_url), "us-east-1", tmp_path / "cache")


def test_data_reads_writes_lists_and_deletes(data: DataAccess) -> None:
    data.write("s3://files-bucket/t/lab=a/x.bin", b"1")
    data.write("s3://files-bucket/t/lab=a/x.bin", b"22")
    data.write("s3://files-bucket/t2", b"3")
    assert data.read("s3://files-bucket/t/lab=a/x.bin") == b"22"
    infos = data.list("s3://files-bucket/t")
    assert [(i.uri, i.key, i.size) for i in infos] == [
        ("s3://files-bucket/t/lab=a/x.bin", "t/lab=a/x.bin", 2),
        ("s3://files-bucket/t2", "t2", 1),
    ]
    before = data.list("s3://files-bucket/t2")[0].etag
    data.write("s3://files-bucket/t2", b"44")
    assert data.list("s3://files-bucket/t2")[0].etag != before
    assert data.exists("s3://files-bucket/t2")
    data.delete("s3://files-bucket/t2")
    data.delete("s3://files-bucket/t2")
    assert not data.exists("s3://files-bucket/t2")
    assert data.list("s3://no-such-bucket/x") == []


def test_local_file_follows_the_object(data: DataAccess) -> None:
    data.write("s3://files-bucket/a/f.parquet", b"1")
    path = data.local_file("s3://files-bucket/a/f.parquet")
    assert (path.read_bytes(), path.suffix) == (b"1", ".parquet")
    data.write("s3://files-bucket/a/f.parquet", b"22")
    assert data.local_file("s3://files-bucket/a/f.parquet").read_bytes() == b"22"
    with pytest.raises(FileNotFoundError, match="s3://files-bucket/none"):
        data.local_file("s3://files-bucket/none")


def test_upload_and_download_keep_relative_paths(data: DataAccess, tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "a").write_bytes(b"a")
    (tmp_path / "in" / "b").write_bytes(b"b")
    assert data.upload(tmp_path / "in", "s3://files-bucket/up/") == 2
    for prefix in ("up/", "up"):
        out = tmp_path / f"out-{len(prefix)}"
        assert data.download(f"s3://files-bucket/{prefix}", out) == 2
        assert (out / "sub" / "a").read_bytes() == b"a"
        assert (out / "b").read_bytes() == b"b"
    assert data.download("s3://files-bucket/up/b", tmp_path / "one") == 1
    assert (tmp_path / "one" / "b").read_bytes() == b"b"


@pytest.mark.parametrize("key", ["t/../x", "t/a/../../x", "t/a//b", "t/./x", "t/" + "x" * 300])
def test_data_reads_keys_that_are_no_paths_and_writes_none(
    data: DataAccess, s3: Any, tmp_path: Path, key: str
) -> None:
    s3.put_object(Bucket="files-bucket", Key=key, Body=b"1")
    s3.put_object(Bucket="files-bucket", Key="t/plain", Body=b"22")
    uri = f"s3://files-bucket/{key}"
    try:
        infos = data.list("s3://files-bucket/t")
        assert [(i.key, i.size) for i in infos] == sorted([(key, 1), ("t/plain", 2)])
        assert data.read(uri) == b"1"
        assert data.local_file(uri).read_bytes() == b"1"
        with pytest.raises(DataError, match="is refused: it must not be absolute"):
            data.write(uri, b"")
        with pytest.raises(DataError, match="is refused: it must not be absolute"):
            data.download("s3://files-bucket/t", tmp_path / "out")
        assert not (tmp_path / "out").exists()
    finally:
        data.delete(uri)
    assert not data.exists(uri)
    s3.put_object(Bucket="files-bucket", Key="t/plain/below", Body=b"333")  # beside an object of that name
    assert [i.size for i in data.list("s3://files-bucket/t/")] == [2, 3]
    assert data.read("s3://files-bucket/t/plain/below") == b"333"
    data.delete("s3://files-bucket/t/plain/below")


def test_data_refuses_what_is_no_uri(data: DataAccess) -> None:
    with pytest.raises(DataError, match="Expected an URI like s3://bucket/key"):
        data.read("files-bucket/x")


def test_executing_services_with_s3_elsewhere(mock_settings: Settings, s3: Any, tmp_path: Path) -> None:
    """The LocalStack arrangement: a second mock without S3 of its own, told where S3 is."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "local_mock", "run", "--port", "0", "--state-dir", str(tmp_path / "state")]
    command += ["--s3-root", str(tmp_path / "none"), "--s3-endpoint", str(mock_settings.endpoint_url)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert url.startswith("http://127.0.0.1:")
        glue = boto3.client("glue", endpoint_url=url)
        glue.create_database(DatabaseInput={"Name": "elsewhere"})
        assert glue.get_database(Name="elsewhere")["Database"]["Name"] == "elsewhere"
        assert not (tmp_path / "none").exists()
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.server
def test_listing_after_restart_does_not_read_the_objects_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "k").write_bytes(b"1")
    row = store.head("bucket", "k").row
    stat = (tmp_path / "bucket" / "k").stat()
    (tmp_path / "bucket" / "k").write_bytes(b"2")  # same size; put the time back: the index must be believed
    os.utime(tmp_path / "bucket" / "k", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Store(tmp_path).head("bucket", "k").row == row
    os.utime(tmp_path / "bucket" / "k", ns=(stat.st_atime_ns, time.time_ns()))
    assert Store(tmp_path).head("bucket", "k").etag == hashlib.md5(b"2").hexdigest()
