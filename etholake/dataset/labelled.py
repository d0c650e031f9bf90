"""Training data from the curated zone, as a SageMaker channel mounts it: folders of generations.

A video in memory is compact: unified tracks at 30 Hz, and its three-state labels as events. Features of pairs are
computed per batch, on the device, and never stored.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from etholake import logs
from etholake.contract import ACTIONS, unified_part_sources
from etholake.dataset import store
from etholake.dataset.clip_channel import CLIP_INDEX, load_clips
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span
from etholake.dataset.values import VALUES, VALUES_FILE, Task, Value, metadata_values, read_values
from etholake.dataset.video_meta import VideoMeta
from etholake.digest import file_digest, fingerprint
from etholake.errors import ContractError, DataError, UsageError
from etholake.events.types import Event
from etholake.generations import POINTER, identity

__all__ = [
    "CHANNELS",
    "FEATURES",
    "LabelledVideo",
    "TrainingData",
    "event_seconds",
    "lab_actions",
    "load_all_tracks",
    "load_training_data",
    "of_labs",
    "whole_spans",
    "within_spans",
    "write_features",
]

Triplet = tuple[int, int, str]  # agent, target, action
Spans = tuple[tuple[int, int], ...]  # (start, stop) frames of the video
CHANNELS = ("tracking", "metadata", "labels", "annotations")
FEATURES = "features"  # an optional channel with prepared tracks (`etholake.dataset.store`)


@dataclass(frozen=True)
class LabelledVideo:
    """The tracks of a video and its annotated events (of labeled behaviors or not), on the video's own frames.

    `spans` are the frames ``[start, stop)`` in which somebody looked for a labeled behavior, for those that were
    looked for in parts of the video only: all other frames are unlabelled for it, neither present nor absent.
    `values` are what is known of the video and its animals beside events.
    """

    tracks: PoseTracks
    events: tuple[Event, ...]
    spans: Mapping[Triplet, Spans] = field(default_factory=dict)
    values: tuple[Value, ...] = ()

    def looked_for(self, triplet: Triplet) -> npt.NDArray[np.bool_] | None:
        """Return at which frames at 30 Hz [T] somebody looked for a behavior; None for all of them."""
        if triplet not in self.spans:
            return None
        return within_spans(np.round(self.tracks.frame_times()), self.spans[triplet])


def within_spans(frames: npt.NDArray[Any], spans: Spans) -> npt.NDArray[np.bool_]:
    """Return which frames of the video lie in one of its spans ``[start, stop)``."""
    inside = np.zeros(len(frames), dtype=np.bool_)
    for start, stop in spans:
        inside |= (start <= frames) & (frames < stop)
    return inside


@dataclass(frozen=True)
class TrainingData:
    """Labelled videos with the vocabulary of all of them.

    Attributes
    ----------
    actions
        The 37 actions of MABe, then all others that occur.
    fingerprint
        A digest of the tables that were read.
    notes
        Sentences on videos that were left out.
    part_map
        A lab's own names of body parts, with which the tracks were made (see `contract.unified_part_sources`).
    """

    videos: tuple[LabelledVideo, ...]
    actions: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    part_map: str = ""


def load_training_data(
    folders: Mapping[str, Path], scratch: Path | None = None, part_map: str = "", tasks: Sequence[Task] = ()
) -> TrainingData:
    """Read the labelled videos of the train split.

    Videos without tracks, labeled behaviors or events are left out, unless a task asks for a value that they have.

    Parameters
    ----------
    folders
        {channel: folder} for `CHANNELS`: copies of `tracking_curated/split=train/`, `metadata_train/`,
        `labeled_behaviors/`, `annotations_enriched/`, whose `_CURRENT` pointers are followed. Tracks of the
        optional channel `features` are used if they were made from the same tables, code and part map.
        With the channels `clips` and `clip_index` (a set of clips, and its partitions of table `clips`) every
        video has its clips, and videos without are left out.
    scratch
        A folder for memory-mapped arrays, so that memory holds one video at a time.
    part_map
        A lab's own names of body parts (see `contract.unified_part_sources`).
    tasks
        Their values are those of the metadata and of the file in the optional channel `values`.

    Raises
    ------
    ContractError
        A channel is missing.
    DataError
        No labelled video is left.
    """
    missing = [name for name in CHANNELS if name not in folders or not Path(folders[name]).is_dir()]
    if missing:
        raise ContractError(f"Training needs the channels {list(CHANNELS)}; missing: {missing}.")
    metadata = {row["video_id"]: row for row in _rows(folders["metadata"])}
    labeled = _labeled_by_video(folders["labels"])
    events = _events(folders["annotations"])
    sources = unified_part_sources(part_map)
    videos, notes = [], []
    labelled = {v for v in labeled if v in events and v in metadata}
    values = _values(folders, metadata)
    asked = {task.name for task in tasks}
    wanted = labelled | {v for v, own in values.items() if asked & {value.name for value in own}}
    clips = load_clips(folders, wanted)
    if CLIP_INDEX in folders:
        without = sorted(wanted - set(clips))
        notes += [f"video {video_id} left out: the set of clips has none of it" for video_id in without]
        wanted &= set(clips)
    stored = _stored_tracks(folders, part_map)

    def add(tracks: PoseTracks) -> None:
        video_id = tracks.video_id
        behaviors = labeled[video_id] if video_id in labelled else {}
        meta = replace(tracks.meta, labeled_behaviors=tuple(sorted(behaviors)))
        video_events = tuple(sorted(events[video_id], key=_sort_key)) if video_id in labelled else ()
        spans = {triplet: s for triplet, s in behaviors.items() if s is not None}
        tracks = replace(tracks, meta=meta, clips=clips.get(video_id))
        videos.append(LabelledVideo(tracks, video_events, spans, values[video_id]))

    if stored is not None:
        for video_id in sorted(wanted & set(stored.videos)):
            add(stored.tracks(_meta(metadata[video_id])))
    for video_id, table in _tracks(folders["tracking"], wanted - set(stored.videos if stored else ())):
        try:
            tracks = PoseTracks.from_curated(table, _meta(metadata[video_id]), sources)
            add(tracks.mapped(scratch / str(video_id)) if scratch else tracks)
        except DataError as err:
            notes.append(f"video {video_id} left out: {err}")
    if not videos:
        raise DataError(
            "No video has tracks, labeled behaviors and annotated events: there is nothing to learn. "
            + " ".join(notes)
        )
    videos.sort(key=lambda v: v.tracks.meta.video_id)
    notes += _notes_by_lab(videos)
    named = {e.action for v in videos for e in v.events} | {
        a for v in videos for _, _, a in v.tracks.meta.labeled_behaviors
    }
    extra = sorted(named - set(ACTIONS))
    channels = [*CHANNELS, *([CLIP_INDEX] if CLIP_INDEX in folders else [])]
    digest = _fingerprint(folders, channels)
    if VALUES in folders:
        digest = fingerprint(digest, file_digest(folders[VALUES] / VALUES_FILE))
    return TrainingData(tuple(videos), (*ACTIONS, *extra), digest, tuple(notes), part_map)


def _values(
    folders: Mapping[str, Path], metadata: Mapping[int, Mapping[str, Any]]
) -> dict[int, tuple[Value, ...]]:
    """Return {video: values} of the metadata, then of the channel `values` (see `Task.targets` for precedence).

    Raises DataError for a video of that file that the metadata do not name.
    """
    given = read_values(folders[VALUES] / VALUES_FILE) if VALUES in folders else {}
    if strangers := sorted(set(given) - set(metadata)):
        raise DataError(
            f"The values name videos that the lake's training split does not have: {strangers[:10]}. Correct "
            "video_id, or ingest these videos."
        )
    return {video: (*metadata_values(row), *given.get(video, ())) for video, row in metadata.items()}


def _notes_by_lab(videos: Sequence[LabelledVideo]) -> list[str]:
    """Return each note on the tracks of a lab once, with the number of its videos."""
    counts: Counter[tuple[str, str]] = Counter((v.tracks.lab_id, note) for v in videos for note in v.tracks.notes)
    return [f"{lab}: {note} ({n} video{'s' if n > 1 else ''})" for (lab, note), n in sorted(counts.items())]


def load_all_tracks(
    folders: Mapping[str, Path], scratch: Path | None = None, part_map: str = ""
) -> tuple[list[PoseTracks], list[str], str]:
    """Return the tracks of all videos, labelled or not, notes on those that were left out, and a fingerprint.

    `folders` are the channels `tracking` and `metadata`, and those of the test split, `tracking_test` and
    `metadata_test`, where there are any. Raises DataError if no video is left.
    """
    videos, notes = [], []
    channels = [name for name in folders if name.partition("_")[0] in ("tracking", "metadata")]
    for tracking in (name for name in channels if name.startswith("tracking")):
        rows = _rows(folders[tracking.replace("tracking", "metadata")])
        metadata = {row["video_id"]: row for row in rows}
        for video_id, table in _tracks(folders[tracking], set(metadata)):
            try:
                meta = _meta(metadata[video_id])
                tracks = PoseTracks.from_curated(table, meta, unified_part_sources(part_map))
                videos.append(tracks.mapped(scratch / tracking / str(video_id)) if scratch else tracks)
            except DataError as err:
                notes.append(f"video {video_id} left out: {err}")
    if not videos:
        raise DataError("No video of the lake has tracks: there is nothing to learn. " + " ".join(notes))
    return videos, notes, _fingerprint(folders, channels)


def write_features(folders: Mapping[str, Path], output: Path, part_map: str = "") -> int:
    """Write the unified tracks of all videos to `output`, the content of the channel `features`.

    `folders` are the channels `tracking` and `metadata`. Videos that cannot be used are skipped with a line in the
    log, and training reports them again. Returns how many videos were written.
    """
    metadata = {row["video_id"]: row for row in _rows(folders["metadata"])}
    sources = unified_part_sources(part_map)

    def all_tracks() -> Iterator[PoseTracks]:
        for video_id, table in _tracks(folders["tracking"], set(metadata)):
            try:
                yield PoseTracks.from_curated(table, _meta(metadata[video_id]), sources)
            except DataError as err:
                logs.log_event("skipped", str(err), level=logging.WARNING, video=video_id)

    return store.save(output, all_tracks(), _version(folders, part_map))


def _stored_tracks(folders: Mapping[str, Path], part_map: str) -> store.Store | None:
    """Return the tracks of the channel `features`; None if it is absent or was made from other tables or code."""
    if FEATURES not in folders:
        return None
    stored = store.load(folders[FEATURES], _version(folders, part_map))
    message = (
        f"{len(stored.videos)} videos are taken from the features job"
        if stored
        else "the features are stale: made again"
    )
    logs.log_event("note", message, videos=len(stored.videos) if stored else 0)
    return stored


def _version(folders: Mapping[str, Path], part_map: str) -> str:
    return store.version(_fingerprint(folders, ("tracking", "metadata")), part_map)


def _meta(row: Mapping[str, Any]) -> VideoMeta:
    """Return the metadata of a row of `metadata_train`; the labeled behaviors come from the channel `labels`."""
    return VideoMeta.from_row({**row, "behaviors_labeled": None})


def of_labs(data: TrainingData, labs: Sequence[str]) -> TrainingData:
    """Return the data of some labs only. Raises UsageError for a lab without any."""
    present = {video.tracks.lab_id for video in data.videos}
    if missing := sorted(set(labs) - present):
        raise UsageError(
            f"There are no labelled videos of {', '.join(missing)}; the labs are {', '.join(sorted(present))}."
        )
    videos = tuple(video for video in data.videos if video.tracks.lab_id in labs)
    return replace(data, videos=videos, fingerprint=fingerprint(data.fingerprint, sorted(labs)))


def _generations(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield (folder of the current generation, partition values) of every table or partition below `folder`."""
    for pointer in sorted(Path(folder).rglob(POINTER)):
        generation = json.loads(pointer.read_text(encoding="utf-8"))["generation"]
        parts = [part.partition("=") for part in pointer.parent.relative_to(folder).parts if "=" in part]
        yield pointer.parent / generation, {name: unquote(value) for name, _, value in parts}


