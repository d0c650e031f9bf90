"""Read SLEAP's project files (`.slp`, also saved as `.h5`): labelled frames only, however many the video has.

Points lie at pixel centres since format 1.1; before, half a pixel has to be subtracted. An instance that a user
corrected replaces the predicted one.

Shape letters: N frames, A animals, P parts (SLEAP's nodes), I instances.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.hdf5 import attribute, node, open_hdf5, read, strings, text
from etholake.formats.pose.points import at_least_one, make_recording, rank_within
from etholake.formats.reading import file_name, quiet, reading, video_stem

if TYPE_CHECKING:
    import h5py

__all__ = ["FORMAT", "SleapSlp"]

PIXEL_CENTRES = 1.1  # the format since which (0, 0) is the centre of the first pixel
USER, PREDICTED = 0, 1
MAX_CELLS = 1 << 30


@dataclass(frozen=True)
class _Labels:
    """The tables of a file: `points` and `scores` are [I, P, 2] and [I, P]."""

    frames: npt.NDArray[Any]
    instances: npt.NDArray[Any]
    points: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    visible: npt.NDArray[np.bool_]


class SleapSlp(PoseFormat):
    """A project or prediction file of SLEAP."""

    name = "sleap_slp"
    title = "SLEAP project"
    suffixes = (".slp", ".h5", ".hdf5")

    @quiet
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file has SLEAP's tables of frames and instances."""
        with open_hdf5(path) as file:
            if all(node(file, name) is not None for name in ("metadata", "frames", "instances", "pred_points")):
                return Detection(1.0, "it has SLEAP's tables 'frames', 'instances' and 'pred_points'")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield one recording a video that has labelled frames."""
        with reading(path, self.title), open_hdf5(path) as file:
            group = node(file, "metadata")
            version = float(attribute(group, "format_id") or 1.0)
            metadata = json.loads(text(attribute(group, "json") or "{}"))
            videos = [json.loads(item) for item in strings(file, "videos_json")] or metadata.get("videos") or [{}]
            videos = [_original(file, video) for video in videos]
            tracks = [str(json.loads(item)[1]) for item in strings(file, "tracks_json")]
            parts = _parts(path, metadata)
            labels = _labels(path, file, len(parts))
            if version < PIXEL_CENTRES:
                labels.points[...] -= 0.5
            numbers = np.unique(labels.frames["video"]).tolist()
            yield from at_least_one(
                path,
                (
                    _recording(path, labels, at, videos[at] if at < len(videos) else {}, parts, tracks, version)
                    for at in numbers
                ),
            )


def _parts(path: Path, metadata: dict[str, Any]) -> tuple[str, ...]:
    """Return the nodes of the skeleton in its own order, which is that of the points."""
    skeletons = metadata.get("skeletons") or []
    if len(skeletons) != 1:
        raise DataError(f"{path}: expected one skeleton, but got {len(skeletons)}. Save one project a skeleton.")
    names = [item["name"] if isinstance(item, dict) else str(item) for item in metadata["nodes"]]
    order = [item["id"] if isinstance(item, dict) else int(item) for item in skeletons[0]["nodes"]]
    return tuple(str(names[at]) for at in order)


def _labels(path: Path, file: h5py.File, n_parts: int) -> _Labels:
    """Return frames and instances with their points. Raises DataError if a table points beyond another."""
    frames, instances = read(file, "frames", "V"), read(file, "instances", "V")
    tables = (read(file, "points", "V") if "points" in file else None, read(file, "pred_points", "V"))
    start, end = instances["point_id_start"].astype(np.int64), instances["point_id_end"].astype(np.int64)
    if len(instances) and (end - start != n_parts).any():
        raise DataError(f"{path}: an instance has another number of points than the skeleton's {n_parts} nodes.")
    shape = (len(instances), n_parts)
    points = np.full((*shape, 2), np.nan)
    scores = np.full(shape, np.nan)
    visible = np.zeros(shape, np.bool_)
    for kind, table in ((USER, tables[0]), (PREDICTED, tables[1])):
        chosen = np.flatnonzero(instances["instance_type"] == kind)
        if not len(chosen):
            continue
        if table is None or start[chosen].min() < 0 or end[chosen].max() > len(table):
            raise DataError(f"{path}: an instance refers to points that are not in the file. It is incomplete.")
        rows = start[chosen, None] + np.arange(n_parts)
        points[chosen, :, 0], points[chosen, :, 1] = table["x"][rows], table["y"][rows]
        visible[chosen] = table["visible"][rows]
        if kind == PREDICTED:
            scores[chosen] = table["score"][rows]
    return _Labels(frames, instances, points, scores, visible)


def _recording(
    path: Path,
    labels: _Labels,
    number: int,
    video: dict[str, Any],
    parts: tuple[str, ...],
    tracks: list[str],
    version: float,
) -> PoseRecording:
    rows = labels.frames[labels.frames["video"] == number]
    frame_of, instances = _instances_of(path, rows, len(labels.instances))
    kept, replaced = _chosen(labels.instances[instances], frame_of)
    frame_of, instances = frame_of[kept], instances[kept]
    animals, slot, notes = _animals(path, labels.instances["track"][instances], frame_of, tracks)
    inside = slot >= 0
    frame_of, instances, slot = frame_of[inside], instances[inside], slot[inside]
    frames, at = np.unique(frame_of, return_inverse=True)
    N, A, P = len(frames), len(animals), len(parts)
    if N * A * P * 2 > MAX_CELLS:
        raise DataError(f"{path}: {N} frames of {A} tracks are more than one recording can hold: join the tracks.")
    xyz = np.full((N, A, P, 2), np.nan, np.float32)
    likelihood = np.full((N, A, P), np.nan, np.float32)
    visible = np.zeros((N, A, P), np.bool_)
    present = np.zeros((N, A), np.bool_)
    if len(np.unique(at * max(A, 1) + slot)) < len(at):
        raise DataError(f"{path}: one track has two instances in the same frame. Correct it in SLEAP.")
    xyz[at, slot], likelihood[at, slot], visible[at, slot] = (
        labels.points[instances],
        labels.scores[instances],
        labels.visible[instances],
    )
    present[at, slot] = True
    if replaced:
        notes.append(Remark("note", f"{replaced} predicted instances are replaced by those of a user", path))
    if version < PIXEL_CENTRES:
        notes.append(Remark("note", "half a pixel is subtracted, because the format is older than 1.1", path))
    backend = video.get("backend") or {}
    shape = backend.get("shape") or video.get("shape") or [None] * 4
    source = _file_of(backend, video)
    return make_recording(
        path,
        video_stem(source, path),
        frames,
        xyz,
        animals,
        parts,
        likelihood=likelihood,
        missing={
            "no instance in the frame": np.broadcast_to(~present[..., None], (N, A, P)),
            "not visible": present[..., None] & ~visible,
        },
        remarks=notes,
        fps=_positive(backend.get("fps")),
        size=(int(shape[2]), int(shape[1])) if len(shape) == 4 and shape[1] and shape[2] else None,
        frame_count=int(shape[0]) if shape[0] else None,
        video=file_name(source) or None,
    )


def _file_of(backend: dict[str, Any], video: dict[str, Any]) -> str:
    """Return the video's file, or the folder of a sequence of images; packages embed the images."""
    name = backend.get("filename") or video.get("filename") or ""
    if isinstance(name, list):
        return str(PureWindowsPath(str(name[0])).parent) if name else ""
    name = str(name)
    return "" if name == "." else name


