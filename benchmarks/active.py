"""Measure what to label next: stretches chosen by `stages.review.ranking` against stretches chosen by chance.

.venv/bin/python benchmarks/active.py [--data DIR --lab LAB] [--seeds 3] [--first-seed 0] [--quick] [--json]

A person labels stretches of 5 s; after each round trees are trained on all labelled stretches and judged by the
frame-wise F of each action (mean) on videos that are never labelled. Ranked: the stretches that hold the
predicted bouts of the highest worth. Both ways begin with the same stretches, and go on until 90 % of the final
F is reached: of the F that all stretches give, which both reach at last. A round is six stretches, later a tenth
of those that are labelled, so a figure is exact to a tenth. Printed, by seed and as their mean: the labels
(stretches) needed, and ranked / random, which is met if ranking needed fewer labels in every seed. Without
--data a simulated lab is used, which says that the code runs and nothing about mice, so nothing can be met
there.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from figures import Figure, parser, show
from numpy.typing import NDArray
from recognisers import read_lab

from etholake.dataset.labelled import LabelledVideo
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span
from etholake.errors import DataError
from etholake.events.types import Triplet, mask
from etholake.features.registry import table_encoder
from etholake.models.boosted import forest
from etholake.models.boosted.config import BoostedConfig
from etholake.models.boosted.forest import Boosted
from etholake.simulate import simulate
from etholake.stages.review.ranking import ranked

STRETCH_S, PER_ROUND, START = 5.0, 6, 4
GROWTH = 0.1  # a round is at least this share of what is labelled: hundreds of trainings would say no more
THRESHOLD, CANDIDATE = 0.5, 0.2  # of a decision, and of a bout that is worth asking about
SHARE = 0.9
# Small trees, because one seed is a dozen trainings: 100 s of a core on the real tracks.
TREES = BoostedConfig(rounds=40, depth=4, eta=0.15, min_child_weight=5.0, colsample=0.1)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="folder in the MABe layout with a real lab")
    options.add_argument("--lab", default="BlossomSocial")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--first-seed", type=int, default=0, help="seeds may be run one by one")
    given = options.parse_args()
    seeds = range(given.first_seed, given.first_seed + (1 if given.quick else given.seeds))
    with tempfile.TemporaryDirectory(prefix="etholake-active-") as temporary:
        if given.data:
            videos = read_lab(given.data, given.lab).videos
        else:
            simulate(Path(temporary), labs=1, videos=10, seconds=60.0, seed=1)
            (lab,) = (path.name for path in (Path(temporary) / "train_tracking").iterdir())
            videos = read_lab(Path(temporary), lab).videos
        show(compare(videos, seeds, is_real=bool(given.data)), as_json=given.json)


def compare(videos: Sequence[LabelledVideo], seeds: Iterable[int], *, is_real: bool) -> list[Figure]:
    """Return the labels that each way needs, by seed, their means and the ratio."""
    figures: list[Figure] = []
    needed: dict[str, list[int]] = {"ranked": [], "random": []}
    features = Features()
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(videos))
        cut = max(1, int(0.6 * len(videos)))
        pool, judged = ([videos[i] for i in part] for part in (order[:cut], order[cut:]))
        stretches = [s for video in pool for s in cut_up(video)]
        final = score(features, features.fit(pool, stretches), judged)
        figures.append(Figure(f"seed {seed}: F with all {len(stretches)} labels", final, ""))
        for way, counts in needed.items():
            curve = learn(way, features, pool, judged, stretches, seed, SHARE * final)
            counts.append(curve[-1][0])
            path = ", ".join(f"{n}: {f:.3f}" for n, f in curve)
            print(f"seed {seed} {way}: {path}", file=sys.stderr, flush=True)
            figures.append(Figure(f"seed {seed}: labels to {SHARE:.0%} of it, {way}", counts[-1], ""))
    figures += [Figure(f"mean labels, {way}", mean(counts), "") for way, counts in needed.items()]
    ratio = mean(needed["ranked"]) / mean(needed["random"])
    if not is_real:
        return [*figures, Figure("ranked / random, simulated", ratio, "")]
    better = all(one < other for one, other in zip(needed["ranked"], needed["random"], strict=True))
    return [*figures, Figure("ranked / random", ratio, "", "fewer labels in every seed", better, "lower")]


class Features:
    """The features of every pair of animals, computed once: the trainings differ by their labels alone."""

    def __init__(self) -> None:
        self._tables: dict[tuple[int, int, int], dict[str, NDArray[np.float32]]] = {}

    def of(self, tracks: PoseTracks, agent: int, target: int) -> dict[str, NDArray[np.float32]]:
        """Return the features of a pair [T] by name, over the whole video at 30 Hz."""
        key = (tracks.video_id, agent, target)
        if key not in self._tables:
            one, other = tracks.mouse_ids.index(agent), tracks.mouse_ids.index(target)
            self._tables[key] = dict(table_encoder(TREES.encoder).table(tracks, one, other))
        return self._tables[key]

    def fit(self, videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> Boosted:
        """Train the trees on spans of videos. Raises DataError if no action occurs in them."""

        def tables(
            tracks: PoseTracks, agent: int, target: int, frames: tuple[int, int]
        ) -> Iterator[tuple[slice, dict[str, NDArray[np.float32]]]]:
            table = self.of(tracks, agent, target)
            for inner, _ in forest.in_parts(tracks, frames, 0.0):
                yield inner, {name: values[inner] for name, values in table.items()}

        return Boosted(forest.grow_all(videos, spans, tables, TREES), TREES)

    def predict(self, model: Boosted, tracks: PoseTracks) -> Iterator[tuple[Triplet, NDArray[np.float32]]]:
        """Yield the probabilities of every labelled behaviour on the video's own frames."""
        for (agent, target), actions in model.predicted_behaviors(tracks).items():
            table = self.of(tracks, agent, target)
            for action in actions:
                values = np.mean([trees(table) for trees in model.boosters_of(tracks.lab_id, action)], axis=0)
                yield (agent, target, action), tracks.to_video_frames(values[:, None])[:, 0]