def _files(folder: Path) -> list[tuple[str, dict[str, str]]]:
    return [(str(f), values) for at, values in _generations(folder) for f in sorted(at.glob("*.parquet"))]


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.dataset as ds  # it imports pandas, which the stages that only start a training never need

    for file, values in _files(folder):
        for row in ds.dataset(file).to_table().to_pylist():
            yield row | values


def _labeled_by_video(folder: Path) -> dict[int, dict[Triplet, Spans | None]]:
    """Return {video: {labeled behavior: spans in which it was looked for, None for the whole video}}."""
    by_video: dict[int, dict[Triplet, Spans | None]] = defaultdict(dict)
    for row in _rows(folder):
        if row["split"] == "train":
            text = row.get("spans")  # tables of an earlier version do not have it
            spans = None if text is None else tuple((int(a), int(b)) for a, b in json.loads(text))
            by_video[row["video_id"]][row["agent_id"], row["target_id"], row["action"]] = spans
    return by_video


def _events(folder: Path) -> dict[int, list[Event]]:
    by_video: dict[int, list[Event]] = defaultdict(list)
    for row in _rows(folder):
        if row["split"] == "train" and row["stop_frame"] > row["start_frame"]:
            keys = ("video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame")
            by_video[row["video_id"]].append(Event(*(row[key] for key in keys)))
    return by_video


