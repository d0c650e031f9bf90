"""Say before a long run what is wrong with a folder's videos, and with the tracks and labels that go with them.

Files are matched as the importer matches them: by the video that a file names, else by their names. Nothing is
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from etholake.contract import MIN_FPS
from etholake.errors import DataError, EtholakeError
from etholake.formats.base import PoseRecording, ReadOptions
from etholake.formats.matching import Candidate, best_match, video_stem
from etholake.formats.survey import FileSurvey, RecordingCache, survey_file
from etholake.formats.video import VideoInfo, frame_map, probe
from etholake.formats.walk import identify, left_out_sentence, list_files
from etholake.video.recipe import ClipRecipe
from etholake.video.task import ClipTask, prepare

__all__ = ["FolderCheck", "VideoCheck", "check_folder"]

_OUTSIDE_SHARE = 0.05


@dataclass(frozen=True)
class VideoCheck:
    """The findings on one video: `problems` hinder a run or make its result wrong, `notes` do not."""

    file: str
    summary: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FolderCheck:
    """The videos of a folder, and the tracks and labels that belong to none of them."""

    videos: tuple[VideoCheck, ...]
    alone: tuple[str, ...] = ()
    errors: tuple[str, ...] = field(default=())

    @property
    def problems(self) -> list[str]:
        """All problems, each with its file."""
        own = [f"{video.file}: {problem}" for video in self.videos for problem in video.problems]
        return own + list(self.alone) + list(self.errors)


def check_folder(folder: Path, *, decode: bool = False, scratch: Path | None = None) -> FolderCheck:
    """Look at every video below a folder, with its tracks and labels.

    Parameters
    ----------
    decode
        Decode every frame as well (as slow as preparing clips): finds damage that the headers do not show.
    scratch
        A folder for that; it must exist.

    Raises
    ------
    DataError
        The folder cannot be read, or has no video.
    """
    paths, remarks = list_files(folder)
    surveys = [survey_file(identify(folder, path), ReadOptions(), RecordingCache()) for path in paths]
    videos = [survey for survey in surveys if survey.origin.video]
    if not videos:
        raise DataError(f"{folder}: has no video file below it.{left_out_sentence(remarks)}")
    left_out = [f"{remark.file}: {remark.text}" for remark in remarks if remark.kind == "left-out"]
    errors = [s.error for s in surveys if s.error and not s.origin.video] + left_out
    candidates = [Candidate(file, _folder(file), (file,)) for file in (video.origin.file for video in videos)]
    companions: dict[str | None, list[FileSurvey]] = {}
    for recording in (recording for survey in surveys for recording in _recordings(survey)):
        companions.setdefault(_video_of(recording, candidates), []).append(recording)
    checks = [
        _check(survey, companions.get(survey.origin.file, []), bool(companions), scratch if decode else None)
        for survey in videos
    ]
    alone = dict.fromkeys(
        f"{recording.origin.file}: no video of this name ({_names(recording)[0]}) is in the folder"
        for recording in companions.get(None, [])
    )
    return FolderCheck(tuple(checks), tuple(alone), tuple(errors))


def _recordings(survey: FileSurvey) -> list[FileSurvey]:
    """Return the recordings of a file one by one: each may belong to another video."""
    return [
        *(replace(survey, pose=(facts,), labels=()) for facts in survey.pose),
        *(replace(survey, pose=(), labels=(labels,)) for labels in survey.labels),
    ]


def _video_of(recording: FileSurvey, videos: Sequence[Candidate]) -> str | None:
    """Return the video that a recording belongs to; None for none."""
    named = [facts.video for facts in recording.pose if facts.video]
    named += [name for labels in recording.labels for name in labels.recording.media]
    return best_match(named, _names(recording), _folder(recording.origin.file), videos).key


def _names(recording: FileSurvey) -> list[str]:
    """Return the names of a recording without what tools add: its own if a file has several, else the file's."""
    own = [facts.name for facts in recording.pose if facts.several]
    own += [labels.recording.name for labels in recording.labels if labels.several]
    return [video_stem(name) for name in own or [recording.origin.file]]


def _folder(file: str) -> str:
    return PurePosixPath(file).parent.as_posix()


def _check(
    survey: FileSurvey, companions: Sequence[FileSurvey], with_others: bool, scratch: Path | None
) -> VideoCheck:
    path = survey.origin.path
    try:
        info = probe(path)
    except DataError as err:
        return VideoCheck(survey.origin.file, "cannot be read", (str(err).removeprefix(f"{path}: "),))
    width, height = info.shown_size
    summary = (
        f"{info.codec}, {width} x {height} px, {float(info.fps):g} frames/s, {info.frames} frames, "
        f"{info.duration_s:.1f} s, a key frame every {info.keyframe_distance} frames at least"
    )
    problems, notes = _of_the_file(info)
    if scratch is not None:
        problems += _decoded(path, scratch)
    tracked = [facts for companion in companions for facts in companion.pose]
    if with_others and not tracked:
        notes.append("no tracks of its name are in the folder")
    for companion in companions:
        problems += _against_tracks(companion, info)
        problems += _against_labels(companion, info)
    return VideoCheck(survey.origin.file, summary, tuple(problems), tuple(notes))