def _original(file: h5py.File, video: dict[str, Any]) -> dict[str, Any]:
    """Return the video from which a package embeds single images; any other video as it is."""
    embedded = str((video.get("backend") or {}).get("dataset") or "")
    group = node(file, f"{embedded.rpartition('/')[0]}/source_video") if "/" in embedded else None
    stored = attribute(group, "json") if group is not None else None
    source = json.loads(text(stored)) if stored is not None else video.get("source_video")
    return source if isinstance(source, dict) and source else video


def _positive(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) and value > 0 else None


def _instances_of(
    path: Path, rows: npt.NDArray[Any], count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the frame number and the row of each instance of the frames."""
    start, end = rows["instance_id_start"].astype(np.int64), rows["instance_id_end"].astype(np.int64)
    lengths = end - start
    if len(rows) and (start.min() < 0 or end.max() > count or (lengths < 0).any() or lengths.sum() > count):
        raise DataError(f"{path}: a frame refers to instances that are not in the file. It is incomplete.")
    offsets = np.repeat(start - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) if len(rows) else start
    instances = offsets + np.arange(int(lengths.sum()))
    return np.repeat(rows["frame_idx"].astype(np.int64), lengths), instances


def _chosen(instances: npt.NDArray[Any], frame_of: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.bool_], int]:
    """Return which instances count, and how many predicted ones a user's instance replaces."""
    user = instances["instance_type"] == USER
    kept = np.ones(len(instances), np.bool_)
    if not user.any():
        return kept, 0
    tracked = instances["track"] >= 0
    sources = instances["from_predicted"][user]
    replaced = ~user & np.isin(instances["instance_id"], sources[sources >= 0])
    frame, track = frame_of.astype(np.int64), instances["track"].astype(np.int64)
    width = int(track.max(initial=0)) + 2
    key = frame * width + track + 1
    replaced |= ~user & tracked & np.isin(key, key[user & tracked])
    kept &= ~replaced
    return kept, int(replaced.sum())


def _animals(
    path: Path, track: npt.NDArray[Any], frame_of: npt.NDArray[np.int64], tracks: list[str]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64], list[Remark]]:
    """Return the animals' names and the animal of each instance, −1 for one that is left out.

    Tracks are animals. Without tracks the n-th instance of a frame is the n-th animal, which is a guess.
    """
    track = track.astype(np.int64)
    if (track >= len(tracks)).any():
        raise DataError(f"{path}: an instance has a track that is not in the file. It is incomplete.")
    used = np.unique(track[track >= 0])
    if len(used):
        slot = np.full(len(track), -1, np.int64)
        slot[track >= 0] = np.searchsorted(used, track[track >= 0])
        names = [tracks[number] for number in used]
        names = [
            f"{name} ({number})" if names.count(name) > 1 else name
            for name, number in zip(names, used, strict=True)
        ]
        left_out = int((track < 0).sum())
        note = Remark("left-out", f"{left_out} instances without a track", path, remedy="assign tracks in SLEAP")
        return tuple(names), slot, [note] if left_out else []
    slot = rank_within(frame_of)
    names = [f"instance{number + 1}" for number in range(int(slot.max(initial=-1)) + 1)]
    if len(names) == 1:
        return tuple(names), slot, []
    note = Remark("assumed", "there are no tracks: the order of instances within a frame is the animal", path)
    return tuple(names), slot, [note]


FORMAT = SleapSlp()
