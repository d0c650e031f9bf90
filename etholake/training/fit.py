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
from etholake.events import thresholds as fitting
from etholake.events.decode import decode
from etholake.events.types import Event, PairScores
from etholake.features import augment
from etholake.features.pair import FEATURE_NAMES, pair_features
from etholake.models import build
from etholake.models.cnn_transformer import CnnTransformer
from etholake.models.config import ModelConfig, named
from etholake.models.recogniser import Recogniser
from etholake.models.scaler import RobustScaler
from etholake.training.data import LabelledVideo, TrainingData, lab_actions
from etholake.training.split import Span, Split, Video, choose
from etholake.training.windows import Batch, WindowSampler

__all__ = ["fit"]

OnEpoch = Callable[[int, int, Mapping[str, float]], None]


def fit(
    data: TrainingData,
    model_dir: Path,
    config_name: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    holdout: Sequence[int] = (),
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
) -> dict[str, Any]:
    """Train a recogniser and store it in `model_dir`. Returns the report that `meta.json` also keeps.

    The best epoch by validation score (official metric, thresholds fitted on the same validation spans) is kept;
    without validation data the last epoch is. The same seed on the same number of threads gives the same weights.
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
    score = _validate(model, data, split.validation)
    report = {
        "split": split.to_json(),
        "data_fingerprint": data.fingerprint,
        "seed": seed,
        "device": str(device),
        "history": history,
        "validation": score.to_json() if score else None,
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
        self.network = network.to(device)
        self.noise = torch.Generator().manual_seed(seed)
        self.scaler = self._fit_scaler()
        train_ids = {span.video_id for span in split.train}
        seen = [v for v in data.videos if v.clip.meta.video_id in train_ids]
        self.best = Recogniser(self.network, self.scaler, config, data.actions, tuple(labs), lab_actions(seen))
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        steps = config.epochs * len(self.sampler)
        warmup = max(1, round(config.warmup_epochs * len(self.sampler)))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: _rate(step, warmup, steps))
        self.amp = torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float16

    def run(self, on_epoch: OnEpoch | None) -> list[dict[str, float]]:
        """All epochs; `best` holds the best model afterwards."""
        history: list[dict[str, float]] = []
        best_score, best_state, since = -1.0, copy.deepcopy(self.network.state_dict()), 0
        thresholds = self.best.thresholds
        scaled = torch.amp.GradScaler(enabled=self.device.type == "cuda" and self.amp is torch.float16)
        for epoch in range(1, self.config.epochs + 1):
            began = time.monotonic()
            self.network.train()
            losses = [self._step(self.sampler.draw(), scaled) for _ in range(len(self.sampler))]
            self.best.thresholds = self._fit_thresholds()
            report = _validate(self.best, self.data, self.split.validation)
            score = report.score if report else math.nan
            row = {"epoch": epoch, "train_loss": float(np.mean(losses)), "val_score": score,
                   "lr": float(self.schedule.get_last_lr()[0]), "seconds": time.monotonic() - began}  # fmt: skip
            history.append(row)
            if on_epoch:
                on_epoch(epoch, self.config.epochs, row)
            if math.isnan(score) or score > best_score:
                best_score, since = score, 0
                best_state, thresholds = copy.deepcopy(self.network.state_dict()), self.best.thresholds
            else:
                since += 1
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
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none")
        return (loss * wanted).sum() / wanted.sum().clamp(min=1)

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

    def _fit_thresholds(self) -> fitting.Thresholds:
        pairs, truth, whitelist = _held_out(self.best, self.data, self.split.validation)
        return fitting.fit(pairs, truth, whitelist) if pairs else fitting.Thresholds()


def _rate(step: int, warmup: int, steps: int) -> float:
    """Linear warm-up, then a cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))


# --- validation -------------------------------------------------------------------------------------------
def _held_out(
    model: Recogniser, data: TrainingData, spans: Sequence[Span]
) -> tuple[list[PairScores], list[Event], dict[int, frozenset[tuple[int, int, str]]]]:
    """Scores and truth of the spans, clipped to them."""
    videos = {v.clip.meta.video_id: v for v in data.videos}
    pairs, truth, whitelist = [], [], {}
    for span in spans:
        video = videos[span.video_id]
        pairs += [_clip_scores(pair, span) for pair in model.predict(video.clip)]
        truth += _clip_events(video, span)
        whitelist[span.video_id] = frozenset(video.clip.meta.behaviors)
    return pairs, truth, whitelist


def _validate(model: Recogniser, data: TrainingData, spans: Sequence[Span]) -> metric.ScoreReport | None:
    """The official score on the spans; None without truth. Nothing predicted scores 0."""
    pairs, truth, whitelist = _held_out(model, data, spans)
    if not truth:
        return None
    by_video: dict[int, list[PairScores]] = {}
    for pair in pairs:
        by_video.setdefault(pair.video_id, []).append(pair)
    events = [
        e for v, mine in by_video.items() for e in decode(mine, whitelist[v], model.thresholds, model.decoding)
    ]
    nothing = Event(spans[0].video_id, 1, 1, "nothing", 0, 0)  # an empty submission is an error of the metric
    labs = {span.video_id: span.lab_id for span in spans}
    return metric.score(truth, events or [nothing], labs, whitelist)


def _clip_scores(pair: PairScores, span: Span) -> PairScores:
    low, high = (max(0, f - pair.first_frame) for f in (span.start_frame, span.stop_frame))
    return PairScores(
        pair.video_id, pair.lab_id, pair.fps, pair.agent_id, pair.target_id,
        pair.first_frame + low, pair.actions, pair.probabilities_TA[low:high],
    )  # fmt: skip


def _clip_events(video: LabelledVideo, span: Span) -> list[Event]:
    clipped = []
    for e in video.events:
        start, stop = max(e.start_frame, span.start_frame), min(e.stop_frame, span.stop_frame)
        if start < stop:
            clipped.append(Event(e.video_id, e.agent_id, e.target_id, e.action, start, stop))
    return clipped
