"""Windows for training: which part of which (agent, target) of which video makes a sample, and the batch itself.

Labels stay events and become ticks when a window is drawn, so that memory does not grow with the hours of video.
Every draw follows from (seed, step): a run that goes on after a crash draws what it would have drawn.

Shape letters: B batch, T ticks of a window, C classes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etholake.dataset.batch import Batch
from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.split import Span
from etholake.dataset.windows import Window, gather
from etholake.models.config import NetworkConfig

__all__ = ["Batch", "Pair", "WindowSampler"]

Ticks = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """One (agent, target) of one video: the classes that were looked for, and where they occur.

    `events` are (start, stop) ticks [n, 2] by class, sorted and apart; `train` are the ticks [n, 2] that train.
    """

    video: LabelledVideo
    agent: int  # position in the clip's mice
    target: int
    lab: int
    events: Mapping[int, Ticks]
    train: Ticks

    @property
    def columns(self) -> list[int]:
        return list(self.events)

    @property
    def ticks(self) -> int:
        return len(self.video.clip.xy_TMK2)

    def trains(self, tick: int) -> bool:
        return bool(((self.train[:, 0] <= tick) & (tick < self.train[:, 1])).any())


class WindowSampler:
    """Draws batches of windows; a share of them around annotated events, evenly over (lab, action)."""

    def __init__(
        self, data: TrainingData, spans: Sequence[Span], labs: Sequence[str], config: NetworkConfig, seed: int
    ):
        self.config, self.actions, self.seed = config, data.actions, seed
        by_video: dict[int, list[Span]] = defaultdict(list)
        for span in spans:
            by_video[span.video_id].append(span)
        self.pairs: list[Pair] = []
        for video in data.videos:
            if mine := by_video.get(video.clip.video_id):
                self.pairs += _pairs(video, mine, labs.index(video.clip.lab_id) + 1, data.actions)
        self.everywhere = [
            (p, start) for p, pair in enumerate(self.pairs) for start in _starts(pair, config.window, config.step)
        ]
        self.around = self._events()

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.config.batches_per_epoch or max(1, len(self.everywhere) // self.config.batch)

    def prevalence(self) -> Tensor:
        """Return the fraction of frames that are positive, by action [C], among frames in which it was labeled."""
        positive, looked = np.zeros(len(self.actions)), np.zeros(len(self.actions))
        for pair in self.pairs:
            for column, events in pair.events.items():
                positive[column] += np.diff(_overlap(events, pair.train)).sum()
                looked[column] += np.diff(pair.train).sum()
        return torch.from_numpy(positive / np.maximum(looked, 1)).float()

    def draw(self, step: int, margin: int = 0) -> Batch:
        """The batch of a step: windows with `margin` more ticks at both ends, for augmentations to use."""
        random = np.random.default_rng([self.seed, step])
        B = self.config.batch
        hits = random.random(B) < (self.config.positive_share if self.around else 0.0)
        chosen = [self._around_event(random) if hit else self._anywhere(random) for hit in hits]
        batch = self._batch(chosen, margin)
        batch.lab_B[torch.from_numpy(random.random(B) < self.config.hidden_lab_share)] = 0
        return batch

    def sample_for_scaling(self, n: int = 256) -> Batch:
        """Windows drawn evenly over the data, for the scaler's statistics."""
        random = np.random.default_rng([self.seed, 2**32])
        return self._batch([self._anywhere(random) for _ in range(n)], 0)

    def _anywhere(self, random: np.random.Generator) -> tuple[int, int]:
        return self.everywhere[random.integers(len(self.everywhere))]

    def _around_event(self, random: np.random.Generator) -> tuple[int, int]:
        group = self.around[random.integers(len(self.around))]
        p, start, stop = group[random.integers(len(group))]
        centre = int(random.integers(start, max(start + 1, stop)))
        offset = int(random.integers(self.config.window))
        return p, min(max(0, centre - offset), max(0, self.pairs[p].ticks - self.config.window))

    def _events(self) -> list[list[tuple[int, int, int]]]:
        """Per (lab, action): (pair, start, stop) of the events that train."""
        groups: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
        for p, pair in enumerate(self.pairs):
            for column, events in pair.events.items():
                inside = _overlap(events, pair.train)
                groups[pair.lab, column] += [(p, int(start), int(stop)) for start, stop in inside]
        return [group for _, group in sorted(groups.items()) if group]

    def _batch(self, chosen: Sequence[tuple[int, int]], margin: int) -> Batch:
        B, T, C = len(chosen), self.config.window + 2 * margin, len(self.actions)
        labels, wanted = np.zeros((B, T, C), np.float32), np.zeros((B, T, C), np.float32)
        candidates = np.zeros((B, C), np.float32)
        windows = []
        for b, (p, first) in enumerate(chosen):
            pair, start = self.pairs[p], first - margin
            windows.append(Window(pair.video.clip, pair.agent, pair.target, start))
            candidates[b, pair.columns] = 1
            for low, high in _within(pair.train, start, T):
                wanted[b, low:high] = candidates[b]
            for column, events in pair.events.items():
                for low, high in _within(events, start, T):
                    labels[b, low:high, column] = 1
        labs = torch.tensor([self.pairs[p].lab for p, _ in chosen])
        targets = (torch.from_numpy(x) for x in (candidates, labels, wanted))
        return Batch(gather(windows, T), labs, *targets)


