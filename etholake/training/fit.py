"""The training loop: masked loss, AdamW, warm-up and cosine, early stopping on the official score."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etholake.errors import DataError
from etholake.events import metric
from etholake.features import augment
from etholake.features.pair import FEATURE_NAMES, pair_features
from etholake.models import build
from etholake.models.cnn_transformer import CnnTransformer
from etholake.models.config import ModelConfig, named
from etholake.models.recogniser import Recogniser
from etholake.models.scaler import RobustScaler
from etholake.training.data import TrainingData, lab_actions
from etholake.training.loss import masked_loss, positive_weights
from etholake.training.split import Split, Video, choose
from etholake.training.validation import HeldOut
from etholake.training.windows import Batch, WindowSampler

__all__ = ["fit"]

OnEpoch = Callable[[int, int, Mapping[str, float | None]], None]


def fit(
    data: TrainingData,
    model_dir: Path,
    config_name: str,
    overrides: Mapping[str, Any] | None = None,
    on_epoch: OnEpoch | None = None,
    *,
    holdout: Sequence[int] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Train a recogniser and store it in `model_dir`. Returns the report that `meta.json` also keeps.

    The best epoch by validation score (official metric, thresholds fitted on the same validation spans, so it
    flatters a little) is kept; without validation data the last epoch is. The same seed on the same number of
    threads gives the same weights. ``on_epoch(epoch, epochs, row)`` is told each row of the history. In the
    report, `validation` holds the F of every (lab, action) of the kept epoch, None without validation data.
    """
    config = named(config_name, overrides)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(seed)
    split = _split(data, holdout)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = _Trainer(data, split, config, seed, device)
    history = trainer.run(on_epoch)
    model = trainer.best
    score = trainer.best_report
    report = {
        "split": split.to_json(),
        "data_fingerprint": data.fingerprint,
        "seed": seed,
        "device": str(device),
        "history": history,
        "validation": score.to_dict() if score else None,
        "notes": list(data.notes),
    }
    model.details = report
    model.network.cpu()
    model.save(model_dir)
    return report


def _split(data: TrainingData, holdout: Sequence[int]) -> Split:
    videos = []
    for v in data.videos:
        possible = {a for _, _, a in v.clip.meta.behaviors}
        actions = frozenset(e.action for e in v.events if e.action in possible)
        videos.append(
            Video(v.clip.meta.video_id, v.clip.meta.lab_id, v.clip.first_frame + v.clip.n_frames, actions)
        )
    split = choose(videos, holdout)
    if not split.train:
        raise DataError("After holding out videos none is left to train on: hold out fewer.")
    return split


