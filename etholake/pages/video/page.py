"""One video as one web page: its metadata, its events, its poses in slices that are decoded when needed.

The static page holds the slices as base64 text that the browser leaves alone until a frame of theirs is shown; the
live page asks its server for them. No AWS call here, no network at view time.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TextIO

from etholake.pages.templating import render as render_template
from etholake.pages.video.events import IOU, MatchedEvent
from etholake.pages.video.skeleton import edges, outline, speed_part
from etholake.pages.video.slices import FRAMES, TrackedParts

__all__ = ["ASSUMED_FPS", "VideoView", "page_content", "picture", "render", "seconds_of", "write"]

Json = dict[str, Any]
ASSUMED_FPS = 30.0  # of a video that does not say, as view v_video_seconds has it
_SLICES = "<!--SLICES-->"


@dataclass(frozen=True)
class VideoView:
    """One video as the lake knows it.

    `info` is its row of `v_video_info`, `summaries` its rows of `track_summary`, `events` the judged ones of
    `run_id` and of the annotation, `seconds` the rows of `v_video_seconds` for the parts of `tracks.speed_parts`,
    none while they are not read.
    """

    info: Mapping[str, Any]
    summaries: Sequence[Mapping[str, Any]]
    events: Sequence[MatchedEvent]
    seconds: Sequence[Mapping[str, Any]] = ()
    run_id: str | None = None

    @cached_property
    def tracks(self) -> TrackedParts:
        """Return the order of the slices: every (mouse, part), and the part that stands for each mouse."""
        tracks = sorted({(int(row["mouse_id"]), str(row["bodypart"])) for row in self.summaries})
        mice = sorted({mouse for mouse, _ in tracks})
        parts = {mouse: [part for m, part in tracks if m == mouse] for mouse in mice}
        return TrackedParts(tracks, {mouse: speed_part(parts[mouse]) for mouse in mice})

    @property
    def fps(self) -> float:
        """Frames/s; `ASSUMED_FPS` where the metadata do not say."""
        return float(self.info["frames_per_second"] or ASSUMED_FPS)

    @property
    def frames(self) -> int:
        """Return the length in frames: the longer of tracks and duration, without either that of the events.

        An event that ends later (some labs' do, by far) is cut there in the picture, and whole in list and export.
        """
        tracked = max((int(row["last_frame"]) + 1 for row in self.summaries), default=0)
        stated = round(float(self.info["video_duration_sec"] or 0) * self.fps)
        return max(tracked, stated) or max((event.stop_frame for event in self.events), default=1) or 1

    @property
    def slice_count(self) -> int:
        """Return the number of slices."""
        return math.ceil(self.frames / FRAMES)


def write(
    out: TextIO, video: VideoView, slices: Iterable[tuple[int, bytes]], *, facts: str, read: str
) -> tuple[int, int]:
    """Write the static page; `slices` are taken one at a time. Returns (slices, bytes of the packed slices)."""
    head, tail = render(video, facts=facts, read=read).split(_SLICES)
    out.write(head)
    count = size = 0
    for number, packed in slices:
        text = base64.b64encode(packed).decode("ascii")
        out.write(f'<script type="text/plain" id="slice-{number}">{text}</script>\n')
        count, size = count + 1, size + len(packed)
    out.write(tail)
    return count, size


def render(video: VideoView, *, facts: str, read: str, live: bool = False) -> str:
    """Return the page without its slices. `facts` names the lake, `read` says when it was asked."""
    content = {**page_content(video), "facts": facts, "read": read, "live": live}
    return render_template("video.html", content=content)


def page_content(video: VideoView) -> Json:
    """Return what the page's script needs to know of a video, in JSON types; the slices apart."""
    info, tracks = video.info, video.tracks
    return {
        "video": str(info["video_id"]),
        "name": info.get("video_name") or "",
        "animal": _animal(info),
        "lab": info["lab_id"],
        "split": info["split"],
        "run": video.run_id,
        "method": info["tracking_method"],
        "annotated": bool(info["has_annotation"]),
        "fps": video.fps,
        "fpsAssumed": not info["frames_per_second"],
        "unit": "cm" if info["pix_per_cm_approx"] else "px",
        "frames": video.frames,
        "sliceFrames": FRAMES,
        "slices": video.slice_count if tracks.tracks else 0,
        "arena": _arena(info),
        "mice": [_mouse(video, mouse) for mouse in tracks.speed_parts],
        "tracks": [list(track) for track in tracks.tracks],
        "iou": IOU,
        "events": {"columns": list(_EVENT_FIELDS), "rows": [_event(event) for event in video.events]},
    }


_EVENT_FIELDS = (
    "source", "agent", "target", "action", "start_frame", "stop_frame", "confidence", "issue", "iou", "verdict",
)  # fmt: skip


def _event(event: MatchedEvent) -> list[Any]:
    values = [getattr(event, name) for name in _EVENT_FIELDS]
    return [round(v, 4) if isinstance(v, float) else v for v in values]


def _arena(info: Mapping[str, Any]) -> Json | None:
    """Return the outline in the frame of the tracks: the arena of the metadata, else the picture, else None."""
    scale = info["pix_per_cm_approx"]
    if scale and info["arena_width_cm"] and info["arena_height_cm"]:
        round_ = (info["arena_shape"] or "").lower() in {"circle", "circular", "round"}
        return {"what": "arena", "shape": "circle" if round_ else "rectangle", "x": 0, "y": 0,
                "width": info["arena_width_cm"], "height": info["arena_height_cm"]}  # fmt: skip
    return picture(info)


def picture(info: Mapping[str, Any]) -> Json | None:
    """Return the rectangle of the video's picture in the frame of the tracks; None where its size is unknown."""
    scale, width, height = (info[name] for name in ("pix_per_cm_approx", "video_width_pix", "video_height_pix"))
    if not (width and height):
        return None
    outline = {"what": "picture", "shape": "rectangle"}
    if scale:
        return {**outline, "x": 0, "y": 0, "width": width / scale, "height": height / scale}
    return {**outline, "x": width / 2, "y": height / 2, "width": width, "height": height}


def seconds_of(video: VideoView) -> dict[str, Json]:
    """Return {animal: {"x", "y", "speed": value by second}}, as in `page_content`."""
    return {str(mouse): _seconds(video, mouse) for mouse in video.tracks.speed_parts}


def _animal(info: Mapping[str, Any]) -> str:
    """Return what the page calls an animal: its species, as one word."""
    return "_".join(str(info.get("species") or "mouse").split())


def _mouse(video: VideoView, mouse: int) -> Json:
    parts = [part for m, part in video.tracks.tracks if m == mouse]
    lists = [json.loads(video.info.get(name) or "[]") for name in ("animal_strains", "animal_sexes")]
    about = [values[mouse - 1] if mouse <= len(values) else None for values in lists]
    measured, imputed = (
        sum(int(row[name]) for row in video.summaries if int(row["mouse_id"]) == mouse)
        for name in ("points_measured", "points_imputed")
    )
    return {
        "id": mouse,
        "name": f"{_animal(video.info)}{mouse}",
        "about": ", ".join(str(text) for text in about if text),
        "centre": video.tracks.speed_parts[mouse],
        "edges": [list(edge) for edge in edges(parts)],
        "outline": outline(parts),
        "imputed": imputed / max(1, measured + imputed),
        "seconds": _seconds(video, mouse),
    }


def _seconds(video: VideoView, mouse: int) -> Json:
    """Return hundredths of cm (px) and cm/s by second, null where the mouse is not known; [] if none is read."""
    length = math.ceil(video.frames / video.fps) if video.seconds else 0
    columns: dict[str, list[int | None]] = {name: [None] * length for name in ("x", "y", "speed")}
    for row in video.seconds:
        if int(row["mouse_id"]) == mouse and 0 <= int(row["video_second"]) < length:
            for name, values in columns.items():
                if row[name] is not None and math.isfinite(row[name]):
                    values[int(row["video_second"])] = round(100 * float(row[name]))
    return columns
