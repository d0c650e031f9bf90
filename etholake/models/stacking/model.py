"""A stack together with its base models, as one model: `stacking.trees` corrects their probabilities.

Stored as the boosters and `meta.json`, and `bases/0/`, `bases/1/`, … (each a model of any family).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from etholake.dataset.pose_tracks import PoseTracks
from etholake.errors import ContractError
from etholake.events.post_processing import PostProcessing
from etholake.events.types import PairScores
from etholake.features.rolling import ENCODER
from etholake.models.archive import META, load_model
from etholake.models.base import Model, ModelMixin, reading_notes_of
from etholake.models.boosted.forest import read_model, write_model
from etholake.models.stacking.trees import StackingTrees

__all__ = ["StackingModel"]

BASES = "bases"


@dataclass
class StackingModel(ModelMixin):
    """Trees, the base models whose probabilities they read, and the post-processing of their result.

    `bases` are in the order in which the trees were trained on them.
    """

    family: ClassVar[str] = "stacking"

    stack: StackingTrees
    bases: tuple[Model, ...]
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions for which any lab has a booster, sorted."""
        return tuple(sorted({action for _, action in self.stack.forests}))

    @property
    def labs(self) -> tuple[str, ...]:
        """The labs that have a booster, sorted."""
        return tuple(self.lab_actions)

    @property
    def lab_actions(self) -> Mapping[str, Sequence[str]]:
        """{lab: actions that have a booster}."""
        by_lab: dict[str, list[str]] = {}
        for lab, action in sorted(self.stack.forests):
            by_lab.setdefault(lab, []).append(action)
        return by_lab

    @property
    def part_map(self) -> str:
        """A lab's own names of body parts, the same for all bases."""
        return self.bases[0].part_map

    def predict(self, tracks: PoseTracks, frames: tuple[int, int] | None = None) -> list[PairScores]:  # noqa: ARG002
        """Return probabilities as `Model.predict` does, always for the whole video.

        `frames` save no work, because the trees read the frames around them too.
        """
        return self.stack.predict(tracks, [base.predict(tracks) for base in self.bases])

    def reading_notes(self, tracks: PoseTracks) -> list[str]:
        """Return the sentences of all bases, each once."""
        return reading_notes_of(self.bases, tracks)

    def save(self, folder: Path) -> None:
        """Write the bases, the boosters as numbered UBJ files, and `meta.json`."""
        for k, base in enumerate(self.bases):
            base.save(folder / BASES / str(k))
        own = {"config": asdict(self.stack.config), "features": ENCODER.description(), BASES: len(self.bases)}
        write_model(folder, self, self.stack.forests, own)

    @classmethod
    def load(cls, folder: Path) -> StackingModel:
        """Read a stored stack. Raises ContractError that names what does not fit this code."""
        stored, forests, config = read_model(folder, cls.family)
        ENCODER.check(stored.more.get("features") or {}, str(folder))
        count = stored.more.get(BASES)
        if not isinstance(count, int) or count < 1:
            raise ContractError(
                f"{folder / META} does not fit this code: expected {BASES} ≥ 1, but got {count!r}."
            )
        bases = tuple(load_model(folder / BASES / str(k)) for k in range(count))
        return cls(
            StackingTrees(forests, count, config),
            bases,
            stored.post_processing,
            stored.details("config", "features", "forests", BASES),
        )