class _Trainer:
    """State of one run: network, optimiser, schedule, the best epoch so far."""

    def __init__(
        self, data: TrainingData, split: Split, config: ModelConfig, seed: int, device: torch.device
    ) -> None:
        self.data, self.split, self.config, self.device = data, split, config, device
        labs = sorted({span.lab_id for span in split.train})
        self.sampler = WindowSampler(data, split.train, labs, config, seed)
        if not self.sampler.everywhere:
            raise DataError("No window of the training videos has a tracked pair that was looked for.")
        network = build(
            config.family, features=len(FEATURE_NAMES), classes=len(data.actions), labs=len(labs) + 1,
            **config.network(),
        )  # fmt: skip
        if isinstance(network, CnnTransformer):
            network.set_prior(self.sampler.shares() * 2)  # the sampler shows positives about twice as often
        self.weight_C = positive_weights(self.sampler.shares(), config.positive_weight_cap).to(device)
        self.network = network.to(device)
        self.noise = torch.Generator().manual_seed(seed)
        self.scaler = self._fit_scaler()
        occurring = lab_actions(data.videos, split.train)
        self.best = Recogniser(self.network, self.scaler, config, data.actions, tuple(labs), occurring)
        self.best_report: metric.ScoreReport | None = None
        self.look_every = self._look_every()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        steps = config.epochs * len(self.sampler)
        warmup = max(1, round(config.warmup_epochs * len(self.sampler)))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: _rate(step, warmup, steps))
        self.amp = torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float16

    def run(self, on_epoch: OnEpoch | None) -> list[dict[str, float | None]]:
        """All epochs; `best` holds the best model afterwards."""
        history: list[dict[str, float | None]] = []
        best_score, best_state, since = -1.0, copy.deepcopy(self.network.state_dict()), 0
        thresholds = self.best.thresholds
        scaled = torch.amp.GradScaler(enabled=self.device.type == "cuda" and self.amp is torch.float16)
        for epoch in range(1, self.config.epochs + 1):
            began = time.monotonic()
            self.network.train()
            losses = [self._step(self.sampler.draw(), scaled) for _ in range(len(self.sampler))]
            looked = epoch % self.look_every == 0 or epoch == self.config.epochs
            report = self._assess() if looked else None
            row: dict[str, float | None] = {
                "epoch": epoch, "train_loss": float(np.mean(losses)),
                "val_score": report.score if report else None,
                "lr": float(self.schedule.get_last_lr()[0]), "seconds": round(time.monotonic() - began, 2),
            }  # fmt: skip
            history.append(row)
            if on_epoch:
                on_epoch(epoch, self.config.epochs, row)
            if not looked:
                continue
            if report is None or report.score > best_score:
                best_score, since = report.score if report else best_score, 0
                self.best_report = report
                best_state, thresholds = copy.deepcopy(self.network.state_dict()), self.best.thresholds
            else:
                since += self.look_every
            if since >= self.config.patience:
                break
        self.network.load_state_dict(best_state)
        self.best.thresholds = thresholds
        return history

    def _step(self, batch: Batch, scaled: torch.amp.GradScaler) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=self.amp, enabled=self.device.type == "cuda"):
            loss = self._loss(batch)
        scaled.scale(loss).backward()
        scaled.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        scaled.step(self.optimiser)
        scaled.update()
        self.schedule.step()
        return float(loss.detach())

    def _loss(self, batch: Batch) -> Tensor:
        x = self.scaler(self._features(batch, augmented=True)).to(self.device)
        logits = self.network(x, batch.lab_B.to(self.device), batch.candidates_BC.to(self.device))
        wanted, labels = batch.wanted_BTC.to(self.device), batch.labels_BTC.to(self.device)
        return masked_loss(logits, labels, wanted, weight_C=self.weight_C, focal_gamma=self.config.focal_gamma)

    def _features(self, batch: Batch, *, augmented: bool) -> Tensor:
        agent, target = batch.agent_BTK2, batch.target_BTK2
        if augmented:
            B = len(agent)
            agent, target = augment.reflect(agent, target, torch.rand(B, generator=self.noise) < 0.5)
            agent, target = augment.stretch(agent, target, 0.9 + 0.2 * torch.rand(B, generator=self.noise))
            agent, target = augment.jitter(agent, target, self.config.jitter_cm, self.noise)
            agent, target = augment.drop_parts(agent, target, self.config.part_dropout, self.noise)
        return pair_features(agent, target, batch.is_self_B)

    def _fit_scaler(self) -> RobustScaler:
        x = self._features(self.sampler.sample_for_scaling(), augmented=False)
        return RobustScaler.fit(x.flatten(0, 1))

    def _look_every(self) -> int:
        """Epochs from one validation to the next: validating must not cost more than training does.

        Forward alone is about a third of a training step, per window.
        """
        looking = HeldOut.windows(self.best, self.data.videos, self.split.validation) / 3
        return min(self.config.epochs, max(1, math.ceil(looking / (len(self.sampler) * self.config.batch))))

    def _assess(self) -> metric.ScoreReport | None:
        """Fit the thresholds on the validation spans and score them there; None without any truth."""
        held_out = HeldOut.of(self.best, self.data.videos, self.split.validation)
        self.best.thresholds = held_out.fit_thresholds(self.best)
        return held_out.score(self.best)


def _rate(step: int, warmup: int, steps: int) -> float:
    """Linear warm-up, then a cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
