"""The training loop: AdamW, a schedule of the rate, averaged weights, early stopping on the official score.

The random numbers of step n follow from (seed, n) alone. A killed run resumes from its last checkpoint and has the
same losses as an undisturbed one.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from etholake.dataset.batch import Batch
from etholake.dataset.clip_batch import ClipBatch
from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.split import Split
from etholake.digest import fingerprint
from etholake.errors import UsageError
from etholake.features.registry import ENCODERS
from etholake.models.adamw import AdamW
from etholake.models.config import NetworkConfig
from etholake.models.family import OnEpoch
from etholake.models.network_family import NetworkFamily
from etholake.models.network_model import NetworkModel, check_pose
from etholake.models.recomputation import recompute_blocks
from etholake.training import augment, checkpoint
from etholake.training.ema import Ema
from etholake.training.parallel import Group, own_cores
from etholake.training.schedule import Plateau, rate
from etholake.training.validation import HeldOut
from etholake.training.windows import WindowSampler

__all__ = ["Progress", "Trainer", "run_fingerprint"]

DRAWN_AT_ONCE = 4  # batches of clips


def run_fingerprint(data: TrainingData, split: Split, config: Mapping[str, Any], seed: int) -> str:
    """Return a digest of everything that decides the weights; `config` is a configuration as JSON."""
    version = ENCODERS.get(config["encoder"]).version if "encoder" in config else None
    return fingerprint(data.fingerprint, data.actions, split.to_json(), config, seed, version)


@dataclass(frozen=True)
class Drawn:
    """One process's part of an augmented batch: the network's input, and the loss entries of the whole batch.

    `x` are scaled features [B, T, F], or clips.
    """

    batch: Batch
    x: Tensor | ClipBatch
    entries: Tensor
    with_pose: int  # windows of the whole batch, of clips with a key point
    windows: int


@dataclass
class Progress:
    """Progress of a run. With weights and optimiser this is the content of a checkpoint."""

    step: int = 0
    epoch: int = 1
    losses: list[float] = field(default_factory=list)  # of the epoch's steps so far
    history: list[dict[str, float | None]] = field(default_factory=list)
    best_score: float = -1.0
    since: int = 0  # epochs since the best one
    second: float | None = None  # the best of the second figure (`NetworkConfig.second_best`), higher is better
    plateau: Plateau = field(default_factory=Plateau)
    with_pose: int = 0  # windows of clips with a key point so far, of
    windows: int = 0


class Trainer:
    """One run: the network, its averaged weights, its optimiser, and the weights of the best epoch."""

    def __init__(
        self,
        family: NetworkFamily[Any],
        model: NetworkModel,
        sampler: WindowSampler,
        videos: tuple[LabelledVideo, ...],
        split: Split,
        group: Group,
        run: str,
        checkpoints: Path | None,
        trunk_lr: float = 1.0,
    ) -> None:
        self.model, self.sampler, self.videos, self.split, self.group = model, sampler, videos, split, group
        self.run_name, self.checkpoints, self.config = run, checkpoints, model.config
        config, device = self.config, group.device
        if config.batch < config.accumulate * group.size:
            raise UsageError(
                f"A batch of {config.batch} cannot be parted into {config.accumulate} parts for {group.size} "
                "processes: give a larger batch."
            )
        self.family = family
        self.network = model.network.to(device)
        if config.gradient_checkpointing:
            recompute_blocks(self.network)
        self.backbone = family.backbone(self.network)
        self.frozen: bool | None = None  # whether the backbone is; None before the first epoch
        self.forward: Callable[..., Tensor] = self.network
        self.weight_C = self.family.class_weights(sampler.prevalence(), config).to(device)
        groups = _parameter_groups(self.family, self.network, config, trunk_lr)
        self.optimiser = AdamW(groups, lr=config.lr)
        self.amp = _amp_type(config.amp, device)
        self.scaled = torch.amp.GradScaler(enabled=device.type == "cuda" and self.amp is torch.float16)
        self.ema = Ema(self.network, config.ema)
        self.best = {name: value.clone() for name, value in self.ema.state.items()}
        self.second: dict[str, Tensor] = {}  # weights of the epoch with the best second figure, if kept
        self.progress = Progress()
        self.steps = config.epochs * len(sampler)
        self.warmup = max(1, round(config.warmup_epochs * len(sampler)))
        self.validation_every = self._epochs_between_validations()
        # Time may be stretched, which needs longer windows.
        self.margin = math.ceil(config.window * (config.augmentation.max_stretch - 1) / 2)

    def run(self, on_epoch: OnEpoch | None = None) -> Progress:
        """Train all remaining epochs; afterwards the model has the weights of the best one."""
        self._resume()
        progress, config = self.progress, self.config
        with ThreadPoolExecutor(self.drawing_threads()) as ahead:
            batches = self._batches(ahead)
            while progress.epoch <= config.epochs and progress.since < config.patience:
                began = time.monotonic()
                self._begin_epoch()
                while len(progress.losses) < len(self.sampler):
                    progress.losses.append(self._step(next(batches)))
                    if progress.step % config.checkpoint_steps == 0:
                        self._save()
                self._end_epoch(began, on_epoch)
                self._save()
        self.network.load_state_dict(self.best)
        return progress

    def _begin_epoch(self) -> None:
        """Set the network to training, its backbone frozen or not; what is frozen keeps its statistics, too."""
        self.network.train()
        freeze = self.config.freeze_epochs
        frozen = self.backbone is not None and (freeze < 0 or self.progress.epoch <= freeze)
        if frozen and self.backbone is not None:
            self.backbone.eval()
        if frozen is self.frozen:
            return
        _set_trained(self.family, self.network, self.config, self.backbone if frozen else None)
        self.frozen = frozen
        compiled: Any = torch.compile(self.network) if self.config.compile else self.network
        # A wrapper knows the parameters that had gradients when it was made.
        self.forward = (
            DistributedDataParallel(compiled, broadcast_buffers=False) if self.group.size > 1 else compiled
        )

    # --- one step -----------------------------------------------------------------------------------------
    def drawing_threads(self) -> int:
        """Return how many batches are drawn at once: several where they are decoded, and there are cores."""
        return max(1, min(DRAWN_AT_ONCE, own_cores() - 1)) if self.config.reads_clips else 1

    def _batches(self, ahead: ThreadPoolExecutor) -> Iterator[Drawn]:
        """Yield batches from the next step on; the next ones are made while the network trains on one.

        A batch depends on its step alone, not on the number of threads.
        """
        step = self.progress.step
        coming = deque(ahead.submit(self._draw, step + k) for k in range(self.drawing_threads()))
        while True:
            batch = coming.popleft().result()
            coming.append(ahead.submit(self._draw, step + len(coming) + 1))
            step += 1
            yield batch

    def _draw(self, step: int) -> Drawn:
        random = torch.Generator().manual_seed(_number(self.sampler.seed, step, 0))
        drawn = self.sampler.draw(step, self.margin)
        whole = augment.augment(drawn, self.config.augmentation, self.config.window, random)
        own_part = whole.part(self.group.part(len(whole))).to(self.group.device)
        x = self.model.inputs(own_part.tracks)
        with_pose = 0 if whole.tracks.clips is None else int(whole.tracks.clips.with_pose.sum())
        check_pose(self.config, with_pose, len(whole), "a batch of training")
        entries = whole.loss_mask_BTC[..., : whole.labeled_BC.shape[1]].sum().to(self.group.device)
        return Drawn(own_part, x, entries, with_pose, len(whole))

    def _step(self, drawn: Drawn) -> float:
        """Make one update; return the loss of the whole batch."""
        config, group, step = self.config, self.group, self.progress.step
        torch.manual_seed(_number(self.sampler.seed, step, 1 + group.rank))  # for dropout and mixup
        plateau = self.progress.plateau if config.schedule == "plateau" else None
        factor = rate(step, self.warmup, self.steps, plateau)
        for parameters in self.optimiser.param_groups:
            parameters["lr"] = parameters["lr_factor"] * config.lr * factor
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=group.device)
        for k in range(config.accumulate):
            low, high = (i * len(drawn.batch) // config.accumulate for i in (k, k + 1))
            part = slice(low, high)
            last = k == config.accumulate - 1
            with (
                self._without_sync(last),
                torch.autocast(group.device.type, self.amp, enabled=self.amp is not None),
            ):
                loss = self._loss(drawn.batch.part(part), drawn.x[part], drawn.entries)
                # DistributedDataParallel takes the mean of the processes; the loss is a sum of theirs.
                self.scaled.scale(loss * group.size).backward()
            total += loss.detach()
        self.scaled.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), config.clip)
        self.scaled.step(self.optimiser)
        self.scaled.update()
        self.progress.step += 1
        self.progress.with_pose += drawn.with_pose
        self.progress.windows += drawn.windows
        self.ema.update(self.network, self.progress.step)
        return float(group.sum(total))

    def _loss(self, batch: Batch, x: Tensor | ClipBatch, entries: Tensor) -> Tensor:
        if isinstance(x, Tensor):
            x, batch = self._blurred(x, batch)
        logits = self.forward(x, batch.lab_B, batch.labeled_BC)
        # One answer for a window stands for all its frames.
        logits_BTC = logits.expand(-1, batch.labels_BTC.shape[1], -1)
        return self.family.loss(logits_BTC, batch, self.config, self.weight_C, entries)

    def _blurred(self, x: Tensor, batch: Batch) -> tuple[Tensor, Batch]:
        """Return features and batch with the augmentations of features."""
        if self.config.augmentation.mixup:
            partners = augment.mixup_partners(batch, torch.randperm(len(batch), device=x.device))
            alpha = torch.full((len(batch),), self.config.augmentation.mixup)
            weight_B = torch.distributions.Beta(alpha, alpha).sample().to(x.device)
            x, batch = augment.mixup(x, batch, partners, weight_B)
        if self.config.augmentation.feature_noise:
            x = x + self.config.augmentation.feature_noise * torch.randn_like(x)
        return x, batch

    def _without_sync(self, last: bool) -> AbstractContextManager[None]:
        """Let processes average gradients once, at the last part of a batch, and not at every part."""
        if isinstance(self.forward, DistributedDataParallel) and not last:
            return self.forward.no_sync()
        return nullcontext()

    # --- the end of an epoch ------------------------------------------------------------------------------
    def _end_epoch(self, began: float, on_epoch: OnEpoch | None) -> None:
        progress, config = self.progress, self.config
        validated = progress.epoch % self.validation_every == 0 or progress.epoch == config.epochs
        score, loss, accuracy = self._validation() if validated else (None, None, None)
        row: dict[str, float | None] = {
            "epoch": progress.epoch, "train_loss": float(np.mean(progress.losses)), "val_score": score,
            "val_loss": loss, "val_accuracy": accuracy, "lr": float(self.optimiser.param_groups[-1]["lr"]),
            "seconds": round(time.monotonic() - began, 2),
        }  # fmt: skip
        progress.history.append(row)
        if on_epoch and self.group.leads:
            on_epoch(progress.epoch, config.epochs, row)
        if validated and (score is None or score > progress.best_score):
            progress.best_score, progress.since = score if score is not None else progress.best_score, 0
            self.best = {name: value.clone() for name, value in self.ema.state.items()}
        elif validated:
            progress.since += self.validation_every
        second = {"loss": None if loss is None else -loss, "accuracy": accuracy}.get(config.second_best)
        if second is not None and (progress.second is None or second > progress.second):
            progress.second = second
            self.second = {name: value.clone() for name, value in self.ema.state.items()}
        if validated:
            progress.plateau.see(-float(np.mean(progress.losses)) if score is None else score, config)
        progress.epoch += 1
        progress.losses = []

    def _epochs_between_validations(self) -> int:
        """Return the epochs from one validation to the next, so that validation costs no more than training.

        The forward pass alone takes about a third of a training step, per window.
        """
        windows = HeldOut.windows(self.model, self.videos, self.split.validation) / 3
        return min(self.config.epochs, max(1, math.ceil(windows / (len(self.sampler) * self.config.batch))))

    def _validation(self) -> tuple[float | None, ...]:
        """Return score, loss and accuracy of the averaged weights on the validation spans; None without events.

        The thresholds are fitted on the same spans. The leading process validates and sends the figures to the
        others.
        """
        score = loss = accuracy = math.nan
        if self.group.leads and self.split.validation:
            with self.ema.applied(self.network):
                held_out = HeldOut.of(self.model, self.videos, self.split.validation)
            if report := held_out.score(held_out.fit(self.model, grid=())):
                score = report.score
                loss, accuracy = held_out.loss_and_accuracy() or (math.nan, math.nan)
        own = [score, loss, accuracy] if self.group.leads else [0.0, 0.0, 0.0]
        figures = self.group.sum(torch.tensor(own, dtype=torch.float64)).tolist()
        return tuple(None if math.isnan(figure) else figure for figure in figures)

    # --- checkpoints --------------------------------------------------------------------------------------
    def _save(self) -> None:
        if self.checkpoints is None or not self.group.leads:
            return
        tensors = {
            **{f"network.{name}": value for name, value in self.network.state_dict().items()},
            **{f"ema.{name}": value for name, value in self.ema.state.items()},
            **{f"best.{name}": value for name, value in self.best.items()},
            **{f"second.{name}": value for name, value in self.second.items()},
            **{
                f"optimiser.{i}.{name}": value
                for i, values in self.optimiser.state_dict()["state"].items()
                for name, value in values.items()
            },
        }
        state = {"run": self.run_name, "progress": asdict(self.progress), "loss_scale": self.scaled.state_dict()}
        checkpoint.save(self.checkpoints, checkpoint.Checkpoint(self.progress.step, tensors, state))

    def _resume(self) -> None:
        stored = checkpoint.latest(self.checkpoints, self.run_name) if self.checkpoints else None
        self.group.wait()  # no process may write before all have read
        if stored is None:
            return
        states: dict[str, dict[str, Tensor]] = {
            kind: {} for kind in ("network", "ema", "best", "second", "optimiser")
        }
        for name, value in stored.tensors.items():
            kind, _, rest = name.partition(".")
            states[kind][rest] = value.to(self.group.device)
        self.network.load_state_dict(states["network"])
        self.ema.load(states["ema"])
        self.best, self.second = states["best"], states["second"]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in states["optimiser"].items():
            index, _, kind = name.partition(".")
            moments.setdefault(int(index), {})[kind] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.scaled.load_state_dict(stored.state["loss_scale"])
        progress = dict(stored.state["progress"])
        self.progress = Progress(**{**progress, "plateau": Plateau(**progress["plateau"])})


def _number(*parts: int) -> int:
    """Return a 63-bit seed made of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _parameter_groups(
    family: NetworkFamily[Any], network: nn.Module, config: NetworkConfig, trunk_lr: float
) -> list[dict[str, Any]]:
    """Return the optimiser's groups: with and without weight decay, backbone, other trunk, vocabulary layers.

    `lr_factor` multiplies the learning rate: `trunk_lr` for parameters that do not depend on actions or labs, and
    `backbone_lr` for those of the backbone. Parameters that the family does not train are in no group.
    """
    layers, backbone = family.vocabulary_layers(), family.backbone(network)
    in_backbone = {id(parameter) for parameter in backbone.parameters()} if backbone else set()
    factors = {"backbone": trunk_lr * config.backbone_lr, "trunk": trunk_lr, "vocabulary": 1.0}
    parts: dict[tuple[str, bool], list[nn.Parameter]] = {(p, d): [] for p in factors for d in (True, False)}
    for name, parameter in network.named_parameters():
        if family.trains(name, config):
            part = "backbone" if id(parameter) in in_backbone else "vocabulary" if name in layers else "trunk"
            parts[part, family.decays(name, parameter)].append(parameter)
    return [
        {"params": chosen, "weight_decay": config.weight_decay if decays else 0.0, "lr_factor": factors[part]}
        for (part, decays), chosen in parts.items()
    ]


def _set_trained(
    family: NetworkFamily[Any], network: nn.Module, config: NetworkConfig, frozen: nn.Module | None
) -> None:
    """Let those parameters have gradients that the family trains and that are not in the frozen part."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(family.trains(name, config))
    if frozen is not None:
        frozen.requires_grad_(False)


def _amp_type(amp: str, device: torch.device) -> torch.dtype | None:
    """Return the type of automatic mixed precision, None for none."""
    if amp == "off" or (amp == "auto" and device.type != "cuda"):
        return None
    if amp == "auto":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if amp == "bfloat16" else torch.float16
