"""What a model says about held-out spans: scores cut to the span, thresholds fitted there, the official score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from etholake.events import metric
from etholake.events import thresholds as fitting
from etholake.events.decode import decode
from etholake.events.types import Event, PairScores, Triplet
from etholake.models.ensemble import Ensemble
from etholake.models.recogniser import Recogniser
from etholake.training.data import LabelledVideo
from etholake.training.split import Span

__all__ = ["HeldOut"]

Model = Recogniser | Ensemble


@dataclass(frozen=True)
class HeldOut:
    """Probabilities and annotated events of some spans, both cut to them; labs and whitelists by video."""

    pairs: tuple[PairScores, ...]
    truth: tuple[Event, ...]
    whitelists: dict[int, frozenset[Triplet]]
    labs: dict[int, str]

    @classmethod
    def of(cls, model: Model, videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> HeldOut:
        """Predict the videos of the spans. A span's video must be among `videos`."""
        clips = {v.clip.video_id: v.clip for v in videos}
        pairs = []
        for span in spans:
            said = model.predict(clips[span.video_id], (span.start_frame, span.stop_frame))
            pairs += [pair.between(span.start_frame, span.stop_frame) for pair in said]
        return cls.given(pairs, videos, spans)

    @classmethod
    def given(cls, pairs: Sequence[PairScores], videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> HeldOut:
        """With scores of the spans that are there already."""
        by_id = {v.clip.video_id: v for v in videos}
        truth = [event for span in spans for event in _cut_events(by_id[span.video_id].events, span)]
        whitelists = {s.video_id: frozenset(by_id[s.video_id].clip.behaviors) for s in spans}
        return cls(tuple(pairs), tuple(truth), whitelists, {s.video_id: s.lab_id for s in spans})

    @staticmethod
    def windows(model: Recogniser, videos: Sequence[LabelledVideo], spans: Sequence[Span]) -> int:
        """How many windows `of` would compute: what a look at the spans costs."""
        by_id = {v.clip.meta.video_id: v.clip for v in videos}
        clips = ((by_id[s.video_id], (s.start_frame, s.stop_frame)) for s in spans)
        return sum(len(model.window_starts(clip, frames)) * len(model.candidates(clip)) for clip, frames in clips)

    def fit_thresholds(self, model: Model) -> fitting.Thresholds:
        """Thresholds for these spans; the defaults if nothing was predicted."""
        if not self.pairs:
            return fitting.Thresholds()
        return fitting.fit(
            self.pairs, self.truth, self.whitelists,
            smoothing_s=model.decoding.smoothing_s, occurring=model.lab_actions,
        )  # fmt: skip

    def events(self, model: Model) -> list[Event]:
        """Decoded with the model's thresholds."""
        by_span: dict[tuple[int, int], list[PairScores]] = defaultdict(list)
        for pair in self.pairs:
            by_span[pair.video_id, pair.first_frame].append(pair)
        decoded = (
            decode(mine, self.whitelists[video], model.thresholds, model.decoding)
            for (video, _), mine in by_span.items()
        )
        return [event for events in decoded for event in events]

    def score(self, model: Model) -> metric.ScoreReport | None:
        """The official score; None without truth. Nothing predicted scores 0."""
        if not self.truth:
            return None
        return metric.pooled(self.truth, self.events(model), self.whitelists, self.labs)


def _cut_events(events: Sequence[Event], span: Span) -> list[Event]:
    cut = [
        replace(e, start_frame=max(e.start_frame, span.start_frame), stop_frame=min(e.stop_frame, span.stop_frame))
        for e in events
    ]
    return [e for e in cut if e.start_frame < e.stop_frame]
