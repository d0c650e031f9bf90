"""Stage export: write annotations or predictions of the lake into other tools' files.

Animals are called mouse1, mouse2, …; a video is called by its own name where the lake has one (`video_name`), else
by its number.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etholake.contract import SPLITS
from etholake.errors import UsageError, suggestion
from etholake.formats.base import Bout, LabelRecording, ScoredSpan
from etholake.formats.export.base import prepared
from etholake.formats.export.registry import EXPORTERS
from etholake.result import StageResult
from etholake.review.bouts import KEPT, LOOKED_FOR
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.video_names import NamedVideo, find_videos

__all__ = ["ExportChoice", "run"]

Row = dict[str, Any]
_VIDEOS = """SELECT '{split}' AS split, lab_id, video_id, video_name, frames_per_second, video_duration_sec, n_mice
FROM metadata_{split}"""
_LABELED = "SELECT split, video_id, agent_id, action FROM labeled_behaviors"
_ANNOTATIONS = (
    "SELECT split, video_id, agent_id, target_id, action, start_frame, stop_frame FROM annotations_enriched"
)
_PREDICTIONS = """SELECT split, video_id, agent_id, target_id, action, start_frame, stop_frame
FROM predictions WHERE run_id = ?"""
# The newest state of every bout under review. The log of a reviewed video begins with its annotation.
_REVIEWED = """SELECT split, video_id, agent_id, target_id, action, start_frame, stop_frame, source, status
FROM (
    SELECT c.*, row_number() OVER (PARTITION BY lab_id, split, video_id, bout_id ORDER BY change DESC) AS age
    FROM corrections AS c
)
WHERE age = 1"""
_RUNS = "SELECT DISTINCT run_id FROM predictions ORDER BY run_id"
_SHOWN = 10


@dataclass(frozen=True)
class ExportChoice:
    """The choice of labels.

    Without `runs` the annotations are meant, as the last etl left them (it merges corrections); `corrected` asks
    for what reviewers have changed since, too. Empty `videos` (numbers or names), `labs`, `actions` stand for all.
    """

    runs: tuple[str, ...] = ()
    corrected: bool = False
    videos: tuple[str, ...] = ()
    labs: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


def run(settings: Settings, target: str, out: Path, choice: ExportChoice) -> StageResult:
    """Write the labels of a choice into files of the tool `target` in the folder `out`.

    Returns
    -------
    StageResult
        `details`: `files`, `videos`, `bouts`.

    Raises
    ------
    UsageError
        No such tool, run, video, lab or action; nothing to export; the folder holds files already that would be
        replaced; the tool cannot hold the labels.
    """
    if len(choice.runs) > 1:
        return _run_by_run(settings, target, out, choice)
    exporter = EXPORTERS.get(target)
    videos = _chosen_videos(settings, choice)
    bouts = _bouts(settings, choice)
    _require_actions(choice, bouts, settings)
    looked_for = _looked_for(settings, choice)
    recordings = [_recording(video, bouts, looked_for, choice) for video in videos]
    if choice.runs:
        recordings = [r for r in recordings if r.bouts]  # a run predicts some videos only
    if not any(r.bouts for r in recordings):
        raise UsageError("Nothing fits this choice of videos, labs and actions: the export would be empty.")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as partial:
        written = exporter.write(prepared(recordings), Path(partial))
        existing = [path.name for path in written if (out / path.name).exists()]
        if existing:
            raise UsageError(
                f"{out} holds {', '.join(existing[:_SHOWN])} already: name another folder, or empty it."
            )
        files = [path.rename(out / path.name) for path in written]
    count = sum(len(recording.bouts) for recording in recordings)
    summary = f"{count:,} bouts of {len(recordings)} videos in {len(files)} {exporter.title} files in {out}"
    details = {"files": [str(path) for path in files], "videos": len(recordings), "bouts": count}
    return StageResult("export", "done", summary, details)


def _run_by_run(settings: Settings, target: str, out: Path, choice: ExportChoice) -> StageResult:
    """Write the predictions of several runs, each into the folder of its name."""
    results = {name: run(settings, target, out / name, replace(choice, runs=(name,))) for name in choice.runs}
    files = [file for result in results.values() for file in result.details["files"]]
    bouts = sum(result.details["bouts"] for result in results.values())
    videos = max(result.details["videos"] for result in results.values())
    summary = f"{bouts:,} bouts of {len(results)} runs, in a folder each below {out}"
    return StageResult("export", "done", summary, {"files": files, "videos": videos, "bouts": bouts})


def _ask(settings: Settings, sql: str, *values: str) -> list[Row]:
    return query.run_sql(settings, sql, values).records


def _chosen_videos(settings: Settings, choice: ExportChoice) -> list[Row]:
    sql = " UNION ALL ".join(_VIDEOS.format(split=split) for split in SPLITS)
    videos = sorted(_ask(settings, sql), key=lambda v: (v["video_id"], v["split"]))
    known_labs = {video["lab_id"] for video in videos}
    absent = [lab for lab in choice.labs if lab not in known_labs]
    if absent:
        raise UsageError(f"The lake has no lab '{absent[0]}'. {suggestion(absent[0], known_labs)}")
    named = [NamedVideo(v["split"], v["lab_id"], v["video_id"], v["video_name"] or "") for v in videos]
    numbers = set(find_videos(choice.videos, named, "The lake"))
    return [
        video
        for video in videos
        if (not choice.labs or video["lab_id"] in choice.labs)
        and (not choice.videos or video["video_id"] in numbers)
    ]


def _bouts(settings: Settings, choice: ExportChoice) -> list[Row]:
    if not choice.runs:
        return _corrected(settings) if choice.corrected else _ask(settings, _ANNOTATIONS)
    rows = _ask(settings, _PREDICTIONS, query.literal(choice.runs[0]))
    if not rows:
        runs = ", ".join(str(row["run_id"]) for row in _ask(settings, _RUNS)) or "none"
        raise UsageError(f"The lake has no predictions of run '{choice.runs[0]}'; runs with predictions: {runs}.")
    return rows


def _corrected(settings: Settings) -> list[Row]:
    """Return the annotations with the reviewers' labels in the place of those of reviewed videos."""
    newest = _ask(settings, _REVIEWED)
    if not newest:
        raise UsageError("Nobody has corrected a label of the lake yet: see `etholake review`.")
    reviewed = {(row["split"], row["video_id"]) for row in newest}
    kept = [row for row in newest if row["status"] == KEPT and row["source"] != LOOKED_FOR]
    others = [row for row in _ask(settings, _ANNOTATIONS) if (row["split"], row["video_id"]) not in reviewed]
    return sorted([*kept, *others], key=lambda row: (row["video_id"], row["start_frame"], row["stop_frame"]))


