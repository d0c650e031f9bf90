"""The estimate of a cross-validation: decided without the judged labels, with an interval and single videos."""

import numpy as np
import pytest

from etholake.dataset.labelled import LabelledVideo
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span
from etholake.dataset.video_meta import VideoMeta
from etholake.events.post_processing import PostProcessing
from etholake.events.types import Event, PairScores
from etholake.models.boosted.forest import Boosted
from etholake.training.cross_plan import CrossValidationPlan
from etholake.training.epoch_counter import EpochCounter
from etholake.training.estimate import estimate, rare_actions
from etholake.training.validation import HeldOut

T = 2000


def labelled(number: int, bouts: int, action: str = "chase") -> LabelledVideo:
    meta = VideoMeta(number, "north", 30.0, labeled_behaviors=((1, 2, action),))
    xy = np.zeros((T, 2, 8, 2), "f4")
    events = tuple(Event(number, 1, 2, action, 100 * k, 100 * k + 40) for k in range(bouts))
    return LabelledVideo(PoseTracks(meta, xy, np.ones((T, 2, 8), bool), (1, 2), 0, T), events)


def scores(video: LabelledVideo, seed: int, signal: float = 3.0) -> PairScores:
    true = np.zeros(T)
    for e in video.events:
        true[e.start_frame : e.stop_frame] = 1
    logit = signal * (true - 0.5) + np.random.default_rng(seed).normal(size=T)
    p = (1 / (1 + np.exp(-logit)))[:, None].astype("f4")
    return PairScores(video.tracks.video_id, "north", 30.0, 1, 2, 0, ("chase",), p)


def spans(videos: list[LabelledVideo]) -> list[list[Span]]:
    """One fold a video."""
    return [[Span(v.tracks.video_id, "north", 0, T)] for v in videos]


def model() -> Boosted:
    return Boosted({("north", "chase"): None})  # type: ignore[dict-item]  # only its actions are read


def test_an_estimate_has_an_interval_and_every_video() -> None:
    videos = [labelled(n, 10) for n in range(1, 6)]
    judged = estimate(model(), videos, spans(videos), [[scores(v, n)] for n, v in enumerate(videos)])
    assert judged is not None
    assert judged.by_video.keys() == {1, 2, 3, 4, 5}
    assert judged.interval
    assert judged.interval[0] < judged.report.score < judged.interval[1]
    text = judged.sentence()
    assert text.startswith(f"expected on unseen videos of these labs: {judged.report.score:.3f} (95 %")
    worst = min(judged.by_video, key=lambda video: judged.by_video[video])
    assert f"the worst first: {worst} " in text
    assert judged.to_dict()["by_video"][str(worst)] == round(judged.by_video[worst], 4)


def test_the_labels_of_a_video_do_not_decide_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decisions for each video are fitted on the two others, and their labels."""
    seen: list[tuple[set[int], set[int]]] = []
    fit = HeldOut.fit

    def watched(self: HeldOut, model: Boosted) -> PostProcessing:
        seen.append(({pair.video_id for pair in self.pairs}, {event.video_id for event in self.truth}))
        return fit(self, model)

    monkeypatch.setattr(HeldOut, "fit", watched)
    videos = [labelled(n, 10) for n in (1, 2, 3)]
    estimate(model(), videos, spans(videos), [[scores(v, n)] for n, v in enumerate(videos)])
    assert seen == [({2, 3}, {2, 3}), ({1, 3}, {1, 3}), ({1, 2}, {1, 2})]


def test_without_events_there_is_no_estimate() -> None:
    videos = [labelled(n, 0) for n in (1, 2)]
    assert estimate(model(), videos, spans(videos), [[scores(v, 0)] for v in videos]) is None
    alone = [labelled(1, 5)]
    judged = estimate(model(), alone, spans(alone), [[scores(alone[0], 0)]])
    assert judged is not None
    assert judged.interval is None
    assert "95 %" not in judged.sentence()


def test_actions_with_few_labels_are_named() -> None:
    whole = [labelled(n, 15) for n in (1, 2, 3)]
    every = [span for fold in spans(whole) for span in fold]
    assert rare_actions(whole, every) == ""
    assert rare_actions(whole, every[:2]) == (
        "not enough labels to rely on: chase of north (30 events in 2 videos); an action can be learnt and judged "
        "from 30 events in 3 videos on"
    )
    few = [*whole, labelled(4, 1, "mount")]
    assert "mount of north (1 event in 1 video)" in rare_actions(few, [*every, Span(4, "north", 0, T)])


def test_the_time_that_is_left_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two configurations of 1 and 2 epochs, two folds and the whole: the clock moves 10 s an epoch, then 100 s."""
    clock = iter([0.0, 10.0, 10.0, 110.0, 210.0])
    monkeypatch.setattr("etholake.training.epoch_counter.time.monotonic", lambda: next(clock))
    rows: list[tuple[int, int, float | None]] = []
    counter = EpochCounter(lambda epoch, total, row: rows.append((epoch, total, row["left_s"])))
    plan = CrossValidationPlan(("trees", "network"), folds=2)
    assert [fold for _, _, fold in plan.members()] == [0, 0, 1, 1, None, None]
    counter.planned.update({"trees": 3, "network": 6})
    counter.callback("trees")(1, 1, {})  # type: ignore[misc]
    counter.done["trees"] += 1
    network = counter.callback("network")
    assert network is not None
    network(1, 2, {})
    network(2, 2, {})
    assert rows == [(1, 9, None), (2, 9, 2 * 10 + 5 * 100), (3, 9, 2 * 10 + 4 * 100)]
