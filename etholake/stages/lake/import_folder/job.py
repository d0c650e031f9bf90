"""Import one video: resolve what the mapping and the files say about it, and write its tracks and labels.

Nothing here knows of other videos, so that videos are imported in parallel and one that fails stops no other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from etholake.contract import MAX_FPS, MIN_FPS
from etholake.digest import fingerprint
from etholake.errors import DataError
from etholake.formats import layout
from etholake.formats.base import PoseRecording, ReadOptions, Remark
from etholake.formats.convert import Balance, Labelled, LabelRules, PoseRules, convert_labels, convert_pose
from etholake.formats.facts import Labels, PoseFacts, VideoFile
from etholake.formats.guessing import subjects_of
from etholake.formats.mapping import EACH, ActionRule, ImportMapping, VideoRule
from etholake.formats.survey import RecordingCache, read_recording

__all__ = ["VideoJob", "Written", "write_video"]

ASSUMED_PIX_PER_CM = (
    10.0  # for tracks in cm, mm or m without a px/cm: the picture is then only a matter of drawing
)
FPS_TOLERANCE = 0.01


@dataclass(frozen=True)
class VideoJob:
    """Everything that decides what is written of one video. `seen` holds sizes and times of its files."""

    name: str
    rule: VideoRule
    mapping: ImportMapping
    facts: PoseFacts
    labels: tuple[Labels, ...] = ()
    video: VideoFile | None = None
    seen: tuple[tuple[str, int, int], ...] = ()

    @property
    def fps(self) -> float | None:
        """Return the frames per second: of the mapping, the video, the tracks, the labels, in this order."""
        own = (item.recording.fps for item in self.labels)
        rates = (self.rule.fps, self.mapping.fps, self.video.fps if self.video else None, self.facts.fps, *own)
        return next((rate for rate in rates if rate), None)

    @property
    def frame_count(self) -> int:
        """Return the number of frames of the video, as far as anything tells."""
        counts = (self.video.frames if self.video else None, self.facts.frame_count)
        return max(next((count for count in counts if count), 0), self.facts.last_frame + 1)

    @property
    def size(self) -> tuple[int, int] | None:
        """Return (width, height) in px."""
        return (self.video.size if self.video else None) or self.facts.size

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return the number of each animal of the tracks; 0 for one that is left out.

        Raises DataError for an animal without a number.
        """
        numbers = [self.mapping.animals.get(name, EACH) for name in self.facts.animals]
        if unknown := [n for n, number in zip(self.facts.animals, numbers, strict=True) if number == EACH]:
            raise DataError(f"the animals {', '.join(map(repr, unknown))} need numbers in [animals].")
        return tuple(int(number) for number in numbers)

    def fingerprint(self, code: str) -> str:
        """Return a digest of the inputs and of this video's part of the mapping."""
        mapping = self.mapping
        subjects = [name for item in self.labels for name in subjects_of(item)]
        used = {
            "animals": {name: mapping.animals.get(name) for name in (*self.facts.animals, *subjects)},
            "parts": {name: mapping.parts.get(name) for name in self.facts.parts},
            "actions": {a: asdict(rule) for a, rule in mapping.actions.items() if a in self._actions()},
            "options": [mapping.lab, mapping.fps, mapping.min_likelihood, mapping.unpaired, mapping.point_events,
                        mapping.partial, mapping.species, mapping.annotators,
                        asdict(mapping.scale), asdict(mapping.arena)],
        }  # fmt: skip
        video = asdict(self.video) if self.video else None
        return fingerprint(code, self.name, asdict(self.rule), used, self.seen, video)

    def _actions(self) -> set[str]:
        if self.rule.split == "test" and not self.labels:
            return set(self.mapping.actions)
        bouts = {bout.action for item in self.labels for bout in item.recording.bouts}
        return bouts.union(*(item.recording.vocabulary for item in self.labels))


