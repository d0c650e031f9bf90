"""Events, and the frame-wise probabilities from which they are decoded (in `decode`).

Shape letters: T video frames, A actions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.errors import ContractError

__all__ = ["Event", "PairScores", "Triplet", "joined", "mask"]

Triplet = tuple[int, int, str]  # agent, target (the agent itself for a self action), action


@dataclass(frozen=True, slots=True)
class Event:
    """`agent_id` does `action` to `target_id` on the video's frames ``start_frame <= f < stop_frame``.

    A self action has ``target_id == agent_id``. `confidence` is the mean probability over the frames, 0..1
    (1 for an annotation).
    """

    video_id: int
    agent_id: int
    target_id: int
    action: str
    start_frame: int
    stop_frame: int
    confidence: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the event as in the endpoint's response, which names the video once."""
        return {
            "agent_id": self.agent_id,
            "target_id": self.target_id,
            "action": self.action,
            "start_frame": self.start_frame,
            "stop_frame": self.stop_frame,
            "confidence": round(self.confidence, 4),
        }


@dataclass(frozen=True)
class PairScores:
    """Frame-wise probabilities of one (agent, target) of one video; agent == target for self actions.

    `probabilities_TA` is float32 [T, A] in 0..1, dense on the video's own frames: row t is frame
    ``first_frame + t``. NaN means "not predicted" and counts as 0.

    Raises
    ------
    ContractError
        If the second axis does not fit `actions`, or fps is not positive.
    """

    video_id: int
    lab_id: str
    fps: float
    agent_id: int
    target_id: int
    first_frame: int
    actions: tuple[str, ...]
    probabilities_TA: NDArray[np.float32]

    def __post_init__(self) -> None:
        shape = self.probabilities_TA.shape
        if len(shape) != 2 or shape[1] != len(self.actions):
            raise ContractError(
                f"Video {self.video_id}: expected probabilities of shape [T, {len(self.actions)}], one column per "
                f"action, but got {list(shape)}."
            )
        if not self.fps > 0:
            raise ContractError(f"Video {self.video_id}: fps must be positive, but got {self.fps}.")

    def between(self, start_frame: int, stop_frame: int) -> PairScores:
        """Return the part on ``start_frame <= f < stop_frame``; T may become 0."""
        low, high = (max(0, frame - self.first_frame) for frame in (start_frame, stop_frame))
        return replace(self, first_frame=self.first_frame + low, probabilities_TA=self.probabilities_TA[low:high])


def joined(pairs: Iterable[PairScores]) -> list[PairScores]:
    """Join the parts of each (video, agent, target); NaN on frames that no part has.

    Parts may have different actions; where two have a value for the same frame, the later one is used.
    """
    parts: dict[tuple[int, int, int], list[PairScores]] = {}
    for pair in pairs:
        parts.setdefault((pair.video_id, pair.agent_id, pair.target_id), []).append(pair)
    return [_joined(pairs_of_key) if len(pairs_of_key) > 1 else pairs_of_key[0] for pairs_of_key in parts.values()]


def _joined(parts: list[PairScores]) -> PairScores:
    first = min(part.first_frame for part in parts)
    stop = max(part.first_frame + len(part.probabilities_TA) for part in parts)
    actions = tuple(sorted({action for part in parts for action in part.actions}))
    values = np.full((stop - first, len(actions)), np.nan, dtype=np.float32)
    for part in parts:
        start = part.first_frame - first
        columns = [actions.index(action) for action in part.actions]
        rows = slice(start, start + len(part.probabilities_TA))
        probabilities = part.probabilities_TA
        values[rows, columns] = np.where(np.isnan(probabilities), values[rows, columns], probabilities)
    return replace(parts[0], first_frame=first, actions=actions, probabilities_TA=values)


def mask(events: Iterable[Event], first_frame: int, n_frames: int) -> NDArray[np.bool_]:
    """Return which frames ``first_frame <= f < first_frame + n_frames`` any of the events covers [T]."""
    mask_T = np.zeros(n_frames, dtype=bool)
    for e in events:
        mask_T[max(0, e.start_frame - first_frame) : max(0, e.stop_frame - first_frame)] = True
    return mask_T
