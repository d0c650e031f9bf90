"""A trained network in use: load it, give it the tracks of a video, get probabilities or events.

Stored as `model.safetensors` (weights and scaler) and `meta.json` (family, configuration, description of the input
encoder, vocabulary, post-processing, split, fingerprint). A model that does not fit this code is refused with the
reason; nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from etholake.dataset.clip_batch import ClipBatch
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.windows import MouseTracks, Tracks
from etholake.errors import ContractError, DataError
from etholake.events.post_processing import PostProcessing
from etholake.events.types import PairScores
from etholake.features.encoder import WindowEncoder
from etholake.features.registry import window_encoder
from etholake.models.archive import META, read_meta, write_meta
from etholake.models.base import ModelMixin
from etholake.models.clip_input import ClipInput
from etholake.models.config import NetworkConfig
from etholake.models.family import Sizes
from etholake.models.registry import FAMILIES
from etholake.models.scaler import RobustScaler
from etholake.models.scoring import probabilities

if TYPE_CHECKING:
    from etholake.models.network_family import NetworkFamily

__all__ = ["UNKNOWN_LAB", "WEIGHTS", "NetworkModel", "check_pose", "new_network", "pose_sentence"]

WEIGHTS = "model.safetensors"
VIDEOS_KEPT = 1000  # of which the last prediction's windows with pose are remembered
UNKNOWN_LAB = 0  # index of the lab embedding


@dataclass
class NetworkModel(ModelMixin):
    """Network, scaler, vocabulary and post-processing of one trained model (see `base.Model`).

    `actions` are the C classes; the lab at position i of `labs` has the embedding i + 1. `clips` says which clips
    a network of pixels reads; None for a network of tracks. `pose_windows` are those of the last prediction of a
    video, for a network that reads key points beside pixels.
    """

    network: nn.Module
    scaler: RobustScaler
    config: NetworkConfig
    actions: tuple[str, ...]
    labs: tuple[str, ...]
    lab_actions: Mapping[str, Sequence[str]]
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    part_map: str = ""  # a lab's own names of body parts (see `contract.unified_part_sources`)
    details: dict[str, Any] = field(default_factory=dict)
    clips: ClipInput | None = None
    hidden: str = ""  # a stream that the network is not shown: pose or picture (`ClipBatch.without`)
    pose_windows: dict[int, tuple[int, int]] = field(default_factory=dict)  # {video: predicted with pose, in all}

    @property
    def family(self) -> str:
        """The name of the network's family in the registry."""
        return self.config.family

    @property
    def encoder(self) -> WindowEncoder:
        """The input encoder."""
        return window_encoder(self.config.encoder)

    @property
    def reads_pose(self) -> bool:
        """Return whether the network reads key points beside pixels."""
        family: NetworkFamily[Any] = FAMILIES.get(self.family)  # type: ignore[assignment]  # of networks
        return family.reads_pose(self.config)

    # --- use ----------------------------------------------------------------------------------------------
    def predict(self, tracks: PoseTracks, frames: tuple[int, int] | None = None) -> list[PairScores]:
        """Return the probabilities of every (agent, target) that can be predicted, on the video's own frames.

        With `frames` (start, stop) only windows that reach into them are computed; elsewhere is NaN.
        """
        pairs = self.predicted_behaviors(tracks)
        if not pairs:
            return []
        if self.clips is not None:
            self.clips.check(tracks)
        self.network.eval()
        lab, starts = self.lab_index(tracks), self.window_starts(tracks, frames)
        by_pair, with_pose = probabilities(self, tracks, lab, pairs, starts)
        if self.reads_pose:
            if len(self.pose_windows) >= VIDEOS_KEPT:  # an endpoint lives long
                self.pose_windows.clear()
            self.pose_windows[tracks.video_id] = with_pose, len(starts) * len(pairs)
            check_pose(self.config, with_pose, len(starts) * len(pairs), f"video {tracks.video_id}")
        return [
            PairScores(
                tracks.video_id, tracks.lab_id, tracks.fps, agent, target, tracks.first_frame,
                tuple(pairs[agent, target]), tracks.to_video_frames(values_TA),
            )
            for (agent, target), values_TA in by_pair.items()
        ]  # fmt: skip

    def reading_notes(self, tracks: PoseTracks) -> list[str]:
        """Return sentences on what the network lacks in a video: pictures, key points, its species."""
        notes = self.encoder.notes(tracks, self.predicted_behaviors(tracks))
        if use := self.pose_windows.get(tracks.video_id):
            notes.append(pose_sentence(*use))
        species, learnt = tracks.meta.species, self.config.known_species()
        if species and learnt is not None and species not in learnt:
            notes.append(
                f"species {species} was not in the training data: it is read as mice; known species: "
                f"{', '.join(learnt) or 'mice alone'}"
            )
        return notes

    def values(self, tracks: PoseTracks) -> list[dict[str, Any]]:
        """Return the answers of heads beside the actions for every animal (see `NetworkFamily.values`)."""
        family: Any = FAMILIES.get(self.family)
        values: list[dict[str, Any]] = family.values(self, tracks)
        return values

    def window_answers(self, tracks: PoseTracks, mouse: int, starts: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the answers to tasks for an animal window by window (see `NetworkFamily.window_answers`)."""
        family: Any = FAMILIES.get(self.family)
        answers: npt.NDArray[np.float32] = family.window_answers(self, tracks, mouse, starts)
        return answers

    def inputs(self, windows: Tracks | MouseTracks) -> Tensor | ClipBatch:
        """Return what the network reads of windows: scaled features, or clips."""
        features = self.encoder(windows)
        if isinstance(features, Tensor):
            return self.scaler(features)
        return features.without(self.hidden) if self.hidden else features

    def lab_index(self, tracks: PoseTracks) -> int:
        """Return the index of the embeddings of a video: that of its lab (0: unknown) and that of its species.

        It is ``lab + L · species`` with L labs, the unknown one among them; the lab's index for a family without
        species.
        """
        lab = self.labs.index(tracks.lab_id) + 1 if tracks.lab_id in self.labs else UNKNOWN_LAB
        return lab + (len(self.labs) + 1) * self.config.species_index(tracks.meta.species)

    def window_starts(self, tracks: PoseTracks, frames: tuple[int, int] | None = None) -> list[int]:
        """Return the first frames (at 30 Hz) of overlapping windows that cover the video.

        With `frames` (start, stop; the video's own) only those of windows that reach into them.
        """
        T, W = len(tracks.xy_TMK2), self.config.window
        starts = sorted({*range(0, max(T - W, 0) + 1, self.config.step), max(T - W, 0)})
        if frames is None:
            return starts
        low, high = np.searchsorted(tracks.frame_times(), frames)
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
        more: dict[str, Any] = {"config": self.config.to_json(), "features": self.encoder.description()}
        if self.clips is not None:
            more["clips"] = self.clips.as_dict()
        write_meta(folder, self, more)

    @classmethod
    def load(cls, folder: Path, family: NetworkFamily[Any]) -> NetworkModel:
        """Read a stored network of a family. Raises ContractError that names what does not fit this code."""
        stored = read_meta(folder, family.name)
        config = _read_config(folder, stored.more, family)
        window_encoder(config.encoder).check(_features(folder, stored.more), str(folder))
        clips = ClipInput.from_meta(folder, stored.more) if config.reads_clips else None
        network = new_network(family, config, len(stored.actions), len(stored.labs), clips)
        scaler = _read_weights(folder, network)
        return cls(
            network.eval(), scaler, config, stored.actions, stored.labs, stored.lab_actions,
            stored.post_processing, stored.part_map, stored.details("config", "features", "clips"),
            clips,
        )  # fmt: skip


def pose_sentence(used: int, windows: int) -> str:
    """Return the sentence that says how often a network that reads pixels and key points had key points."""
    rest = "" if used == windows else "; the others are predicted from pixels alone"
    return f"pose used in {used}/{windows} windows{rest}"


def check_pose(config: NetworkConfig, used: int, windows: int, owner: str) -> None:
    """Raise DataError if windows lack key points and the configuration requires them; `owner` has the windows."""
    if config.require_pose and used < windows:
        raise DataError(
            f"{owner[:1].upper()}{owner[1:]}: pose in {used}/{windows} windows, and this configuration requires "
            "it in all (require_pose). Track the animals there, or train without --require-pose."
        )


def new_network(
    family: NetworkFamily[Any], config: NetworkConfig, classes: int, labs: int, clips: ClipInput | None = None
) -> nn.Module:
    """Return a network with random weights for so many actions and known labs (the unknown lab comes on top)."""
    crop_size = clips.recipe.crop_size if clips else 0
    sizes = Sizes(len(window_encoder(config.encoder).names), classes, labs + 1, crop_size)
    network: nn.Module = family.build(config, sizes)
    return network


def _features(folder: Path, meta: Mapping[str, Any]) -> Mapping[str, Any]:
    stored = meta.get("features")
    if not isinstance(stored, Mapping):
        raise ContractError(f"{folder / META} lacks 'features'. Train the model again.")
    return stored


def _read_config(folder: Path, meta: Mapping[str, Any], family: NetworkFamily[Any]) -> NetworkConfig:
    try:
        config: NetworkConfig = family.config_from_json(meta["config"])
    except KeyError as err:
        raise ContractError(f"{folder / META} lacks {err}. Train the model again.") from err
    except TypeError as err:
        raise ContractError(
            f"The configuration of the model in {folder} has fields that this code does not know ({err}). "
            "Train it again, or use the Etholake version that made it."
        ) from err
    return config


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
