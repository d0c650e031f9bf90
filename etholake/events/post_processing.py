"""Post-processing: turn probabilities into events by calibration, thresholds, smoothing and lengths.

`fit` chooses all of them on held-out (out-of-fold) probabilities, never on videos that the model was trained on;
`PostProcessing.events` applies them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from etholake.errors import ContractError
from etholake.events import calibration as calibrating
from etholake.events import metric, mutual
from etholake.events import thresholds as fitting
from etholake.events.calibration import Calibration
from etholake.events.decode import DecodeConfig, decode
from etholake.events.thresholds import Thresholds
from etholake.events.types import Event, PairScores, Triplet

__all__ = ["GRID", "PostProcessing", "fit"]

# Seconds; the defaults are among them. Gaps are filled up to the length of the shortest event that is kept.
GRID = tuple(
    DecodeConfig(smoothing_s=smoothing, max_gap_s=gap, min_length_s=length)
    for smoothing, (gap, length) in product(
        (1 / 30, 5 / 30, 0.5, 1.0), ((2 / 30, 3 / 30), (0.25, 0.25), (0.5, 0.5))
    )
)
PARTS = 4  # thresholds are fitted on all parts of the videos but one, and judged on that
MIN_GAIN = 0.005  # of the score, below which the simpler choice stays
LAB_VIDEOS, LAB_EVENTS = 6, 100  # a lab with fewer has no lengths of its own
LabeledByVideo = Mapping[int, Collection[Triplet]]


@dataclass(frozen=True)
class PostProcessing:
    """Fitted post-processing; `lab_decoding` replaces `decoding` for the labs that it names."""

    calibration: Calibration = field(default_factory=Calibration)
    thresholds: Thresholds = field(default_factory=Thresholds)
    decoding: DecodeConfig = field(default_factory=DecodeConfig)
    lab_decoding: Mapping[str, DecodeConfig] = field(default_factory=dict)
    mutual: frozenset[tuple[str, str]] = frozenset()  # (lab, action) that go both ways (see `mutual`)

    def events(self, pairs: Sequence[PairScores], labeled: Collection[Triplet]) -> list[Event]:
        """Return the events of one video, or of several with the same labeled behaviors; see `decode`."""
        by_lab: dict[str, list[PairScores]] = defaultdict(list)
        for pair in mutual.averaged(pairs, self.mutual):
            by_lab[pair.lab_id].append(self.calibration.apply(pair))
        return [
            event
            for lab, own_pairs in by_lab.items()
            for event in decode(own_pairs, labeled, self.thresholds, self.lab_decoding.get(lab, self.decoding))
        ]

    def extended(self, fitted: PostProcessing, labs: Collection[str]) -> PostProcessing:
        """Return post-processing in which `labs` are treated as in `fitted`, and other labs as here.

        The calibration of `fitted` must include this one's.
        """
        own = {lab: fitted.lab_decoding.get(lab, fitted.decoding) for lab in labs}
        lengths = {
            **{lab: config for lab, config in self.lab_decoding.items() if lab not in own},
            **{lab: config for lab, config in own.items() if config != self.decoding},
        }
        both_ways = frozenset(at for at in self.mutual if at[0] not in own) | fitted.mutual
        return PostProcessing(
            fitted.calibration,
            self.thresholds.extended(fitted.thresholds, labs),
            self.decoding,
            lengths,
            both_ways,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready entries, which `from_dict` reads."""
        return {
            "calibration": self.calibration.to_dict(),
            "thresholds": self.thresholds.to_dict(),
            "decoding": asdict(self.decoding),
            "lab_decoding": {lab: asdict(config) for lab, config in sorted(self.lab_decoding.items())},
            "mutual": sorted(map(list, self.mutual)),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PostProcessing:
        """Read what `to_dict` returned. Raises ContractError for anything else."""
        try:
            return cls(
                Calibration.from_dict(data["calibration"]),
                Thresholds.from_dict(data["thresholds"]),
                DecodeConfig(**data["decoding"]),
                {lab: DecodeConfig(**config) for lab, config in data["lab_decoding"].items()},
                frozenset((str(lab), str(action)) for lab, action in data.get("mutual", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise ContractError(
                f"Expected post-processing with calibration, thresholds, decoding, lab_decoding: {err!r}."
            ) from err


def fit(
    pairs: Sequence[PairScores],
    truth: Sequence[Event],
    labeled_by_video: LabeledByVideo,
    *,
    occurring: Mapping[str, Collection[str]] | None = None,
    base: DecodeConfig | None = None,
    grid: Sequence[DecodeConfig] = GRID,
    calibrate: bool = True,
    before: PostProcessing | None = None,
) -> PostProcessing:
    """Fit post-processing that gives held-out probabilities the best official score.

    Smoothing and lengths come from `grid`, judged with thresholds that were fitted on other videos; `base` (the
    default: `DecodeConfig()`) stays unless another is better by `MIN_GAIN`, and a lab gets lengths of its own only
    with `LAB_VIDEOS` videos and `LAB_EVENTS` events and by the same gain. Mutual actions and the calibration
    (first) and the thresholds (last) are fitted on everything. The choice between actions is `base`'s.

    Parameters
    ----------
    pairs
        Held-out probabilities (not from videos that the model was trained on), of a whole video each.
    truth
        Annotated events of the same videos.
    occurring
        lab -> actions that occur in the *training* annotations; other actions of a named lab are never predicted.
    before
        The post-processing of a model that was fine-tuned to the labs of `pairs`. That of its other labs is kept,
        and so is its calibration, with which they were fitted.
    """
    base = base or DecodeConfig()
    labs = {pair.video_id: pair.lab_id for pair in pairs}
    truth = [e for e in truth if e.video_id in labs]
    both_ways = mutual.mutual_actions(truth, labs)
    pairs = mutual.averaged(pairs, both_ways)
    calibration = calibrating.fit(pairs, truth, labeled_by_video) if calibrate else Calibration()
    if before:
        calibration = Calibration({**calibration.values, **before.calibration.values})
    pairs = [calibration.apply(pair) for pair in pairs]
    decoding, by_lab = base, {}
    if grid:
        configs = [base, *(replace(config, choice=base.choice) for config in grid)]
        scored = [_held_out(pairs, truth, labeled_by_video, labs, occurring, config) for config in configs]
        chosen = _pick([_mean(by_lab_scores) for by_lab_scores in scored])
        decoding = configs[chosen]
        for lab in sorted(_rich(labs, truth)):
            own = _pick([scores.get(lab, 0.0) for scores in [scored[chosen], *scored]])
            if own:  # 0 is the choice for all labs
                by_lab[lab] = configs[own - 1]
    # A lab with its own smoothing needs thresholds that were fitted with it.
    values: dict[tuple[str, str], float] = {}
    spreads: dict[tuple[str, str], float] = {}
    default = fitting.DEFAULT
    for config in {decoding, *by_lab.values()}:
        fitted = fitting.fit(pairs, truth, labeled_by_video, smoothing_s=config.smoothing_s, occurring=occurring)
        default = fitted.default if config == decoding else default
        for source, into in ((fitted.values, values), (fitted.spreads, spreads)):
            into.update({at: x for at, x in source.items() if by_lab.get(at[0], decoding) == config})
    fitted_whole = PostProcessing(calibration, Thresholds(default, values, spreads), decoding, by_lab, both_ways)
    return before.extended(fitted_whole, set(labs.values())) if before else fitted_whole


def _held_out(
    pairs: Sequence[PairScores],
    truth: Sequence[Event],
    labeled_by_video: LabeledByVideo,
    labs: Mapping[int, str],
    occurring: Mapping[str, Collection[str]] | None,
    config: DecodeConfig,
) -> dict[str, float]:
    """Return the score by lab; the thresholds of each part of the videos are fitted on the other parts."""
    part_of = _parts(labs)
    events: list[Event] = []
    for part in range(PARTS):
        others = [pair for pair in pairs if part_of[pair.video_id] != part]
        annotated = [e for e in truth if part_of[e.video_id] != part]
        fitted = fitting.fit(
            others, annotated, labeled_by_video, smoothing_s=config.smoothing_s, occurring=occurring
        )
        by_video: dict[int, list[PairScores]] = defaultdict(list)
        for pair in pairs:
            if part_of[pair.video_id] == part:
                by_video[pair.video_id].append(pair)
        for video, own in by_video.items():
            events += decode(own, labeled_by_video.get(video, ()), fitted, config)
    if not truth:
        return {}
    return {name: lab.score for name, lab in metric.pooled(truth, events, labeled_by_video, labs).labs.items()}


def _parts(labs: Mapping[int, str]) -> dict[int, int]:
    """Assign the videos of each lab to the parts in turn, in the order of their ids."""
    counts: dict[str, int] = defaultdict(int)
    parts = {}
    for video in sorted(labs):
        parts[video] = counts[labs[video]] % PARTS
        counts[labs[video]] += 1
    return parts


def _pick(scores: Sequence[float]) -> int:
    """Return the position of the best, or 0 if the first is nearly as good."""
    best = int(np.argmax(scores))
    return best if scores[best] > scores[0] + MIN_GAIN else 0


def _rich(labs: Mapping[int, str], truth: Iterable[Event]) -> set[str]:
    videos: dict[str, set[int]] = defaultdict(set)
    n_events: dict[str, int] = defaultdict(int)
    for e in truth:
        videos[labs[e.video_id]].add(e.video_id)
        n_events[labs[e.video_id]] += 1
    return {lab for lab in videos if len(videos[lab]) >= LAB_VIDEOS and n_events[lab] >= LAB_EVENTS}


def _mean(scores: Mapping[str, float]) -> float:
    return float(np.mean([*scores.values()])) if scores else 0.0
