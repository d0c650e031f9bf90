"""An ensemble: the mean probabilities of several models, for example of all folds, seeds and configurations.

Stored as `members/0/`, `members/1/`, … (each a model of any family) and a `meta.json` with the common
post-processing and the space in which probabilities are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from etholake.dataset.pose_tracks import PoseTracks
from etholake.errors import ContractError
from etholake.events.post_processing import PostProcessing
from etholake.events.types import PairScores
from etholake.models.archive import META, load_model, read_meta, write_meta
from etholake.models.base import Model, ModelMixin, reading_notes_of, union_of_actions

__all__ = ["SPACES", "Ensemble", "average"]

MEMBERS = "members"
SPACES = ("probability", "logit")
EDGE = 1e-4  # probabilities nearer to 0 or 1 are clipped to this before a logit is taken


@dataclass
class Ensemble(ModelMixin):
    """Members, the `space` in which their probabilities are averaged, and the post-processing of the mean."""

    family: ClassVar[str] = "ensemble"

    members: tuple[Model, ...]
    space: str = "probability"
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions of all members, each once, in the order of the members."""
        return tuple(dict.fromkeys(action for member in self.members for action in member.actions))

    @property
    def labs(self) -> tuple[str, ...]:
        """The labs in the training data of any member, sorted."""
        return tuple(self.lab_actions)

    @property
    def lab_actions(self) -> Mapping[str, Sequence[str]]:
        """{lab: actions that occur in the training data of any member}."""
        return union_of_actions(self.members)

    @property
    def part_map(self) -> str:
        """A lab's own names of body parts, the same for all members."""
        return self.members[0].part_map

    def predict(self, tracks: PoseTracks, frames: tuple[int, int] | None = None) -> list[PairScores]:
        """Return the mean over the members that have the pair's action (see `Model.predict`)."""
        kinds = dict.fromkeys(type(member) for member in self.members)  # those of one kind may share features
        scores = [
            own
            for kind in kinds
            for own in kind.predict_together([m for m in self.members if type(m) is kind], tracks, frames)
        ]
        return average(scores, self.space)

    def reading_notes(self, tracks: PoseTracks) -> list[str]:
        """Return the sentences of all members, each once."""
        return reading_notes_of(self.members, tracks)

    def save(self, folder: Path) -> None:
        """Write the members and `meta.json`."""
        for k, member in enumerate(self.members):
            member.save(folder / MEMBERS / str(k))
        write_meta(folder, self, {"ensemble": {"members": len(self.members), "space": self.space}})

    @classmethod
    def load(cls, folder: Path) -> Ensemble:
        """Read a stored ensemble. Raises ContractError that names what does not fit."""
        stored = read_meta(folder, cls.family)
        try:
            count, space = int(stored.more["ensemble"]["members"]), str(stored.more["ensemble"]["space"])
        except (KeyError, TypeError, ValueError) as err:
            raise ContractError(f"{folder / META} is not the description of an ensemble: {err!r}.") from err
        if space not in SPACES or count < 1:
            raise ContractError(f"{folder / META}: expected one of {SPACES} and a member, got {space!r}, {count}.")
        members = tuple(load_model(folder / MEMBERS / str(k)) for k in range(count))
        return cls(members, space, stored.post_processing, stored.details("ensemble"))


def average(scores_by_member: Sequence[Sequence[PairScores]], space: str = "probability") -> list[PairScores]:
    """Return the mean of several models' probabilities of the same video.

    For each action it is the mean over the models that have the action. In `logit` space it is the mean of log
    odds, in which a confident model counts more. NaN (not predicted) is left out. Raises ContractError if the
    models' probabilities are for different frames.
    """
    by_pair: dict[tuple[int, int, int], list[PairScores]] = {}
    for scores in scores_by_member:
        for pair in scores:
            by_pair.setdefault((pair.video_id, pair.agent_id, pair.target_id), []).append(pair)
    return [_average(pairs, space) for _, pairs in sorted(by_pair.items())]


def _average(pairs: Sequence[PairScores], space: str) -> PairScores:
    first = pairs[0]
    if any(
        p.first_frame != first.first_frame or len(p.probabilities_TA) != len(first.probabilities_TA) for p in pairs
    ):
        raise ContractError(f"Video {first.video_id}: the members' scores are of different frames.")
    actions = tuple(sorted({action for pair in pairs for action in pair.actions}))
    total = np.zeros((len(first.probabilities_TA), len(actions)))
    count = np.zeros_like(total)
    for pair in pairs:
        columns = [actions.index(action) for action in pair.actions]
        values = pair.probabilities_TA.astype(np.float64)
        if space == "logit":
            clipped = np.clip(values, EDGE, 1 - EDGE)
            values = np.log(clipped / (1 - clipped))
        present = np.isfinite(values)
        total[:, columns] += np.where(present, values, 0)
        count[:, columns] += present
    with np.errstate(invalid="ignore"):
        mean = total / np.where(count > 0, count, np.nan)
    mean = 1 / (1 + np.exp(-mean)) if space == "logit" else mean
    return PairScores(
        first.video_id, first.lab_id, first.fps, first.agent_id, first.target_id, first.first_frame, actions,
        mean.astype(np.float32),
    )  # fmt: skip
