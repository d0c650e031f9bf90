"""Predict the events of one video's file, by batch transform: Parquet in, JSON lines or Parquet out.

It serves a video that is too long for an endpoint, and that need not be in the lake: its tracking rows, raw
(`video_frame, mouse_id, bodypart, x, y`) or curated, and its row of metadata. The requests are those of stage
predict.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.contract import MODEL_ZONE
from etholake.errors import DataError, UsageError
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.serving import predict
from etholake.stages.serving.endpoint import create_trained_model
from etholake.stages.serving.videos import METADATA_FIELDS, request_body
from etholake.storage import read_rows

__all__ = ["FORMS", "run"]

STAGE = "predict"
FORMS = {".jsonl": "application/jsonlines", ".parquet": "application/x-parquet", ".json": "application/json"}


def run(
    settings: Settings, tracks: Path, metadata: Path, output: Path, on_progress: OnProgress | None = None
) -> StageResult:
    """Predict the events of the video in `tracks` and write them to `output`.

    Parameters
    ----------
    tracks : Parquet file of one video.
    metadata : JSON object; at least lab_id, video_id, frames_per_second, behaviors_labeled.
    output : its suffix is the form: .jsonl (one event a line), .parquet, .json (with the model's description).

    Raises
    ------
    UsageError
        `output` has another suffix.
    DataError
        A file cannot be read, or the tracks are longer than a transform takes.
    AwsError
        The transform failed; the message has the model's own reason.
    """
    accept = FORMS.get(output.suffix)
    if accept is None:
        raise UsageError(f"The output must end in {', '.join(FORMS)}, but is '{output.name}'.")
    body = _body(tracks, metadata)
    predict.check_size(tracks.name, len(body))
    model, _ = create_trained_model(settings)
    began = time.monotonic()
    job = f"etholake-file-{time.time_ns() // 1_000_000}"
    prefix = f"{MODEL_ZONE}/requests/{job}/"
    s3 = aws.client(settings, "s3")
    s3.put_object(Bucket=settings.bucket, Key=f"{prefix}video.parquet", Body=body)
    try:
        request = predict.transform_request(settings, job, model, prefix, accept)
        predict.transform(settings, request, on_progress or silent)
    finally:
        predict.remove(settings, prefix)
    key = f"{MODEL_ZONE}/predictions/{job}/video.parquet.out"
    answer = s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read()
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(answer)
    seconds = round(time.monotonic() - began, 1)
    details = {"output": str(output), "bytes": len(answer), "model_name": model, "seconds": seconds}
    return StageResult(STAGE, "done", f"Events of {tracks.name} are in {output} ({seconds:.0f} s).", details)


def _body(tracks: Path, metadata: Path) -> bytes:
    import pyarrow as pa

    try:
        row: dict[str, Any] = json.loads(metadata.read_text(encoding="utf-8"))
        table = read_rows(tracks)
    except (OSError, ValueError, pa.ArrowException) as err:
        raise DataError(f"{tracks} or {metadata} cannot be read: {err}") from err
    needed = ("lab_id", "video_id", "frames_per_second", "behaviors_labeled")
    missing = [name for name in needed if not isinstance(row, dict) or row.get(name) is None]
    if missing:
        raise DataError(f"{metadata} must be a JSON object with {', '.join(METADATA_FIELDS)}; missing: {missing}.")
    return request_body(row, table)
