"""`.tar.gz` in and out: regular files only, never outside the folder, the same bytes for the same files."""

from __future__ import annotations

import bz2
import gzip
import io
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from local_mock.errors import DataError

__all__ = ["MAX_BYTES", "copy_bounded", "pack", "unpack"]

MAX_BYTES = 30 << 30  # what an archive may unfold to: the volume of a SageMaker instance by default
MAX_FILES = 100_000
_LARGEST_READ = 16 << 20  # tarfile reads names and PAX headers whole


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack a tar archive into `folder` (made if missing). Returns the names of its files.

    Raises
    ------
    DataError
        The archive is damaged, or a member is a link or device, or its name would leave the folder, or it
        unfolds to more than fits on the disk (at most 30 GiB) or to more than 100,000 files.
        Nothing that such a member names is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    try:
        limit = min(MAX_BYTES, shutil.disk_usage(folder).free)
        with _opened(archive, limit) as plain, tarfile.open(fileobj=cast(BinaryIO, plain), mode="r:") as source:
            members, total = [], 0
            for member in source:
                _check(archive, member)
                members.append(member)
                total += member.size
                if len(members) > MAX_FILES or total > limit:
                    raise DataError(
                        f"{archive.name} unfolds to more than {MAX_FILES:,} files or {limit:,} bytes: it is "
                        "refused."
                    )
            for member in members:
                name = PurePosixPath(member.name)
                target = folder.joinpath(*name.parts)
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                content = source.extractfile(member)
                assert content is not None  # _check let regular files pass only
                with target.open("wb") as sink:
                    shutil.copyfileobj(content, sink, 1 << 20)
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
                names.append(str(name))
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as err:
        raise DataError(f"{archive.name} cannot be unpacked: {err}. It must be a .tar.gz of plain files.") from err
    return names


class _Bounded(io.RawIOBase):
    """A stream that ends in an error beyond `limit` bytes, or where more is asked for at once than a block."""

    def __init__(self, stream: Any, name: str, limit: int) -> None:
        super().__init__()
        self._stream, self._name, self._limit = stream, name, limit

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._stream.tell())

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and offset > self._limit:
            raise DataError(f"{self._name} unfolds to more than {self._limit:,} bytes: it is refused.")
        return int(self._stream.seek(offset, whence))

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_READ:
            raise DataError(f"{self._name} has a header of more than {_LARGEST_READ >> 20} MiB: it is refused.")
        data = bytes(self._stream.read(size))
        if self.tell() > self._limit:
            raise DataError(f"{self._name} unfolds to more than {self._limit:,} bytes: it is refused.")
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


def _opened(archive: Path, limit: int) -> _Bounded:
    """Return the tar inside an archive (gzip, bzip2 or plain) as a bounded stream."""
    with archive.open("rb") as file:
        start = file.read(3)
    stream: Any
    if start.startswith(b"\x1f\x8b"):
        stream = gzip.open(archive)  # noqa: SIM115 - `_Bounded` closes it
    elif start == b"BZh":
        stream = bz2.open(archive)  # noqa: SIM115
    else:
        stream = archive.open("rb")
    return _Bounded(stream, archive.name, limit)


def copy_bounded(source: Any, sink: Any, name: str, limit: int = MAX_BYTES) -> None:
    """Copy a stream of unknown length. Raises DataError beyond `limit` bytes."""
    total = 0
    while block := source.read(1 << 20):
        total += len(block)
        if total > limit:
            raise DataError(f"{name} unfolds to more than {limit:,} bytes: it is refused.")
        sink.write(block)


def _check(archive: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    if not (member.isreg() or member.isdir()):
        raise DataError(
            f"{archive.name} holds '{member.name}', which is a link or device: only files are unpacked."
        )
    if name.is_absolute() or ".." in name.parts:
        raise DataError(f"{archive.name} holds '{member.name}', which would leave the folder: it is refused.")


def pack(folder: Path, archive: Path) -> int:
    """Pack the regular files of `folder`, sorted, into a deterministic ``.tar.gz``. Returns their number."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink()]
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as sink,
    ):
        for path in files:
            info = tarfile.TarInfo(path.relative_to(folder).as_posix())
            info.size = path.stat().st_size
            info.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                sink.addfile(info, content)
    return len(files)
