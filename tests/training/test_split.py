"""The split: how many videos go where, and what it keeps together."""

from __future__ import annotations

import pytest

from etholake.dataset.split import AnnotatedVideo, Span, Split, choose
from etholake.errors import UsageError


def lab(n: int, lab_id: str = "Lab", frames: int = 1000) -> list[AnnotatedVideo]:
    return [AnnotatedVideo(i, lab_id, frames, frozenset({"sniff"})) for i in range(1, n + 1)]


def ids(spans: tuple[Span, ...]) -> list[int]:
    return [span.video_id for span in spans]


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(3, (1, 1, 1)), (4, (2, 1, 1)), (5, (3, 1, 1)), (7, (5, 1, 1)), (10, (6, 2, 2)), (20, (12, 4, 4))],
)
def test_whole_videos_are_held_out(n: int, sizes: tuple[int, int, int]) -> None:
    split = choose(lab(n))
    assert (len(split.train), len(split.validation), len(split.test)) == sizes
    assert sorted(ids(split.train + split.validation + split.test)) == list(range(1, n + 1))
    assert {(s.start_frame, s.stop_frame) for s in split.train + split.validation + split.test} == {(0, 1000)}


def test_two_videos_one_is_tested_and_the_end_of_the_other_validates() -> None:
    split = choose(lab(2))
    (test,), (train,), (validation,) = split.test, split.train, split.validation
    assert (test.start_frame, test.stop_frame) == (0, 1000)
    assert train.video_id == validation.video_id != test.video_id
    assert (train.start_frame, train.stop_frame) == (0, 800)
    assert (validation.start_frame, validation.stop_frame) == (800, 1000)


def test_a_single_video_is_split_in_time() -> None:
    assert choose(lab(1)) == Split(
        (Span(1, "Lab", 0, 600),), (Span(1, "Lab", 600, 800),), (Span(1, "Lab", 800, 1000),)
    )


def test_the_order_of_videos_and_other_labs_change_nothing() -> None:
    alone = choose(lab(9))
    assert choose(lab(9)[::-1]) == alone
    more = choose(lab(9) + [AnnotatedVideo(v.video_id + 100, "New", 500, v.actions) for v in lab(6)])
    for part in ("train", "validation", "test"):
        assert [s for s in getattr(more, part) if s.lab_id == "Lab"] == list(getattr(alone, part))


@pytest.mark.parametrize("rare", range(1, 8))
def test_the_only_video_with_an_action_trains(rare: int) -> None:
    videos = [
        AnnotatedVideo(i, "Lab", 1000, frozenset({"sniff"} | ({"mount"} if i == rare else set())))
        for i in range(1, 8)
    ]
    assert rare in ids(choose(videos).train)


def test_named_videos_are_the_test() -> None:
    videos = lab(6) + [AnnotatedVideo(v.video_id + 100, "Other", 500, v.actions) for v in lab(4)]
    split = choose(videos, holdout=[2, 3])
    assert {s.video_id for s in split.test if s.lab_id == "Lab"} == {2, 3}
    assert len([s for s in split.train if s.lab_id == "Lab"]) == 3
    with pytest.raises(UsageError, match=r"Cannot hold out \[99\]: no annotated video"):
        choose(videos, holdout=[2, 99])


def test_many_named_videos_leave_the_rest_to_train() -> None:
    split = choose(lab(58), holdout=range(8, 59))
    assert [len(part) for part in (split.train, split.validation, split.test)] == [6, 1, 51]


def test_a_lab_of_which_all_is_held_out_does_not_train() -> None:
    split = choose([*lab(2), AnnotatedVideo(9, "Other", 500, frozenset({"sniff"}))], holdout=[1, 2])
    assert {s.lab_id for s in split.train} == {"Other"}
    assert {1, 2} <= set(ids(split.test))
