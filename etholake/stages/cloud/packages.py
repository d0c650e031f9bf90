"""What is shipped: `etholake.zip` for Glue's ``--extra-py-files`` and `sourcedir.tar.gz` for SageMaker.

Both are deterministic: sorted names, one fixed timestamp and mode, nothing of this machine, so that the same
code gives the same bytes and an unchanged deployment can be recognised. The digest is taken over names and
contents, not over compressed bytes, and so does not depend on the version of zlib.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from etholake.resources import repository

__all__ = ["Packages", "build", "requirements"]

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_SUFFIXES = frozenset({".py", ".html", ".json", ".sql", ".toml", ".txt", ".yaml"})
_MODEL_EXTRA = "model"  # what the SageMaker image lacks beside torch


@dataclass(frozen=True)
class Packages:
    """The two archives and the digest (16 hex digits) of everything in them."""

    etholake_zip: Path
    sourcedir: Path
    digest: str


def build(out_dir: Path) -> Packages:
    """Write both archives into `out_dir` (made if missing). The same sources give the same bytes."""
    root = repository()
    package = _package_files(root)
    source = package | _launcher_files(root) | {"requirements.txt": requirements(root).encode()}
    out_dir.mkdir(parents=True, exist_ok=True)
    etholake_zip = out_dir / "etholake.zip"
    sourcedir = out_dir / "sourcedir.tar.gz"
    etholake_zip.write_bytes(_zip(package))
    sourcedir.write_bytes(_tar_gz(source))
    return Packages(etholake_zip, sourcedir, _digest(source))


def requirements(root: Path) -> str:
    """`requirements.txt` of the SageMaker source folder: the pins of pyproject.toml, without torch.

    torch belongs to the image; numpy is left to it as well, since torch was built against the image's own.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [*project["dependencies"], *project["optional-dependencies"][_MODEL_EXTRA]]
    return "".join(f"{pin}\n" for pin in sorted(pins) if not pin.startswith("numpy"))


def _package_files(root: Path) -> dict[str, bytes]:
    """Name in the archive -> content of every source and data file of the package `etholake`."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in _walk(root / "etholake")
        if path.suffix in _SUFFIXES or path.name == "py.typed"
    }


def _launcher_files(root: Path) -> dict[str, bytes]:
    folder = root / "sagemaker"
    return {str(path.relative_to(folder)): path.read_bytes() for path in _walk(folder) if path.suffix in _SUFFIXES}


def _walk(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{len(name)}:{name}:{len(files[name])}:".encode())
        digest.update(files[name])
    return digest.hexdigest()[:16]


def _zip(files: Mapping[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, whatever machine builds it
            info.external_attr = 0o644 << 16
            archive.writestr(info, files[name])
    return sink.getvalue()


def _tar_gz(files: Mapping[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=sink, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            info = tarfile.TarInfo(name)  # owner, mode and time are the defaults: 0, 0644, 1970
            info.size = len(files[name])
            archive.addfile(info, io.BytesIO(files[name]))
    return sink.getvalue()
