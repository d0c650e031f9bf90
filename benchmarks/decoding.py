"""Measure how fast probabilities become events: an hour of four mice, all 16 pairs, ten actions each, one core.

.venv/bin/python benchmarks/decoding.py [--quick] [--json]

Processor time, which a busy machine does not stretch as it does the clock's. The yardstick is one pass of numpy
over the same numbers: the running sum that smoothing cannot do without.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from figures import Figure, median_seconds, options, show

from etholake.events.decode import DecodeConfig
from etholake.events.post_processing import PostProcessing
from etholake.events.thresholds import Thresholds
from etholake.events.types import PairScores

FRAMES, MICE, ACTIONS = 108_000, (1, 2, 3, 4), tuple("abcdefghij")


def main() -> None:
    given = options(__doc__)
    repeats = 3 if given.quick else 9
    pairs = [scores(agent, target) for agent in MICE for target in MICE]
    labeled = {(pair.agent_id, pair.target_id, action) for pair in pairs for action in ACTIONS}
    limits = Thresholds(0.5, {("lab", action): 0.2 + 0.05 * i for i, action in enumerate(ACTIONS)})
    figures = []
    decisions = PostProcessing(thresholds=limits, decoding=DecodeConfig())
    seconds = median_processor(lambda: decisions.events(pairs, labeled), repeats)
    figures.append(Figure("decoding: 1 h of 4 mice", seconds, "s", "< 1", seconds < 1))
    wall = median_seconds(lambda: decisions.events(pairs, labeled), repeats)
    figures.append(Figure("decoding: … by the clock", wall, "s"))
    floor = median_processor(lambda: [np.cumsum(p.probabilities_TA, axis=0) for p in pairs], repeats)
    figures.append(Figure("decoding: time / one running sum of the input", seconds / floor, "x", better="lower"))
    figures.append(Figure("decoding: events", len(decisions.events(pairs, labeled)), "events"))
    show(figures, as_json=given.json)


def median_processor(work: Callable[[], object], repeats: int) -> float:
    """Return the median processor time of `work`, seconds."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def scores(agent: int, target: int) -> PairScores:
    """Return probabilities that rise and fall over seconds, with noise on every frame."""
    random = np.random.default_rng([agent, target])
    slow = np.repeat(random.normal(-2, 2, (FRAMES // 90 + 1, len(ACTIONS))), 90, axis=0)[:FRAMES]
    p = 1 / (1 + np.exp(-(slow + random.normal(0, 0.7, slow.shape))))
    return PairScores(1, "lab", 30.0, agent, target, 0, ACTIONS, p.astype(np.float32))


if __name__ == "__main__":
    main()
