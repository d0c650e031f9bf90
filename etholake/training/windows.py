"""Draw windows for training: which part of which (agent, target) of which video is a sample, and the batch itself.

Labels stay events until a window is drawn, so that memory does not grow with the hours of video. Every draw
follows from (seed, step), so that a run that resumes after a crash draws the same batches.

Shape letters: B batch, T frames of a window at 30 Hz, C classes (actions).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etholake.dataset.batch import Batch
from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.split import Span
from etholake.dataset.values import Task
from etholake.dataset.windows import Window
from etholake.features.registry import window_encoder
from etholake.models.config import NetworkConfig

__all__ = ["Batch", "Pair", "WindowSampler"]

FrameRanges = npt.NDArray[np.int64]
TaskTargets = tuple[
    npt.NDArray[np.float32], npt.NDArray[np.bool_]
]  # targets and where they are known, at 30 Hz [T]


@dataclass(frozen=True)
class Pair:
    """One (agent, target) of one video with its labeled actions, and where they occur.

    `events` are (start, stop) frames at 30 Hz [n, 2] by class, sorted and disjoint; `train` are the ranges [n, 2]
    that train; `partly` those of them [n, 2] in which a class was looked for, where it was not in all. `agent` and
    `target` are positions in `mouse_ids`. The values that tasks ask for are the agent's.
    """

    video: LabelledVideo
    agent: int
    target: int
    lab: int
    events: Mapping[int, FrameRanges]
    train: FrameRanges
    partly: Mapping[int, FrameRanges] = field(default_factory=dict)
    targets: Sequence[TaskTargets] = ()  # of each task

    def training(self, column: int) -> FrameRanges:
        """Return the ranges [n, 2] in which a class trains."""
        return self.partly.get(column, self.train)

    @property
    def columns(self) -> list[int]:
        """The classes that are labeled behaviors of the pair."""
        return list(self.events)

    @property
    def length(self) -> int:
        """The number of frames at 30 Hz."""
        return len(self.video.tracks.xy_TMK2)

    def trains(self, frame: int) -> bool:
        """Return whether a frame at 30 Hz lies in a training span."""
        return bool(((self.train[:, 0] <= frame) & (frame < self.train[:, 1])).any())


class WindowSampler:
    """Draws batches of windows; a fraction of them around annotated events, evenly over (lab, action)."""

    def __init__(
        self, data: TrainingData, spans: Sequence[Span], labs: Sequence[str], config: NetworkConfig, seed: int
    ):
        self.config, self.actions, self.seed = config, data.actions, seed
        self.tasks, self.n_labs = config.asked(), len(labs) + 1
        self.encoder = window_encoder(config.encoder)
        by_video: dict[int, list[Span]] = defaultdict(list)
        for span in spans:
            by_video[span.video_id].append(span)
        self.pairs: list[Pair] = []
        for video in data.videos:
            if own_spans := by_video.get(video.tracks.video_id):
                species = config.species_index(video.tracks.meta.species)
                lab = labs.index(video.tracks.lab_id) + 1 + self.n_labs * species
                self.pairs += _pairs(video, own_spans, lab, data.actions, self.tasks)
        self.everywhere = [
            (p, start) for p, pair in enumerate(self.pairs) for start in _starts(pair, config.window, config.step)
        ]
        self.around = self._events_by_group()

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return self.config.batches_per_epoch or max(1, len(self.everywhere) // self.config.batch)

    def prevalence(self) -> Tensor:
        """Return the fraction of frames that are positive, by action [C], among frames in which it was labeled."""
        positive, labeled = np.zeros(len(self.actions)), np.zeros(len(self.actions))
        for pair in self.pairs:
            for column, events in pair.events.items():
                positive[column] += np.diff(_overlap(events, pair.training(column))).sum()
                labeled[column] += np.diff(pair.training(column)).sum()
        return torch.from_numpy(positive / np.maximum(labeled, 1)).float()

    def drawn_prevalence(self, batches: int = 8) -> Tensor:
        """Return `prevalence` among the windows of some batches, as training sees them."""
        drawn = [self.draw(step) for step in range(batches)]
        C = len(self.actions)
        positive, labeled = (
            sum(getattr(batch, name)[..., :C].sum(dim=(0, 1)) for batch in drawn)
            for name in ("labels_BTC", "loss_mask_BTC")
        )
        return positive / labeled.clamp(min=1)

    def draw(self, step: int, margin: int = 0) -> Batch:
        """Return the batch of a step: windows with `margin` more frames at both ends, for augmentations to use."""
        random = np.random.default_rng([self.seed, step])
        B = self.config.batch
        hits = random.random(B) < (self.config.positive_fraction if self.around else 0.0)
        chosen = [self._around_event(random) if hit else self._anywhere(random) for hit in hits]
        batch = self._batch(chosen, margin)
        hidden_B = torch.from_numpy(random.random(B) < self.config.hidden_lab_fraction)
        batch.lab_B[hidden_B] -= batch.lab_B[hidden_B] % self.n_labs  # the species stays
        return batch

    def sample_for_scaling(self, n: int = 256) -> Batch:
        """Return windows drawn evenly over the data, for the scaler's statistics."""
        random = np.random.default_rng([self.seed, 2**32])
        return self._batch([self._anywhere(random) for _ in range(n)], 0)

    def _anywhere(self, random: np.random.Generator) -> tuple[int, int]:
        return self.everywhere[random.integers(len(self.everywhere))]

    def _around_event(self, random: np.random.Generator) -> tuple[int, int]:
        group = self.around[random.integers(len(self.around))]
        p, start, stop = group[random.integers(len(group))]
        centre = int(random.integers(start, max(start + 1, stop)))
        offset = int(random.integers(self.config.window))
        return p, min(max(0, centre - offset), max(0, self.pairs[p].length - self.config.window))

    def _events_by_group(self) -> list[list[tuple[int, int, int]]]:
        """Return (pair, start, stop) of the events that train, one list per (lab, action)."""
        groups: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
        for p, pair in enumerate(self.pairs):
            for column, events in pair.events.items():
                inside = _overlap(events, pair.training(column))
                groups[pair.lab, column] += [(p, int(start), int(stop)) for start, stop in inside]
        return [group for _, group in sorted(groups.items()) if group]

    def _batch(self, chosen: Sequence[tuple[int, int]], margin: int) -> Batch:
        B, T, C = len(chosen), self.config.window + 2 * margin, len(self.actions)
        columns = C + len(self.tasks)
        labels, loss_mask = np.zeros((B, T, columns), np.float32), np.zeros((B, T, columns), np.float32)
        labeled = np.zeros((B, C), np.float32)
        windows = []
        for b, (p, first) in enumerate(chosen):
            pair, start = self.pairs[p], first - margin
            windows.append(Window(pair.video.tracks, pair.agent, pair.target, start))
            labeled[b, pair.columns] = 1
            for low, high in _within(pair.train, start, T):
                loss_mask[b, low:high, :C] = labeled[b]
                for v, (target_T, known_T) in enumerate(pair.targets):
                    labels[b, low:high, C + v] = target_T[start + low : start + high]
                    loss_mask[b, low:high, C + v] = known_T[start + low : start + high]
            for column, ranges in pair.partly.items():
                loss_mask[b, :, column] = 0
                for low, high in _within(ranges, start, T):
                    loss_mask[b, low:high, column] = 1
            for column, events in pair.events.items():
                for low, high in _within(events, start, T):
                    labels[b, low:high, column] = 1
        labs = torch.tensor([self.pairs[p].lab for p, _ in chosen])
        tracks = self.encoder.gather(windows, T)
        if tracks.clips is not None:  # nothing is learnt from frames without a picture
            loss_mask *= tracks.clips.seen_BT.numpy()[..., None]
        targets = (torch.from_numpy(x) for x in (labeled, labels, loss_mask))
        return Batch(tracks, labs, *targets)


