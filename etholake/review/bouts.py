"""Bouts under review, and the changes that reviewers make to them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BASELINE",
    "DELETED",
    "KEPT",
    "LOOKED_FOR",
    "OPEN",
    "REDO",
    "REJECTED",
    "UNDO",
    "BoutChange",
    "ReviewedBout",
    "Triplet",
]

Triplet = tuple[int, int, str]  # agent, target (the agent itself for a self action), action

KEPT = "kept"  # a label: annotated, created, or a prediction that was accepted
OPEN = "open"  # a prediction that nobody has judged
REJECTED = "rejected"  # a prediction that a reviewer found wrong
DELETED = "deleted"

BASELINE = "baseline"  # the first change of a reviewed video: its annotation as it was received
LOOKED_FOR = "looked_for"  # "this was looked for in the whole video": what is not labelled did not happen
UNDO, REDO = "undo", "redo"


def prediction_id(run_id: str, agent: int, target: int, action: str, start: int, stop: int) -> str:
    """Return the id of a predicted bout within its video."""
    return f"prediction:{run_id}:{agent}:{target}:{action}:{start}:{stop}"


@dataclass(frozen=True)
class ReviewedBout:
    """One bout, on the video's frames ``start_frame <= f < stop_frame``; a point event has one frame.

    Attributes
    ----------
    bout_id
        Stays the same while the bout is moved or relabelled.
    source
        ``annotation``, ``prediction`` or ``review``; ``looked_for`` for a triplet that was looked for, without
        frames.
    status
        `KEPT`, `OPEN`, `REJECTED` or `DELETED`.
    """

    bout_id: str
    source: str
    agent_id: int
    target_id: int
    action: str
    start_frame: int
    stop_frame: int
    status: str = KEPT
    confidence: float | None = None
    run_id: str | None = None

    @property
    def triplet(self) -> Triplet:
        """Return (agent, target, action)."""
        return self.agent_id, self.target_id, self.action

    @property
    def is_label(self) -> bool:
        """Return whether the bout is a label now."""
        return self.status == KEPT and self.source != LOOKED_FOR

    @classmethod
    def annotated(cls, agent: int, target: int, action: str, start: int, stop: int) -> ReviewedBout:
        """Return an annotated bout as received; its id is made of what it says."""
        name = f"annotation:{agent}:{target}:{action}:{start}:{stop}"
        return cls(name, "annotation", agent, target, action, start, stop)

    @classmethod
    def predicted(
        cls, run_id: str, agent: int, target: int, action: str, start: int, stop: int, confidence: float | None
    ) -> ReviewedBout:
        """Return a predicted bout that nobody has judged; its id is made of what it says."""
        name = prediction_id(run_id, agent, target, action, start, stop)
        return cls(name, "prediction", agent, target, action, start, stop, OPEN, confidence, run_id)


@dataclass(frozen=True)
class BoutChange:
    """One change of a video, numbered from 1.

    Attributes
    ----------
    changed_at
        UTC, ISO 8601.
    bouts
        Every bout that the change touched, as it is after the change.
    undoes
        The change that an undo takes back, or that a redo makes again.
    """

    number: int
    operation: str
    reviewer: str
    changed_at: str
    bouts: tuple[ReviewedBout, ...]
    undoes: int | None = None
