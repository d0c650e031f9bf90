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
# the least certain ones of the chosen lab and run are ranked
_CANDIDATES = 20_000
_BOUT = ("split", "lab_id", "video_id", "run_id", "agent_id", "target_id", "action", "start_frame", "stop_frame")
_STRETCH = ("split", "lab_id", "video_id", "agent_id", "target_id", "action")
# Every bout of another run counts as seen, however certain it is.
_PREDICTED = f"""WITH candidates AS (
    SELECT {", ".join(_BOUT)}, confidence, stop_sec - start_sec AS seconds
    FROM predictions
    WHERE ? IN ('', lab_id) AND ? IN ('', run_id)
    ORDER BY abs(2 * coalesce(confidence, 0.5) - 1), {", ".join(_BOUT)}
    LIMIT {_CANDIDATES}
), runs AS (
    SELECT split, lab_id, video_id, count(DISTINCT run_id) AS runs
    FROM predictions
    GROUP BY split, lab_id, video_id
)
SELECT {", ".join(f"c.{name}" for name in _BOUT)}, c.confidence, c.seconds,
    r.runs - 1 AS others, count(DISTINCT o.run_id) AS seen_by
FROM candidates c
JOIN runs r ON r.split = c.split AND r.lab_id = c.lab_id AND r.video_id = c.video_id
LEFT JOIN predictions o ON {" AND ".join(f"o.{name} = c.{name}" for name in _STRETCH)}
    AND o.run_id <> c.run_id AND o.start_frame < c.stop_frame AND c.start_frame < o.stop_frame
GROUP BY {", ".join(f"c.{name}" for name in _BOUT)}, c.confidence, c.seconds, r.runs"""  # noqa: S608
_LABELS = "SELECT action, duration_sec FROM annotations_enriched WHERE duration_frames > 0"
# A judgement that was taken back leaves its bout open.
_JUDGED = f"""SELECT {", ".join(_STRETCH)}, start_frame, stop_frame, bout_id
FROM (
    SELECT *, row_number() OVER (PARTITION BY split, lab_id, video_id, bout_id ORDER BY change DESC) AS place
    FROM corrections WHERE source = 'prediction'
) AS last_states
WHERE place = 1 AND status <> 'open'"""  # noqa: S608

Row = Mapping[str, Any]


def queue(settings: Settings, minutes: float = MINUTES, lab: str = "", run_id: str = "") -> dict[str, Any]:
    """Return the bouts that are worth most, best first, that a person can judge in `minutes`.

    Parameters
    ----------
    lab, run_id
        The bouts of this lab and of this run alone; "" for all. Other runs still say where they disagree.

    Returns
    -------
    dict
        `bouts`, the queue; `waiting`, how many bouts wait to be judged; `minutes`. A stretch of which a bout of
        any run has been judged waits no more.

    Raises
    ------
    UsageError
        The time is not above 0.
    """
    if not 0 < minutes < math.inf:
        raise UsageError(f"Expected a time above 0 minutes, but got {minutes}.")
    chosen = [query.literal(lab), query.literal(run_id)]
    rows = query.run_sql(settings, _PREDICTED, chosen).records
    labels = query.run_sql(settings, _LABELS).rows
    judged_ids: set[Any] = set()
    judged: dict[Any, list[Row]] = defaultdict(list)
    for bout in query.run_sql(settings, _JUDGED).records:
        # an id is that of a bout of its video: another video may have the same
        judged_ids.add((bout["split"], bout["lab_id"], bout["video_id"], bout["bout_id"]))
        judged[_kind(bout)].append(bout)
    for row in rows:
        row["id"] = prediction_id(*(row[name] for name in _BOUT[3:]))
    wanted = [
        row
        for row in ranked(rows, labels)
        if (row["split"], row["lab_id"], row["video_id"], row["id"]) not in judged_ids
        and not any(_meet(row, other) for other in judged[_kind(row)])
    ]
    return {"bouts": within(wanted, minutes), "waiting": len(wanted), "minutes": minutes}


def ranked(rows: Sequence[Row], labels: Iterable[tuple[str, float | None]]) -> list[dict[str, Any]]:
    """Return predicted bouts with their `worth` and the four parts of it, the best first. Pure.

    Parameters
    ----------
    rows
        With the columns of `predictions`; `seconds`, the length, None where it is unknown; `others`, how many
        other runs have predicted the video; `seen_by`, how many of them have a bout that overlaps with this one.
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
    most = math.log1p(max(counts.values(), default=0)) or 1.0
    made = []
    for row in rows:
        confidence = 0.5 if row["confidence"] is None else float(row["confidence"])
        parts = {
            "uncertainty": 1 - abs(2 * confidence - 1),
            "disagreement": 1 - row["seen_by"] / row["others"] if row["others"] else 0.0,
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
        if any(_kind(row) == _kind(other) and _meet(row, other) for other in chosen):
            continue
        chosen.append(row)
        left -= cost
    return chosen


def _novelty(seconds: float | None, label_lengths: Any) -> float:
    """Return 1 for an action without labels; else how many times longer or shorter than any label, 0..1."""
    if label_lengths is None or not len(label_lengths):
        return 1.0
    if not seconds:
        return 0.0
    return float(min(1.0, np.abs(label_lengths - math.log(seconds)).min()))


def _kind(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _STRETCH)


def _meet(row: Row, other: Row) -> bool:
    return bool(row["start_frame"] < other["stop_frame"] and other["start_frame"] < row["stop_frame"])