@dataclass(frozen=True)
class Written:
    """The outcome of one video: its row of the metadata, balances of points and bouts, and remarks."""

    row: dict[str, Any]
    points: Balance
    bouts: Balance
    label_rows: int
    pix_per_cm: float | None
    remarks: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the outcome in JSON types."""
        balances = {"points": self.points.as_json(), "bouts": self.bouts.as_json()}
        return {"row": self.row, **balances, "label_rows": self.label_rows, "pix_per_cm": self.pix_per_cm,
                "remarks": self.remarks}  # fmt: skip

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Written:
        """Return the outcome that `as_json` wrote."""
        balances = {name: Balance.from_json(entry[name]) for name in ("points", "bouts")}
        return cls(**{**entry, **balances})


def write_video(job: VideoJob, folder: Path, out: Path, options: ReadOptions, cache: RecordingCache) -> Written:
    """Write tracks and labels of one video into the data folder `out`.

    Raises DataError, naming the video, if it cannot be written; then neither file is left behind.
    """
    mapping, number = job.mapping, job.rule.video_id
    tracks = layout.tracking_path(out, job.rule.split, mapping.lab, number)
    intervals = layout.annotation_path(out, job.rule.split, mapping.lab, number)
    try:
        recording = read_recording(folder, job.facts, options, cache)
        scale, remarks = _scale(job, recording)
        names = tuple(mapping.parts.get(part, part) for part in job.facts.parts)
        rules = PoseRules(job.numbers, names, scale, mapping.min_likelihood)
        table, points, more = convert_pose(recording, rules)
        if not points.written:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in points.left_out.items())
            raise DataError(f"there is no point that can be written ({reasons or 'the file is empty'}).")
        labelled = _labelled(job)
        layout.write_table(tracks, table)
        if job.labels:
            layout.write_annotation(intervals, labelled.rows)
        else:
            intervals.unlink(missing_ok=True)
    except DataError as err:
        tracks.unlink(missing_ok=True)
        intervals.unlink(missing_ok=True)
        raise DataError(f"Video '{job.name}' ({job.rule.pose}): {err}") from err
    remarks = [*remarks, *more, *labelled.remarks, *_length_remarks(job)]
    entries = [{**vars(r), "file": str(r.file) if r.file else job.name} for r in remarks]
    parts = sorted({name for name in names if name})
    row = _row(job, scale, parts, labelled)
    return Written(row, points, labelled.balance, len(labelled.rows), scale, entries)


def _labelled(job: VideoJob) -> Labelled:
    numbers = tuple(sorted(number for number in set(job.numbers) if number))
    rules = LabelRules(
        job.fps, job.mapping.animals, numbers, job.mapping.actions,
        (max(job.facts.first_frame, 0), job.facts.last_frame + 1), job.mapping.partial,
        job.mapping.annotators, job.frame_count,
        tuple(n for name, n in zip(job.facts.animals, job.numbers, strict=True) if name in job.facts.objects),
    )  # fmt: skip
    labelled = convert_labels([item.recording for item in job.labels], rules, [item.key for item in job.labels])
    if job.rule.split == "test" and not job.labels:  # what a model is asked for
        return replace(labelled, items=tuple(_all_items(rules.living, job.mapping.actions)))
    return labelled


def _all_items(numbers: tuple[int, ...], actions: Mapping[str, ActionRule]) -> list[str]:
    return sorted(
        {
            layout.triplet_item(agent, target, rule.name)
            for rule in actions.values()
            if rule.name
            for agent in numbers
            for target in numbers
            if (agent == target) == (rule.kind == "self")
        }
    )


def _scale(  # noqa: PLR0911 one return a source, in their order
    job: VideoJob, recording: PoseRecording
) -> tuple[float | None, list[Remark]]:
    """Return px/cm and where it comes from: the mapping, the arena, a body's length, the file of tracks."""
    scale, arena = job.mapping.scale, job.mapping.arena
    if job.rule.pix_per_cm or scale.pix_per_cm:
        return job.rule.pix_per_cm or scale.pix_per_cm, []
    for low, high, length in (
        (arena.left_px, arena.right_px, arena.width_cm),
        (arena.top_px, arena.bottom_px, arena.height_cm),
    ):
        if low is not None and high is not None and length:  # as the mapping's reader has seen to
            return (high - low) / length, _beyond_picture(job)
    if recording.unit != "px":  # the true size is known: px/cm only draws it
        if job.facts.pix_per_cm:
            return job.facts.pix_per_cm, []
        text = f"the tracks are in {recording.unit} without px/cm: written with {ASSUMED_PIX_PER_CM:g} px/cm"
        return ASSUMED_PIX_PER_CM, [Remark("assumed", text, remedy="pix_per_cm in [scale]")]
    if scale.body_length_cm and scale.body_parts:
        length = _body_length(recording, scale.body_parts)
        if length is None:
            text = f"px/cm is unknown: {' and '.join(scale.body_parts)} are never seen together"
            return job.facts.pix_per_cm, [Remark("note", text, remedy="body_parts in [scale]")]
        value = round(length / scale.body_length_cm, 4)
        text = f"{value:g} px/cm: the median body is taken to be {scale.body_length_cm:g} cm long"
        return value, [Remark("assumed", text, remedy="[scale]")]
    return job.facts.pix_per_cm, []