def _sort_key(event: Event) -> tuple[int, int, int, int, str]:
    return event.start_frame, event.stop_frame, event.agent_id, event.target_id, event.action


def _tracks(folder: Path, wanted: set[int]) -> Iterator[tuple[int, Any]]:
    """Yield (video, its curated rows), with one video in memory at a time."""
    import pyarrow.dataset as ds

    columns = ["video_frame", "mouse_id", "bodypart", "x", "y", "x_cm", "y_cm", "is_imputed", "z"]
    by_lab: dict[str, list[str]] = defaultdict(list)
    for file, values in _files(folder):
        by_lab[json.dumps(values)].append(file)
    for files in by_lab.values():
        rows = ds.dataset(files)
        present: set[int] = set()
        for batch in rows.to_batches(columns=["video_id"]):
            present.update(batch["video_id"].unique().to_pylist())
        for video_id in sorted(present & wanted):
            yield video_id, rows.to_table(columns=columns, filter=ds.field("video_id") == video_id)


def _fingerprint(folders: Mapping[str, Path], channels: Sequence[str] = CHANNELS) -> str:
    """Return a digest of the tables' states: the same for the same content, whoever curated it."""
    names = []
    for name in channels:
        for pointer in sorted(folders[name].rglob(POINTER)):
            state = identity(json.loads(pointer.read_text(encoding="utf-8")))
            names.append(f"{name}/{pointer.parent.relative_to(folders[name])}/{state}")
    return fingerprint(sorted(names))


