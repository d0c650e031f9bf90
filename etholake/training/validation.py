"""Validate a model on held-out spans.

Its probabilities are cut to the spans, post-processing is fitted there, and the official score is computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.dataset.labelled import LabelledVideo, within_spans
from etholake.dataset.split import Span
from etholake.evaluation.confusion import confusion
from etholake.events import metric
from etholake.events import post_processing as fitting
from etholake.events.calibration import pooled_frames
from etholake.events.decode import DecodeConfig
from etholake.events.post_processing import PostProcessing
from etholake.events.types import Event, PairScores, Triplet, joined
from etholake.models.base import Model
from etholake.models.network_model import NetworkModel

__all__ = ["HeldOut", "decide", "scores_of", "streams"]


@dataclass(frozen=True)
class HeldOut:
    """Probabilities (one entry a video and pair) and annotated events, cut to some spans."""

    pairs: tuple[PairScores, ...]
    truth: tuple[Event, ...]
    labeled_by_video: dict[int, frozenset[Triplet]]
    labs: dict[int, str]

    @classmethod
    def of(cls, model: Model, videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> HeldOut:
        """Predict the videos of the spans, which must be among `videos`."""
        return cls.given(scores_of(model, videos, spans), videos, spans)

    @classmethod
    def given(cls, pairs: Sequence[PairScores], videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> HeldOut:
        """Use probabilities of the spans that exist already."""
        by_id = {v.tracks.video_id: v for v in videos}
        truth = [event for span in spans for event in _cut_events(by_id[span.video_id].events, span)]
        labeled_by_video = {s.video_id: frozenset(by_id[s.video_id].tracks.labeled_behaviors) for s in spans}
        pairs = [_where_looked_for(pair, by_id[pair.video_id]) for pair in pairs]
        return cls(tuple(joined(pairs)), tuple(truth), labeled_by_video, {s.video_id: s.lab_id for s in spans})

    @staticmethod
    def windows(model: NetworkModel, videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> int:
        """Return how many windows `of` would compute: the cost of a validation."""
        by_id = {v.tracks.meta.video_id: v.tracks for v in videos}
        tracks_by_id = ((by_id[s.video_id], (s.start_frame, s.stop_frame)) for s in spans)
        return sum(
            len(model.window_starts(tracks, frames)) * len(model.predicted_behaviors(tracks))
            for tracks, frames in tracks_by_id
        )

    def fit(
        self,
        model: Model,
        grid: Sequence[DecodeConfig] = fitting.GRID,
        before: PostProcessing | None = None,
        occurring: Mapping[str, Collection[str]] | None = None,
    ) -> PostProcessing:
        """Return post-processing fitted on these spans (see `post_processing.fit`).

        Without any prediction it is the model's own. `occurring` are the actions by lab, by default those that the
        model learnt.
        """
        if not self.pairs:
            return model.post_processing
        return fitting.fit(
            self.pairs, self.truth, self.labeled_by_video,
            occurring=model.lab_actions if occurring is None else occurring,
            base=model.post_processing.decoding, grid=grid, before=before,
        )  # fmt: skip

    def events(self, post_processing: PostProcessing) -> list[Event]:
        """Return the predicted events."""
        by_video: dict[int, list[PairScores]] = defaultdict(list)
        for pair in self.pairs:
            by_video[pair.video_id].append(pair)
        return [
            e
            for video, pairs in by_video.items()
            for e in post_processing.events(pairs, self.labeled_by_video[video])
        ]

    def loss_and_accuracy(self) -> tuple[float, float] | None:
        """Return two means over all labelled frames and actions; None without any.

        They are the binary cross entropy, and how often (0..1) the probability lies on the right side of a half.
        """
        pooled = pooled_frames(self.pairs, self.truth, self.labeled_by_video).values()
        right = [np.where(y, p, 1 - p) for p, y in pooled]
        if not right:
            return None
        right_N = np.concatenate(right)
        return float(-np.log(right_N.clip(1e-7)).mean()), float((right_N > 0.5).mean())

    def score(self, post_processing: PostProcessing) -> metric.ScoreReport | None:
        """Return the official score; None without annotated events. No prediction scores 0."""
        if not self.truth:
            return None
        return metric.pooled(self.truth, self.events(post_processing), self.labeled_by_video, self.labs)

    def frames(self, post_processing: PostProcessing) -> dict[tuple[int, str], npt.NDArray[Any]]:
        """Return (TP, FP, FN) by (video, action), see `metric.frames_by_video`; empty without annotated events."""
        if not self.truth:
            return {}
        return metric.frames_by_video(self.truth, self.events(post_processing), self.labeled_by_video, self.labs)


def decide(
    model: Model, videos: Sequence[LabelledVideo], spans: Sequence[Span], before: PostProcessing | None = None
) -> dict[str, Any] | None:
    """Fit the model's post-processing on held-out spans and return its score on the same spans.

    The score flatters a little for that reason. Besides the score there are `classes` ({lab: {action: F1,
    precision, recall, and support: the annotated frames}}) and `confusion` ({lab: {annotated: {predicted:
    frames}}}). Returns None without annotated events.
    """
    held_out = HeldOut.of(model, videos, spans)
    model.post_processing = held_out.fit(model, before=before)
    score = held_out.score(model.post_processing)
    return {**score.to_dict(), **_by_class(held_out, score, model.post_processing)} if score else None


def streams(
    model: NetworkModel, videos: Sequence[LabelledVideo], spans: Sequence[Span], both: float
) -> dict[str, float]:
    """Return the score of held-out spans by both streams and with one hidden, all by the model's post-processing.

    The keys are `both` (that score is given), `pose hidden` and `picture hidden`; the weights are the same, so
    that a network which was never trained without a stream may do worse without it than a network of one stream.
    """
    scores = {"both": both}
    for hidden in ("pose", "picture"):
        shown = replace(model, hidden=hidden, config=replace(model.config, require_pose=False), pose_windows={})
        if report := HeldOut.of(shown, videos, spans).score(model.post_processing):
            scores[f"{hidden} hidden"] = report.score
    return scores


def _by_class(held_out: HeldOut, score: metric.ScoreReport, post_processing: PostProcessing) -> dict[str, Any]:
    classes = {
        lab: {
            action: {
                "f1": counts.f_score, "precision": counts.precision, "recall": counts.recall,
                "support": counts.tp_frames + counts.fn_frames,
            }
            for action, counts in scored.actions.items()
        }
        for lab, scored in score.labs.items()
    }  # fmt: skip
    matrix: dict[str, dict[str, dict[str, int]]] = {}
    for lab, frames in confusion(held_out.truth, held_out.events(post_processing), held_out.labs).items():
        for (annotated, predicted), n in frames.items():
            matrix.setdefault(lab, {}).setdefault(annotated, {})[predicted] = n
    return {"classes": classes, "confusion": matrix}


def scores_of(model: Model, videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> list[PairScores]:
    """Return the model's probabilities of each span, cut to it; its video must be among `videos`."""
    tracks_by_id = {v.tracks.video_id: v.tracks for v in videos}
    pairs = []
    for span in spans:
        scores = model.predict(tracks_by_id[span.video_id], (span.start_frame, span.stop_frame))
        pairs += [pair.between(span.start_frame, span.stop_frame) for pair in scores]
    return pairs


def _where_looked_for(pair: PairScores, video: LabelledVideo) -> PairScores:
    """Return the probabilities without those of frames in which nobody looked for the action: these become NaN."""
    frame_T = pair.first_frame + np.arange(len(pair.probabilities_TA))
    values = pair.probabilities_TA
    for column, action in enumerate(pair.actions):
        spans = video.spans.get((pair.agent_id, pair.target_id, action))
        if spans is not None:
            seen_T = within_spans(frame_T, spans)
            values = np.where(seen_T[:, None] | (np.arange(values.shape[1]) != column), values, np.float32(np.nan))
    return replace(pair, probabilities_TA=values)


def _cut_events(events: Sequence[Event], span: Span) -> list[Event]:
    cut = [
        replace(e, start_frame=max(e.start_frame, span.start_frame), stop_frame=min(e.stop_frame, span.stop_frame))
        for e in events
    ]
    return [e for e in cut if e.start_frame < e.stop_frame]
