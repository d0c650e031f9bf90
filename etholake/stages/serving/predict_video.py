"""Predict the events of one video file by a model of pixels, on this machine, while the video is decoded.

Decoding and cropping run in a child process; the network reads windows from its pipe. Memory does not grow with
the pixels of the video. The model's own recipe makes the crops; boxes are those of the tracks if they are given.
"""

from __future__ import annotations

import csv
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError, UsageError
from etholake.events.submission import write_csv
from etholake.events.types import Event, PairScores
from etholake.formats.video import VideoInfo, probe
from etholake.models.archive import load_model
from etholake.models.clip_input import ClipInput, clip_input_of
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model.models import unpacked
from etholake.stages.reports.overlay import apart
from etholake.storage import read_rows
from etholake.video.bouts import write_bout_sheets
from etholake.video.box_log import BoxLog
from etholake.video.facts import FLAGS, flags_of
from etholake.video.lake_tracks import tracks_of
from etholake.video.metric_files import write_tables
from etholake.video.metrics import MeasuredVideo, tables_of
from etholake.video.overlay import OverlayEvent
from etholake.video.prepare import VideoTracks
from etholake.video.stream import StreamedClips, windows_of
from etholake.video.task import ClipTask

__all__ = ["VideoPrediction", "predict_video", "run", "write_timeline"]

STAGE = "predict"
NEEDED = ("lab_id", "video_id", "behaviors_labeled")
# Flags of a file that change no prediction, or whose note says more.
NOT_NOTED = {"deep-colour", "no-tracks", "odd-size", "variable-frame-rate"}
TIMELINE = ("frame", "time_s", "agent", "target", "action", "probability", "predicted")


@dataclass(frozen=True)
class VideoPrediction:
    """Prediction of a video: probabilities of its frames, events, and what was not predicted, and why."""

    scores: tuple[PairScores, ...]
    events: tuple[Event, ...]
    notes: tuple[str, ...]
    frames: int
    meta: VideoMeta  # with the file's own frame rate
    tracks: VideoTracks | None = None  # the given points, else corners of the boxes; None: no animal was found


def run(
    settings: Settings,
    video: Path,
    metadata: Path,
    output: Path,
    *,
    model: str = "current",
    tracks: Path | None = None,
    boxes: str = "",
    timeline: Path | None = None,
    sheet: Path | None = None,
    metrics: Path | None = None,
    on_progress: OnProgress | None = None,
) -> StageResult:
    """Predict the events of a video file and write them to `output`.

    Parameters
    ----------
    metadata : JSON object with lab_id, video_id and behaviors_labeled; frames_per_second is the file's own.
    output : submission CSV.
    model : any name of `stages.model.models.pack`.
    tracks : Parquet of the video's tracks, raw or curated; without it animals are found by `boxes`.
    boxes : source of boxes (``background``, ``onnx:FILE``, …) instead of the model's.
    timeline : CSV for the probability of every frame and behavior.
    sheet : PNG for a picture of every bout (see `etholake.video.bouts`).
    metrics : folder for the tables of `etholake.video.metrics`.

    Raises
    ------
    UsageError
        The model reads tracks and no pixels.
    DataError
        A file cannot be used.
    """
    began = time.monotonic()
    with unpacked(settings, model) as folder, tempfile.TemporaryDirectory(prefix="etholake-video-") as scratch:
        clips = clip_input_of(folder)
        if clips is None:
            raise UsageError(
                f"The model '{model}' reads tracks and no pixels: predict with --tracks, or name one of pixels."
            )
        loaded = load_model(folder)
        prediction = predict_video(
            loaded, clips, video, _read_json(metadata), Path(scratch), tracks=tracks, boxes=boxes,
            on_progress=on_progress or silent,
        )  # fmt: skip
        rows = write_csv(output, prediction.events)
        if timeline:
            write_timeline(timeline, prediction)
        sheets = _sheets(video, sheet, prediction) if sheet else []
        tables = write_tables(metrics, tables_of([_measured(prediction)])) if metrics else []
    seconds = time.monotonic() - began
    details = {
        "output": str(output), "rows": rows, "events": len(prediction.events), "frames": prediction.frames,
        "fps": prediction.meta.fps, "frames_per_second": round(prediction.frames / seconds, 1),
        "notes": list(prediction.notes), "timeline": str(timeline) if timeline else None,
        "sheets": sheets, "metrics": tables, "seconds": round(seconds, 1),
    }  # fmt: skip
    notes = "".join(f"\n  Note: {note}" for note in prediction.notes)
    summary = (
        f"{len(prediction.events)} events in {prediction.frames} frames of {video.name}, in {output} "
        f"({seconds:.0f} s, {details['frames_per_second']:g} frames/s).{notes}"
    )
    return StageResult(STAGE, "done", summary, details)


