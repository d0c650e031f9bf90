"""`.tar.gz` in and out: regular files only, never outside the folder, the same bytes for the same files."""

from __future__ import annotations

import gzip
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from local_mock.errors import DataError

__all__ = ["pack", "unpack"]


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack a tar archive into `folder` (made if missing). Returns the names of its files.

    Raises
    ------
    DataError
        The archive is damaged, or a member is a link or device, or its name would leave the folder.
        Nothing that such a member names is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    try:
        with tarfile.open(archive, "r:*") as source:
            members = source.getmembers()
            for member in members:
                _check(archive, member)
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
    except (tarfile.TarError, EOFError, OSError) as err:
        raise DataError(f"{archive.name} cannot be unpacked: {err}. It must be a .tar.gz of plain files.") from err
    return names


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