def cut_up(video: LabelledVideo) -> list[Span]:
    """Return the stretches of a video."""
    tracks = video.tracks
    length = round(STRETCH_S * tracks.fps)
    last = tracks.first_frame + tracks.n_frames
    starts = range(tracks.first_frame, last - length // 2, length)
    return [Span(tracks.video_id, tracks.lab_id, start, min(start + length, last)) for start in starts]


def learn(
    way: str,
    features: Features,
    pool: list[LabelledVideo],
    judged: list[LabelledVideo],
    stretches: list[Span],
    seed: int,
    wanted: float,
) -> list[tuple[int, float]]:
    """Return (labelled stretches, F) after each round, until F is `wanted` or everything is labelled."""
    random = np.random.default_rng(100 + seed)
    waiting = [stretches[i] for i in random.permutation(len(stretches))]
    labelled: list[Span] = []
    curve: list[tuple[int, float]] = []
    model, count = None, START
    while waiting and not (curve and curve[-1][1] >= wanted):
        if way == "ranked" and model is not None:
            waiting = best_first(features, model, pool, labelled, waiting)
        labelled, waiting = labelled + waiting[:count], waiting[count:]
        count = max(PER_ROUND, round(GROWTH * len(labelled)))
        try:
            model = features.fit(pool, labelled)
            curve.append((len(labelled), score(features, model, judged)))
        except DataError:  # no action occurs in the stretches so far
            curve.append((len(labelled), 0.0))
    return curve


def best_first(
    features: Features, model: Boosted, pool: list[LabelledVideo], labelled: list[Span], waiting: list[Span]
) -> list[Span]:
    """Return the waiting stretches, those that hold the bouts of most worth first."""
    rows = [row for video in pool for row in bouts(features, model, video)]
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


def bouts(features: Features, model: Boosted, video: LabelledVideo) -> list[dict[str, Any]]:
    """Return the runs of frames that may be an action, as rows of `predictions`."""
    rows, tracks = [], video.tracks
    for (agent, target, action), values in features.predict(model, tracks):
        edges = np.flatnonzero(np.diff(np.r_[0, np.nan_to_num(values) >= CANDIDATE, 0]))
        for start, stop in edges.reshape(-1, 2).tolist():
            rows.append({
                "split": "train", "lab_id": tracks.lab_id, "video_id": tracks.video_id, "run_id": "active",
                "agent_id": agent, "target_id": target, "action": action,
                "start_frame": tracks.first_frame + start, "stop_frame": tracks.first_frame + stop,
                "confidence": float(values[start:stop].mean()), "seconds": (stop - start) / tracks.fps,
                "others": 0, "seen_by": 0,
            })  # fmt: skip
    return rows


def score(features: Features, model: Boosted, videos: Sequence[LabelledVideo]) -> float:
    """Return the mean over actions of the frame-wise F on videos, at one threshold for all."""
    counts: dict[str, list[int]] = {}
    for video in videos:
        probabilities = dict(features.predict(model, video.tracks))
        for triplet in video.tracks.labeled_behaviors:
            events = [e for e in video.events if (e.agent_id, e.target_id, e.action) == tuple(triplet)]
            tally = counts.setdefault(triplet[2], [0, 0])
            tally[1] += sum(e.stop_frame - e.start_frame for e in events)
            if triplet in probabilities:
                claimed = np.nan_to_num(probabilities[triplet]) >= THRESHOLD
                tally[0] += int((claimed & mask(events, video.tracks.first_frame, len(claimed))).sum())
                tally[1] += int(claimed.sum())
    occurring = [2 * common / whole for common, whole in counts.values() if whole]
    return mean(occurring) if occurring else 0.0


if __name__ == "__main__":
    main()
