"""Stage video: the page of one video (`etholake/pages/video`), written, or served on loopback.

All of it comes from Athena: the video's metadata, events and track summary at once, its poses slice by slice. The
live page asks for the means by second, which read a whole track of each animal, when it is there.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etholake.errors import UsageError
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.lake import query

if TYPE_CHECKING:
    from etholake.pages.video.page import VideoView
    from etholake.pages.video.server import VideoServer

__all__ = ["make_server", "most_predicted", "pose_frames", "run", "seconds_rows", "serve"]

_SLICES_AT_ONCE = 20  # ten minutes at 30 frames/s: what is in memory while a page is written

VIEWS = ("v_video_info", "v_video_events", "v_video_seconds")  # the last reads the first
INFO = "SELECT * FROM v_video_info WHERE video_id = ? ORDER BY has_tracking DESC, split DESC"
SUMMARIES = """SELECT mouse_id, bodypart, first_frame, last_frame, points_measured, points_imputed
FROM track_summary WHERE split = ? AND lab_id = ? AND video_id = ?"""
RUNS = "SELECT DISTINCT run_id FROM predictions WHERE split = ? AND lab_id = ? AND video_id = ? ORDER BY run_id"
LABELED = """SELECT agent_id, target_id, action FROM labeled_behaviors
WHERE split = ? AND lab_id = ? AND video_id = ?"""
ANNOTATIONS = """SELECT source, agent_id, target_id, action, start_frame, stop_frame, confidence, issue
FROM v_video_events WHERE split = ? AND lab_id = ? AND video_id = ? AND source = 'annotation'"""
PREDICTIONS = """SELECT source, agent_id, target_id, action, start_frame, stop_frame, confidence, issue
FROM v_video_events WHERE split = ? AND lab_id = ? AND video_id = ? AND source = 'prediction' AND run_id = ?"""
SECONDS = """SELECT mouse_id, video_second, x, y, speed FROM v_video_seconds
WHERE split = ? AND lab_id = ? AND video_id = ? AND bodypart = ?"""
# One row a track and slice, as `pages.video.slices.pack` reads it. Lists joined by blanks, one item a known point:
# frames within the slice, xs and ys (hundredths of cm, of px without a scale), speeds (hundredths of cm/s, -1
# where unknown), imputed (1 where curation filled the point). No view: the frames of a view cannot be narrowed
# before they are grouped, so half a minute of a video would read all of it.
SLICES = """SELECT
    mouse_id, bodypart, video_frame / 900 AS slice,
    array_join(array_agg(CAST(video_frame % 900 AS varchar) ORDER BY video_frame), ' ') AS frames,
    array_join(
        array_agg(CAST(CAST(round(1e2 * coalesce(x_cm, x)) AS integer) AS varchar) ORDER BY video_frame), ' '
    ) AS xs,
    array_join(
        array_agg(CAST(CAST(round(1e2 * coalesce(y_cm, y)) AS integer) AS varchar) ORDER BY video_frame), ' '
    ) AS ys,
    array_join(
        array_agg(coalesce(CAST(CAST(round(1e2 * speed) AS integer) AS varchar), '-1') ORDER BY video_frame), ' '
    ) AS speeds,
    array_join(array_agg(CASE WHEN is_imputed THEN '1' ELSE '0' END ORDER BY video_frame), ' ') AS imputed
