"""Estimate what a cross-validated model is worth on unseen videos, and name what has too few labels to tell.

The decisions of a fold are fitted on the out-of-fold probabilities of the other folds, so that nothing that
decides a frame has seen its label. The interval comes from drawing videos anew: videos, not frames, are what a lab
has few of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from etholake.dataset.labelled import LabelledVideo
from etholake.dataset.split import Span
from etholake.evaluation.bootstrap import Interval, uncertainty
from etholake.events import metric
from etholake.events.types import Event, PairScores
from etholake.models.base import Model
from etholake.training.validation import HeldOut

__all__ = ["FEW_EVENTS", "FEW_VIDEOS", "Estimate", "estimate", "rare_actions"]

FEW_EVENTS, FEW_VIDEOS = 30, 3  # an action with fewer annotated events or videos is named: its F is chance
SHOWN = 8  # videos, and rare actions, that a sentence names


@dataclass(frozen=True)
class Estimate:
    """The official score on videos that neither a model nor its decisions had seen; None without labelled events.

    `interval` (95 %) is None where no lab has two videos; `by_video` are official scores of single videos.
    `frames` are (TP, FP, FN) by (video, action), `labs` the lab of each video.
    """

    report: metric.ScoreReport
    interval: Interval
    by_video: dict[int, float]
    frames: Mapping[tuple[int, str], npt.NDArray[Any]]
    labs: Mapping[int, str]

    def to_dict(self) -> dict[str, Any]:
        """Return what `meta.json` keeps."""
        by_video = {str(video): round(score, 4) for video, score in sorted(self.by_video.items())}
        interval = None if self.interval is None else [round(bound, 4) for bound in self.interval]
        return self.report.to_dict() | {"interval": interval, "by_video": by_video}

    def sentence(self) -> str:
        """Return the estimate for a person."""
        scored = sorted(self.by_video.items(), key=lambda item: item[1])
        text = f"expected on unseen videos of these labs: {self.report.score:.3f}"
        if self.interval:
            text += f" (95 % {self.interval[0]:.3f} to {self.interval[1]:.3f}, drawing videos anew)"
        if len(scored) > 1:
            shown = scored if len(scored) <= SHOWN else [*scored[: SHOWN // 2], *scored[-SHOWN // 2 :]]
            text += "; by video, the worst first: " + ", ".join(f"{video} {score:.2f}" for video, score in shown)
            text += f" ({len(scored)} in all)" if len(scored) > SHOWN else ""
        return text


def estimate(
    model: Model,
    videos: Sequence[LabelledVideo],
    spans_by_fold: Sequence[Sequence[Span]],
    scores_by_fold: Sequence[Sequence[PairScores]],
) -> Estimate | None:
    """Return the estimate from out-of-fold probabilities; None without annotated events in the folds."""
    spans = [span for fold in spans_by_fold for span in fold]
    everything = HeldOut.given([pair for fold in scores_by_fold for pair in fold], videos, spans)
    if not everything.truth:
        return None
    events: list[Event] = []
    for k, (own_spans, own_scores) in enumerate(zip(spans_by_fold, scores_by_fold, strict=True)):
        other_spans = [span for j, fold in enumerate(spans_by_fold) if j != k for span in fold]
        other_scores = [pair for j, fold in enumerate(scores_by_fold) if j != k for pair in fold]
        decisions = HeldOut.given(other_scores, videos, other_spans).fit(model)
        events += HeldOut.given(own_scores, videos, own_spans).events(decisions)
    return _scored(everything, events)


def _scored(held_out: HeldOut, events: Sequence[Event]) -> Estimate:
    """Score events against the annotations, as a whole and by video."""
    labeled, labs = held_out.labeled_by_video, held_out.labs
    by_video = {}
    for video in {e.video_id for e in held_out.truth}:
        true, predicted = ([e for e in of if e.video_id == video] for of in (held_out.truth, events))
        by_video[video] = metric.pooled(true, predicted, labeled, labs).score
    frames = metric.frames_by_video(held_out.truth, events, labeled, labs)
    report = metric.pooled(held_out.truth, events, labeled, labs)
    return Estimate(report, uncertainty(frames, labs).score, by_video, frames, labs)


def rare_actions(videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> str:
    """Return a sentence on the (lab, action) with too few labels to learn or to judge; "" without any."""
    events: dict[tuple[str, str], int] = defaultdict(int)
    where: dict[tuple[str, str], set[int]] = defaultdict(set)
    by_id = {video.tracks.video_id: video for video in videos}
    for span in spans:
        video = by_id[span.video_id]
        labeled = set(video.tracks.labeled_behaviors)
        for e in video.events:
            inside = max(e.start_frame, span.start_frame) < min(e.stop_frame, span.stop_frame)
            if inside and (e.agent_id, e.target_id, e.action) in labeled:
                events[span.lab_id, e.action] += 1
                where[span.lab_id, e.action].add(span.video_id)
    rare = sorted((n, at) for at, n in events.items() if n < FEW_EVENTS or len(where[at]) < FEW_VIDEOS)
    if not rare:
        return ""
    named = [
        f"{action} of {lab} ({_counted(n, 'event')} in {_counted(len(where[lab, action]), 'video')})"
        for n, (lab, action) in rare[:SHOWN]
    ]
    more = f" and {len(rare) - SHOWN} more" if len(rare) > SHOWN else ""
    return (
        f"not enough labels to rely on: {', '.join(named)}{more}; an action can be "
        f"learnt and judged from {FEW_EVENTS} events in {FEW_VIDEOS} videos on"
    )


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