def lab_actions(videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> dict[str, list[str]]:
    """Return {lab: actions} that a model can learn, both sorted.

    These are the actions of the lab's labeled behaviors with at least one annotated frame inside `spans`.
    """
    by_id = {v.tracks.meta.video_id: v for v in videos}
    by_lab: dict[str, set[str]] = defaultdict(set)
    for span in spans:
        video = by_id[span.video_id]
        labeled = {action for _, _, action in video.tracks.meta.labeled_behaviors}
        by_lab[span.lab_id] |= labeled & {
            e.action
            for e in video.events
            if max(e.start_frame, span.start_frame) < min(e.stop_frame, span.stop_frame)
        }
    return {lab: sorted(actions) for lab, actions in sorted(by_lab.items())}


def event_seconds(videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> dict[str, dict[str, float]]:
    """Return {lab: {action: seconds}} of the annotated events of labeled behaviors within `spans`.

    Frames become seconds by each video's own frame rate; the sums are rounded to 0.01 s.
    """
    by_id = {v.tracks.video_id: v for v in videos}
    by_lab: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for span in spans:
        video = by_id[span.video_id]
        for e in video.events:
            frames = min(e.stop_frame, span.stop_frame) - max(e.start_frame, span.start_frame)
            if frames > 0 and (e.agent_id, e.target_id, e.action) in video.tracks.labeled_behaviors:
                by_lab[span.lab_id][e.action] += frames / video.tracks.fps
    return {
        lab: {a: round(s, 2) for a, s in sorted(by_action.items())} for lab, by_action in sorted(by_lab.items())
    }


def whole_spans(videos: Sequence[LabelledVideo]) -> list[Span]:
    """Return one span per video, over all frames that its tracks cover."""
    return [
        Span(t.video_id, t.lab_id, t.first_frame, t.first_frame + t.n_frames) for t in (v.tracks for v in videos)
    ]