def _pairs(
    video: LabelledVideo, spans: Sequence[Span], lab: int, actions: Sequence[str], tasks: Sequence[Task]
) -> list[Pair]:
    """Return the pairs of labeled behaviors; where tasks ask for values, every animal with one and the next."""
    tracks = video.tracks
    labeled: dict[tuple[int, int], set[int]] = defaultdict(set)
    for agent, target, action in tracks.labeled_behaviors:
        if {agent, target} <= set(tracks.mouse_ids):
            labeled[agent, target].add(actions.index(action))
    at = tracks.frame_times()
    train = _merged([tuple(np.searchsorted(at, (s.start_frame, s.stop_frame))) for s in spans])
    nearest = np.round(at)
    targets = {m: [task.targets(video.values, m, nearest) for task in tasks] for m in tracks.mouse_ids}
    for n, mouse in enumerate(tracks.mouse_ids):
        if any(known_T.any() for _, known_T in targets[mouse]):
            labeled.setdefault((mouse, tracks.mouse_ids[(n + 1) % len(tracks.mouse_ids)]), set())
    pairs = []
    for (agent, target), columns in labeled.items():
        by_column: dict[int, list[tuple[int, int]]] = {column: [] for column in sorted(columns)}
        for event in video.events:
            column = actions.index(event.action)
            if (event.agent_id, event.target_id) == (agent, target) and column in by_column:
                start, stop = np.searchsorted(nearest, (event.start_frame, event.stop_frame))
                by_column[column].append((int(start), int(stop)))
        events = {column: _merged(intervals) for column, intervals in by_column.items()}
        partly = {}
        for column in by_column:
            spans_of_column = video.spans.get((agent, target, actions[column]))
            if spans_of_column is not None:
                ranges = _merged([tuple(np.searchsorted(nearest, span)) for span in spans_of_column])
                partly[column] = _overlap(ranges, train)
        places = (tracks.mouse_ids.index(agent), tracks.mouse_ids.index(target))
        pairs.append(Pair(video, *places, lab, events, train, partly, targets[agent]))
    return pairs


def _starts(pair: Pair, window: int, step: int) -> list[int]:
    """Return the starts of windows whose middle trains."""
    last = max(0, pair.length - window)
    middle = min(window // 2, pair.length - 1)
    return [s for s in sorted({*range(0, last + 1, step), last}) if pair.trains(min(s + middle, pair.length - 1))]


def _merged(intervals: Sequence[tuple[int, int]]) -> FrameRanges:
    """Return the union as sorted ranges [n, 2]; empty ones vanish."""
    union: list[list[int]] = []
    for start, stop in sorted((int(a), int(b)) for a, b in intervals if a < b):
        if union and start <= union[-1][1]:
            union[-1][1] = max(union[-1][1], stop)
        else:
            union.append([start, stop])
    return np.array(union, dtype=np.int64).reshape(-1, 2)


def _overlap(a: FrameRanges, b: FrameRanges) -> FrameRanges:
    """Return the parts of `a` that lie in `b`."""
    cut = [(max(s, low), min(e, high)) for s, e in a.tolist() for low, high in b.tolist()]
    return _merged(cut)


def _within(intervals: FrameRanges, start: int, length: int) -> list[tuple[int, int]]:
    """Return the parts inside ``start <= t < start + length``, counted from `start`."""
    first, last = (
        np.searchsorted(intervals[:, 1], start, "right"),
        np.searchsorted(intervals[:, 0], start + length),
    )
    return [(max(0, s - start), min(length, e - start)) for s, e in intervals[first:last].tolist()]
