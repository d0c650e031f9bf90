"""Say what a video file is beside its tracks and metadata: one row of the table `videos`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from etholake.contract import MIN_FPS
from etholake.formats.video import VideoInfo
from etholake.video.prepare import VideoTracks

__all__ = ["FLAGS", "compare_cameras", "flags_of", "frame_map_of", "row_of"]

FLAGS = {
    "variable-frame-rate": "frames are unevenly spaced in time: a frame's time is not its number / rate",
    "rotated": "the file tells players to turn the picture; clips show it upright",
    "odd-size": "a side has an odd number of pixels",
    "deep-colour": "more than 8 bits a channel; clips have 8",
    "low-rate": f"fewer than {MIN_FPS:g} frames/s, further apart than many behaviors last: no model reads it",
    "declared-frames-differ": "the header tells another number of frames than the file has",
    "size-differs": "train.csv or test.csv tells another size of the picture",
    "rate-differs": "train.csv or test.csv tells another frame rate",
    "points-outside": "more than 5 % of the tracked points lie outside of the picture: tracks of another video?",
    "tracks-off-by-one": "tracks and video differ by one frame, as tools count differently",
    "tracks-offset": "tracks and video differ by more than one frame",
    "no-tracks": "there are no curated tracks",
    "no-first-film": "a further camera of a video whose own film is missing or unreadable",
}
_OUTSIDE_SHARE = 0.05


def frame_map_of(frames: int, tracks: VideoTracks | None) -> tuple[str | None, int | None]:
    """Return (equal, off_by_one or offset; tracked frames - frames); (None, None) without tracks.

    Tracks that have gaps and end before the video are equal: a tracker writes nothing where it sees nobody.
    """
    if tracks is None:
        return None, None
    tracked = len(tracks.keypoints_TMK3)
    difference = tracked - frames
    kind = _kind(difference)
    seen = int(np.isfinite(tracks.keypoints_TMK3[..., 0]).any(axis=(1, 2)).sum())
    return "equal" if kind == "offset" and difference < 0 and seen < tracked else kind, difference


def flags_of(info: VideoInfo, tracks: VideoTracks | None, metadata: Mapping[str, Any] | None) -> list[str]:
    """Return the ids of `FLAGS` that hold, sorted; `metadata` is the curated row of the video, if there is one."""
    width, height = info.shown_size
    kind, _ = frame_map_of(info.frames, tracks)
    row = metadata or {}
    holds = {
        "variable-frame-rate": info.variable_rate,
        "rotated": info.rotation != 0,
        "odd-size": bool(info.width % 2 or info.height % 2),
        "deep-colour": info.bits > 8,
        "low-rate": info.fps < MIN_FPS,
        "declared-frames-differ": info.declared_frames not in {None, info.frames},
        "size-differs": any(
            row.get(name) and abs(row[name] - side) > 1
            for name, side in (("video_width_pix", width), ("video_height_pix", height))
        ),
        "rate-differs": bool(
            row.get("frames_per_second") and abs(row["frames_per_second"] - float(info.fps)) > 0.01 * info.fps
        ),
        "points-outside": tracks is not None and _outside(tracks, width, height) > _OUTSIDE_SHARE,
        "tracks-off-by-one": kind == "off_by_one",
        "tracks-offset": kind == "offset",
        "no-tracks": tracks is None,
    }
    return sorted(name for name, held in holds.items() if held)


def row_of(info: VideoInfo, tracks: VideoTracks | None, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the columns of `videos` that come from the file and its tracks."""
    kind, difference = frame_map_of(info.frames, tracks)
    return {
        "container": info.container, "codec": info.codec, "pixel_format": info.pixel_format, "width": info.width,
        "height": info.height, "rotation": info.rotation, "frames_per_second": float(info.fps),
        "variable_frame_rate": info.variable_rate, "frames": info.frames, "declared_frames": info.declared_frames,
        "duration_sec": info.duration_s, "start_sec": info.start_s, "keyframe_distance": info.keyframe_distance,
        "tracked_frames": None if tracks is None else len(tracks.keypoints_TMK3), "frame_map": kind,
        "frame_difference": difference, "flags": flags_of(info, tracks, metadata),
    }  # fmt: skip


def compare_cameras(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of `videos` with the films of further cameras measured against the film of the tracks.

    ``tracked_frames`` of a further camera stays null, as no point of the tracks lies in its picture; ``frame_map``
    and ``frame_difference`` say how its frames lie to those of the first film of the same video.
    """
    first = {row["video_id"]: row for row in rows if row["camera"] is None and row["error"] is None}
    compared = []
    for row in map(dict, rows):
        if row["camera"] is not None and row["error"] is None:
            film = first.get(row["video_id"])
            flags = set(row["flags"]) - {"no-tracks"}
            if film is None:
                row["flags"] = sorted(flags | {"no-first-film"})
            else:
                difference = film["frames"] - row["frames"]
                row |= {"frame_map": _kind(difference), "frame_difference": difference, "flags": sorted(flags)}
        compared.append(row)
    return compared


def _kind(difference: int) -> str:
    """Return the `frame_map` of two numbers of frames by their difference."""
    return "equal" if difference == 0 else "off_by_one" if abs(difference) == 1 else "offset"


def _outside(tracks: VideoTracks, width: int, height: int) -> float:
    x, y = tracks.keypoints_TMK3[..., 0], tracks.keypoints_TMK3[..., 1]
    seen = np.isfinite(x)
    out = (x < -1) | (y < -1) | (x > width + 1) | (y > height + 1)
    return float((out & seen).sum() / max(1, int(seen.sum())))
