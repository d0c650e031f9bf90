"""A trained model in use: load it, give it a clip, get probabilities or events.

Stored as `model.safetensors` (weights and scaler) and `meta.json` (configuration, feature names and version,
vocabulary, decisions, split, fingerprint). A mismatch is refused by name; nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.pose_tracks import PoseTracks
from etholake.errors import ContractError
from etholake.events.post_processing import PostProcessing
from etholake.events.types import PairScores
from etholake.features.pair_features import FEATURE_NAMES, FEATURE_VERSION
from etholake.models import build
from etholake.models.archive import META, read_meta, write_meta
from etholake.models.base import ModelMixin
from etholake.models.cnn_transformer.config import ModelConfig
from etholake.models.scaler import RobustScaler
from etholake.models.scoring import probabilities

__all__ = ["WEIGHTS", "NetworkModel"]

KIND, WEIGHTS = "recogniser", "model.safetensors"
UNKNOWN_LAB = 0


@dataclass
class NetworkModel(ModelMixin):
    """Network, scaler, vocabulary and decisions of one trained model.

    `actions` are the C classes; `labs` the known labs (embedding index = position + 1); `lab_actions` the actions
    that occur in each lab's training data: only they are candidates there (the phantom trap of the score).
    """

    network: nn.Module
    scaler: RobustScaler
    config: ModelConfig
    actions: tuple[str, ...]
    labs: tuple[str, ...]
    lab_actions: Mapping[str, Sequence[str]]
    decisions: PostProcessing = field(default_factory=PostProcessing)
    part_map: str = ""  # a lab's own names of body parts (see `contract.unified_part_sources`)
    details: dict[str, Any] = field(default_factory=dict)  # split, fingerprint, scores: kept in meta.json

    # --- use ----------------------------------------------------------------------------------------------
    def predict(self, clip: PoseTracks, frames: tuple[int, int] | None = None) -> list[PairScores]:
        """Probabilities of every (agent, target) with candidate actions, on the video's own frames.

        With `frames` (start, stop) only windows that reach into them are computed; elsewhere is NaN.
        """
        pairs = self.candidates(clip)
        if not pairs:
            return []
        self.network.eval()
        found = probabilities(self, clip, self._lab(clip.lab_id), pairs, self.window_starts(clip, frames))
        return [
            PairScores(
                clip.video_id, clip.lab_id, clip.fps, agent, target, clip.first_frame,
                tuple(pairs[agent, target]), clip.to_own_frames(values_TA),
            )
            for (agent, target), values_TA in found.items()
        ]  # fmt: skip

    def _lab(self, lab_id: str) -> int:
        return self.labs.index(lab_id) + 1 if lab_id in self.labs else UNKNOWN_LAB

    def window_starts(self, clip: PoseTracks, frames: tuple[int, int] | None = None) -> list[int]:
        """First ticks of the overlapping windows that cover the clip, or that reach into `frames` of it."""
        T, W = len(clip.xy_TMK2), self.config.window
        starts = sorted({*range(0, max(T - W, 0) + 1, self.config.step), max(T - W, 0)})
        if frames is None:
            return starts
        low, high = np.searchsorted(clip.clock_times(), frames)
        return [start for start in starts if start < high and start + W > low]

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
        own = {
            "config": self.config.to_json(),
            "features": {"version": FEATURE_VERSION, "names": list(FEATURE_NAMES), "parts": list(UNIFIED_PARTS)},
        }
        write_meta(folder, KIND, self, own)

    @classmethod
    def load(cls, folder: Path) -> NetworkModel:
        """Read a stored model. Raises ContractError that names what does not fit this code."""
        stored = read_meta(folder, KIND)
        _check_features(folder, stored.more)
        config = _read_config(folder, stored.more)
        network = build(
            config.family,
            features=len(FEATURE_NAMES),
            classes=len(stored.actions),
            labs=len(stored.labs) + 1,
            **config.network(),
        )
        scaler = _read_weights(folder, network)
        return cls(
            network.eval(), scaler, config, stored.actions, stored.labs, stored.lab_actions, stored.decisions,
            stored.part_map, stored.details("config", "features"),
        )  # fmt: skip


def _check_features(folder: Path, meta: Mapping[str, Any]) -> None:
    """Raises ContractError unless the model was trained on what this code computes."""
    try:
        version, names, parts = (meta["features"][name] for name in ("version", "names", "parts"))
    except (KeyError, TypeError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err!r}.") from err
    if version != FEATURE_VERSION:
        raise ContractError(
            f"The model in {folder} was trained on feature version {version}; this code computes "
            f"{FEATURE_VERSION}. Train it again, or use the Etholake version that made it."
        )
    if list(names) != list(FEATURE_NAMES) or list(parts) != list(UNIFIED_PARTS):
        wrong = sorted(set(names) ^ set(FEATURE_NAMES)) or "their order"
        raise ContractError(f"The model in {folder} has other features than this code: {wrong}. Train it again.")


def _read_config(folder: Path, meta: Mapping[str, Any]) -> ModelConfig:
    try:
        return ModelConfig.from_json(meta["config"])
    except KeyError as err:
        raise ContractError(f"{folder / META} lacks {err}. Train the model again.") from err
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
