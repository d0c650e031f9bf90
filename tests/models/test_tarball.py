"""The archive of a model is bounded, whoever made it."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from etholake.errors import DataError, UsageError
from etholake.models import tarball
from etholake.models.archive import checkpoint_of, metadata_of, stored_metas


def archive_of(*files: tuple[str, bytes], link: str = "") -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as content:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            content.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo("meta.json")
            info.type, info.linkname = tarfile.SYMTYPE, link
            content.addfile(info)
    return sink.getvalue()


def test_a_model_is_unpacked_and_read(tmp_path: Path) -> None:
    files = (("./meta.json", b'{"a": 1}'), ("members/0/meta.json", b'{"b": 2}'), ("weights", bytes(1024)))
    packed = archive_of(*files)
    for archive in (packed, gzip.decompress(packed)):  # gzipped or not
        tarball.unpack(archive, tmp_path, "x")
        assert (tmp_path / "members" / "0" / "meta.json").read_bytes() == files[1][1]
        assert (tmp_path / "weights").stat().st_size == 1024
        assert metadata_of(archive, "x") == {"a": 1}
        assert list(stored_metas(archive)) == [{"a": 1}, {"b": 2}]


def test_more_files_or_bytes_than_a_model_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_of(*((f"f{n}", b"12345678") for n in range(5)))
    monkeypatch.setattr(tarball, "MAX_FILES", 4)
    with pytest.raises(DataError, match="'x' is not the archive of a model: it unpacks to more than 4 files"):
        tarball.unpack(archive, tmp_path, "x")
    monkeypatch.setattr(tarball, "MAX_FILES", 5)
    tarball.unpack(archive, tmp_path, "x")
    monkeypatch.setattr(tarball, "MAX_BYTES", 39)
    with pytest.raises(DataError, match="it unpacks to more than"):
        tarball.unpack(archive, tmp_path, "x")
    with pytest.raises(DataError, match="it unpacks to more than"):
        checkpoint_of(archive, "y")


def test_a_header_that_is_read_whole_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz", format=tarfile.PAX_FORMAT) as content:
        info = tarfile.TarInfo("meta.json")
        info.pax_headers = {"comment": "x" * 4096}
        content.addfile(info)
    monkeypatch.setattr(tarball, "_LARGEST_READ", 4096)
    with pytest.raises(DataError, match="a header of"):
        metadata_of(sink.getvalue(), "x")


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (archive_of(("../../evil", b"x")), "outside the destination"),
        (archive_of(link="/etc/passwd"), "is a link to an absolute path"),
        (b"nothing", "'x' is not the archive of a model"),
        (archive_of(("f", bytes(100_000)))[:-40], "'x' is not the archive of a model"),
    ],
)
def test_what_is_no_archive_of_files_below_it_is_refused(archive: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        tarball.unpack(archive, tmp_path / "a" / "b", "x")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("meta", [b"[" * 100_000, b"{", b"[]", b"\xff"])
def test_a_description_that_is_none_is_refused(meta: bytes) -> None:
    with pytest.raises(DataError, match="This is not the archive of a model"):
        metadata_of(archive_of(("meta.json", meta)), "x")
    with pytest.raises(UsageError, match="has no checkpoint 'y'; it has none"):
        checkpoint_of(archive_of(("meta.json", meta)), "y")
