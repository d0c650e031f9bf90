"""Say how videos differ from those that taught a model: other lab, camera, parts, tracking or activity.

The score of a model holds for videos like those that it was judged on. What is compared stands in the lake's
metadata and summary of tracks, so it costs no pass over the tracks. When a video was recorded is not in the
contract: a drift over time shows only by what it changes here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etholake.lake import Lake

__all__ = ["Traits", "differences", "sentence", "traits", "unlike_taught"]

RATE_TOLERANCE = 0.1  # of frame rate and scale: what is within was filmed alike
MISSING_TOLERANCE = 0.1  # of the points, beyond the most that a teaching video lacks
SPEED_FACTOR = 1.5  # beyond the slowest and the fastest teaching video
SHOWN = 5  # videos that a sentence names
METADATA_COLUMNS = (
    "video_id", "lab_id", "frames_per_second", "pix_per_cm_approx", "body_parts_tracked", "has_tracking",
)  # fmt: skip
SUMMARY_COLUMNS = ("video_id", "first_frame", "last_frame", "points_measured", "tracked_sec", "path_cm")


@dataclass(frozen=True)
class Traits:
    """The traits of a video that a model may depend on; None where the lake does not know one.

    `missing` is the part of all points, of every animal in every frame, that was not measured (0 to 1).
    `speed_cm_s` is the mean speed of the tracked parts.
    """

    lab_id: str
    fps: float | None
    pix_per_cm: float | None
    parts: frozenset[str]
    missing: float | None
    speed_cm_s: float | None


def traits(lake: Lake, split: str) -> dict[int, Traits]:
    """Return the traits of every video of a split that has tracking."""
    table = f"metadata_{split}"
    if not lake.partitions(table):
        return {}
    rows = [row for row in lake.read(table, None, METADATA_COLUMNS).to_pylist() if row["has_tracking"]]
    summaries: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for lab in sorted({row["lab_id"] for row in rows}):
        for summary in lake.read("track_summary", {"split": split, "lab_id": lab}, SUMMARY_COLUMNS).to_pylist():
            summaries[summary["video_id"]].append(summary)
    return {row["video_id"]: _traits(row, summaries.get(row["video_id"], [])) for row in rows}


def _traits(row: Mapping[str, Any], summaries: Sequence[Mapping[str, Any]]) -> Traits:
    missing = speed = None
    if summaries:
        frames = 1 + max(s["last_frame"] for s in summaries) - min(s["first_frame"] for s in summaries)
        missing = 1 - sum(s["points_measured"] for s in summaries) / (frames * len(summaries))
        if seconds := sum(s["tracked_sec"] or 0 for s in summaries):
            speed = sum(s["path_cm"] or 0 for s in summaries) / seconds
    return Traits(
        row["lab_id"], row["frames_per_second"], row["pix_per_cm_approx"],
        frozenset(row["body_parts_tracked"] or ()), missing, speed,
    )  # fmt: skip


def differences(video: Traits, taught: Iterable[Traits]) -> list[str]:
    """Return in words how a video differs from the teaching videos of its lab; empty if it does not. Pure."""
    own = [other for other in taught if other.lab_id == video.lab_id]
    if not own:
        return [f"no video of its lab {video.lab_id} taught"]
    reasons = []
    for value, others, unit in (
        (video.fps, [other.fps for other in own], "frames/s"),
        (video.pix_per_cm, [other.pix_per_cm for other in own], "px/cm"),
    ):
        low, high = _range(others)
        if value and low and high and not low * (1 - RATE_TOLERANCE) <= value <= high * (1 + RATE_TOLERANCE):
            reasons.append(f"{value:.4g} {unit}, taught with {_between(low, high)}")
    if absent := frozenset.intersection(*(other.parts for other in own)) - video.parts:
        reasons.append(f"without {', '.join(sorted(absent))}")
    _, most = _range([other.missing for other in own])
    if video.missing is not None and most is not None and video.missing > most + MISSING_TOLERANCE:
        reasons.append(f"{video.missing:.0%} of the points missing, taught with at most {most:.0%}")
    low, high = _range([other.speed_cm_s for other in own])
    if (
        video.speed_cm_s is not None and low is not None and high is not None
        and not low / SPEED_FACTOR <= video.speed_cm_s <= high * SPEED_FACTOR
    ):  # fmt: skip
        reasons.append(f"{video.speed_cm_s:.2g} cm/s on average, taught with {_between(low, high)}")
    return reasons


def _range(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    numbers = [value for value in values if value is not None]
    return (min(numbers), max(numbers)) if numbers else (None, None)


def _between(low: float, high: float) -> str:
    first, last = f"{low:.3g}", f"{high:.3g}"
    return first if first == last else f"{first} to {last}"


def unlike_taught(
    by_split: Mapping[str, Mapping[int, Traits]],
    details: Mapping[str, Any],
    split: str,
    videos: Collection[int] | None = None,
) -> dict[int, list[str]]:
    """Return {video: how it differs} of the `videos` of a split that differ from those that taught a model. Pure.

    Parameters
    ----------
    by_split
        The `traits` of the splits `train` and `split`.
    details
        Details of stage train. Which videos taught the base of a fine-tuned model is not in them, so videos of
        other labs than those of its `split` are not compared.
    videos
        None means all of the split that have tracking. A video that taught is never listed.
    """
    taught = {span["video_id"] for span in details["split"]["train"]}
    teaching = [own for video, own in by_split["train"].items() if video in taught]
    labs = {own.lab_id for own in teaching} if "fine_tuned" in details else None
    reasons = {
        video: differences(own, teaching)
        for video, own in sorted(by_split[split].items())
        if (videos is None or video in videos)
        and (labs is None or own.lab_id in labs)
        and not (split == "train" and video in taught)
    }
    return {video: why for video, why in reasons.items() if why}


def sentence(unlike: Mapping[int, Sequence[str]], videos: int) -> str:
    """Return a sentence on the videos that differ, out of `videos`; "" without any. Pure."""
    if not unlike:
        return ""
    named = "; ".join(f"{video} ({', '.join(why)})" for video, why in list(unlike.items())[:SHOWN])
    more = f"; and {len(unlike) - SHOWN} more" if len(unlike) > SHOWN else ""
    verb, pronoun = ("differs", "it") if len(unlike) == 1 else ("differ", "them")
    return (
        f"{len(unlike)} of {videos} videos {verb} from those that taught the model, whose score may not hold for "
        f"{pronoun}: {named}{more}"
    )