def _looked_for(settings: Settings, choice: ExportChoice) -> list[Row] | None:
    """Return what annotators looked for; None for predictions, which are made everywhere."""
    return None if choice.runs else _ask(settings, _LABELED)


def _require_actions(choice: ExportChoice, bouts: Sequence[Row], settings: Settings) -> None:
    actions = {row["action"] for row in bouts} | {row["action"] for row in _ask(settings, _LABELED)}
    absent = [action for action in choice.actions if action not in actions]
    if absent:
        raise UsageError(f"The lake has no action {', no '.join(absent)}; it has {', '.join(sorted(actions))}.")


def _recording(
    video: Row,
    bouts: Sequence[Row],
    looked_for: Sequence[Row] | None,
    choice: ExportChoice,
) -> LabelRecording:
    def wanted(row: Row) -> bool:
        same = (row["video_id"], row["split"]) == (video["video_id"], video["split"])
        return same and (not choice.actions or row["action"] in choice.actions)

    own = [
        Bout(r["action"], r["start_frame"], r["stop_frame"], f"mouse{r['agent_id']}", f"mouse{r['target_id']}")
        for r in bouts
        if wanted(r) and r["start_frame"] < r["stop_frame"]
    ]
    items = [row for row in looked_for or () if wanted(row)]
    actions = dict.fromkeys([*(b.action for b in own), *(row["action"] for row in items)])
    fps, seconds = video["frames_per_second"], video["video_duration_sec"]
    spans = dict.fromkeys(ScoredSpan(row["action"], agent=f"mouse{row['agent_id']}") for row in items)
    return LabelRecording(
        video["video_name"] or str(video["video_id"]),
        tuple(own),
        tuple(actions),
        "frame",
        scored=None if looked_for is None else tuple(spans),
        animals=tuple(f"mouse{n}" for n in range(1, (video["n_mice"] or 0) + 1)),
        fps=fps,
        frame_count=round(fps * seconds) if fps and seconds else None,
    )
