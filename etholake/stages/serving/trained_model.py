"""Find the newest trained model of the lake, and name it after its bytes."""

from __future__ import annotations

from etholake import aws
from etholake.digest import fingerprint
from etholake.errors import DataError
from etholake.settings import Settings
from etholake.stages.model.models import checkpoint_uri
from etholake.stages.state import load_state
from etholake.storage import split_uri

__all__ = ["name_of_model", "trained_model"]


def trained_model(settings: Settings, checkpoint: str = "") -> tuple[str, str]:
    """Return (name, artefact URI) of the newest trained model, or of another checkpoint of its training.

    Raises DataError if no model has been trained, or its artefact has gone; UsageError for no such checkpoint.
    """
    uri = str((load_state(settings, "train").get("details") or {}).get("model_uri", ""))
    if not uri:
        raise DataError(f"No trained model is in bucket '{settings.bucket}': run `make train` first.")
    name = name_of_model(settings, uri)
    if checkpoint:
        uri = checkpoint_uri(settings, uri, name, checkpoint)
        name = name_of_model(settings, uri)
    return name, uri


def name_of_model(settings: Settings, uri: str) -> str:
    """Return the name of an artefact: the same bytes have the same name. Raises DataError if it has gone."""
    from botocore.exceptions import ClientError

    bucket, key = split_uri(uri)
    try:
        etag = aws.client(settings, "s3").head_object(Bucket=bucket, Key=key)["ETag"]
    except ClientError as err:
        raise DataError(f"{uri} has gone: run `make train` first.") from err
    return f"etholake-{fingerprint(uri, etag)}"
