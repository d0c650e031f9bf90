"""Make rows of the table `clips` of a video's report: labels, the second direction of a pair, keys of shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["LABEL_SHARE", "clip_rows"]

LABEL_SHARE = 0.5  # of a window's frames that an action must cover to be its label
_TRACKED = frozenset({"pose", "file"})  # sources of boxes whose animals are those of the labels


def clip_rows(
    windows: Iterable[Mapping[str, Any]], prefix: str, events: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rows of one video.

    Parameters
    ----------
    windows
        `ClipReport.windows`.
    prefix
        Key prefix of the video's shards.
    events
        Its annotated events: `agent_id, target_id, action, start_frame, stop_frame`.
    """
    windows = list(windows)
    last = max((window["last_frame"] for window in windows), default=-1)
    covered: dict[tuple[int, int | None], Any] = {}
    rows = []
    for window in windows:
        pair = window["target_id"] is not None
        for swapped in (False, True) if pair else (False,):
            agent, target = window["agent_id"], window["target_id"]
            agent, target = (target, agent) if swapped else (agent, target)
            action, share = None, None
            if window["box_source"] in _TRACKED:
                key = (agent, target)
                if key not in covered:
                    covered[key] = _coverage(events, agent, target, last + 1)
                action, share = _label(covered[key], window["first_frame"], window["last_frame"])
            rows.append(
                {
                    "video_id": window["video_id"], "agent_id": agent, "target_id": target,
                    "first_frame": window["first_frame"], "last_frame": window["last_frame"],
                    "frames_per_second": window["fps"], "crop_size": window["crop_size"],
                    "pad_ratio": window["pad_ratio"], "box_source": window["box_source"],
                    "frames_missing": window["frames_missing"], "has_pose": window["has_pose"],
                    "parts": window["parts"], **dict(zip(("x0", "y0", "x1", "y1"), window["crop"], strict=True)),
                    "action": action, "action_share": share, "shard": prefix + window["shard"],
                    "member": window["member"], "swapped": swapped,
                }
            )  # fmt: skip
    return rows


def _coverage(events: Sequence[Mapping[str, Any]], agent: int, target: int | None, frames: int) -> dict[str, Any]:
    """Return by action how many of the frames before each frame it covers: int [frames + 1].

    A window of one animal counts all that it does, a window of a pair what the agent does to the target.
    """
    masks: dict[str, Any] = {}
    for event in events:
        if event["agent_id"] == agent and target in {None, event["target_id"]}:
            mask = masks.setdefault(event["action"], np.zeros(frames, bool))
            mask[max(0, event["start_frame"]) : event["stop_frame"]] = True
    return {action: np.concatenate([[0], np.cumsum(mask)]) for action, mask in masks.items()}


def _label(coverage: Mapping[str, Any], first: int, last: int) -> tuple[str | None, float | None]:
    """Return the action that covers most frames of a window, and its share; (None, None) below `LABEL_SHARE`."""
    shares = {a: float(sums[last + 1] - sums[first]) / (last - first + 1) for a, sums in sorted(coverage.items())}
    best = max(shares, key=lambda action: shares[action], default=None)
    if best is None or shares[best] < LABEL_SHARE:
        return None, None
    return best, round(shares[best], 4)
