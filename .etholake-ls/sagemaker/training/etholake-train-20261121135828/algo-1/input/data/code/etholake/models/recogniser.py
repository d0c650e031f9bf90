"""A trained model in use: load it, give it a clip, get probabilities or events.

Stored as `model.safetensors` (weights and scaler) and `meta.json` (configuration, feature names and version,
vocabulary, thresholds, split, fingerprint). A mismatch is refused by name; nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from etholake.contract import UNIFIED_PARTS, unified_part_sources
from etholake.errors import ContractError
from etholake.events.decode import DecodeConfig, decode
from etholake.events.thresholds import Thresholds
from etholake.events.types import Event, PairScores
from etholake.features.clip import PartSources, PoseClip
from etholake.features.pair import FEATURE_NAMES, FEATURE_VERSION, pair_features
from etholake.features.tracks import Window, gather
from etholake.models import build
from etholake.models.config import ModelConfig
from etholake.models.scaler import RobustScaler

__all__ = ["META", "TEACH", "WEIGHTS", "Recogniser"]

WEIGHTS, META = "model.safetensors", "meta.json"
FORMAT = 2
UNKNOWN_LAB = 0
TEACH = "teach it with some labelled videos: etholake train --from MODEL --data DIR"
BATCH = 64  # windows at once: the bound of memory, whatever the video's length


@dataclass
class Recogniser:
    """Network, scaler, vocabulary and thresholds of one trained model.

    `actions` are the C classes; `labs` the known labs (embedding index = position + 1); `lab_actions` the actions
    that occur in each lab's training data: only they are candidates there (the phantom trap of the score).
    """

    network: nn.Module
    scaler: RobustScaler
    config: ModelConfig
    actions: tuple[str, ...]
    labs: tuple[str, ...]
    lab_actions: Mapping[str, Sequence[str]]
    thresholds: Thresholds = field(default_factory=Thresholds)
    decoding: DecodeConfig = field(default_factory=DecodeConfig)
    part_map: str = ""  # a lab's own names of body parts (see `contract.unified_part_sources`)
    details: dict[str, Any] = field(default_factory=dict)  # split, fingerprint, scores: kept in meta.json

    @property
    def part_sources(self) -> PartSources:
        """What clips for this model are to be made with."""
        return unified_part_sources(self.part_map)

    # --- use ----------------------------------------------------------------------------------------------
    def candidates(self, clip: PoseClip) -> dict[tuple[int, int], list[str]]:
        """{(agent, target): actions} that are looked for, learnt (in that lab, if it is known), and tracked."""
        possible = self._possible(clip.meta.lab_id)
        found: dict[tuple[int, int], list[str]] = {}
        for agent, target, action in clip.meta.behaviors:
            if action in possible and {agent, target} <= set(clip.mouse_ids):
                found.setdefault((agent, target), []).append(action)
        return found

    def notes(self, clip: PoseClip) -> list[str]:
        """Sentences about what of a clip is not predicted, or not as usual, and why; [] if all is well."""
        lab, notes = clip.meta.lab_id, list(clip.notes)
        asked = {action for _, _, action in clip.meta.behaviors}
        if not asked:
            notes.append("nothing was looked for in this video (no behaviors_labeled): no event can be predicted")
        if lab not in self.labs:
            notes.append(
                f"lab {lab} was not in the training data: the embedding of an unknown lab is used; known labs: "
                f"{', '.join(self.labs)}"
            )
        if outside := sorted(asked - set(self.actions)):
            notes.append(f"not in the model's vocabulary, ignored: {', '.join(outside)}; {TEACH}")
        if never := sorted((asked & set(self.actions)) - self._possible(lab)):
            notes.append(
                f"never seen in training{f' in {lab}' if lab in self.labs else ''}: {', '.join(never)}; {TEACH}"
            )
        mice = {mouse for agent, target, _ in clip.meta.behaviors for mouse in (agent, target)}
        if absent := sorted(mice - set(clip.mouse_ids)):
            notes.append(f"looked for, but not tracked: {', '.join(f'mouse{mouse}' for mouse in absent)}")
        return notes

    @torch.no_grad()
    def predict(self, clip: PoseClip, frames: tuple[int, int] | None = None) -> list[PairScores]:
        """Probabilities of every (agent, target) with candidate actions, on the video's own frames.

        With `frames` (start, stop) only windows that reach into them are computed; elsewhere is NaN.
        """
        self.network.eval()
        starts = self.window_starts(clip, frames)
        scores = []
        for (agent, target), actions in self.candidates(clip).items():
            values = self._pair(clip, agent, target, [self.actions.index(action) for action in actions], starts)
            scores.append(
                PairScores(
                    clip.video_id, clip.lab_id, clip.fps, agent, target, clip.first_frame, tuple(actions),
                    clip.to_own_frames(values),
                )
            )  # fmt: skip
        return scores

    def events(self, clip: PoseClip) -> list[Event]:
        """Decoded events of a clip."""
        return decode(self.predict(clip), set(clip.meta.behaviors), self.thresholds, self.decoding)

    def _possible(self, lab_id: str) -> set[str]:
        """Actions that occurred in the lab's training data; of an unknown lab, in any lab's."""
        if lab_id in self.lab_actions:
            return set(self.lab_actions[lab_id])
        return {action for actions in self.lab_actions.values() for action in actions}

    def _lab(self, lab_id: str) -> int:
        return self.labs.index(lab_id) + 1 if lab_id in self.labs else UNKNOWN_LAB

    def window_starts(self, clip: PoseClip, frames: tuple[int, int] | None = None) -> list[int]:
        """First ticks of the overlapping windows that cover the clip, or that reach into `frames` of it."""
        T, W = len(clip.xy_TMK2), self.config.window
        starts = sorted({*range(0, max(T - W, 0) + 1, self.config.step), max(T - W, 0)})
        if frames is None:
            return starts
        low, high = np.searchsorted(clip.clock_times(), frames)
        return [start for start in starts if start < high and start + W > low]

    def _pair(
        self, clip: PoseClip, agent: int, target: int, columns: list[int], starts: list[int]
    ) -> npt.NDArray[np.float32]:
        """Probabilities [T, len(columns)]: windows overlap and are averaged, edges of a window count less."""
        T, W = len(clip.xy_TMK2), self.config.window
        device = next(self.network.parameters()).device
        mice = clip.mouse_ids.index(agent), clip.mouse_ids.index(target)
        weight = torch.minimum(torch.arange(1, W + 1), torch.arange(W, 0, -1)).float().to(device)
        total = torch.zeros(T, len(columns), device=device)
        share = torch.zeros(T, 1, device=device)
        candidates = torch.zeros(len(self.actions), device=device)
        candidates[columns] = 1
        for first in range(0, len(starts), BATCH):
            batch = starts[first : first + BATCH]
            tracks = gather([Window(clip, *mice, start) for start in batch], W).to(device)
            x = self.scaler(pair_features(tracks))
            labs = torch.full((len(batch),), self._lab(clip.lab_id), device=device)
            p = torch.sigmoid(self.network(x, labs, candidates.expand(len(batch), -1)))[:, :, columns]
            for start, values in zip(batch, p, strict=True):
                n = min(W, T - start)
                total[start : start + n] += values[:n] * weight[:n, None]
                share[start : start + n] += weight[:n, None]
        return (total / share).cpu().numpy()

    # --- storage ------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `meta.json`."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"network.{name}": value.contiguous().cpu() for name, value in self.network.state_dict().items()
        }
        tensors |= {"scaler.median": self.scaler.median_F.cpu(), "scaler.iqr": self.scaler.iqr_F.cpu()}
        save_file(tensors, folder / WEIGHTS)
        meta = {
            "format": FORMAT,
            "config": self.config.to_json(),
            "features": {"version": FEATURE_VERSION, "names": list(FEATURE_NAMES), "parts": list(UNIFIED_PARTS)},
            "vocabulary": {"actions": list(self.actions), "labs": list(self.labs)},
            "lab_actions": {lab: list(actions) for lab, actions in self.lab_actions.items()},
            "thresholds": self.thresholds.to_json(),
            "decoding": asdict(self.decoding),
            "part_map": self.part_map,
            **self.details,
        }
        (folder / META).write_text(json.dumps(meta, indent=1, allow_nan=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Recogniser:
        """Read a stored model. Raises ContractError that names what does not fit this code."""
        meta = _read_meta(folder)
        config = _read_config(folder, meta)
        actions, labs = tuple(meta["vocabulary"]["actions"]), tuple(meta["vocabulary"]["labs"])
        network = build(
            config.family,
            features=len(FEATURE_NAMES),
            classes=len(actions),
            labs=len(labs) + 1,
            **config.network(),
        )
        scaler = _read_weights(folder, network)
        named = {a for lab in meta["lab_actions"].values() for a in lab}
        if set(meta["lab_actions"]) != set(labs) or not named <= set(actions):
            raise ContractError(f"{folder / META}: lab_actions names labs or actions outside the vocabulary.")
        known = {"format", "config", "features", "vocabulary", "lab_actions", "thresholds", "decoding", "part_map"}
        return cls(
            network.eval(), scaler, config, actions, labs, meta["lab_actions"],
            Thresholds.from_json(meta["thresholds"]), DecodeConfig(**meta["decoding"]),
            meta["part_map"], {key: value for key, value in meta.items() if key not in known},
        )  # fmt: skip


def _read_meta(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        version, names = meta["features"]["version"], meta["features"]["names"]
        actions, parts = meta["vocabulary"]["actions"], meta["features"]["parts"]
        form = meta["format"]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err!r}.") from err
    if form != FORMAT:
        raise ContractError(f"The model in {folder} has format {form}; this code reads {FORMAT}. Train it again.")
    if version != FEATURE_VERSION:
        raise ContractError(
            f"The model in {folder} was trained on feature version {version}; this code computes "
            f"{FEATURE_VERSION}. Train it again, or use the Etholake version that made it."
        )
    if list(names) != list(FEATURE_NAMES) or list(parts) != list(UNIFIED_PARTS):
        wrong = sorted(set(names) ^ set(FEATURE_NAMES)) or "their order"
        raise ContractError(f"The model in {folder} has other features than this code: {wrong}. Train it again.")
    if len(set(actions)) != len(actions) or not all(isinstance(a, str) for a in actions):
        raise ContractError(f"The model in {folder} has a vocabulary with repeated or nameless actions.")
    return meta


def _read_config(folder: Path, meta: Mapping[str, Any]) -> ModelConfig:
    missing = sorted({"config", "lab_actions", "thresholds", "decoding", "part_map"} - meta.keys())
    if missing or "labs" not in meta["vocabulary"]:
        raise ContractError(f"{folder / META} lacks {missing or ['vocabulary.labs']}. Train the model again.")
    try:
        return ModelConfig.from_json(meta["config"])
    except TypeError as err:
        raise ContractError(
            f"The configuration of the model in {folder} has fields that this code does not know ({err}). "
            "Train it again, or use the Etholake version that made it."
        ) from err


def _read_weights(folder: Path, network: nn.Module) -> RobustScaler:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as err:
        raise ContractError(f"{folder / WEIGHTS} cannot be read: {err}.") from err
    weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
    expected = network.state_dict()
    wrong = sorted(weights.keys() ^ expected.keys())
    wrong += sorted(n for n in weights.keys() & expected.keys() if weights[n].shape != expected[n].shape)
    if wrong or not {"scaler.median", "scaler.iqr"} <= tensors.keys():
        raise ContractError(
            f"The weights in {folder} do not fit their meta.json (vocabulary or sizes): {wrong[:5]}."
        )
    network.load_state_dict(weights)
    return RobustScaler(tensors["scaler.median"], tensors["scaler.iqr"])
