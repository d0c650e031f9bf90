"""Windows for training: which part of which (agent, target) of which video makes a sample, and the batch itself.

Shape letters: B batch, T ticks of a window, K unified parts, C classes. Labels have three states: positive,
negative, and masked (the triplet was not looked for, or the tick lies outside the part that trains).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etholake.models.config import ModelConfig
from etholake.training.data import LabelledVideo, TrainingData
from etholake.training.split import Span

__all__ = ["Batch", "WindowSampler"]


@dataclass(frozen=True)
class Batch:
    """One batch on the CPU. `wanted` masks the loss; `candidates` are the looked-for actions per sample."""

    agent_BTK2: Tensor
    target_BTK2: Tensor
    is_self_B: Tensor
    lab_B: Tensor
    candidates_BC: Tensor
    labels_BTC: Tensor
    wanted_BTC: Tensor


@dataclass(frozen=True)
class _Pair:
    """One (agent, target) of one video: label columns only for what was looked for."""

    video: int
    agent: int  # index into the clip's mice
    target: int
    lab: int
    columns: npt.NDArray[np.int64]
    labels_TA: npt.NDArray[np.bool_]
    train_T: npt.NDArray[np.bool_]


class WindowSampler:
    """Draws batches of windows; a share of them around annotated events, evenly over (lab, action)."""

    def __init__(
        self, data: TrainingData, spans: Sequence[Span], labs: Sequence[str], config: ModelConfig, seed: int
    ):
        self.config = config
        self.actions = data.actions
        self.random = np.random.default_rng(seed)
        self.tracks = [torch.from_numpy(v.clip.xy_TMK2) for v in data.videos]
        by_video: dict[int, list[Span]] = defaultdict(list)
        for span in spans:
            by_video[span.video_id].append(span)
        self.pairs: list[_Pair] = []
        for index, video in enumerate(data.videos):
            if mine := by_video.get(video.clip.meta.video_id):
                self.pairs += _pairs(index, video, mine, labs.index(video.clip.meta.lab_id) + 1, data.actions)
        self.everywhere = [
            (p, start)
            for p, pair in enumerate(self.pairs)
            for start in _starts(pair.train_T, config.window, config.step)
        ]
        self.around = self._events()

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.config.batches_per_epoch or max(1, len(self.everywhere) // self.config.batch)

    def shares(self) -> Tensor:
        """Share of looked-for ticks that are positive, per class [C]."""
        positive, looked = np.zeros(len(self.actions)), np.zeros(len(self.actions))
        for pair in self.pairs:
            positive[pair.columns] += pair.labels_TA[pair.train_T].sum(axis=0)
            looked[pair.columns] += pair.train_T.sum()
        return torch.from_numpy(positive / np.maximum(looked, 1)).float()

    def draw(self) -> Batch:
        """A random batch."""
        B = self.config.batch
        chosen = [self._around_event() if hit else self._anywhere() for hit in self._coin(B)]
        return self._batch(chosen)

    def _coin(self, n: int) -> npt.NDArray[np.bool_]:
        share = self.config.positive_share if self.around else 0.0
        return self.random.random(n) < share

    def _anywhere(self) -> tuple[int, int]:
        return self.everywhere[self.random.integers(len(self.everywhere))]

    def _around_event(self) -> tuple[int, int]:
        group = self.around[self.random.integers(len(self.around))]
        p, start, stop = group[self.random.integers(len(group))]
        centre = int(self.random.integers(start, max(start + 1, stop)))
        offset = int(self.random.integers(self.config.window))
        last = max(0, len(self.pairs[p].train_T) - self.config.window)
        return p, min(max(0, centre - offset), last)

    def _events(self) -> list[list[tuple[int, int, int]]]:
        """Per (lab, action): (pair, start, stop) of the events that train."""
        groups: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
        for p, pair in enumerate(self.pairs):
            for a, column in enumerate(pair.columns):
                on = np.flatnonzero(np.diff(np.r_[0, (pair.labels_TA[:, a] & pair.train_T).astype(np.int8), 0]))
                groups[pair.lab, int(column)] += [(p, int(s), int(e)) for s, e in on.reshape(-1, 2)]
        return [group for _, group in sorted(groups.items()) if group]

    def _batch(self, chosen: Sequence[tuple[int, int]]) -> Batch:
        B, T, C = len(chosen), self.config.window, len(self.actions)
        K = self.tracks[0].shape[2]
        agents, targets = (torch.full((B, T, K, 2), torch.nan) for _ in range(2))
        labels, wanted = torch.zeros(B, T, C), torch.zeros(B, T, C)
        candidates = torch.zeros(B, C)
        pairs = [self.pairs[p] for p, _ in chosen]
        for b, ((_, start), pair) in enumerate(zip(chosen, pairs, strict=True)):
            piece = self.tracks[pair.video][start : start + T]
            n = len(piece)
            agents[b, :n], targets[b, :n] = piece[:, pair.agent], piece[:, pair.target]
            inside = torch.from_numpy(pair.train_T[start : start + n].astype(np.float32))
            labels[b, :n, pair.columns] = torch.from_numpy(pair.labels_TA[start : start + n].astype(np.float32))
            wanted[b, :n, pair.columns] = inside[:, None].expand(n, len(pair.columns))
            candidates[b, pair.columns] = 1
        is_self = torch.tensor([pair.agent == pair.target for pair in pairs])
        labs = np.array([pair.lab for pair in pairs])
        labs[self.random.random(B) < self.config.hidden_lab_share] = 0
        return Batch(agents, targets, is_self, torch.from_numpy(labs), candidates, labels, wanted)

    def sample_for_scaling(self, n: int = 64) -> Batch:
        """Windows drawn evenly over the data, for the scaler's statistics."""
        return self._batch([self._anywhere() for _ in range(n)])


def _pairs(
    index: int, video: LabelledVideo, spans: Sequence[Span], lab: int, actions: Sequence[str]
) -> list[_Pair]:
    clip = video.clip
    looked_for: Mapping[tuple[int, int], list[int]] = defaultdict(list)
    for agent, target, action in clip.meta.behaviors:
        if {agent, target} <= set(clip.mouse_ids):
            looked_for[agent, target].append(actions.index(action))
    at = clip.clock_times()
    train = np.zeros(len(at), dtype=bool)
    for span in spans:
        train |= (at >= span.start_frame) & (at < span.stop_frame)
    pairs = []
    for (agent, target), found in looked_for.items():
        columns = np.array(sorted(set(found)))
        labels = np.zeros((len(at), len(columns)), dtype=bool)
        for event in video.events:
            if (event.agent_id, event.target_id) == (agent, target):
                a = np.flatnonzero(columns == actions.index(event.action))
                nearest = np.round(at)
                labels[np.ix_((nearest >= event.start_frame) & (nearest < event.stop_frame), a)] = True
        pairs.append(
            _Pair(index, clip.mouse_ids.index(agent), clip.mouse_ids.index(target), lab, columns, labels, train)
        )
    return pairs


def _starts(train_T: npt.NDArray[np.bool_], window: int, step: int) -> list[int]:
    """Starts of windows whose middle trains."""
    last = max(0, len(train_T) - window)
    middle = min(window // 2, len(train_T) - 1)
    return [s for s in {*range(0, last + 1, step), last} if train_T[min(s + middle, len(train_T) - 1)]]
