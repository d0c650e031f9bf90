"""Put a user's weights of backbones (a file, a folder, or either in S3) into the lake, as a training's channel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from etholake import aws
from etholake.contract import MODEL_ZONE
from etholake.digest import file_digest, fingerprint
from etholake.errors import UsageError
from etholake.models.archive import stored_metas
from etholake.models.config import own_fields
from etholake.models.registry import resolve
from etholake.models.vision.transformers_config import VIDEO_EXTRA, needs_transformers
from etholake.models.vision.weights_file import SUFFIXES, chosen_files, weights_files
from etholake.objects import list_objects, object_exists
from etholake.settings import Settings
from etholake.storage import split_uri

__all__ = ["BACKBONE", "backbone_names", "extra_of_archive", "extra_of_config", "stage"]

BACKBONE = "backbone"  # the channel


def backbone_names(config_name: str, fields: Mapping[str, Any]) -> list[str]:
    """Return the backbones of a configuration, or of a list ``a,b``, with fields replaced (`own_fields`).

    Raises UsageError if there is none.
    """
    names = _names(config_name, fields)
    if not names:
        raise UsageError(
            f"The configuration '{config_name}' has no backbone that could start with weights: leave --weights "
            "out, or name one of a family with a backbone (docs/models.md, families of pixels)."
        )
    return names


def extra_of_config(config_name: str, fields: Mapping[str, Any]) -> str:
    """Return the extra whose libraries a training of these configurations needs; "" for none."""
    return VIDEO_EXTRA if any(needs_transformers(name) for name in _names(config_name, fields)) else ""


def extra_of_archive(archive: bytes) -> str:
    """Return the extra whose libraries the model in an archive needs; "" for none."""
    names = [meta.get("config", {}).get("backbone", "") for meta in stored_metas(archive)]
    return VIDEO_EXTRA if any(needs_transformers(name) for name in names) else ""


def _names(config_name: str, fields: Mapping[str, Any]) -> list[str]:
    configs = config_name.split(",")
    resolved = [resolve(name, own_fields(fields, name, configs)) for name in configs]
    return sorted({family.backbone_name(config) for family, config in resolved} - {""})


def stage(settings: Settings, place: str, config_name: str, fields: Mapping[str, Any]) -> str:
    """Copy the weights of a configuration's backbones into the model zone; return the prefix for the channel.

    The prefix is named by the content. Raises UsageError if `place` does not have the files of each backbone.
    """
    s3 = aws.client(settings, "s3")
    with TemporaryDirectory(prefix="etholake-weights-") as folder:
        names = backbone_names(config_name, fields)
        files = sorted({path for name in names for path in _local(s3, place, name, Path(folder))})
        digest = fingerprint({path.name: file_digest(path) for path in files})
        prefix = f"{MODEL_ZONE}/backbones/{digest}/"
        for path in files:
            if not object_exists(s3, f"s3://{settings.bucket}/{prefix}{path.name}"):
                s3.upload_file(str(path), settings.bucket, prefix + path.name)
    return f"s3://{settings.bucket}/{prefix}"


def _local(s3: Any, place: str, backbone: str, folder: Path) -> list[Path]:
    """Return the files with a backbone's weights; those of S3 are downloaded to `folder`."""
    if not place.startswith("s3://"):
        return weights_files(Path(place), backbone)
    bucket, key = split_uri(place)
    keys = [key]
    if not key.endswith(SUFFIXES):
        prefix = f"{key.rstrip('/')}/" if key else ""
        below = [item["Key"] for item in list_objects(s3, bucket, prefix)]
        keys = chosen_files([k for k in below if "/" not in k.removeprefix(prefix)], backbone, place)
    elif not object_exists(s3, place):
        raise UsageError(f"There are no weights at '{place}'.")
    else:
        chosen_files(keys, backbone, place)
    paths = [folder / Path(key).name for key in keys]
    for key, path in zip(keys, paths, strict=True):
        if not path.exists():
            s3.download_file(bucket, key, str(path))
    return paths
