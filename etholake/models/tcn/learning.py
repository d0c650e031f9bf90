"""Train the networks of `tcn`: samples of a minute from all videos of a lab, one network after the other.

Shape letters: B samples, I inputs, S steps, A actions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from etholake.dataset.labelled import LabelledVideo, lab_actions
from etholake.dataset.split import Span
from etholake.errors import DataError
from etholake.features.registry import table_encoder
from etholake.models.adamw import AdamW
from etholake.models.boosted.forest import annotated_frames, labeled_pairs
from etholake.models.tcn.config import TcnConfig
from etholake.models.tcn.model import Expert, Key, TcnModel, kind_of
from etholake.models.tcn.network import Tcn
from etholake.models.tcn.sequences import Scaling, Steps, averaged, steps_of

__all__ = ["fit"]

Floats = npt.NDArray[np.float32]
EMA = 0.99  # decay of the averaged weights that are kept


@dataclass(frozen=True)
class _Sequence:
    """A pair's steps in one span, its labels [S, A] (fractions of a step), and how much each counts [S, A]."""

    steps: Steps
    true_SA: Floats
    weight_SA: Floats


def fit(videos: Sequence[LabelledVideo], spans: Sequence[Span], config: TcnConfig) -> TcnModel:
    """Train the experts of every lab and kind of behavior that occurs in `spans`.

    A frame counts only for the labeled behaviors (agent, target, action) of its video. Raises DataError if no
    action occurs.
    """
    occurring = {(lab, a) for lab, actions in lab_actions(videos, spans).items() for a in actions}
    if not occurring:
        raise DataError("No labeled behavior occurs in the training videos: there is nothing to learn.")
    by_id = {v.tracks.video_id: v for v in videos}
    labeled = [
        (span, pair, actions)
        for span in spans
        for pair, actions in labeled_pairs(by_id[span.video_id], occurring).items()
    ]
    vocabulary: dict[Key, set[str]] = defaultdict(set)
    for span, pair, actions in labeled:
        vocabulary[span.lab_id, kind_of(*pair)] |= set(actions)
    sequences: dict[Key, list[_Sequence]] = defaultdict(list)
    for span, pair, _ in labeled:
        at = span.lab_id, kind_of(*pair)
        if made := _sequence(by_id[span.video_id], span, pair, sorted(vocabulary[at]), config):
            sequences[at].append(made)
    with _seeded(config.seed or 0, config.threads):
        experts = {
            at: _expert(sorted(vocabulary[at]), own, config, np.random.default_rng([config.seed or 0, n]))
            for n, (at, own) in enumerate(sorted(sequences.items()))
            if any(len(sequence.true_SA) > 1 for sequence in own)  # one step has no spread to scale by
        }
    return TcnModel(experts, config)


def _sequence(
    video: LabelledVideo, span: Span, pair: tuple[int, int], actions: Sequence[str], config: TcnConfig
) -> _Sequence | None:
    """Return the steps of a pair in a span, and their labels; None for a span without frames."""
    tracks, pool = video.tracks, config.pool
    inside = slice(*map(int, np.searchsorted(tracks.frame_times(), (span.start_frame, span.stop_frame))))
    if inside.start >= inside.stop:
        return None
    T = len(tracks.xy_TMK2)
    true_TA, weight_TA = np.zeros((T, len(actions)), np.float32), np.zeros((T, len(actions)), np.float32)
    for i, action in enumerate(actions):
        triplet = (*pair, action)
        if triplet in tracks.labeled_behaviors:
            looked_for_T = video.looked_for(triplet)
            true_TA[:, i] = annotated_frames(video, triplet)
            weight_TA[inside, i] = 1 if looked_for_T is None else looked_for_T[inside]
    steps = range(inside.start // pool, -(-inside.stop // pool))
    own = slice(steps.start * pool, min(T, steps.stop * pool))
    weight_SA = averaged(weight_TA[own], pool)[0]
    true_SA = averaged(true_TA[own] * weight_TA[own], pool)[0] / np.maximum(weight_SA, np.float32(1e-6))
    columns = steps_of(tracks, table_encoder(config.encoder), *pair, pool, steps)
    return _Sequence(columns, true_SA.astype(np.float32), weight_SA)


def _expert(
    actions: Sequence[str], sequences: Sequence[_Sequence], config: TcnConfig, random: np.random.Generator
) -> Expert:
    """Train the networks of one lab and kind."""
    scaling = Scaling.fit([sequence.steps for sequence in sequences])
    x = [torch.from_numpy(np.ascontiguousarray(scaling(s.steps).T)) for s in sequences]
    y = [torch.from_numpy(np.stack([s.true_SA.T, s.weight_SA.T])) for s in sequences]
    networks = tuple(_trained(x, y, config, random) for _ in range(config.networks))
    return Expert(tuple(actions), scaling, networks)


def _trained(x: Sequence[Tensor], y: Sequence[Tensor], config: TcnConfig, random: np.random.Generator) -> Tcn:
    """Train one network on sequences of inputs [I, S] and of labels and weights [2, A, S].

    The weights that are kept are averages over the last updates.
    """
    network = Tcn(len(x[0]), y[0].shape[1], config.width, config.blocks, config.dropout)
    updates = config.updates(sum(sequence.shape[1] for sequence in x))
    optimiser = AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.lr, total_steps=updates, pct_start=0.1)
    kept = [parameter.detach().clone() for parameter in network.parameters()]
    network.train()
    for update in range(updates):
        x_BIS, y_2BAS = _drawn(x, y, config, random)
        shown_BI1 = torch.rand(config.batch, x_BIS.shape[1], 1) >= config.feature_dropout
        x_BIS = x_BIS * shown_BI1 / (1 - config.feature_dropout) + config.noise * torch.randn_like(x_BIS)
        true_BAS, weight_BAS = y_2BAS
        loss_BAS = nn.functional.binary_cross_entropy_with_logits(network(x_BIS), true_BAS, reduction="none")
        loss = (loss_BAS * weight_BAS).sum() / weight_BAS.sum().clamp(min=1.0)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        rate.step()
        decay = min(EMA, (1 + update) / (10 + update))
        for average, parameter in zip(kept, network.parameters(), strict=True):
            average.lerp_(parameter.detach(), 1 - decay)
    with torch.no_grad():
        for average, parameter in zip(kept, network.parameters(), strict=True):
            parameter.copy_(average)
    return network.eval()


def _drawn(
    x: Sequence[Tensor], y: Sequence[Tensor], config: TcnConfig, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw samples evenly over the steps of all sequences: inputs [B, I, S], labels and weights [2, B, A, S].

    A sequence that is shorter than a sample ends with steps of no weight.
    """
    lengths = np.array([sequence.shape[1] for sequence in x])
    x_BIS = torch.zeros(config.batch, len(x[0]), config.crop)
    y_2BAS = torch.zeros(2, config.batch, y[0].shape[1], config.crop)
    for b, chosen in enumerate(random.choice(len(x), config.batch, p=lengths / lengths.sum())):
        start = int(random.integers(max(1, lengths[chosen] - config.crop + 1)))
        n = min(int(lengths[chosen]), config.crop)
        x_BIS[b, :, :n] = x[chosen][:, start : start + n]
        y_2BAS[:, b, :, :n] = y[chosen][:, :, start : start + n]
    return x_BIS, y_2BAS


@contextmanager
def _seeded(seed: int, threads: int) -> Iterator[None]:
    """Give torch this seed and so many threads; restore both after."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