def predict_video(
    model: Any,
    clips: ClipInput,
    video: Path,
    metadata: dict[str, Any],
    scratch: Path,
    *,
    tracks: Path | None = None,
    boxes: str = "",
    on_progress: OnProgress = silent,
) -> VideoPrediction:
    """Return the prediction of a video by a loaded model.

    `scratch` is a folder for the tracks; other parameters are those of `run`. Raises DataError if the video, its
    tracks or its metadata cannot be used.
    """
    missing = [name for name in NEEDED if metadata.get(name) in (None, "", [])]
    if missing:
        raise DataError(
            f"The metadata of {video.name} lack {missing}: say which behaviors were looked for, and where."
        )
    info = probe(video)
    given = VideoMeta.from_row({"frames_per_second": float(info.fps)} | metadata)
    meta = replace(given, fps=float(info.fps))
    recipe = replace(clips.recipe, boxes=boxes or ("pose" if tracks else _without_tracks(clips.recipe.boxes)))
    task = ClipTask(video, meta.video_id, meta.lab_id, recipe, scratch)
    if tracks is None:
        animals: Sequence[int] = range(1, recipe.max_animals + 1)
        posed, points = PoseTracks.untracked(meta, animals, info.frames), None
    else:
        posed, task, points = _with_tracks(tracks, meta, task, model)
    began = time.monotonic()

    def passed(frames: int) -> None:
        rate = frames / max(time.monotonic() - began, 1e-6)
        left = max(0.0, (info.frames - frames) / rate)
        on_progress(min(frames, info.frames), info.frames, f"{rate:.0f} frames/s, {left:.0f} s left")

    log = BoxLog(info.frames, recipe.max_animals) if tracks is None else None
    source = StreamedClips(
        clips.clip_set, recipe, lambda: log.watched(windows_of(task)) if log else windows_of(task), passed
    )
    posed = replace(posed, clips=source)
    scores = model.predict(posed)
    events = model.post_processing.events(scores, set(posed.labeled_behaviors))
    notes = [*_file_notes(info, points, given), *model.notes(posed)]
    if info.variable_rate:
        notes.append("the frames are unevenly spaced in time: events count frames, seconds are approximate")
    return VideoPrediction(
        tuple(scores), tuple(events), tuple(notes), info.frames, meta,
        log.tracks() if log else points,
    )  # fmt: skip


def _file_notes(info: VideoInfo, points: VideoTracks | None, given: VideoMeta) -> list[str]:
    """Return sentences on what is odd about the file, its tracks and its metadata, and how they fit together."""
    row = {
        "video_width_pix": given.width_pix, "video_height_pix": given.height_pix, "frames_per_second": given.fps,
    }  # fmt: skip
    return [FLAGS[name] for name in flags_of(info, points, row) if name not in NOT_NOTED]


def _measured(prediction: VideoPrediction) -> MeasuredVideo:
    meta = prediction.meta
    return MeasuredVideo(
        meta.video_id, meta.lab_id, meta.fps, 0, prediction.frames, prediction.events, prediction.tracks,
        meta.pix_per_cm,
    )  # fmt: skip


def _sheets(video: Path, sheet: Path, prediction: VideoPrediction) -> list[str]:
    """Write the sheets of bouts; return their names: none without a bout."""
    events = [OverlayEvent.of(event) for event in prediction.events]
    return apart(video, write_bout_sheets, video, sheet, events, prediction.tracks)[1]


def write_timeline(path: Path, prediction: VideoPrediction) -> None:
    """Write one row a frame and predicted behavior: `TIMELINE`; the probability is empty where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(TIMELINE)
        writer.writerows(row for pair in prediction.scores for row in _timeline_rows(pair, prediction.events))


def _timeline_rows(pair: PairScores, events: Sequence[Event]) -> Iterator[tuple[Any, ...]]:
    own = [e for e in events if (e.agent_id, e.target_id) == (pair.agent_id, pair.target_id)]
    for column, action in enumerate(pair.actions):
        predicted = np.zeros(len(pair.probabilities_TA), np.int8)
        for event in own:
            if event.action == action:
                predicted[event.start_frame - pair.first_frame : event.stop_frame - pair.first_frame] = 1
        for number, value in enumerate(pair.probabilities_TA[:, column].tolist()):
            frame = pair.first_frame + number
            shown = "" if np.isnan(value) else f"{value:.4f}"
            at = f"{frame / pair.fps:.3f}"
            yield frame, at, pair.agent_id, pair.target_id, action, shown, int(predicted[number])


def _without_tracks(boxes: str) -> str:
    """Return where boxes come from without tracks: those of the model's recipe unless these are of tracks."""
    return "background" if boxes in ("auto", "pose") else boxes


def _with_tracks(
    path: Path, meta: VideoMeta, task: ClipTask, model: Any
) -> tuple[PoseTracks, ClipTask, VideoTracks]:
    """Return the tracks of a file for the model, the task with its key points, and these in pixels."""
    import pyarrow as pa

    try:
        table = read_rows(path)
    except (OSError, pa.ArrowException, DataError) as err:
        raise DataError(f"{path} cannot be read: {err}") from err
    made = PoseTracks.from_curated if "x_cm" in table.column_names else PoseTracks.from_raw
    try:
        posed = made(table, meta, sources=model.part_sources)
        points = tracks_of(table)
    except DataError as err:
        raise DataError(f"{path}: {err}") from err
    np.save(task.out / "tracks.npy", points.keypoints_TMK3)
    task = replace(task, tracks=task.out / "tracks.npy", animals=points.animals, parts=points.parts)
    return posed, task, points


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(f"{path} cannot be read: {err}") from err
    if not isinstance(content, dict):
        raise DataError(f"{path} must be a JSON object with {', '.join(NEEDED)}.")
    return content
