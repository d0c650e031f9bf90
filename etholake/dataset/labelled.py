"""Training data from the curated zone, as a SageMaker channel mounts it: folders of generations.

Compact per video: unified tracks on the common clock, the three-state labels as events; features of pairs are
computed per batch, on the device, never stored.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.dataset as ds

from etholake import logs
from etholake.contract import ACTIONS, unified_part_sources
from etholake.dataset import store
from etholake.dataset.pose_tracks import PoseTracks, VideoMeta
from etholake.dataset.split import Span
from etholake.digest import fingerprint
from etholake.errors import ContractError, DataError, UsageError
from etholake.events.types import Event
from etholake.lake import POINTER, identity

__all__ = [
    "CHANNELS",
    "FEATURES",
    "LabelledVideo",
    "TrainingData",
    "event_seconds",
    "lab_actions",
    "load_training_data",
    "of_labs",
    "whole_spans",
    "write_features",
]

CHANNELS = ("tracking", "metadata", "labels", "annotations")
FEATURES = "features"  # a channel that may be there: clips that are made already (`etholake.dataset.store`)


@dataclass(frozen=True)
class LabelledVideo:
    """A clip and its annotated events (whitelisted or not) on its own frames."""

    clip: PoseTracks
    events: tuple[Event, ...]


@dataclass(frozen=True)
class TrainingData:
    """Labelled videos, the vocabulary (the 37 and whatever else occurs), notes on what was left out.

    `part_map` is what the clips were made with (see `contract.unified_part_sources`).
    """

    videos: tuple[LabelledVideo, ...]
    actions: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    part_map: str = ""


def load_training_data(
    folders: Mapping[str, Path], scratch: Path | None = None, part_map: str = ""
) -> TrainingData:
    """Read the four channels: copies of `tracking_curated/split=train/`, `metadata_train/`,
    `labeled_behaviors/`, `annotations_enriched/`, resolving their `_CURRENT` pointers.

    Clips of the channel `features` are taken if they are made of the very same tables and part map; others are
    made here. With `scratch` each of these is written there and memory-mapped: memory holds one video at a time.
    `part_map` names a lab's own body parts (see `contract.unified_part_sources`). Videos without tracks, whitelist
    or events are left out. Raises ContractError if a channel is missing,
    DataError if no labelled video is left.
    """
    missing = [name for name in CHANNELS if name not in folders or not Path(folders[name]).is_dir()]
    if missing:
        raise ContractError(f"Training needs the channels {list(CHANNELS)}; missing: {missing}.")
    metadata = {row["video_id"]: row for row in _rows(folders["metadata"])}
    whitelist = _whitelists(folders["labels"])
    events = _events(folders["annotations"])
    sources = unified_part_sources(part_map)
    videos, notes = [], []
    wanted = {v for v in whitelist if v in events and v in metadata}
    made = _made(folders, part_map)

    def add(clip: PoseTracks) -> None:
        meta = replace(clip.meta, behaviors=tuple(sorted(whitelist[clip.video_id])))
        own = tuple(sorted(events[clip.video_id], key=_place))
        videos.append(LabelledVideo(replace(clip, meta=meta), own))

    if made is not None:
        for video_id in sorted(wanted & set(made.videos)):
            add(made.clip(_meta(metadata[video_id])))
    for video_id, table in _tracks(folders["tracking"], wanted - set(made.videos if made else ())):
        try:
            clip = PoseTracks.from_curated(table, _meta(metadata[video_id]), sources)
            add(clip.mapped(scratch / str(video_id)) if scratch else clip)
        except DataError as err:
            notes.append(f"video {video_id} left out: {err}")
    if not videos:
        raise DataError(
            "No video has tracks, looked-for behaviours and annotated events: there is nothing to learn. "
            + " ".join(notes)
        )
    videos.sort(key=lambda v: v.clip.meta.video_id)
    named = {e.action for v in videos for e in v.events} | {a for v in videos for _, _, a in v.clip.meta.behaviors}
    extra = sorted(named - set(ACTIONS))
    return TrainingData(tuple(videos), (*ACTIONS, *extra), _fingerprint(folders), tuple(notes), part_map)


def write_features(folders: Mapping[str, Path], output: Path, part_map: str = "") -> int:
    """Make the clip of every video of the channels `tracking` and `metadata`, for the channel `features`.

    Videos that cannot be used are left to the training, which says why. Returns how many were written.
    """
    metadata = {row["video_id"]: row for row in _rows(folders["metadata"])}
    sources = unified_part_sources(part_map)

    def clips() -> Iterator[PoseTracks]:
        for video_id, table in _tracks(folders["tracking"], set(metadata)):
            try:
                yield PoseTracks.from_curated(table, _meta(metadata[video_id]), sources)
            except DataError as err:
                logs.log_event("skipped", str(err), level=logging.WARNING, video=video_id)

    return store.save(output, clips(), _made_of(folders, part_map))


def _made(folders: Mapping[str, Path], part_map: str) -> store.Store | None:
    """The clips of the channel `features`, if it is there and fresh."""
    if FEATURES not in folders:
        return None
    found = store.load(folders[FEATURES], _made_of(folders, part_map))
    said = (
        f"{len(found.videos)} videos are taken from the features job"
        if found
        else "the features are stale: made anew"
    )
    logs.log_event("note", said, videos=len(found.videos) if found else 0)
    return found


def _made_of(folders: Mapping[str, Path], part_map: str) -> str:
    return store.version(_fingerprint(folders, ("tracking", "metadata")), part_map)


def _meta(row: Mapping[str, Any]) -> VideoMeta:
    """Of a row of `metadata_train`; what is looked for stands in the channel `labels`."""
    return VideoMeta.from_row({**row, "behaviors_labeled": None})


def of_labs(data: TrainingData, labs: Sequence[str]) -> TrainingData:
    """The videos of some labs. Raises UsageError for a lab without any."""
    there = {video.clip.lab_id for video in data.videos}
    if missing := sorted(set(labs) - there):
        raise UsageError(
            f"There are no labelled videos of {', '.join(missing)}; of {', '.join(sorted(there))} there are."
        )
    videos = tuple(video for video in data.videos if video.clip.lab_id in labs)
    return replace(data, videos=videos, fingerprint=fingerprint(data.fingerprint, sorted(labs)))


def _generations(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """(folder of the current generation, partition values) of every table or partition below `folder`."""
    for pointer in sorted(Path(folder).rglob(POINTER)):
        generation = json.loads(pointer.read_text(encoding="utf-8"))["generation"]
        parts = [part.partition("=") for part in pointer.parent.relative_to(folder).parts if "=" in part]
        yield pointer.parent / generation, {name: unquote(value) for name, _, value in parts}


def _files(folder: Path) -> list[tuple[str, dict[str, str]]]:
    return [(str(f), values) for at, values in _generations(folder) for f in sorted(at.glob("*.parquet"))]


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    for file, values in _files(folder):
        for row in ds.dataset(file).to_table().to_pylist():
            yield row | values


def _whitelists(folder: Path) -> dict[int, set[tuple[int, int, str]]]:
    found: dict[int, set[tuple[int, int, str]]] = defaultdict(set)
    for row in _rows(folder):
        if row["split"] == "train":
            found[row["video_id"]].add((row["agent_id"], row["target_id"], row["action"]))
    return found


def _events(folder: Path) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = defaultdict(list)
    for row in _rows(folder):
        if row["split"] == "train" and row["stop_frame"] > row["start_frame"]:
            keys = ("video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame")
            found[row["video_id"]].append(Event(*(row[key] for key in keys)))
    return found


def _place(event: Event) -> tuple[int, int, int, int, str]:
    return event.start_frame, event.stop_frame, event.agent_id, event.target_id, event.action


def _tracks(folder: Path, wanted: set[int]) -> Iterator[tuple[int, Any]]:
    """(video, its curated rows), one video in memory at a time."""
    columns = ["video_frame", "mouse_id", "bodypart", "x", "y", "x_cm", "y_cm", "is_imputed"]
    by_lab: dict[str, list[str]] = defaultdict(list)
    for file, values in _files(folder):
        by_lab[json.dumps(values)].append(file)
    for files in by_lab.values():
        tracks = ds.dataset(files)
        here: set[int] = set()
        for batch in tracks.to_batches(columns=["video_id"]):
            here.update(batch["video_id"].unique().to_pylist())
        for video_id in sorted(here & wanted):
            yield video_id, tracks.to_table(columns=columns, filter=ds.field("video_id") == video_id)


def _fingerprint(folders: Mapping[str, Path], channels: Sequence[str] = CHANNELS) -> str:
    """Return a digest of the states that were read: the same for the same content, whoever curated it."""
    names = []
    for name in channels:
        for pointer in sorted(folders[name].rglob(POINTER)):
            state = identity(json.loads(pointer.read_text(encoding="utf-8")))
            names.append(f"{name}/{pointer.parent.relative_to(folders[name])}/{state}")
    return fingerprint(sorted(names))


def lab_actions(videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> dict[str, list[str]]:
    """{lab: the looked-for actions that occur in its `spans`}, sorted: all that a model can know of the lab."""
    by_id = {v.clip.meta.video_id: v for v in videos}
    found: dict[str, set[str]] = defaultdict(set)
    for span in spans:
        video = by_id[span.video_id]
        looked_for = {action for _, _, action in video.clip.meta.behaviors}
        found[span.lab_id] |= looked_for & {
            e.action
            for e in video.events
            if max(e.start_frame, span.start_frame) < min(e.stop_frame, span.stop_frame)
        }
    return {lab: sorted(actions) for lab, actions in sorted(found.items())}


def event_seconds(videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> dict[str, dict[str, float]]:
    """{lab: {action: seconds of events that were looked for}} within `spans`, by each video's own clock."""
    by_id = {v.clip.video_id: v for v in videos}
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for span in spans:
        video = by_id[span.video_id]
        for e in video.events:
            frames = min(e.stop_frame, span.stop_frame) - max(e.start_frame, span.start_frame)
            if frames > 0 and (e.agent_id, e.target_id, e.action) in video.clip.behaviors:
                found[span.lab_id][e.action] += frames / video.clip.fps
    return {lab: {a: round(s, 2) for a, s in sorted(mine.items())} for lab, mine in sorted(found.items())}


def whole_spans(videos: Sequence[LabelledVideo]) -> list[Span]:
    """Return one span per video, over all frames that its tracks cover."""
    clips = [v.clip for v in videos]
    return [Span(c.video_id, c.lab_id, c.first_frame, c.first_frame + c.n_frames) for c in clips]
