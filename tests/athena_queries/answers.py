"""The registry of independent answers: report -> function of the base tables, and the parameters to ask with.

An answer is written in pandas or plain Python, from the base rows and not from the report's SQL: a frame with
the report's columns, its numbers unrounded. The rows may come in any order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

Base = Mapping[str, pd.DataFrame]
TRIPLET = ["lab_id", "video_id", "agent_id", "target_id", "action"]


@dataclass(frozen=True)
class Answer:
    """A report worked out without SQL, and the sets of parameters that the test asks it with."""

    work: Callable[..., pd.DataFrame]
    asked: tuple[dict[str, str], ...]


ANSWERS: dict[str, Answer] = {}


def answers(*asked: dict[str, str]) -> Callable[[Callable[..., pd.DataFrame]], Callable[..., pd.DataFrame]]:
    """Register the function as the answer of the report of its name."""

    def register(work: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
        ANSWERS[work.__name__] = Answer(work, asked or ({},))
        return work

    return register


def nearest_rank(values: pd.Series, share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    return next(v for n, v in enumerate(sorted(values), 1) if n >= share * len(values))


def labelled_frames(base: Base) -> dict[tuple[object, ...], set[int]]:
    """Return the frames that were looked at, of the triplets that were looked for in a part of their video."""
    return {
        tuple(row[name] for name in TRIPLET): {f for a, b in json.loads(row["spans"]) for f in range(a, b)}
        for row in base["labeled_behaviors"].to_dict("records")
        if isinstance(row["spans"], str)
    }


def labelled_seconds(base: Base, video: Mapping[str, Any], agent: int, action: str) -> float:
    """Return the seconds in which an action was looked for: the whole video, unless in parts for every target."""
    asked = base["labeled_behaviors"]
    own = asked[
        (asked["video_id"] == video["video_id"]) & (asked["agent_id"] == agent) & (asked["action"] == action)
    ]
    partly = labelled_frames(base)
    seen = [partly.get(tuple(row)) for row in own[TRIPLET].itertuples(index=False, name=None)]
    if not seen or None in seen:
        return float(video["video_duration_sec"])
    return max(len(frames or ()) for frames in seen) / float(video["frames_per_second"])


def train_events(base: Base, lab_id: str) -> pd.DataFrame:
    """The lab's annotated events of the train split."""
    events = base["annotations_enriched"]
    return events[(events["lab_id"] == lab_id) & (events["split"] == "train")]


def videos(base: Base) -> pd.DataFrame:
    """Metadata of both splits."""
    return pd.concat([base["metadata_train"], base["metadata_test"]])
