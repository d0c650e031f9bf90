"""Post-processing: turn probabilities into events by smoothing, calibration, thresholds and lengths.

Probabilities are calibrated after smoothing: the mean over a window says more than each of its frames, so it has
a calibration of its own.

`fit` chooses all of them on held-out (out-of-fold) probabilities, never on videos that the model was trained on;
`PostProcessing.events` applies them. The thresholds are those of the highest expected score (`expected_f`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from etholake.errors import ContractError
from etholake.events import calibration as calibrating
from etholake.events import expected_f, metric, mutual
from etholake.events.calibration import Calibration
from etholake.events.decode import DecodeConfig, decode
from etholake.events.smoothing import smoothed_pair
from etholake.events.thresholds import Thresholds
from etholake.events.types import Event, PairScores, Triplet

__all__ = ["GRID", "PostProcessing", "fit"]

# Seconds; the defaults are among them. Gaps are filled up to the length of the shortest event that is kept.
GRID = tuple(
    DecodeConfig(smoothing_s=smoothing, max_gap_s=gap, min_length_s=length)
    for smoothing, (gap, length) in product(
        (1 / 30, 5 / 30, 0.5, 1.5, 3.0), ((2 / 30, 3 / 30), (0.25, 0.25), (0.5, 0.5))
    )
)
MIN_GAIN = 0.005  # scores that differ by less are alike: then the number of bouts decides
LAB_VIDEOS, LAB_EVENTS = 6, 100  # a lab with fewer has no lengths of its own
LabeledByVideo = Mapping[int, Collection[Triplet]]


@dataclass(frozen=True)
class _Judged:
    """The official score of a configuration on a lab, and how far its numbers of bouts are off (`_bouts_off`)."""

    score: float
    bouts_off: float


NOTHING = _Judged(0.0, 0.0)


@dataclass(frozen=True)
class _Prepared:
    """Smoothed and calibrated probabilities, their calibration, and the thresholds fitted on them."""

    pairs: Sequence[PairScores]
    calibration: Calibration
    thresholds: Thresholds


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
            seconds = self.lab_decoding.get(pair.lab_id, self.decoding).smoothing_s
            by_lab[pair.lab_id].append(self.calibration.apply(smoothed_pair(pair, seconds)))
        return [
            event
            for lab, own_pairs in by_lab.items()
            for event in decode(
                own_pairs, labeled, self.thresholds,
                replace(self.lab_decoding.get(lab, self.decoding), smoothing_s=0.0),
            )
        ]  # fmt: skip

    def extended(self, fitted: PostProcessing, labs: Collection[str]) -> PostProcessing:
        """Return post-processing in which `labs` are treated as in `fitted`, and other labs as here."""
        own = {lab: fitted.lab_decoding.get(lab, fitted.decoding) for lab in labs}
        lengths = {
            **{lab: config for lab, config in self.lab_decoding.items() if lab not in own},
            **{lab: config for lab, config in own.items() if config != self.decoding},
        }
        both_ways = frozenset(at for at in self.mutual if at[0] not in own) | fitted.mutual
        return PostProcessing(
            self.calibration.extended(fitted.calibration, labs),
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

    Smoothing and lengths come from `grid`; each smoothing is judged with the thresholds that suit it. Thresholds
    follow from calibrated probabilities, not from labels, so a lab with one video is judged like any other. Of
    configurations that score alike, the one with the right number of bouts is taken (`base`, the default
    `DecodeConfig()`, if none is better). A lab gets lengths of its own only with `LAB_VIDEOS` videos and
    `LAB_EVENTS` events and by a gain of `MIN_GAIN`. Mutual actions (first), calibration and thresholds are fitted
    on everything.

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
        with their calibration.
    """
    base = base or DecodeConfig()
    labs = {pair.video_id: pair.lab_id for pair in pairs}
    truth = [e for e in truth if e.video_id in labs]
    both_ways = mutual.mutual_actions(truth, labs)
    pairs = mutual.averaged(pairs, both_ways)
    configs = [base, *grid]
    prepared = {
        seconds: _prepare(pairs, truth, labeled_by_video, occurring, seconds, calibrate)
        for seconds in {config.smoothing_s for config in configs}
    }
    decoding, by_lab = base, {}
    if grid:
        scored = [
            _judged(prepared[config.smoothing_s], truth, labeled_by_video, labs, config) for config in configs
        ]
        chosen = _pick([_mean(judged.values()) for judged in scored])
        decoding = configs[chosen]
        for lab in sorted(_rich(labs, truth)):
            judged_lab = [judged.get(lab, NOTHING) for judged in scored]
            own = _pick(judged_lab)
            if judged_lab[own].score > judged_lab[chosen].score + MIN_GAIN:
                by_lab[lab] = configs[own]
    # A lab with its own smoothing needs a calibration and thresholds that were fitted with it.
    values: dict[tuple[str, str], float] = {}
    spreads: dict[tuple[str, str], float] = {}
    common = prepared[decoding.smoothing_s].calibration
    lab_fits = dict(common.labs)
    for config in {decoding, *by_lab.values()}:
        calibration, fitted = prepared[config.smoothing_s].calibration, prepared[config.smoothing_s].thresholds
        for source, into in ((fitted.values, values), (fitted.spreads, spreads)):
            into.update({at: x for at, x in source.items() if by_lab.get(at[0], decoding) == config})
        own_labs = [lab for lab, chosen_config in by_lab.items() if chosen_config == config]
        lab_fits |= {
            (lab, action): calibration.get(lab, action) for lab in own_labs for action in calibration.values
        }
    thresholds = Thresholds(values=values, spreads=spreads)
    fitted_whole = PostProcessing(Calibration(common.values, lab_fits), thresholds, decoding, by_lab, both_ways)
    return before.extended(fitted_whole, set(labs.values())) if before else fitted_whole


