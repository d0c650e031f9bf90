"""Compare two reviewers, a reviewer and a run, or any two sets of labels of the lake, by action."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Any

from etholake.errors import UsageError
from etholake.evaluation.agreement import ActionAgreement, agreement
from etholake.events.types import Event
from etholake.result import StageResult
from etholake.review.bouts import BASELINE
from etholake.review.history import VideoReview
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.review.store import CORRECTIONS, VideoKey, changes_of

__all__ = ["ANNOTATION", "run", "table"]

ANNOTATION = "annotation"
_COLUMNS = "split, lab_id, video_id, agent_id, target_id, action, start_frame, stop_frame"
_ANNOTATION = f"SELECT {_COLUMNS} FROM annotations_enriched"  # noqa: S608
_RUN = f"SELECT {_COLUMNS} FROM predictions WHERE run_id = ?"  # noqa: S608
_LENGTHS = "SELECT split, lab_id, video_id, frames_per_second, video_duration_sec FROM v_video_info"
_HEADER = ("action", "frame F", "kappa", "bout F", "start error s", "stop error s", "bouts")


def run(settings: Settings, first: str, second: str) -> StageResult:
    """Compare the labels of two on the videos that both have labelled.

    Parameters
    ----------
    first, second
        ``annotation`` for the annotation of the lake, a reviewer's name for the labels as that reviewer's changes
        leave them, or a run's id for its predictions.

    Returns
    -------
    StageResult
        `details`: `rows` by action (see `ActionAgreement`), `videos` that were compared.

    Raises
    ------
    UsageError
        One of the two is not in the lake, both are the same, or no video has labels of both.
    """
    if not first or not second or first == second:
        raise UsageError("Name two to compare: reviewers, runs, or 'annotation'.")
    one, two = (_labels(settings, name) for name in (first, second))
    videos = sorted(one.keys() & two.keys(), key=lambda v: (v.lab_id, v.split, v.video_id))
    if not videos:
        raise UsageError(f"No video has labels of both {first} and {second}.")
    numbers = {video: number for number, video in enumerate(videos)}  # two labs may use a number for two videos

    def events(labels: dict[VideoKey, list[tuple[Any, ...]]]) -> list[Event]:
        return [Event(numbers[video], *bout) for video in videos for bout in labels[video]]

    frames, fps = _lengths(settings, numbers)
    rows = agreement(events(one), events(two), frames, fps)
    details = {"rows": [asdict(row) for row in rows], "videos": len(videos), "first": first, "second": second}
    count = "1 video" if len(videos) == 1 else f"{len(videos):,} videos"
    return StageResult("agreement", "done", f"{first} against {second} on {count}\n{table(rows)}", details)


def table(rows: list[ActionAgreement]) -> str:
    """Return the agreement as text, one line an action. Pure."""

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    cells = [
        [r.action, *map(number, (r.f_score, r.kappa, r.bout_f_score, r.start_error_s, r.stop_error_s)),
         f"{r.bouts_matched} of {r.bouts_first} and {r.bouts_second}"]
        for r in rows
    ]  # fmt: skip
    widths = [max(len(line[i]) for line in [_HEADER, *cells]) for i in range(len(_HEADER))]
    return "\n".join(
        "  "
        + "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in [list(_HEADER), *cells]
    )


def _labels(settings: Settings, name: str) -> dict[VideoKey, list[tuple[Any, ...]]]:
    """Return {video: its bouts} of the annotation, a run or a reviewer."""
    if name == ANNOTATION:
        rows = query.run_sql(settings, _ANNOTATION).rows
    else:
        rows = query.run_sql(settings, _RUN, [query.literal(name)]).rows
        if not rows:
            return _of_reviewer(settings, name)
    labels: dict[VideoKey, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        labels[VideoKey(*row[:3])].append(row[3:])
    return dict(labels)


def _of_reviewer(settings: Settings, name: str) -> dict[VideoKey, list[tuple[Any, ...]]]:
    """Return the labels as the changes of one reviewer leave them, as if nobody else had been there."""
    answer = query.run_sql(settings, f"SELECT * FROM {CORRECTIONS} ORDER BY change")  # noqa: S608
    by_video: dict[VideoKey, list[dict[str, Any]]] = defaultdict(list)
    for row in answer.records:
        by_video[VideoKey(row["split"], row["lab_id"], row["video_id"])].append(row)
    labels = {}
    for video, rows in by_video.items():
        changes = changes_of(rows)
        if not any(change.reviewer == name for change in changes):
            continue
        own = {bout.bout_id: bout for c in changes if c.operation == BASELINE for bout in c.bouts}
        for change in changes:
            own |= {bout.bout_id: bout for bout in change.bouts if change.reviewer == name}
        review = VideoReview(own.values())
        labels[video] = [(*b.triplet, b.start_frame, b.stop_frame) for b in review.joined_labels]
    if not labels:
        raise UsageError(f"'{name}' is no run with predictions, and no reviewer of the lake.")
    return labels


def _lengths(settings: Settings, numbers: dict[VideoKey, int]) -> tuple[dict[int, int], dict[int, float]]:
    query.create_views(settings, ["v_video_info"])
    frames, fps = {}, {}
    for split, lab_id, video_id, rate, seconds in query.run_sql(settings, _LENGTHS).rows:
        number = numbers.get(VideoKey(split, lab_id, video_id))
        if number is not None and rate:
            fps[number] = float(rate)
            if seconds:
                frames[number] = round(rate * seconds)
    return frames, fps
