"""Several recognisers that speak as one: members of folds, windows and seeds, their probabilities averaged.

Stored as `members/0/`, `members/1/`, … (each a recogniser) and a `meta.json` with what is decided together:
thresholds, decoding, the space in which probabilities are averaged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from etholake.errors import ContractError
from etholake.events.decode import DecodeConfig, decode
from etholake.events.thresholds import Thresholds
from etholake.events.types import Event, PairScores
from etholake.features.clip import PartSources, PoseClip
from etholake.models.recogniser import FORMAT, META, Recogniser

__all__ = ["SPACES", "Ensemble", "average", "load_model"]

SPACES = ("probability", "logit")
MEMBERS = "members"
EDGE = 1e-4  # probabilities are kept so far from 0 and 1 before a logit is taken


@dataclass
class Ensemble:
    """Members, how they are averaged, and the thresholds and decoding of what they say together."""

    members: tuple[Recogniser, ...]
    space: str = "probability"
    thresholds: Thresholds = field(default_factory=Thresholds)
    decoding: DecodeConfig = field(default_factory=DecodeConfig)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def actions(self) -> tuple[str, ...]:
        return self.members[0].actions

    @property
    def labs(self) -> tuple[str, ...]:
        return tuple(sorted({lab for member in self.members for lab in member.labs}))

    @property
    def lab_actions(self) -> Mapping[str, Sequence[str]]:
        """Actions that any member has seen in a lab."""
        found: dict[str, set[str]] = {lab: set() for lab in self.labs}
        for member in self.members:
            for lab, actions in member.lab_actions.items():
                found[lab] |= set(actions)
        return {lab: sorted(actions) for lab, actions in found.items()}

    @property
    def part_sources(self) -> PartSources:
        """What clips for this model are to be made with."""
        return self.members[0].part_sources

    def notes(self, clip: PoseClip) -> list[str]:
        """Sentences about what of a clip is not predicted, or not as usual: those that all members have."""
        said = [member.notes(clip) for member in self.members]
        return [note for note in said[0] if all(note in notes for notes in said)]

    def predict(self, clip: PoseClip, frames: tuple[int, int] | None = None) -> list[PairScores]:
        """As `Recogniser.predict`: the average of the members that know the pair's action."""
        return average([member.predict(clip, frames) for member in self.members], self.space)

    def events(self, clip: PoseClip) -> list[Event]:
        """Decoded events of a clip."""
        return decode(self.predict(clip), set(clip.behaviors), self.thresholds, self.decoding)

    def save(self, folder: Path) -> None:
        """Write the members and `meta.json`."""
        for k, member in enumerate(self.members):
            member.save(folder / MEMBERS / str(k))
        meta = {
            "format": FORMAT,
            "ensemble": {"members": len(self.members), "space": self.space},
            "vocabulary": {"actions": list(self.actions), "labs": list(self.labs)},
            "lab_actions": dict(self.lab_actions),
            "thresholds": self.thresholds.to_json(),
            "decoding": asdict(self.decoding),
            **self.details,
        }
        (folder / META).write_text(json.dumps(meta, indent=1, allow_nan=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Ensemble:
        """Read a stored ensemble. Raises ContractError that names what does not fit."""
        meta = _read(folder)
        try:
            count, space = int(meta["ensemble"]["members"]), str(meta["ensemble"]["space"])
            thresholds, decoding = Thresholds.from_json(meta["thresholds"]), DecodeConfig(**meta["decoding"])
        except (KeyError, TypeError, ValueError) as err:
            raise ContractError(f"{folder / META} is not the description of an ensemble: {err!r}.") from err
        if space not in SPACES or count < 1:
            raise ContractError(f"{folder / META}: expected one of {SPACES} and a member, got {space!r}, {count}.")
        members = tuple(Recogniser.load(folder / MEMBERS / str(k)) for k in range(count))
        if len({member.actions for member in members}) > 1:
            raise ContractError(f"The members of the ensemble in {folder} have different vocabularies.")
        known = {"format", "ensemble", "vocabulary", "lab_actions", "thresholds", "decoding"}
        return cls(members, space, thresholds, decoding, {k: v for k, v in meta.items() if k not in known})


def load_model(folder: Path) -> Recogniser | Ensemble:
    """Whatever recogniser is stored in a folder."""
    return Ensemble.load(folder) if "ensemble" in _read(folder) else Recogniser.load(folder)


def average(said: Sequence[Sequence[PairScores]], space: str = "probability") -> list[PairScores]:
    """One set of scores out of several of the same video; a member that does not know an action is not asked.

    In `logit` space the mean is of log odds: a member that is sure counts more. NaN (not predicted) is left out.
    """
    by_pair: dict[tuple[int, int, int], list[PairScores]] = {}
    for scores in said:
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
        known = np.isfinite(values)
        total[:, columns] += np.where(known, values, 0)
        count[:, columns] += known
    with np.errstate(invalid="ignore"):
        mean = total / np.where(count > 0, count, np.nan)
    mean = 1 / (1 + np.exp(-mean)) if space == "logit" else mean
    return PairScores(
        first.video_id, first.lab_id, first.fps, first.agent_id, first.target_id, first.first_frame, actions,
        mean.astype(np.float32),
    )  # fmt: skip


def _read(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        form = meta["format"]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err!r}.") from err
    if form != FORMAT:
        raise ContractError(f"The model in {folder} has format {form}; this code reads {FORMAT}. Train it again.")
    assert isinstance(meta, dict)
    return meta