def _of_the_file(info: VideoInfo) -> tuple[list[str], list[str]]:
    problems, notes = [], []
    if info.frames == 1:
        problems.append("has one frame only: it is a picture")
    if info.variable_rate:
        problems.append(
            "has a variable frame rate: times in labels cannot be turned into frames exactly. Make it constant: "
            f"ffmpeg -i IN -vsync cfr -r {float(info.fps):g} OUT.mp4"
        )
    if info.declared_frames not in {None, info.frames}:
        problems.append(f"its header tells {info.declared_frames} frames, it has {info.frames}: was it cut off?")
    if info.rotation:
        notes.append(f"is turned by {info.rotation} degrees when shown; clips are upright, and so must tracks be")
    if info.width % 2 or info.height % 2:
        notes.append("a side has an odd number of pixels; clips are not affected, an overlay is one pixel smaller")
    if info.fps < MIN_FPS:
        problems.append(
            f"has {float(info.fps):g} frames/s: clips are made, but models read at least {MIN_FPS:g} frames/s"
        )
    if info.bits > 8:
        notes.append(f"has more than 8 bits a channel ({info.pixel_format}); clips have 8")
    if info.pixel_format.startswith("gray"):
        notes.append("is gray; clips have three equal channels")
    return problems, notes


def _decoded(path: Path, scratch: Path) -> list[str]:
    """Return what speaks against the frames: all are decoded, in a child process, and none is kept."""
    recipe = ClipRecipe(boxes="background", crop_size=16, length=1, stride=1, max_missing=0, max_animals=1)
    try:
        report = prepare(ClipTask(path, 0, "check", recipe, scratch / f"decode-{abs(hash(path))}"))
    except DataError as err:
        return [str(err).removeprefix(f"{path}: ")]
    lost = sum(balance.reported.get("unreadable", 0) for balance in report.balances)
    return [f"{lost} of {report.frames} frames cannot be decoded"] if lost else []


def _against_tracks(companion: FileSurvey, info: VideoInfo) -> list[str]:
    problems = []
    for facts in companion.pose:
        recording = _recording(companion, facts.index)
        if recording is None:
            continue
        relation = frame_map(info.frames, recording.frames)
        if relation.kind in {"off-by-one", "offset"}:
            problems.append(f"{facts.key}: {relation.text}")
        if facts.fps and abs(facts.fps - float(info.fps)) > 0.01 * float(info.fps):
            problems.append(f"{facts.key}: tells {facts.fps:g} frames/s, the video {float(info.fps):g}")
        share = _outside(recording, *info.shown_size)
        if facts.unit == "px" and share > _OUTSIDE_SHARE:
            problems.append(
                f"{facts.key}: {share:.0%} of its points lie outside of the picture: is it of another video?"
            )
    return problems


def _recording(companion: FileSurvey, index: int) -> PoseRecording | None:
    assert companion.origin.pose is not None
    try:
        recordings = list(companion.origin.pose.read(companion.origin.path, ReadOptions()))
    except (EtholakeError, OSError, ValueError):
        return None  # the survey has its error already
    return recordings[index] if index < len(recordings) else None


def _outside(recording: PoseRecording, width: int, height: int) -> float:
    import numpy as np

    x, y = recording.xyz[..., 0], recording.xyz[..., 1]
    seen = np.isfinite(x) & np.isfinite(y)
    out = seen & ((x < -1) | (y < -1) | (x > width + 1) | (y > height + 1))
    return float(out.sum() / max(1, int(seen.sum())))


def _against_labels(companion: FileSurvey, info: VideoInfo) -> list[str]:
    problems = []
    for labels in companion.labels:
        recording = labels.recording
        scale = float(info.fps) if recording.time_unit == "second" else 1.0
        stops = [bout.stop * scale for bout in recording.bouts if bout.stop != float("inf")]
        if stops and max(stops) > info.frames + 1:
            problems.append(
                f"{companion.origin.file}: labels end at frame {max(stops):.0f}, the video has {info.frames}"
            )
        if recording.frame_count is not None and recording.frame_count != info.frames:
            count = recording.frame_count
            problems.append(f"{companion.origin.file}: has labels of {count} frames, the video has {info.frames}")
        if recording.fps and abs(recording.fps - float(info.fps)) > 0.01 * float(info.fps):
            problems.append(
                f"{companion.origin.file}: tells {recording.fps:g} frames/s, the video {float(info.fps):g}"
            )
    return problems
