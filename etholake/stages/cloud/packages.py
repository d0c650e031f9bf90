"""Build the two packages: `etholake.zip` for Glue's ``--extra-py-files``, `sourcedir.tar.gz` for SageMaker.

Both are deterministic: sorted names, one fixed timestamp and mode, nothing of this machine, so that the same
code gives the same bytes and an unchanged deployment can be recognised. The digest is taken over names and
contents, not over compressed bytes, and so does not depend on the version of zlib.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from pathlib import Path

from etholake import resources
from etholake.digest import bytes_digest, fingerprint
from etholake.errors import ContractError
from etholake.models.shipping import foreign_entry_points, plugin_files
from etholake.models.vision.transformers_config import VIDEO_EXTRA

__all__ = ["Packages", "build", "foreign_requirements", "requirements"]

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_SUFFIXES = frozenset({".css", ".html", ".j2", ".js", ".json", ".py", ".sql", ".toml", ".txt", ".yaml"})
_OF_THE_IMAGE = {"numpy", "torch"}
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_MODEL_EXTRA = "model"  # the libraries that the SageMaker image lacks beside torch


@dataclass(frozen=True)
class Packages:
    """The two archives and the digest (16 hex digits) of everything in them."""

    etholake_zip: Path
    sourcedir: Path
    digest: str


def build(out_dir: Path) -> Packages:
    """Write both archives into `out_dir` (made if missing). The same sources give the same bytes.

    `sourcedir.tar.gz` has `requirements.txt` for every training, and `requirements-video.txt` for one with a
    backbone of the extra `video`. It also gets the model families and encoders of other installed distributions,
    so that a training job has them, and their requirements.

    Raises
    ------
    ContractError
        A library is not in requirements.lock, or a foreign family cannot be packed: its module is no package, or
        a library that it requires is not installed.
    """
    package = _package_files(resources.package_folder())
    points = foreign_entry_points()
    needed = {
        f"requirements{suffix}.txt": requirements(*extras) + foreign_requirements(points, requirements(*extras))
        for suffix, extras in {"": (), f"-{VIDEO_EXTRA}": (VIDEO_EXTRA,)}.items()
    }
    plugins = {path: content for point in points for path, content in plugin_files(point).items()}
    source = plugins | package | _launcher_files() | {name: text.encode() for name, text in needed.items()}
    out_dir.mkdir(parents=True, exist_ok=True)
    etholake_zip = out_dir / "etholake.zip"
    sourcedir = out_dir / "sourcedir.tar.gz"
    etholake_zip.write_bytes(_zip(package))
    sourcedir.write_bytes(_tar_gz(source))
    return Packages(etholake_zip, sourcedir, _digest(source))


def requirements(*extras: str) -> str:
    """Return `requirements.txt` of the SageMaker source folder: the locked libraries of pyproject.toml, no torch.

    They are those of every training, and of further `extras`. torch belongs to the image; numpy is left to it as
    well, since torch was built against the image's own.

    Raises
    ------
    ContractError
        A library is not in requirements.lock.
    """
    project = tomllib.loads((resources.root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for extra in (_MODEL_EXTRA, *extras) for line in optional[extra])]
    names = sorted({_NAME.match(line)[0] for line in wanted} - _OF_THE_IMAGE)  # type: ignore[index]
    lock = (resources.root() / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked = {line.partition("==")[0]: line.partition(" ")[0] for line in lock if "==" in line}
    if missing := [name for name in names if name not in locked]:
        raise ContractError(f"requirements.lock does not pin {missing}: make it again (see CONTRIBUTING.md).")
    return "".join(f"{locked[name]}\n" for name in names)


def foreign_requirements(points: Iterable[EntryPoint], have: str) -> str:
    """Return lines of `requirements.txt` for libraries that foreign families require and `have` lacks.

    They are pinned to the installed versions. Libraries of the image, and extras, are left out. Raises
    ContractError for a library that is not installed.
    """
    present = {line.partition("==")[0].lower() for line in have.splitlines()} | _OF_THE_IMAGE | {"etholake"}
    lines = set()
    for point in points:
        for requirement in (point.dist.requires if point.dist else None) or ():
            name = _NAME.match(requirement)[0].lower()  # type: ignore[index]
            if name in present or "extra ==" in requirement:
                continue
            try:
                lines.add(f"{name}=={version(name)}\n")
            except PackageNotFoundError as err:
                raise ContractError(
                    f"The {point.group} object '{point.name}' requires '{requirement}', which is not installed: "
                    f"its version for the training job is not known. Install it: pip install '{requirement}'."
                ) from err
    return "".join(sorted(lines))


def _package_files(package: Path) -> dict[str, bytes]:
    """Return name in the archive -> content of every source and data file of the package `etholake`."""
    return {
        f"etholake/{path.relative_to(package)}": path.read_bytes()
        for path in _walk(package)
        if path.suffix in _SUFFIXES or path.name == "py.typed"
    }


def _launcher_files() -> dict[str, bytes]:
    folder = resources.folder("sagemaker")
    return {str(path.relative_to(folder)): path.read_bytes() for path in _walk(folder) if path.suffix in _SUFFIXES}


def _walk(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in ("__pycache__", "_resources") for part in parts)
        if path.is_file() and not hidden:
            yield path


def _digest(files: Mapping[str, bytes]) -> str:
    return fingerprint([(name, bytes_digest(files[name])) for name in sorted(files)])


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
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=sink, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            info = tarfile.TarInfo(name)  # owner, mode and time are the defaults: 0, 0644, 1970
            info.size = len(files[name])
            archive.addfile(info, io.BytesIO(files[name]))
    return sink.getvalue()