FROM tracking_curated
WHERE split = ? AND lab_id = ? AND video_id = ? AND video_frame BETWEEN ? AND ?
GROUP BY mouse_id, bodypart, video_frame / 900"""
MOST_PREDICTED = """SELECT video_id, run_id, count(*) AS events FROM predictions
GROUP BY video_id, run_id ORDER BY events DESC, video_id, run_id LIMIT 1"""


def run(
    settings: Settings, video_id: int, out: Path, run_id: str | None = None, on_progress: OnProgress | None = None
) -> StageResult:
    """Write the page of a video as one file that needs no network.

    Parameters
    ----------
    run_id
        The run whose predictions stand under the annotation; may be left out where only one predicted the video.

    Raises
    ------
    UsageError
        The lake has no such video; the run did not predict it; several did and none was named.
    """
    from etholake.pages.video import page

    tick = on_progress or silent
    query.create_views(settings, VIEWS)
    video = _read(settings, video_id, run_id)
    video = replace(video, seconds=seconds_rows(settings, video))
    read_at = f"Read {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC."
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8") as file:
        slices, _ = page.write(file, video, _slices(settings, video, tick), facts=_facts(settings), read=read_at)
    size = out.stat().st_size
    summary = (
        f"video {video_id}, {len(video.events):,} events, {video.frames:,} frames in {slices} slices, "
        f"{size / 1e6:.1f} MB in {out}"
    )
    details = {"page": str(out), "video_id": video_id, "run_id": video.run_id, "events": len(video.events),
               "slices": slices, "bytes": size}  # fmt: skip
    return StageResult("video", "done", summary, details)


def make_server(settings: Settings, video_id: int, run_id: str | None = None, port: int = 0) -> VideoServer:
    """Return a server of the live page on loopback, not yet running. Raises as `run`."""
    from etholake.pages.video import page
    from etholake.pages.video.server import VideoServer
    from etholake.pages.video.slices import pack

    query.create_views(settings, VIEWS)
    video = _read(settings, video_id, run_id)

    def text() -> str:
        now = _read(settings, video_id, video.run_id)
        return page.render(now, facts=_facts(settings), read="", live=True)

    def slice_(number: int) -> bytes:
        return pack(video.tracks, _slice_rows(settings, video, number, number))

    def seconds() -> str:
        return json.dumps(page.seconds_of(replace(video, seconds=seconds_rows(settings, video))))

    return VideoServer(text, slice_, seconds, video.slice_count, port)


def serve(settings: Settings, video_id: int, run_id: str | None = None, port: int = 0) -> None:
    """Serve the live page until stopped by Ctrl-C."""
    with make_server(settings, video_id, run_id, port) as server:
        print(server.url, flush=True)
        print("etholake: live video page; Ctrl-C stops it", file=sys.stderr, flush=True)
        server.serve_forever()


def most_predicted(settings: Settings) -> tuple[int, str] | None:
    """Return (video, run) with the most predicted events: the one to show; None where nothing was predicted."""
    rows = query.run_sql(settings, MOST_PREDICTED).rows
    return (int(rows[0][0]), str(rows[0][1])) if rows else None


def _read(settings: Settings, video_id: int, run_id: str | None) -> VideoView:
    """Return everything of a video but its slices."""
    from etholake.pages.video.events import MatchedEvent, judge
    from etholake.pages.video.page import VideoView

    rows = _ask(settings, INFO, str(video_id))
    if not rows:
        raise UsageError(
            f"The lake has no video {video_id}; the videos that it has are in metadata_train and metadata_test."
        )
    info = rows[0]
    key = _key(info)
    run_id = _chosen(video_id, [str(row["run_id"]) for row in _ask(settings, RUNS, *key)], run_id)
    rows = _ask(settings, ANNOTATIONS, *key)
    rows += _ask(settings, PREDICTIONS, *key, query.literal(run_id)) if run_id else []
    names = ("agent_id", "target_id", "action", "start_frame", "stop_frame", "confidence", "issue")
    events = [MatchedEvent(row["source"], *(row[name] for name in names)) for row in rows]
    looked_for = {(r["agent_id"], r["target_id"], r["action"]) for r in _ask(settings, LABELED, *key)}
    judged = judge(events, looked_for, annotated=bool(info["has_annotation"]))
    return VideoView(info, _ask(settings, SUMMARIES, *key), judged, (), run_id)


def seconds_rows(settings: Settings, video: VideoView) -> list[dict[str, Any]]:
    """Return the rows of `v_video_seconds` of the part that stands for each animal."""
    parts = video.tracks.speed_parts
    return [
        row
        for part in sorted(set(parts.values()))
        for row in _ask(settings, SECONDS, *_key(video.info), query.literal(part))
        if parts[row["mouse_id"]] == part
    ]


def pose_frames(first: int, last: int) -> tuple[str, str]:
    """Return the first and last frame of slices of poses, as `SLICES` takes them. Pure."""
    from etholake.pages.video.slices import FRAMES

    return str(first * FRAMES), str((last + 1) * FRAMES - 1)


def _chosen(video_id: int, runs: list[str], wanted: str | None) -> str | None:
    if wanted is not None and wanted not in runs:
        predicting_runs = f"It was predicted by {', '.join(runs)}." if runs else "No run predicted it."
        raise UsageError(f"Run '{wanted}' did not predict video {video_id}. {predicting_runs}")
    if wanted is None and len(runs) > 1:
        raise UsageError(f"Several runs predicted video {video_id}: name one with --run: {', '.join(runs)}.")
    return wanted or (runs[0] if runs else None)


def _slices(settings: Settings, video: VideoView, tick: OnProgress) -> Iterator[tuple[int, bytes]]:
    """Yield (number, packed) of the slices in which something is tracked, a few at a time."""
    from etholake.pages.video.slices import pack

    count = video.slice_count if video.tracks.tracks else 0
    for first in range(0, count, _SLICES_AT_ONCE):
        last = min(first + _SLICES_AT_ONCE, count) - 1
        rows: dict[int, list[dict[str, Any]]] = {}
        for row in _slice_rows(settings, video, first, last):
            rows.setdefault(int(row["slice"]), []).append(row)
        for number in sorted(rows):
            yield number, pack(video.tracks, rows[number])
        tick(last + 1, count, "slices")


def _slice_rows(settings: Settings, video: VideoView, first: int, last: int) -> list[dict[str, Any]]:
    return _ask(settings, SLICES, *_key(video.info), *pose_frames(first, last))


def _key(info: dict[str, Any] | Any) -> tuple[str, str, str]:
    """Return the literals of (split, lab_id, video_id)."""
    return query.literal(info["split"]), query.literal(info["lab_id"]), str(info["video_id"])


def _ask(settings: Settings, sql: str, *values: str) -> list[dict[str, Any]]:
    return query.run_sql(settings, sql, values).records


def _facts(settings: Settings) -> str:
    return f"Database '{settings.database}' on target {settings.target}, bucket {settings.bucket}."