def _prepare(
    pairs: Sequence[PairScores],
    truth: Sequence[Event],
    labeled_by_video: LabeledByVideo,
    occurring: Mapping[str, Collection[str]] | None,
    smoothing_s: float,
    calibrate: bool,
) -> _Prepared:
    """Smooth and calibrate probabilities, and fit the thresholds that suit them."""
    smoothed = [smoothed_pair(pair, smoothing_s) for pair in pairs]
    calibration = calibrating.fit(smoothed, truth, labeled_by_video) if calibrate else Calibration()
    calibrated = [calibration.apply(pair) for pair in smoothed]
    thresholds = expected_f.fit(_evidence(calibrated, labeled_by_video), occurring)
    return _Prepared(calibrated, calibration, thresholds)


def _evidence(pairs: Iterable[PairScores], labeled_by_video: LabeledByVideo) -> expected_f.Evidence:
    """Return the prepared probabilities of the labeled behaviors."""
    evidence = expected_f.Evidence()
    for pair in pairs:
        evidence.add(pair, labeled_by_video.get(pair.video_id, ()))
    return evidence


def _judged(
    prepared: _Prepared,
    truth: Sequence[Event],
    labeled_by_video: LabeledByVideo,
    labs: Mapping[int, str],
    config: DecodeConfig,
) -> dict[str, _Judged]:
    """Judge smoothing and lengths by lab, on the prepared probabilities of their smoothing."""
    if not truth:
        return {}
    by_video: dict[int, list[PairScores]] = defaultdict(list)
    for pair in prepared.pairs:
        by_video[pair.video_id].append(pair)
    lengths = replace(config, smoothing_s=0.0)
    events = [
        event
        for video, own in by_video.items()
        for event in decode(own, labeled_by_video.get(video, ()), prepared.thresholds, lengths)
    ]
    report = metric.pooled(truth, events, labeled_by_video, labs)
    return {name: _Judged(lab.score, _bouts_off(truth, events, labs, name)) for name, lab in report.labs.items()}


def _bouts_off(truth: Sequence[Event], events: Sequence[Event], labs: Mapping[int, str], lab: str) -> float:
    """Return how far the numbers of predicted bouts are from the annotated ones.

    It is the mean |log of the ratio| over the actions that occur.
    """
    true, predicted = (Counter(e.action for e in of if labs[e.video_id] == lab) for of in (truth, events))
    off = [abs(np.log((predicted[action] + 1) / (n + 1))) for action, n in true.items()]
    return float(np.mean(off)) if off else 0.0


def _pick(judged: Sequence[_Judged]) -> int:
    """Return the position of the configuration to use.

    Of those that score within `MIN_GAIN` of the best it is the one whose numbers of bouts are nearest to the
    annotated ones; the first of equals.
    """
    best = max(one.score for one in judged)
    good = [i for i, one in enumerate(judged) if one.score >= best - MIN_GAIN]
    return min(good, key=lambda i: (round(judged[i].bouts_off, 2), i))


def _rich(labs: Mapping[int, str], truth: Iterable[Event]) -> set[str]:
    videos: dict[str, set[int]] = defaultdict(set)
    n_events: dict[str, int] = defaultdict(int)
    for e in truth:
        videos[labs[e.video_id]].add(e.video_id)
        n_events[labs[e.video_id]] += 1
    return {lab for lab in videos if len(videos[lab]) >= LAB_VIDEOS and n_events[lab] >= LAB_EVENTS}


def _mean(judged: Collection[_Judged]) -> _Judged:
    if not judged:
        return NOTHING
    return _Judged(*(float(x) for x in np.mean([[one.score, one.bouts_off] for one in judged], axis=0)))
