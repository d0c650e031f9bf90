"""The interface of a trained model: it computes probabilities for a video and turns them into events.

Every family's model is a dataclass with `ModelMixin`, so that the rules for labeled behaviors, notes and events
are the same for all. `etholake.models.archive.load_model` loads a stored model of any family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from etholake.contract import unified_part_sources
from etholake.dataset.pose_tracks import PartSources, PoseTracks
from etholake.events.post_processing import PostProcessing
from etholake.events.types import Event, PairScores

__all__ = ["TEACH", "Model", "ModelMixin", "union_of_actions"]

TEACH = "teach it with some labelled videos: etholake train --from MODEL --data DIR"


class Model(Protocol):
    """A trained model in use.

    Attributes
    ----------
    post_processing
        Turns probabilities into events.
    details
        Split, fingerprint and scores of the training, kept in `meta.json`.
    family
        The name of the model's family in the registry.
    actions, labs
        The vocabulary, and the labs of the training data.
    lab_actions
        {lab: actions that occur in its training data}. Only these are predicted there: a prediction of an action
        that a lab never annotates costs score and cannot gain any.
    """

    post_processing: PostProcessing
    details: dict[str, Any]

    @property
    def family(self) -> str: ...

    @property
    def actions(self) -> tuple[str, ...]: ...

    @property
    def labs(self) -> tuple[str, ...]: ...

    @property
    def lab_actions(self) -> Mapping[str, Sequence[str]]: ...

    @property
    def part_map(self) -> str:
        """A lab's own names of body parts (see `contract.unified_part_sources`)."""

    @property
    def part_sources(self) -> PartSources: ...

    def candidates(self, clip: PoseTracks) -> dict[tuple[int, int], list[str]]: ...

    def notes(self, clip: PoseTracks) -> list[str]: ...

    def predict(self, clip: PoseTracks, frames: tuple[int, int] | None = None) -> list[PairScores]:
        """Probabilities of every (agent, target) with candidate actions, on the video's own frames.

        With `frames` (start, stop) what is not needed for them may be left out: it is NaN.
        """

    def events(self, clip: PoseTracks) -> list[Event]: ...

    def save(self, folder: Path) -> None: ...


class ModelMixin:
    """What every kind of recogniser does alike."""

    @property
    def part_sources(self: Model) -> PartSources:
        """What clips for this model are to be made with."""
        return unified_part_sources(self.part_map)

    def candidates(self: Model, clip: PoseTracks) -> dict[tuple[int, int], list[str]]:
        """{(agent, target): actions} that are looked for, learnt (in that lab, if it is known), and tracked."""
        possible = _possible(self, clip.lab_id)
        found: dict[tuple[int, int], list[str]] = {}
        for agent, target, action in clip.behaviors:
            if action in possible and {agent, target} <= set(clip.mouse_ids):
                found.setdefault((agent, target), []).append(action)
        return found

    def notes(self: Model, clip: PoseTracks) -> list[str]:
        """Sentences about what of a clip is not predicted, or not as usual, and why; [] if all is well."""
        lab, notes = clip.lab_id, list(clip.notes)
        asked = {action for _, _, action in clip.behaviors}
        if not asked:
            notes.append("nothing was looked for in this video (no behaviors_labeled): no event can be predicted")
        if lab not in self.labs:
            notes.append(
                f"lab {lab} was not in the training data: what is known of all labs together is used; known labs: "
                f"{', '.join(self.labs)}"
            )
        if outside := sorted(asked - set(self.actions)):
            notes.append(f"not in the model's vocabulary, ignored: {', '.join(outside)}; {TEACH}")
        if never := sorted((asked & set(self.actions)) - _possible(self, lab)):
            notes.append(
                f"never seen in training{f' in {lab}' if lab in self.labs else ''}: {', '.join(never)}; {TEACH}"
            )
        mice = {mouse for agent, target, _ in clip.behaviors for mouse in (agent, target)}
        if absent := sorted(mice - set(clip.mouse_ids)):
            notes.append(f"looked for, but not tracked: {', '.join(f'mouse{mouse}' for mouse in absent)}")
        return notes

    def events(self: Model, clip: PoseTracks) -> list[Event]:
        """Decided events of a clip."""
        return self.post_processing.events(self.predict(clip), set(clip.behaviors))


def union_of_actions(models: Sequence[Model]) -> dict[str, list[str]]:
    """{lab: actions} that any of the models has learnt there."""
    found: dict[str, set[str]] = {}
    for model in models:
        for lab, actions in model.lab_actions.items():
            found.setdefault(lab, set()).update(actions)
    return {lab: sorted(actions) for lab, actions in sorted(found.items())}


def _possible(model: Model, lab_id: str) -> set[str]:
    """Actions that occurred in the lab's training data; of an unknown lab, in any lab's."""
    if lab_id in model.lab_actions:
        return set(model.lab_actions[lab_id])
    return {action for actions in model.lab_actions.values() for action in actions}
