"""The registry of independent answers: report -> function of the base tables, and the parameters to ask with.

An answer is written in pandas or plain Python, from the base rows and not from the report's SQL: a frame with
the report's columns, its numbers unrounded. The rows may come in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

Base = Mapping[str, pd.DataFrame]
TRIPLET = ["lab_id", "video_id", "agent_id", "target_id", "action"]


@dataclass(frozen=True)
class Answer:
    """How to work out a report without SQL, and the sets of parameters that the test asks it with."""

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


def train_events(base: Base, lab_id: str) -> pd.DataFrame:
    """The lab's annotated events of the train split."""
    events = base["annotations_enriched"]
    return events[(events["lab_id"] == lab_id) & (events["split"] == "train")]


def videos(base: Base) -> pd.DataFrame:
    """Metadata of both splits."""
    return pd.concat([base["metadata_train"], base["metadata_test"]])