def _beyond_picture(job: VideoJob) -> list[Remark]:
    """Return a remark if the arena's edges do not lie in the picture: they are another camera's, perhaps."""
    arena, size = job.mapping.arena, job.size
    if size is None:
        return []
    edges = (
        (arena.left_px, size[0]),
        (arena.right_px, size[0]),
        (arena.top_px, size[1]),
        (arena.bottom_px, size[1]),
    )
    if all(edge is None or -1 <= edge <= length + 1 for edge, length in edges):
        return []
    text = f"the arena's edges lie beyond the picture of {size[0]:g} x {size[1]:g} px"
    return [Remark("note", text, remedy="[arena] in mapping.toml, or pix_per_cm of the video")]


def _body_length(recording: PoseRecording, parts: tuple[str, ...]) -> float | None:
    """Return the median distance in px between two parts over all frames and animals."""
    if not set(parts) <= set(recording.parts):
        return None
    a, b = (recording.xyz[:, :, recording.parts.index(part), :2] for part in parts)
    distance = np.linalg.norm(a - b, axis=-1)
    distance = distance[np.isfinite(distance) & (distance > 0)]
    return float(np.median(distance)) if distance.size else None


def _length_remarks(job: VideoJob) -> list[Remark]:
    """Return remarks on lengths and rates that disagree between the video, the tracks and the labels."""
    remarks = []
    tracked = job.facts.frame_count or job.facts.last_frame + 1
    sparse = job.facts.frames < tracked and job.video and tracked <= (job.video.frames or 0)
    if job.video and job.video.variable_rate:
        text = f"the video's frames are unevenly spaced in time; {job.fps:g} frames/s is their mean"
        remarks.append(Remark("assumed", text))
    if job.video and job.video.frames and job.video.frames != tracked and not sparse:
        text = (
            f"the video has {job.video.frames:,} frames, the tracks {tracked:,}; frame 0 is taken to be the same"
        )
        remarks.append(Remark("assumed", text))
    if job.fps and not MIN_FPS <= job.fps <= MAX_FPS:
        text = f"{job.fps:g} frames/s: cameras of behaviour have {MIN_FPS:g} to {MAX_FPS:g} (rule fps-implausible)"
        remarks.append(Remark("note", text, remedy="fps of the video in the mapping"))
    rates = {"the video": job.video.fps if job.video else None, "the file of tracks": job.facts.fps}
    rates |= {f"the labels ({item.file})": item.recording.fps for item in job.labels}
    for name, rate in rates.items():
        if rate and job.fps and abs(rate - job.fps) > FPS_TOLERANCE * job.fps:
            text = f"{name} says {rate:g} frames/s, but {job.fps:g} is used"
            remarks.append(Remark("note", text, remedy="fps of the video in the mapping"))
    return remarks


def _row(job: VideoJob, scale: float | None, parts: list[str], labelled: Labelled) -> dict[str, Any]:
    """Return the row of the metadata csv."""
    arena, size = job.mapping.arena, job.size or ("", "")
    row: dict[str, Any] = {
        "lab_id": job.mapping.lab, "video_id": job.rule.video_id, "video_name": job.name,
        "frames_per_second": job.fps or "", "pix_per_cm_approx": scale or "",
        "video_duration_sec": round(job.frame_count / job.fps, 4) if job.fps else "",
        "video_width_pix": size[0], "video_height_pix": size[1],
        "arena_width_cm": arena.width_cm or "", "arena_height_cm": arena.height_cm or "",
        "arena_shape": arena.shape, "arena_type": arena.type,
        "body_parts_tracked": layout.as_json(parts),
        "behaviors_labeled": layout.as_json(labelled.items) if labelled.items else "",
        "labeled_spans": json.dumps(labelled.spans) if labelled.spans else "",
        "tracking_method": job.facts.title, "species": job.mapping.species,
        "min_likelihood": (job.mapping.min_likelihood if job.facts.has_likelihood else 0) or "",
    }  # fmt: skip
    for name, number in zip(job.facts.animals, job.numbers, strict=True):
        if number:
            row[f"mouse{number}_id"] = name
    return row