def _pairs(video: LabelledVideo, spans: Sequence[Span], lab: int, actions: Sequence[str]) -> list[Pair]:
    clip = video.clip
    looked_for: dict[tuple[int, int], set[int]] = defaultdict(set)
    for agent, target, action in clip.behaviors:
        if {agent, target} <= set(clip.mouse_ids):
            looked_for[agent, target].add(actions.index(action))
    at = clip.clock_times()
    train = _merged([tuple(np.searchsorted(at, (s.start_frame, s.stop_frame))) for s in spans])
    nearest = np.round(at)
    pairs = []
    for (agent, target), columns in looked_for.items():
        found: dict[int, list[tuple[int, int]]] = {column: [] for column in sorted(columns)}
        for event in video.events:
            column = actions.index(event.action)
            if (event.agent_id, event.target_id) == (agent, target) and column in found:
                start, stop = np.searchsorted(nearest, (event.start_frame, event.stop_frame))
                found[column].append((int(start), int(stop)))
        events = {column: _merged(intervals) for column, intervals in found.items()}
        pairs.append(Pair(video, clip.mouse_ids.index(agent), clip.mouse_ids.index(target), lab, events, train))
    return pairs


def _starts(pair: Pair, window: int, step: int) -> list[int]:
    """Starts of windows whose middle trains."""
    last = max(0, pair.ticks - window)
    middle = min(window // 2, pair.ticks - 1)
    return [s for s in sorted({*range(0, last + 1, step), last}) if pair.trains(min(s + middle, pair.ticks - 1))]


def _merged(intervals: Sequence[tuple[int, int]]) -> Ticks:
    """The union as sorted intervals [n, 2]; empty ones vanish."""
    union: list[list[int]] = []
    for start, stop in sorted((int(a), int(b)) for a, b in intervals if a < b):
        if union and start <= union[-1][1]:
            union[-1][1] = max(union[-1][1], stop)
        else:
            union.append([start, stop])
    return np.array(union, dtype=np.int64).reshape(-1, 2)


def _overlap(a: Ticks, b: Ticks) -> Ticks:
    """The parts of `a` that lie in `b`."""
    cut = [(max(s, low), min(e, high)) for s, e in a.tolist() for low, high in b.tolist()]
    return _merged(cut)


def _within(intervals: Ticks, start: int, length: int) -> list[tuple[int, int]]:
    """The parts inside ``start <= t < start + length``, counted from `start`."""
    first, last = (
        np.searchsorted(intervals[:, 1], start, "right"),
        np.searchsorted(intervals[:, 0], start + length),
    )
    return [(max(0, s - start), min(length, e - start)) for s, e in intervals[first:last].tolist()]
