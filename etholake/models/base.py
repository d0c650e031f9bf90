"""The interface of a trained model: it computes probabilities for a video and turns them into events.

Every family's model is a dataclass with `ModelMixin`, so that the rules for labeled behaviors, notes and events
are the same for all. `etholake.models.archive.load_model` loads a stored model of any family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from etholake.contract import unified_part_sources
from etholake.dataset.part_sources import PartSources
from etholake.dataset.pose_tracks import PoseTracks
from etholake.events.post_processing import PostProcessing
from etholake.events.types import Event, PairScores

__all__ = ["TEACH", "Model", "ModelMixin", "reading_notes_of", "union_of_actions"]

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
    def family(self) -> str:
        """The name of the model's family in the registry."""

    @property
    def actions(self) -> tuple[str, ...]:
        """The vocabulary: all actions that the model can predict anywhere."""

    @property
    def labs(self) -> tuple[str, ...]:
        """The labs of the training data."""

    @property
    def lab_actions(self) -> Mapping[str, Sequence[str]]:
        """{lab: actions that occur in its training data}."""

    @property
    def part_map(self) -> str:
        """A lab's own names of body parts (see `contract.unified_part_sources`)."""

    @property
    def part_sources(self) -> PartSources:
        """{unified part: names that are read for it}, with which tracks for this model must be made."""

    def predicted_behaviors(self, tracks: PoseTracks) -> dict[tuple[int, int], list[str]]:
        """Return {(agent, target): actions} that the model predicts for a video."""

    def notes(self, tracks: PoseTracks) -> list[str]:
        """Return sentences on what is not predicted for a video, or less reliably, and why; empty if nothing."""

    def reading_notes(self, tracks: PoseTracks) -> list[str]:
        """Return those notes that are about what the model reads: pictures, key points, species."""

    def values(self, tracks: PoseTracks) -> list[dict[str, Any]]:
        """Return the answers of heads beside the actions, {task, mouse_id, value} each; [] without such heads."""

    def predict(self, tracks: PoseTracks, frames: tuple[int, int] | None = None) -> list[PairScores]:
        """Return the probabilities of every (agent, target) of `predicted_behaviors`, on the video's own frames.

        With `frames` (start, stop) a model may compute these frames only; the others are NaN.
        """

    @classmethod
    def predict_together(
        cls, models: Sequence[Any], tracks: PoseTracks, frames: tuple[int, int] | None = None
    ) -> list[list[PairScores]]:
        """Return what the `predict` of each of several models of this class returns."""

    def events(self, tracks: PoseTracks) -> list[Event]:
        """Return the predicted events of a video, in its own frames."""

    def save(self, folder: Path) -> None:
        """Write weights and `meta.json` to a folder, for `archive.load_model`."""


class ModelMixin:
    """Gives the models of all families their common behaviour."""

    @property
    def part_sources(self: Model) -> PartSources:
        """Return {unified part: names that are read for it}, with which tracks for this model must be made."""
        return unified_part_sources(self.part_map)

    def predicted_behaviors(self: Model, tracks: PoseTracks) -> dict[tuple[int, int], list[str]]:
        """Return {(agent, target): actions} that the model predicts for a video.

        These are its labeled behaviors whose animals are tracked and whose action occurred in the training data of
        its lab (of any lab, if the lab is unknown).
        """
        possible = _possible(self, tracks.lab_id)
        by_pair: dict[tuple[int, int], list[str]] = {}
        for agent, target, action in tracks.labeled_behaviors:
            if action in possible and {agent, target} <= set(tracks.mouse_ids):
                by_pair.setdefault((agent, target), []).append(action)
        return by_pair

    def notes(self: Model, tracks: PoseTracks) -> list[str]:
        """Return sentences on what is not predicted for a video, or less reliably, and why; empty if nothing."""
        lab, notes = tracks.lab_id, list(tracks.notes)
        labeled = {action for _, _, action in tracks.labeled_behaviors}
        if not labeled:
            notes.append("the video has no labeled behaviors (behaviors_labeled): no event can be predicted")
        if lab not in self.labs:
            notes.append(
                f"lab {lab} was not in the training data: what was learnt from all labs is used; known labs: "
                f"{', '.join(self.labs)}"
            )
        if outside := sorted(labeled - set(self.actions)):
            notes.append(f"not in the model's vocabulary, ignored: {', '.join(outside)}; {TEACH}")
        if never := sorted((labeled & set(self.actions)) - _possible(self, lab)):
            where = f" of {lab}" if lab in self.labs else ""
            notes.append(f"without an event in the training data{where}: {', '.join(never)}; {TEACH}")
        mice = {mouse for agent, target, _ in tracks.labeled_behaviors for mouse in (agent, target)}
        if absent := sorted(mice - set(tracks.mouse_ids)):
            notes.append(f"labeled, but not tracked: {', '.join(f'mouse{mouse}' for mouse in absent)}")
        return [*notes, *self.reading_notes(tracks)]

    def reading_notes(self, tracks: PoseTracks) -> list[str]:  # noqa: ARG002  # for families that have some
        """Return those notes that are about what the model reads; none of tracks alone."""
        return []

    @classmethod
    def predict_together(
        cls, models: Sequence[Any], tracks: PoseTracks, frames: tuple[int, int] | None = None
    ) -> list[list[PairScores]]:
        """Return what each model's `predict` returns; all are of this class.

        A family whose models can share work overrides it.
        """
        return [model.predict(tracks, frames) for model in models]

    def values(self, tracks: PoseTracks) -> list[dict[str, Any]]:  # noqa: ARG002  # for families that have some
        """Return the answers of heads beside the actions; a model without such heads has none."""
        return []

    def events(self: Model, tracks: PoseTracks) -> list[Event]:
        """Return the predicted events of a video."""
        return self.post_processing.events(self.predict(tracks), set(tracks.labeled_behaviors))


def reading_notes_of(members: Sequence[Model], tracks: PoseTracks) -> list[str]:
    """Return the `reading_notes` of the models that one combines, each once."""
    return list(dict.fromkeys(note for member in members for note in member.reading_notes(tracks)))


def union_of_actions(models: Sequence[Model]) -> dict[str, list[str]]:
    """Return {lab: actions} that occur in the training data of any of the models."""
    by_lab: dict[str, set[str]] = {}
    for model in models:
        for lab, actions in model.lab_actions.items():
            by_lab.setdefault(lab, set()).update(actions)
    return {lab: sorted(actions) for lab, actions in sorted(by_lab.items())}


def _possible(model: Model, lab_id: str) -> set[str]:
    """Return the actions that occurred in the lab's training data; for an unknown lab, in any lab's."""
    if lab_id in model.lab_actions:
        return set(model.lab_actions[lab_id])
    return {action for actions in model.lab_actions.values() for action in actions}
