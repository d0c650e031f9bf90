"""Folds: what stays together, what is spread, and that every frame is held out exactly once."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from chases import training_data, video  # type: ignore[import-not-found]

from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.split import Span
from etholake.errors import UsageError
from etholake.events.types import Event
from etholake.training.folds import make_folds, track_hash


def renamed(copy: LabelledVideo, video_id: int, lab_id: str) -> LabelledVideo:
    """The same tracks as another video (a second annotator's)."""
    meta = dataclasses.replace(copy.tracks.meta, video_id=video_id, lab_id=lab_id)
    return dataclasses.replace(copy, tracks=dataclasses.replace(copy.tracks, meta=meta))


def lab(first: int, n: int, lab_id: str) -> list[LabelledVideo]:
    return [video(i, lab_id, frames=200) for i in range(first, first + n)]


def test_every_frame_is_held_out_once_and_never_trained_on_then() -> None:
    data = training_data(lab(1, 7, "A") + lab(20, 3, "B") + lab(40, 1, "C"))
    folds = make_folds(data, 5)
    assert len(folds) == 5
    for v in data.videos:
        spans = [s for fold in folds for s in fold.test if s.video_id == v.tracks.video_id]
        assert sorted(f for s in spans for f in range(s.start_frame, s.stop_frame)) == list(range(200))
    for fold in folds:
        trained = {(s.video_id, f) for s in fold.train for f in range(s.start_frame, s.stop_frame)}
        held_out = {(s.video_id, f) for s in fold.test for f in range(s.start_frame, s.stop_frame)}
        assert not trained & held_out
        assert len(trained) + len(held_out) == 11 * 200
        assert not fold.validation
    assert {len([s for s in fold.test if s.lab_id == "A"]) for fold in folds} <= {1, 2}


def test_repeated_tracks_stay_together_across_labs() -> None:
    twins = lab(1, 6, "A")
    copies = [renamed(twins[k], 100 + k, "B") for k in range(3)]
    other = lab(50, 3, "B")
    assert track_hash(copies[0].tracks) == track_hash(twins[0].tracks) != track_hash(twins[1].tracks)
    for fold in make_folds(training_data(twins + copies + other), 3):
        held_out = {s.video_id for s in fold.test}
        assert all((1 + k in held_out) == (100 + k in held_out) for k in range(3))


def test_rare_actions_are_spread() -> None:
    videos = lab(1, 6, "A")
    for k in (1, 4):
        rare = Event(videos[k].tracks.video_id, 1, 2, "attack", 10, 30)
        videos[k] = dataclasses.replace(videos[k], events=(*videos[k].events, rare))
    folds = make_folds(training_data(videos), 2)
    assert Counter(s.video_id for fold in folds for s in fold.test) == Counter(range(1, 7))
    assert [len({2, 5} & {s.video_id for s in fold.test}) for fold in folds] == [1, 1]
    assert [len(fold.test) for fold in folds] == [3, 3]


def test_a_lab_of_one_video_is_folded_in_time() -> None:
    folds = make_folds(training_data(lab(1, 1, "A")), 4)
    assert [fold.test for fold in folds] == [(Span(1, "A", 50 * k, 50 * (k + 1)),) for k in range(4)]
    assert folds[1].train == (Span(1, "A", 0, 50), Span(1, "A", 100, 150), Span(1, "A", 150, 200))


def test_the_order_of_videos_changes_nothing() -> None:
    videos = lab(1, 5, "A") + lab(20, 4, "B")
    assert make_folds(training_data(videos), 3) == make_folds(training_data(videos[::-1]), 3)


def test_what_is_kept_for_the_test_is_in_no_fold_and_the_folds_are_even() -> None:
    data = training_data(lab(1, 16, "A"))
    kept = [Span(v, "A", 0, 200) for v in range(8, 17)]
    folds = make_folds(data, 3, kept)
    assert sorted(len(fold.test) for fold in folds) == [2, 2, 3]
    assert {s.video_id for fold in folds for s in (*fold.train, *fold.test)} == set(range(1, 8))
    with pytest.raises(UsageError, match="none is left to train on: hold out fewer"):
        make_folds(data, 3, [Span(v, "A", 0, 200) for v in range(1, 17)])


def test_there_are_no_more_folds_than_recordings() -> None:
    assert len(make_folds(training_data(lab(1, 4, "A") + lab(20, 3, "B")), 10)) == 4


def test_one_fold_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 2 folds, but got 1"):
        make_folds(TrainingData((), (), ""), 1)
