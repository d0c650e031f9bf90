"""A trained `tcn` in use: networks by lab and kind of behavior, their probabilities for a video, their storage.

Stored as `model.safetensors` (weights and scaling of all networks) and `meta.json`; nothing is unpickled.
Shape letters: T frames at 30 Hz, S steps, A actions, I inputs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etholake.dataset.pose_tracks import PoseTracks
from etholake.errors import ContractError
from etholake.events.post_processing import PostProcessing
from etholake.events.types import PairScores
from etholake.features.registry import table_encoder
from etholake.models.archive import META, read_meta, write_meta
from etholake.models.base import ModelMixin
from etholake.models.network_model import WEIGHTS
from etholake.models.tcn.config import TcnConfig
from etholake.models.tcn.network import Tcn
from etholake.models.tcn.sequences import Scaling, Steps, steps_of

__all__ = ["KINDS", "Expert", "TcnModel", "kind_of"]

Floats = npt.NDArray[np.float32]
KINDS = ("pair", "self")
Key = tuple[str, str]  # lab and kind


def kind_of(agent: int, target: int) -> str:
    """Return whether a behavior is of a pair or of one animal."""
    return "self" if agent == target else "pair"


@dataclass(frozen=True)
class Expert:
    """Networks of several seeds for one kind of behavior of one lab, and the scaling of their input."""

    actions: tuple[str, ...]
    scaling: Scaling
    networks: tuple[Tcn, ...]

    @torch.inference_mode()
    def __call__(self, steps: Steps) -> Floats:
        """Return the mean of the networks' log-odds [S, A]."""
        x_1IS = torch.from_numpy(np.ascontiguousarray(self.scaling(steps).T))[None]
        logits = [network.eval()(x_1IS)[0].T for network in self.networks]
        mean_SA: Floats = torch.stack(logits).mean(dim=0).numpy()
        return mean_SA


