"""Find a trained model by any name that a user has for it (`model_names.NAMES`)."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from etholake import aws
from etholake.contract import MODEL_ZONE, whole_number
from etholake.digest import bytes_digest
from etholake.errors import DataError, UsageError
from etholake.models.archive import ARCHIVE, META, checkpoint_of
from etholake.models.tarball import opened, own_name, unpack
from etholake.objects import object_exists, read_object
from etholake.settings import Settings
from etholake.stages import model_packages
from etholake.stages.model.model_names import CHECKPOINT, CURRENT, NAMES, PRETRAINED, VERSION
from etholake.stages.state import load_state

__all__ = ["checkpoint_uri", "pack", "stage", "unpacked"]


@contextmanager
def unpacked(settings: Settings, model: str) -> Iterator[Path]:
    """Give a folder with the model for as long as the context lasts. Raises as `pack`."""
    if Path(model).is_dir():
        yield Path(model)
        return
    with TemporaryDirectory(prefix="etholake-model-") as folder:
        yield unpack(pack(settings, model), Path(folder), model)


def stage(settings: Settings, archive: bytes) -> str:
    """Copy a model's archive into the lake's model zone, named by its content; return the prefix for a channel."""
    prefix = f"{MODEL_ZONE}/base/{bytes_digest(_content(archive))[:16]}/"
    aws.client(settings, "s3").put_object(Bucket=settings.bucket, Key=prefix + ARCHIVE, Body=archive)
    return f"s3://{settings.bucket}/{prefix}"


def pack(settings: Settings, model: str) -> bytes:
    """Return the archive of the model that goes by this name.

    Raises UsageError if there is no such file, object, version or checkpoint, DataError if the lake has no model
    yet.
    """
    model, separator, checkpoint = model.partition(CHECKPOINT)
    if separator:
        return checkpoint_of(pack(settings, model), checkpoint)
    if model in (CURRENT, PRETRAINED):
        model = _newest(settings, model)
    elif model.startswith(VERSION):
        number = whole_number(model.removeprefix(VERSION))
        if number is None:
            raise UsageError(f"Expected {VERSION} and the number of a version of the registry, but got '{model}'.")
        model = model_packages.numbered(settings, model_packages.group_name(settings), number).model_uri
    if model.startswith("s3://"):
        return _download(settings, model)
    path = Path(model)
    if (path / META).is_file():
        return _archive(path)
    if path.is_file():
        return path.read_bytes()
    raise UsageError(f"There is no model at '{model}': expected {NAMES} (a folder has a {META}).")


def checkpoint_uri(settings: Settings, uri: str, name: str, checkpoint: str) -> str:
    """Copy a checkpoint of a model (its artefact's URI and name) into the model zone; return the copy's URI.

    Raises UsageError if the model has no such checkpoint.
    """
    s3, key = aws.client(settings, "s3"), f"{MODEL_ZONE}/second/{name}-{checkpoint}/{ARCHIVE}"
    copied = f"s3://{settings.bucket}/{key}"
    if not object_exists(s3, copied):
        archive = checkpoint_of(_download(settings, uri), checkpoint)
        s3.put_object(Bucket=settings.bucket, Key=key, Body=archive)
    return copied


def _newest(settings: Settings, name: str) -> str:
    """Return the URI of the newest model that was trained or pre-trained. Raises DataError if there is none."""
    verb = {CURRENT: "train", PRETRAINED: "pretrain"}[name]
    details = load_state(settings, verb).get("details") or {}
    if "model_uri" not in details:
        raise DataError(f"The lake has no model of `etholake {verb}` yet: run it first, or name a model.")
    return str(details["model_uri"])


def _download(settings: Settings, uri: str) -> bytes:
    from botocore.exceptions import ClientError

    try:
        return read_object(aws.client(settings, "s3"), uri)
    except ClientError as err:
        raise UsageError(f"There is no model at '{uri}': {err}.") from err


def _archive(folder: Path) -> bytes:
    """Pack the model in a folder without its code: a model that is trained gets the present code."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if path.is_file() and relative.parts[0] != "code":
                archive.add(path, str(relative))
    return sink.getvalue()


def _content(archive: bytes) -> bytes:
    """Return names and bytes of the archive's files, without times. Raises DataError for no archive."""
    with opened(archive, ARCHIVE) as members:
        files = {
            own_name(m): members.read(m) for m in members if m.isreg() and not own_name(m).startswith("code/")
        }
    return b"".join(name.encode() + b"\0" + files[name] for name in sorted(files))
