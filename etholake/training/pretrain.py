"""Pre-train a network on tracks without labels: draw windows of all videos, hide points, learn to fill them in.

What is hidden, and the loss, are the family's (`NetworkFamily.pretraining_loss`). The random numbers of step n
follow from (seed, n) alone, so that a killed run goes on from its last checkpoint exactly.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etholake.contract import ACTIONS
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.windows import Tracks, Window
from etholake.digest import bytes_digest, fingerprint
from etholake.errors import DataError, UsageError
from etholake.models.adamw import AdamW
from etholake.models.family import OnEpoch
from etholake.models.network_family import NetworkFamily
from etholake.models.network_model import NetworkModel, new_network
from etholake.models.registry import resolve
from etholake.models.scaler import RobustScaler
from etholake.training import checkpoint
from etholake.training.reconstruction import gap_errors
from etholake.training.schedule import rate

__all__ = ["pretrain"]

HELD_OUT = 0.1  # of the videos, at least one; of a lone video so much of its end
VALIDATION_BATCHES = 8
_Part = tuple[PoseTracks, int, int]  # tracks, first and last frame (not included) at 30 Hz


def pretrain(
    videos: Sequence[PoseTracks],
    model_dir: Path,
    config_name: str,
    overrides: Mapping[str, Any] | None = None,
    on_epoch: OnEpoch | None = None,
    *,
    seed: int = 0,
    checkpoints: Path | None = None,
    data_fingerprint: str = "",
    part_map: str = "",
) -> dict[str, Any]:
    """Pre-train and store a model, which `fit` takes as a base; return the report that `meta.json` also keeps.

    The report's `reconstruction` holds the median error in cm of held-out videos by gap length and by part, and
    that of forward fill and interpolation beside it.

    Raises DataError without a measured point, and UsageError for a family that cannot be pre-trained.
    """
    family, config = resolve(config_name, overrides)
    if not isinstance(family, NetworkFamily) or not family.can_pretrain:
        raise UsageError(
            f"The family '{family.name}' cannot be pre-trained: it learns from labels only. Name a configuration "
            "of pose_bert."
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    measured = [tracks for tracks in videos if tracks.observed_TMK.any()]
    if not measured:
        raise DataError(f"None of the {len(videos)} videos has a measured point: there is nothing to learn.")
    config = family.prepared(config, measured)
    training, held_out = _parted(measured)
    torch.manual_seed(seed)
    labs = tuple(sorted({tracks.lab_id for tracks in measured}))
    network = new_network(family, config, len(ACTIONS), len(labs))
    features = len(_encoder_names(config))
    scaler = RobustScaler(torch.zeros(features), torch.ones(features))
    model = NetworkModel(network, scaler, config, ACTIONS, labs, {lab: [] for lab in labs}, part_map=part_map)
    run = fingerprint("pretrain", data_fingerprint, config.to_json(), seed)
    history = _Run(family, model, training, held_out, seed, run, checkpoints).train(on_epoch)
    report: dict[str, Any] = {
        "pretrained": True,
        "split": {
            part: [
                {"video_id": t.video_id, "lab_id": t.lab_id, "start_frame": low, "stop_frame": high}
                for t, low, high in parts
            ]
            for part, parts in (("train", training), ("validation", held_out))
        } | {"test": []},
        "data_fingerprint": data_fingerprint,
        "seed": seed,
        "device": "cpu",
        "history": history,
        "reconstruction": gap_errors(model, [t.part(low, high) for t, low, high in held_out], seed=seed),
        "notes": [],
    }  # fmt: skip
    model.details = report
    model.save(model_dir)
    return report


class _Run:
    """One pre-training: network, optimiser, progress."""

    def __init__(
        self,
        family: NetworkFamily[Any],
        model: NetworkModel,
        training: Sequence[_Part],
        held_out: Sequence[_Part],
        seed: int,
        run: str,
        checkpoints: Path | None,
    ) -> None:
        self.family, self.model, self.config, self.seed = family, model, model.config, seed
        self.training, self.held_out, self.run_name, self.checkpoints = training, held_out, run, checkpoints
        frames = sum((high - low) * len(tracks.mouse_ids) for tracks, low, high in training)
        batch = self.config.batch * self.config.window
        self.per_epoch = self.config.batches_per_epoch or max(1, round(frames / batch))
        self.optimiser = AdamW(model.network.parameters(), lr=self.config.lr)
        self.step, self.losses, self.history = 0, [], []  # type: int, list[float], list[dict[str, float | None]]

    def train(self, on_epoch: OnEpoch | None) -> list[dict[str, float | None]]:
        """Train all remaining epochs; return one row an epoch."""
        self._resume()
        steps = self.config.epochs * self.per_epoch
        warmup = max(1, round(self.config.warmup_epochs * self.per_epoch))
        began = time.monotonic()
        while self.step < steps:
            self.model.network.train()
            factor = rate(self.step, warmup, steps)
            for group in self.optimiser.param_groups:
                group["lr"] = self.config.lr * factor
            torch.manual_seed(self.seed + self.step)  # for dropout
            loss = self._loss(self.training, self.step)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.network.parameters(), self.config.clip)
            self.optimiser.step()
            self.losses.append(float(loss.detach()))
            self.step += 1
            if self.step % self.per_epoch == 0:
                row: dict[str, float | None] = {
                    "epoch": self.step // self.per_epoch, "train_loss": float(np.mean(self.losses)),
                    "val_score": None, "val_loss": self._validation(), "lr": self.config.lr * factor,
                    "seconds": round(time.monotonic() - began, 2),
                }  # fmt: skip
                self.history.append(row)
                self.losses, began = [], time.monotonic()
                self._save()
                if on_epoch:
                    on_epoch(len(self.history), self.config.epochs, row)
            elif self.step % self.config.checkpoint_steps == 0:
                self._save()
        self.model.network.eval()
        return self.history

    def _loss(self, parts: Sequence[_Part], number: int) -> Tensor:
        numbers = np.random.default_rng([self.seed, number])
        random = torch.Generator().manual_seed(int(numbers.integers(2**62)))
        tracks, lab_B = _draw(parts, self.model, numbers)
        tracks = _turned(tracks, random)
        return self.family.pretraining_loss(self.model.network, tracks, lab_B, self.config, random)

    @torch.no_grad()
    def _validation(self) -> float:
        """Return the loss of held-out windows, the same ones every time."""
        self.model.network.eval()
        return float(np.mean([self._loss(self.held_out, 2**40 + n) for n in range(VALIDATION_BATCHES)]))

    def _save(self) -> None:
        if self.checkpoints is None:
            return
        tensors = {f"network.{name}": value for name, value in self.model.network.state_dict().items()}
        for i, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{name}": value for name, value in values.items()}
        state = {"run": self.run_name, "losses": self.losses, "history": self.history}
        checkpoint.save(self.checkpoints, checkpoint.Checkpoint(self.step, tensors, state))

    def _resume(self) -> None:
        stored = checkpoint.latest(self.checkpoints, self.run_name) if self.checkpoints else None
        if stored is None:
            return
        moments: dict[int, dict[str, Tensor]] = {}
        weights: dict[str, Tensor] = {}
        for name, value in stored.tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "network":
                weights[rest] = value
            else:
                index, _, moment = rest.partition(".")
                moments.setdefault(int(index), {})[moment] = value
        self.model.network.load_state_dict(weights)
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.step, self.losses, self.history = stored.step, stored.state["losses"], stored.state["history"]


def _parted(videos: Sequence[PoseTracks]) -> tuple[list[_Part], list[_Part]]:
    """Return the parts that train and those that are held out; whole videos where there are two."""
    ordered = sorted(videos, key=lambda t: bytes_digest(f"{t.lab_id}/{t.video_id}".encode()))
    if len(ordered) == 1:
        (tracks,) = ordered
        cut = max(1, round((1 - HELD_OUT) * len(tracks.xy_TMK2)))
        return [(tracks, 0, cut)], [(tracks, cut, len(tracks.xy_TMK2))]
    n = max(1, round(HELD_OUT * len(ordered)))
    parts = [(tracks, 0, len(tracks.xy_TMK2)) for tracks in ordered]
    return parts[n:], parts[:n]


def _draw(parts: Sequence[_Part], model: NetworkModel, numbers: np.random.Generator) -> tuple[Tracks, Tensor]:
    """Return a batch of windows, evenly over frames and animals, and the index of each lab."""
    W, B = model.config.window, model.config.batch
    sizes = np.array([(high - low) * len(tracks.mouse_ids) for tracks, low, high in parts], dtype=float)
    windows = []
    for at in numbers.choice(len(parts), size=B, p=sizes / sizes.sum()):
        tracks, low, high = parts[at]
        agent = int(numbers.integers(len(tracks.mouse_ids)))
        others = [mouse for mouse in range(len(tracks.mouse_ids)) if mouse != agent] or [agent]
        target = others[int(numbers.integers(len(others)))]
        windows.append(Window(tracks, agent, target, int(numbers.integers(low, max(low + 1, high - W + 1)))))
    lab_B = torch.tensor([model.lab_index(window.tracks) for window in windows])
    hidden_B = torch.from_numpy(numbers.random(B) < model.config.hidden_lab_fraction)
    lab_B[hidden_B] -= lab_B[hidden_B] % (len(model.labs) + 1)  # the species stays
    return model.encoder.gather(windows, W), lab_B


def _turned(tracks: Tracks, random: torch.Generator) -> Tracks:
    """Return the windows, each turned by an angle of its own."""
    from dataclasses import replace

    angle_B = 2 * math.pi * torch.rand(len(tracks), generator=random)
    cos, sin = (f(angle_B)[:, None, None, None] for f in (torch.cos, torch.sin))
    x, y = tracks.xy_BRTK2.unbind(-1)
    return replace(tracks, xy_BRTK2=torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1))


def _encoder_names(config: Any) -> tuple[str, ...]:
    from etholake.features.registry import window_encoder

    return window_encoder(config.encoder).names