@dataclass
class TcnModel(ModelMixin):
    """Experts by (lab, kind); see `base.Model`."""

    family: ClassVar[str] = "tcn"

    experts: Mapping[Key, Expert]
    config: TcnConfig = field(default_factory=TcnConfig)
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    details: dict[str, Any] = field(default_factory=dict)
    part_map: str = ""  # a lab's own names of body parts (see `contract.unified_part_sources`)

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions for which any lab has an expert, sorted."""
        return tuple(sorted({action for expert in self.experts.values() for action in expert.actions}))

    @property
    def labs(self) -> tuple[str, ...]:
        """The labs that have an expert, sorted."""
        return tuple(self.lab_actions)

    @property
    def lab_actions(self) -> dict[str, list[str]]:
        """{lab: actions that have an expert}, sorted."""
        by_lab: dict[str, set[str]] = defaultdict(set)
        for (lab, _), expert in sorted(self.experts.items()):
            by_lab[lab] |= set(expert.actions)
        return {lab: sorted(actions) for lab, actions in by_lab.items()}

    def predict(self, tracks: PoseTracks, frames: tuple[int, int] | None = None) -> list[PairScores]:
        """Return the probabilities of every (agent, target) that can be predicted, on the video's own frames.

        For an unknown lab they are the mean over the experts of all labs that have the action. With `frames`
        (start, stop) only these are computed; elsewhere is NaN.
        """
        encoder, pool, T = table_encoder(self.config.encoder), self.config.pool, len(tracks.xy_TMK2)
        inner, around = _ranges(tracks, frames, pool, self.config.reach)
        scores = []
        for (agent, target), actions in self.predicted_behaviors(tracks).items():
            experts = self._experts_of(tracks.lab_id, kind_of(agent, target))
            steps = steps_of(tracks, encoder, agent, target, pool, around)
            made = [(expert, expert(steps)) for expert in experts if set(expert.actions) & set(actions)]
            values_TA = np.full((T, len(actions)), np.nan, dtype=np.float32)
            for i, action in enumerate(actions):
                columns = [logits[:, e.actions.index(action)] for e, logits in made if action in e.actions]
                if columns:
                    at = (np.arange(inner.start, inner.stop) - (pool - 1) / 2) / pool - around.start
                    logit_S = np.mean(columns, axis=0)
                    values_TA[inner, i] = 1 / (1 + np.exp(-np.interp(at, np.arange(len(logit_S)), logit_S)))
            scores.append(
                PairScores(
                    tracks.video_id, tracks.lab_id, tracks.fps, agent, target, tracks.first_frame,
                    tuple(actions), tracks.to_video_frames(values_TA),
                )
            )  # fmt: skip
        return scores

    def _experts_of(self, lab_id: str, kind: str) -> list[Expert]:
        """Return the expert of a lab and kind; for an unknown lab, those of all labs."""
        if lab_id in self.labs:
            return [expert for at, expert in self.experts.items() if at == (lab_id, kind)]
        return [expert for (_, of_kind), expert in sorted(self.experts.items()) if of_kind == kind]

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `meta.json`."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, Tensor] = {}
        rows = []
        for n, ((lab, kind), expert) in enumerate(sorted(self.experts.items())):
            tensors[f"{n}.scaling"] = torch.from_numpy(np.ascontiguousarray(expert.scaling.values_4F))
            for k, network in enumerate(expert.networks):
                tensors |= {f"{n}.{k}.{name}": x.contiguous() for name, x in network.state_dict().items()}
            names = {"columns": list(expert.scaling.columns), "masks": list(expert.scaling.masks)}
            rows.append({"lab": lab, "kind": kind, "actions": list(expert.actions), **names})
        save_file(tensors, folder / WEIGHTS)
        features = table_encoder(self.config.encoder).description()
        write_meta(folder, self, {"config": asdict(self.config), "features": features, "experts": rows})

    @classmethod
    def load(cls, folder: Path) -> TcnModel:
        """Read a stored model. Raises ContractError that names what does not fit this code."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        stored = read_meta(folder, cls.family)
        try:
            config, rows = TcnConfig(**stored.more["config"]), list(stored.more["experts"])
            kinds = [(str(row["lab"]), str(row["kind"])) for row in rows]
            actions, columns, masks = (
                [tuple(map(str, row[name])) for row in rows] for name in ("actions", "columns", "masks")
            )
        except (KeyError, TypeError) as err:
            raise ContractError(
                f"{folder / META} does not fit this code: {err!r}. Train the model again."
            ) from err
        table_encoder(config.encoder).check(stored.more.get("features") or {}, str(folder))
        try:
            tensors = load_file(folder / WEIGHTS)
            experts = {
                at: _expert(tensors, n, actions[n], columns[n], masks[n], config) for n, at in enumerate(kinds)
            }
        except (OSError, SafetensorError) as err:
            raise ContractError(f"{folder / WEIGHTS} cannot be read: {err}.") from err
        except (KeyError, RuntimeError) as err:
            reason = str(err).splitlines()[0]
            raise ContractError(f"The weights in {folder} do not fit their meta.json: {reason}.") from err
        details = stored.details("config", "features", "experts")
        return cls(experts, config, stored.post_processing, details, stored.part_map)


def _expert(
    tensors: Mapping[str, Tensor],
    number: int,
    actions: tuple[str, ...],
    columns: tuple[str, ...],
    masks: tuple[str, ...],
    config: TcnConfig,
) -> Expert:
    """Return a stored expert. Raises KeyError or RuntimeError if its tensors do not fit."""
    networks = []
    for k in range(config.networks):
        prefix = f"{number}.{k}."
        network = Tcn(len(columns) + len(masks), len(actions), config.width, config.blocks, config.dropout)
        network.load_state_dict({n.removeprefix(prefix): x for n, x in tensors.items() if n.startswith(prefix)})
        networks.append(network.eval())
    scaling = tensors[f"{number}.scaling"].numpy()
    if scaling.shape != (4, len(columns)):
        raise RuntimeError(f"the scaling has the shape {scaling.shape}, but there are {len(columns)} columns")
    return Expert(actions, Scaling(columns, masks, scaling), tuple(networks))


def _ranges(tracks: PoseTracks, frames: tuple[int, int] | None, pool: int, reach: int) -> tuple[slice, range]:
    """Return the frames at 30 Hz that are asked for (all, if `frames` is None), and the steps that decide them."""
    T = len(tracks.xy_TMK2)
    low, high = (0, T) if frames is None else map(int, np.searchsorted(tracks.frame_times(), frames))
    low, high = max(0, low - 1), min(T, high + 1)  # the video's own frames lie between two of these
    first, last = low // pool - 1 - reach, -(-high // pool) + 1 + reach
    return slice(low, high), range(max(0, first), min(-(-T // pool), last))
