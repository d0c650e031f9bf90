"""The tables that the Glue jobs precompute, worked out again with pandas from tracks and annotations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from etholake.contract import JUMP_CM, JUMP_SPEED

MOUSE = ["split", "lab_id", "video_id", "mouse_id"]
TRIPLET = ["lab_id", "split", "video_id", "agent_id", "target_id", "action"]


def track_summary(tracks: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """One row per track; the columns of the contract."""
    rates = videos.set_index(["split", "video_id"])[["frames_per_second", "pix_per_cm_approx"]]
    present = tracks[~tracks["is_imputed"]].groupby(MOUSE)["video_frame"].nunique()
    rows = []
    for key, track in tracks.groupby([*MOUSE, "bodypart"]):
        measured = track[~track["is_imputed"]].sort_values("video_frame")
        frames = measured["video_frame"].to_numpy()
        lost = np.diff(frames) - 1
        row = dict(zip([*MOUSE, "bodypart"], key, strict=True)) | {
            "first_frame": frames[0], "last_frame": frames[-1], "frames_present": present[key[:-1]],
            "points_measured": len(measured), "points_imputed": len(track) - len(measured),
            "points_missing": present[key[:-1]] - len(track),
            "gaps": int((lost > 0).sum()), "gap_frames": int(lost.sum()),
            "longest_gap_frames": int(lost.max(initial=0)),
        }  # fmt: skip
        fps, scale = rates.loc[(key[0], key[2])]
        if fps > 0 and scale > 0:
            seconds = np.diff(frames, prepend=frames[0]) / fps
            speed = measured["speed"].to_numpy()
            moving = ~np.isnan(speed)
            step = speed[moving] * seconds[moving]
            row |= {
                "tracked_sec": seconds[moving].sum(), "path_cm": step.sum(), "max_speed": speed[moving].max(),
                "jumps": int(((step > JUMP_CM) & (speed[moving] > JUMP_SPEED)).sum()),
            }  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows)


def behavior_summary(events: pd.DataFrame) -> pd.DataFrame:
    """One row per annotated (split, video, agent, target, action); the columns of the contract."""
    flags = ["is_self", "is_labeled", "agent_strain", "agent_sex", "target_strain", "target_sex"]
    events = events.assign(counted_frames=events["counted_stop_frame"] - events["counted_start_frame"])
    table = events.groupby(TRIPLET, as_index=False).agg(
        events=("action", "size"), frames=("counted_frames", "sum"), seconds=("counted_sec", "sum"),
        median_sec=("duration_sec", "median"), max_sec=("duration_sec", "max"),
        first_start_sec=("start_sec", "min"), last_stop_sec=("stop_sec", "max"),
    )  # fmt: skip
    return table.merge(events[[*TRIPLET, *flags]].drop_duplicates(TRIPLET), on=TRIPLET)


def class_distribution(events: pd.DataFrame) -> pd.DataFrame:
    """One row per (lab, action); the columns of the contract."""
    events = events.assign(counted_frames=events["counted_stop_frame"] - events["counted_start_frame"])
    table = events.groupby(["lab_id", "action"], as_index=False).agg(
        videos=("video_id", "nunique"), events=("action", "size"), frames=("counted_frames", "sum"),
        seconds=("counted_sec", "sum"), mean_sec=("duration_sec", "mean"), median_sec=("duration_sec", "median"),
        p95_sec=("duration_sec", lambda s: float(np.percentile(s, 95))),
    )  # fmt: skip
    return table.assign(share=table["seconds"] / table.groupby("lab_id")["seconds"].transform("sum"))
