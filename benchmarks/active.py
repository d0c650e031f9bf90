"""Measure what to label next: stretches chosen by `stages.review.ranking` against stretches chosen by chance.

.venv/bin/python benchmarks/active.py [--data DIR --lab LAB] [--seeds 3] [--rounds 8] [--quick] [--json]

A person labels stretches of 5 s, six a round; after each round trees are trained on all labelled stretches and
judged by the frame-wise F of each action (mean) on videos that are never labelled. Ranked: the stretches that hold
the predicted bouts of the highest worth. Both begin with the same stretches and train the same trees. Printed:
the stretches needed to reach 90 % of the F that all stretches give (as many as there were, if it was not reached),
per seed and as their mean. Without --data a simulated lab is used, which says what the code does and nothing about
mice.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from figures import Figure, parser, show
from recognisers import read_lab

from etholake.dataset.labelled import LabelledVideo
from etholake.dataset.split import Span
from etholake.errors import DataError
from etholake.events.types import mask
from etholake.models.boosted import forest
from etholake.models.boosted.config import BoostedConfig
from etholake.simulate import simulate
from etholake.stages.review.ranking import ranked

STRETCH_S, PER_ROUND, START = 5.0, 6, 4
THRESHOLD, CANDIDATE = 0.5, 0.2  # of a decision, and of a bout that is worth asking about
SHARE = 0.9
TREES = BoostedConfig(rounds=60, depth=4, eta=0.1, min_child_weight=5.0, colsample=0.3)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="folder in the MABe layout with a real lab")
    options.add_argument("--lab", default="BlossomSocial")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--rounds", type=int, default=8)
    given = options.parse_args()
    seeds, rounds = (1, 3) if given.quick else (given.seeds, given.rounds)
    with tempfile.TemporaryDirectory(prefix="etholake-active-") as temporary:
        if given.data:
            videos = read_lab(given.data, given.lab).videos
        else:
            simulate(Path(temporary), labs=1, videos=10, seconds=60.0, seed=1)
            (lab,) = (path.name for path in (Path(temporary) / "train_tracking").iterdir())
            videos = read_lab(Path(temporary), lab).videos
        show(compare(videos, seeds, rounds), as_json=given.json)


def compare(videos: Sequence[LabelledVideo], seeds: int, rounds: int) -> list[Figure]:
    """Return the stretches that each way needs, per seed, their means and the ratio."""
    figures, needed = [], {"ranked": [], "random": []}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(videos))
        cut = max(1, int(0.6 * len(videos)))
        pool, judged = ([videos[i] for i in part] for part in (order[:cut], order[cut:]))
        stretches = [s for video in pool for s in cut_up(video)]
        final = score(forest.fit(pool, stretches, TREES), judged)
        figures.append(Figure(f"seed {seed}: F with all {len(stretches)} stretches", final, ""))
        for way, counts in needed.items():
            curve = learn(way, pool, judged, stretches, seed, rounds)
            reached = next((n for n, f in curve if f >= SHARE * final), len(stretches))
            counts.append(reached)
            path = ", ".join(f"{n}: {f:.3f}" for n, f in curve)
            print(f"seed {seed} {way}: {path}", file=sys.stderr)
            figures.append(Figure(f"seed {seed}: stretches to {SHARE:.0%} of it, {way}", reached, ""))
    figures += [Figure(f"mean stretches, {way}", mean(counts), "") for way, counts in needed.items()]
    ratio = mean(needed["ranked"]) / mean(needed["random"])
    return [*figures, Figure("ranked / random", ratio, "", "<= 1", ratio <= 1)]


def cut_up(video: LabelledVideo) -> list[Span]:
    """Return the stretches of a video."""
    tracks = video.tracks
    length = round(STRETCH_S * tracks.fps)
    last = tracks.first_frame + tracks.n_frames
    starts = range(tracks.first_frame, last - length // 2, length)
    return [Span(tracks.video_id, tracks.lab_id, start, min(start + length, last)) for start in starts]


def learn(
    way: str, pool: list[LabelledVideo], judged: list[LabelledVideo], stretches: list[Span], seed: int, rounds: int
) -> list[tuple[int, float]]:
    """Return (labelled stretches, F) after each round."""
    random = np.random.default_rng(100 + seed)
    waiting = [stretches[i] for i in random.permutation(len(stretches))]
    labelled, curve, model = [], [], None
    for number in range(rounds):
        wanted = START if number == 0 else PER_ROUND
        if way == "ranked" and model is not None:
            waiting = best_first(model, pool, labelled, waiting)
        labelled, waiting = labelled + waiting[:wanted], waiting[wanted:]
        try:
            model = forest.fit(pool, labelled, TREES)
            curve.append((len(labelled), score(model, judged)))
        except DataError:  # no action occurs in the stretches so far
            curve.append((len(labelled), 0.0))
    return curve


def best_first(model: Any, pool: list[LabelledVideo], labelled: list[Span], waiting: list[Span]) -> list[Span]:
    """Return the waiting stretches, those that hold the bouts of most worth first."""
    rows = [row for video in pool for row in bouts(model, video)]
    labels = [
        (event.action, (event.stop_frame - event.start_frame) / video.tracks.fps)
        for video in pool
        for event in video.events
        if any(s.video_id == video.tracks.video_id and s.start_frame <= event.start_frame < s.stop_frame
               for s in labelled)
    ]  # fmt: skip
    order: dict[Span, None] = {}
    for row in ranked(rows, labels):
        middle = (row["start_frame"] + row["stop_frame"]) // 2
        for stretch in waiting:
            if stretch.video_id == row["video_id"] and stretch.start_frame <= middle < stretch.stop_frame:
                order.setdefault(stretch)
    return [*order, *(stretch for stretch in waiting if stretch not in order)]


def bouts(model: Any, video: LabelledVideo) -> list[dict[str, Any]]:
    """Return the runs of frames that may be an action, as rows of `predictions`."""
    rows = []
    for pair in model.predict(video.tracks):
        for action, values in zip(pair.actions, np.nan_to_num(pair.probabilities_TA).T, strict=True):
            edges = np.flatnonzero(np.diff(np.r_[0, values >= CANDIDATE, 0]))
            for start, stop in edges.reshape(-1, 2).tolist():
                rows.append({
                    "split": "train", "lab_id": pair.lab_id, "video_id": pair.video_id, "run_id": "active",
                    "agent_id": pair.agent_id, "target_id": pair.target_id, "action": action,
                    "start_frame": pair.first_frame + start, "stop_frame": pair.first_frame + stop,
                    "confidence": float(values[start:stop].mean()), "seconds": (stop - start) / pair.fps,
                })  # fmt: skip
    return rows


def score(model: Any, videos: Sequence[LabelledVideo]) -> float:
    """Return the mean over actions of the frame-wise F on videos, at one threshold for all."""
    counts: dict[str, list[int]] = {}
    for video in videos:
        triplets = video.tracks.meta.labeled_behaviors
        probabilities = {
            (pair.agent_id, pair.target_id, action): (pair, values)
            for pair in model.predict(video.tracks)
            for action, values in zip(pair.actions, pair.probabilities_TA.T, strict=True)
        }
        for triplet in triplets:
            events = [e for e in video.events if (e.agent_id, e.target_id, e.action) == tuple(triplet)]
            tally = counts.setdefault(triplet[2], [0, 0])
            tally[1] += sum(e.stop_frame - e.start_frame for e in events)
            if tuple(triplet) in probabilities:
                pair, values = probabilities[tuple(triplet)]
                claimed = np.nan_to_num(values) >= THRESHOLD
                tally[0] += int((claimed & mask(events, pair.first_frame, len(values))).sum())
                tally[1] += int(claimed.sum())
    occurring = [2 * common / whole for common, whole in counts.values() if whole]
    return mean(occurring) if occurring else 0.0


if __name__ == "__main__":
    main()
