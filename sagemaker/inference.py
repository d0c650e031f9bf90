"""The four functions that every SageMaker host calls: `model_fn`, `input_fn`, `predict_fn`, `output_fn`.

A request is one video. Either `application/x-parquet`: its tracking rows (raw, or curated: recognised by `x_cm`),
with the video's metadata as JSON in the Parquet schema metadata under the key `etholake`; or `application/json`:

    {"metadata": {"video_id": 1, "lab_id": "…", "frames_per_second": 30,
                  "behaviors_labeled": ["mouse1,mouse2,chase"], …},
     "tracking": {"video_frame": […], "mouse_id": […], "bodypart": […], "x": […], "y": […]}}

A model of pixels is sent `application/x-tar`: the Parquet request and the clips of the video (`clip_request`).

The response is `application/json`: {"video_id", "lab_id", "events": [{"agent_id", "target_id", "action",
"start_frame", "stop_frame", "confidence"}], "values": […], "notes": […], "model": {…}}; the values answer the
tasks of the model for every animal, {"task", "mouse_id", "value"} each, also of a video without labeled behaviors;
the notes say what was not predicted, or less reliably, and what to do. If the request accepts
`application/jsonlines` (one event a line) or `application/x-parquet`, the response is the events alone, with their
video_id. A request with an error raises `RequestError`; the host responds with its `status_code` (400, 406, 415)
and the reason.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etholake import logs
from etholake.contract import RAW_TRACKING_COLUMNS, arrow_type
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError, EtholakeError
from etholake.video import clip_request
from etholake.video.stored_clips import StoredClips

PARQUET, JSON, JSON_LINES = "application/x-parquet", "application/json", "application/jsonlines"
METADATA_KEY = b"etholake"
# Bounds of a Parquet request as it is read: an hour of 4 animals with 12 parts at 30 frames/s has 5.2 M rows.
MAX_UNCOMPRESSED_MB, BYTES_PER_ROW = 1024, 40
CURATED_COLUMNS = {
    "video_frame": "int", "mouse_id": "tinyint", "bodypart": "string", "x": "float", "y": "float",
    "x_cm": "float", "y_cm": "float", "is_imputed": "boolean",
}  # fmt: skip
DEPTH = {"z": "float"}  # of three-dimensional tracks
LIKELIHOOD = {"likelihood": "float"}  # of raw rows: curated ones hold no point below min_likelihood
EVENTS = pa.schema(
    [("video_id", pa.int64()), ("agent_id", pa.int64()), ("target_id", pa.int64()), ("action", pa.string()),
     ("start_frame", pa.int64()), ("stop_frame", pa.int64()), ("confidence", pa.float64())]
)  # fmt: skip


class RequestError(ValueError):
    """A request with an error; the host responds with this HTTP status and the reason."""

    def __init__(self, status_code: int, reason: str) -> None:
        super().__init__(reason)
        self.status_code = status_code


@dataclass(frozen=True)
class Request:
    """One video: its metadata, its rows, and its clips for a model of pixels."""

    meta: VideoMeta
    table: pa.Table
    curated: bool
    clips: StoredClips | None = None


@dataclass(frozen=True)
class Loaded:
    """A trained model, what every answer says about it, and the gap that curation of raw rows fills."""

    model: Any
    about: dict[str, Any]
    max_gap_frames: int


def model_fn(model_dir: str) -> Loaded:
    """Load the model. Raises ContractError if its family, features or vocabulary do not fit this code."""
    from etholake.models.archive import load_model

    folder = Path(model_dir)
    settings = folder / "code" / "serving.json"
    options = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    about = {"name": "etholake", "data_fingerprint": meta.get("data_fingerprint"), "format": meta.get("format")}
    return Loaded(load_model(folder), about, int(options.get("max_gap_frames", 15)))


def input_fn(body: bytes, content_type: str) -> Request:
    """Read a request. Raises RequestError."""
    kind = content_type.partition(";")[0].strip().lower()
    clips = None
    if kind == clip_request.CLIP_REQUEST:
        try:
            body, clips = clip_request.read(body)
        except DataError as err:
            raise RequestError(400, str(err)) from err
        row, table = _read_parquet(body)
    elif kind == PARQUET:
        row, table = _read_parquet(body)
    elif kind == JSON:
        row, table = _read_json(body)
    else:
        raise RequestError(
            415,
            f"Content type must be {PARQUET}, {JSON} or {clip_request.CLIP_REQUEST}, but got '{content_type}'.",
        )
    try:
        meta = VideoMeta.from_row(row)
    except (EtholakeError, ValueError, TypeError) as err:
        raise RequestError(400, f"The metadata of the request cannot be used: {err}") from err
    curated = "x_cm" in table.column_names
    optional = DEPTH if curated else DEPTH | LIKELIHOOD
    wanted = CURATED_COLUMNS if curated else RAW_TRACKING_COLUMNS
    wanted = wanted | {name: kind for name, kind in optional.items() if name in table.column_names}
    return Request(meta, _columns(table, wanted), curated, clips)


def predict_fn(request: Request, loaded: Loaded) -> dict[str, Any]:
    """Return the events of the video. Raises RequestError if its tracks cannot be used."""
    began, sources = time.monotonic(), loaded.model.part_sources
    try:
        if request.curated:
            tracks = PoseTracks.from_curated(request.table, request.meta, sources)
        else:
            tracks = PoseTracks.from_raw(
                request.table, request.meta, max_gap_frames=loaded.max_gap_frames, sources=sources
            )
    except EtholakeError as err:
        raise RequestError(400, f"The tracks of the request cannot be used: {err}") from err
    tracks = replace(tracks, clips=request.clips)
    values = loaded.model.values(tracks)
    if not (request.meta.labeled_behaviors or values):
        raise RequestError(
            400,
            "The metadata have no behaviors_labeled, and the model has no tasks: there is nothing to predict.",
        )
    try:
        events = [event.to_dict() for event in loaded.model.events(tracks)]
    except DataError as err:
        raise RequestError(400, str(err)) from err
    logs.log_event(
        "end", f"{len(events)} events in video {request.meta.video_id}", video=request.meta.video_id,
        stage="serve", lab=request.meta.lab_id, rows=request.table.num_rows, events=len(events),
        seconds=round(time.monotonic() - began, 3),
    )  # fmt: skip
    return {
        "video_id": request.meta.video_id,
        "lab_id": request.meta.lab_id,
        "events": events,
        "values": values,
        "notes": loaded.model.notes(tracks),
        "model": loaded.about,
    }


def output_fn(prediction: dict[str, Any], accept: str) -> tuple[bytes, str]:
    """Return the response in the accepted form. Raises RequestError for another."""
    form = _form(accept)
    if form == JSON:
        return json.dumps(prediction).encode(), JSON
    events = [{"video_id": prediction["video_id"], **event} for event in prediction["events"]]
    if form == JSON_LINES:
        return "".join(json.dumps(event) + "\n" for event in events).encode(), JSON_LINES
    if form == PARQUET:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(events, schema=EVENTS), sink)
        return bytes(sink.getvalue()), PARQUET
    raise RequestError(
        406, f"Answers are {JSON}, {JSON_LINES} or {PARQUET}, but the request accepts '{accept}' only."
    )


def _form(accept: str) -> str | None:
    """Return the first form that an Accept header takes, wildcards included; None if it takes none."""
    for item in accept.split(",") if accept.strip() else ["*/*"]:
        wanted = item.partition(";")[0].strip().lower()
        if wanted in ("*/*", "application/*", JSON):
            return JSON
        if wanted in (JSON_LINES, PARQUET):
            return wanted
    return None


def _check_size(metadata: pq.FileMetaData) -> None:
    """Refuse a Parquet file that is small as it is sent and would take too much memory as it is read."""
    limit = float(os.environ.get("SERVE_MAX_UNCOMPRESSED_MB") or MAX_UNCOMPRESSED_MB)
    declared = sum(metadata.row_group(k).total_byte_size for k in range(metadata.num_row_groups))
    megabytes = max(declared, metadata.num_rows * BYTES_PER_ROW) / (1 << 20)
    if limit and megabytes > limit:
        raise RequestError(
            413,
            f"The Parquet file has {metadata.num_rows:,} rows, about {megabytes:,.0f} MB when read; at most "
            f"{limit:g} MB are taken: cut the video into parts, or set SERVE_MAX_UNCOMPRESSED_MB (0 for none).",
        )


def _read_parquet(body: bytes) -> tuple[dict[str, Any], pa.Table]:
    try:
        file = pq.ParquetFile(io.BytesIO(body))
        _check_size(file.metadata)
        names = file.schema_arrow.names
        table = file.read(columns=[name for name in (*CURATED_COLUMNS, *DEPTH, *LIKELIHOOD) if name in names])
    except (pa.ArrowException, OSError) as err:
        raise RequestError(400, f"The body is not a Parquet file: {err}") from err
    text = (table.schema.metadata or {}).get(METADATA_KEY)
    if text is None:
        raise RequestError(
            400, "The Parquet file lacks the video's metadata (JSON) under the schema key 'etholake'."
        )
    return _mapping(text, "The schema metadata 'etholake'"), table


def _read_json(body: bytes) -> tuple[dict[str, Any], pa.Table]:
    content = _mapping(body, "The body")
    parts = {name: content.get(name) for name in ("metadata", "tracking")}
    wrong = [name for name, part in parts.items() if not isinstance(part, dict)]
    if wrong:
        raise RequestError(400, f"The body must have the objects 'metadata' and 'tracking'; missing: {wrong}.")
    try:
        return dict(parts["metadata"] or {}), pa.table(dict(parts["tracking"] or {}))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as err:
        raise RequestError(400, f"'tracking' must hold columns of one length: {err}") from err


def _mapping(text: bytes, what: str) -> dict[str, Any]:
    try:
        content = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as err:
        raise RequestError(400, f"{what} is not JSON: {err}") from err
    if not isinstance(content, dict):
        raise RequestError(400, f"{what} must be a JSON object, but is {type(content).__name__}.")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Raises ValueError for a name that it holds twice: Python would take the last."""
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise ValueError(f"it names {', '.join(name for name in counts if counts[name] > 1)[:200]} more than once")
    return content


def _columns(table: pa.Table, wanted: dict[str, str]) -> pa.Table:
    """Return the wanted columns in their types. Raises RequestError for absent columns, wrong types, no rows."""
    if twice := sorted({name for name in wanted if table.column_names.count(name) > 1}):
        raise RequestError(400, f"The tracking has the columns {twice} more than once; send each of them once.")
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise RequestError(400, f"The tracking lacks the columns {missing}; expected {sorted(wanted)}.")
    if not table.num_rows:
        raise RequestError(400, "The tracking has no rows.")
    columns = {}
    for name, kind in wanted.items():
        try:
            if kind != "boolean" and pa.types.is_boolean(table[name].type):
                raise pa.ArrowInvalid("true and false are no numbers and no names")
            columns[name] = table[name].cast(arrow_type(kind))
        except pa.ArrowException as err:
            raise RequestError(400, f"Column '{name}' must be {kind}: {err}") from err
    nulls = [name for name in ("video_frame", "mouse_id", "bodypart") if columns[name].null_count]
    if nulls:
        raise RequestError(400, f"The columns {nulls} hold empty values.")
    return pa.table(columns)
