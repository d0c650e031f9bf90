"""Measure what place and tracked objects are worth to trees: one simulated mouse that explores objects and climbs.

.venv/bin/python benchmarks/places.py [--quick] [--json]

The seventh lab of `etholake simulate`: one animal, part names of its own, two objects that stand elsewhere in
every video. Every video is held out once; decisions are fitted on the out-of-fold probabilities of the others.
Printed: F of each action with all features, without the tracked objects and other own points, and without those
and the place. Simulated: it shows what the features do, not how good they are on real animals.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from figures import Figure, options, show
from recognisers import read_lab

from etholake.dataset.labelled import TrainingData, whole_spans
from etholake.features.rolling import Rolling
from etholake.models.boosted import forest
from etholake.models.boosted.config import BoostedConfig
from etholake.simulate import rigs, simulate
from etholake.training.estimate import estimate

LABS, SEEDS, VIDEOS, SECONDS = 7, (0, 1, 2), 6, 120.0
PLACE = ("x", "y", "from", "wall", "corner", "heading")  # second words of the place's columns
Kept = Callable[[str], bool]
VARIANTS: dict[str, Kept] = {
    "all features": lambda _name: True,
    "without own points": lambda name: " own " not in name,
    "without own points and place": lambda name: " own " not in name and name.split()[1] not in PLACE,
}


def main() -> None:
    given = options(__doc__)
    figures = []
    for seed in SEEDS[: 1 if given.quick else None]:
        with tempfile.TemporaryDirectory(prefix="etholake-places-") as temporary:
            seconds = 30.0 if given.quick else SECONDS
            simulate(Path(temporary), labs=LABS, videos=VIDEOS, seconds=seconds, seed=seed, test_videos=0)
            data = read_lab(Path(temporary), rigs.names(LABS)[-1])
        for variant, kept in VARIANTS.items():
            for action, score in scores(data, kept, seed).items():
                figures.append(Figure(f"seed {seed}, {variant}: {action}", score, "F"))
                print(figures[-1], file=sys.stderr, flush=True)
    show(figures, as_json=given.json)


def scores(data: TrainingData, kept: Kept, seed: int) -> dict[str, float]:
    """Return F by action; every video is held out once, and trees see the columns that are `kept`."""
    table = Rolling.table
    Rolling.table = lambda *arguments: {n: x for n, x in table(*arguments).items() if kept(n)}  # type: ignore[method-assign]
    try:
        spans = whole_spans(data.videos)
        folds = [[span] for span in spans]
        models = [
            forest.fit(data.videos, [s for s in spans if s not in fold], BoostedConfig(seed=seed))
            for fold in folds
        ]
        out = [model.predict(video.tracks) for model, video in zip(models, data.videos, strict=True)]
    finally:
        Rolling.table = table  # type: ignore[method-assign]
    judged = estimate(models[0], data.videos, folds, out)
    assert judged is not None
    (lab,) = judged.report.labs.values()
    return {action: score.f_score for action, score in lab.actions.items()}


if __name__ == "__main__":
    main()
