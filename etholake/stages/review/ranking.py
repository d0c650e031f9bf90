"""Rank what to label next: the predicted bouts whose judgement teaches most, for the minutes that a person has.

A bout's worth is the mean of four numbers from 0 to 1, which are read from the tables:
uncertainty (1 where the confidence is a half), disagreement (the share of the other runs that do not see it),
rarity (the fewer labels its action has, the more) and novelty (how far its length is from that of every label of
its action). A run of an ensemble's member counts as a run.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from etholake.errors import UsageError
from etholake.review.bouts import prediction_id
from etholake.settings import Settings
from etholake.stages.lake import query

__all__ = ["MINUTES", "SECONDS_PER_BOUT", "queue", "ranked", "within"]

MINUTES = 10.0
SECONDS_PER_BOUT = 12.0  # to look at a bout and judge it, beside its own length
_CANDIDATES = 20_000  # the least certain ones are ranked
_PREDICTED = f"""SELECT split, lab_id, video_id, run_id, agent_id, target_id, action, start_frame, stop_frame,
    confidence, stop_sec - start_sec AS seconds
FROM predictions ORDER BY abs(2 * coalesce(confidence, 0.5) - 1) LIMIT {_CANDIDATES}"""  # noqa: S608
_LABELS = "SELECT action, duration_sec FROM annotations_enriched WHERE duration_frames > 0"
_JUDGED = """SELECT DISTINCT split, lab_id, video_id, bout_id FROM corrections
WHERE source = 'prediction'"""  # an id is that of a bout of its video: another video may have the same

Row = Mapping[str, Any]


def queue(settings: Settings, minutes: float = MINUTES, lab: str = "", run_id: str = "") -> dict[str, Any]:
    """Return the bouts that are worth most, best first, that a person can judge in `minutes`.

    Raises UsageError if the time is not above 0.
    """
    if not 0 < minutes < math.inf:
        raise UsageError(f"Expected a time above 0 minutes, but got {minutes}.")
    rows = query.run_sql(settings, _PREDICTED).records
    labels = query.run_sql(settings, _LABELS).rows
    judged = set(query.run_sql(settings, _JUDGED).rows)
    names = ("run_id", "agent_id", "target_id", "action", "start_frame", "stop_frame")
    for row in rows:
        row["id"] = prediction_id(*(row[name] for name in names))
    best = ranked(rows, labels)
    wanted = [
        row
        for row in best
        if (row["split"], row["lab_id"], row["video_id"], row["id"]) not in judged
        and lab in ("", row["lab_id"])
        and run_id in ("", row["run_id"])
    ]
    chosen = within(wanted, minutes)
    return {"bouts": chosen, "waiting": len(wanted), "minutes": minutes}


def ranked(rows: Sequence[Row], labels: Iterable[tuple[str, float | None]]) -> list[dict[str, Any]]:
    """Return predicted bouts with their `worth` and the four parts of it, the best first. Pure.

    Parameters
    ----------
    rows
        With the columns of `predictions` and `seconds`, the length; None where it is unknown.
    labels
        (action, length in seconds) of every label.
    """
    counts: Counter[str] = Counter()
    lengths: dict[str, list[float]] = defaultdict(list)
    for action, seconds in labels:
        counts[action] += 1
        if seconds:
            lengths[action].append(math.log(seconds))
    label_lengths = {action: np.sort(np.array(values)) for action, values in lengths.items()}
    others = _seen_by(rows)
    most = math.log1p(max(counts.values(), default=0)) or 1.0
    made = []
    for number, row in enumerate(rows):
        confidence = 0.5 if row["confidence"] is None else float(row["confidence"])
        parts = {
            "uncertainty": 1 - abs(2 * confidence - 1),
            "disagreement": others[number],
            "rarity": 1 - math.log1p(counts[row["action"]]) / most if counts else 1.0,
            "novelty": _novelty(row["seconds"], label_lengths.get(row["action"])),
        }
        made.append(
            {**row, **{k: round(v, 3) for k, v in parts.items()}, "worth": round(sum(parts.values()) / 4, 4)}
        )
    return sorted(made, key=lambda r: (-r["worth"], r["lab_id"], r["video_id"], r["start_frame"], r["run_id"]))


def within(rows: Sequence[dict[str, Any]], minutes: float) -> list[dict[str, Any]]:
    """Return the first rows that can be judged in the time; a stretch of a video is asked about once. Pure.

    A bout that is longer than the time left is passed over: those after it may fit.
    """
    chosen: list[dict[str, Any]] = []
    left = 60 * minutes
    for row in rows:
        if left < SECONDS_PER_BOUT:
            break
        cost = SECONDS_PER_BOUT + float(row["seconds"] or 0)
        if cost > left:
            continue
        if any(_same_stretch(row, other) for other in chosen):
            continue
        chosen.append(row)
        left -= cost
    return chosen


def _seen_by(rows: Sequence[Row]) -> list[float]:
    """Return for each bout the share of the other runs of its video that have no bout which overlaps with it."""
    runs: dict[Any, set[str]] = defaultdict(set)
    groups: dict[Any, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        video = (row["split"], row["lab_id"], row["video_id"])
        runs[video].add(row["run_id"])
        groups[*video, row["agent_id"], row["target_id"], row["action"]].append(number)
    shares = [0.0] * len(rows)
    for (*video, _, _, _), numbers in groups.items():
        others = len(runs[tuple(video)]) - 1
        if not others:
            continue
        starts = np.array([rows[n]["start_frame"] for n in numbers])
        stops = np.array([rows[n]["stop_frame"] for n in numbers])
        names = np.array([rows[n]["run_id"] for n in numbers])
        for at, number in enumerate(numbers):
            meets = (starts < stops[at]) & (starts[at] < stops) & (names != names[at])
            shares[number] = 1 - len(set(names[meets].tolist())) / others
    return shares


def _novelty(seconds: float | None, label_lengths: Any) -> float:
    """Return 1 for an action without labels; else how many times longer or shorter than any label, 0..1."""
    if label_lengths is None or not len(label_lengths):
        return 1.0
    if not seconds:
        return 0.0
    return float(min(1.0, np.abs(label_lengths - math.log(seconds)).min()))


def _same_stretch(row: Row, other: Row) -> bool:
    same = all(row[k] == other[k] for k in ("split", "lab_id", "video_id", "agent_id", "target_id", "action"))
    return same and row["start_frame"] < other["stop_frame"] and other["start_frame"] < row["stop_frame"]
