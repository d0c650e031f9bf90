"""The official score: hand-made cases for each point of its definition."""

from collections.abc import Sequence

import numpy as np
import pytest

from etholake.errors import DataError
from etholake.events import metric
from etholake.events.intervals import Intervals, overlap, union
from etholake.events.types import Event

LABS = {1: "north", 2: "north", 3: "south"}
LABELED = {v: {(1, 2, "chase"), (1, 2, "sniff"), (2, 1, "chase"), (1, 1, "rear")} for v in LABS}


def chase(
    start: int, stop: int, video: int = 1, *, agent: int = 1, target: int = 2, action: str = "chase"
) -> Event:
    return Event(video, agent, target, action, start, stop)


def score(solution: Sequence[Event], submission: Sequence[Event]) -> metric.ScoreReport:
    return metric.score(solution, submission, LABELED, LABS)


# --- point 1: frames ---------------------------------------------------------------------------------------
def test_the_stop_frame_is_exclusive():
    only = score([chase(10, 20)], [chase(15, 25)]).labs["north"].actions["chase"]
    assert (only.tp_frames, only.fp_frames, only.fn_frames) == (5, 5, 5)
    assert only.f_score == only.precision == only.recall == 0.5
    assert score([chase(10, 20)], [chase(20, 30)]).score == 0.0


# --- point 2: what counts ----------------------------------------------------------------------------------
def test_predictions_outside_the_whitelist_cost_nothing():
    extra = [chase(0, 500, action="mount"), chase(0, 500, agent=2, action="sniff")]
    assert score([chase(10, 20)], [chase(10, 20), *extra]).score == 1.0


def test_predictions_in_videos_without_ground_truth_cost_nothing():
    assert score([chase(10, 20)], [chase(10, 20), chase(0, 500, video=2), chase(0, 9, video=77)]).score == 1.0


# --- point 3: one action per frame and pair ----------------------------------------------------------------
def test_two_actions_on_one_frame_of_a_pair_are_refused():
    with pytest.raises(DataError, match=r"mouse1 → mouse2 of video 1 two actions.*frame 19"):
        score([chase(10, 20)], [chase(10, 20), chase(19, 30, action="sniff")])


def test_a_short_action_inside_a_long_one_is_refused():
    with pytest.raises(DataError, match="keep one action per frame"):
        score([chase(10, 20)], [chase(0, 100), chase(2, 3), chase(50, 51, action="sniff")])


def test_neighbours_other_targets_and_ignored_rows_are_no_conflict():
    fine = [
        chase(10, 20),
        chase(20, 30, action="sniff"),  # touches
        chase(10, 20, target=1, action="rear"),  # another target
        chase(10, 20, action="mount"),  # not whitelisted
        chase(15, 15, action="sniff"),  # empty
    ]
    assert (
        score([chase(10, 20), chase(20, 30, action="sniff"), chase(10, 20, target=1, action="rear")], fine).score
        == 1
    )


def test_repeated_rows_of_one_action_are_merged():
    assert score([chase(0, 30)], [chase(0, 20), chase(10, 30), chase(5, 6), chase(0, 20)]).score == 1.0
    assert score([chase(0, 20), chase(10, 30)], [chase(0, 30)]).score == 1.0


# --- point 4: pooling --------------------------------------------------------------------------------------
def test_frames_are_pooled_over_videos_and_pairs_before_f():
    solution = [chase(0, 90), chase(0, 10, video=2), chase(0, 10, agent=2, target=1)]
    report = score(solution, [chase(0, 90), chase(10, 20, video=2)])
    only = report.labs["north"].actions["chase"]
    assert (only.tp_frames, only.fp_frames, only.fn_frames) == (90, 10, 20)
    assert report.score == pytest.approx(2 * 90 / (2 * 90 + 10 + 20))  # not the mean over videos


def test_actions_then_labs_are_averaged_plainly():
    solution = [chase(0, 1000), chase(1000, 1001, action="sniff"), chase(0, 5, video=3)]
    report = score(solution, [chase(0, 1000), chase(0, 5, video=3)])
    assert report.labs["north"].score == 0.5
    assert report.labs["south"].score == 1.0
    assert report.score == 0.75
    assert report.to_dict() == {
        "score": 0.75,
        "labs": {
            "north": {"score": 0.5, "actions": {"chase": 1.0, "sniff": 0.0}},
            "south": {"score": 1.0, "actions": {"chase": 1.0}},
        },
    }


# --- point 5: what is missed -------------------------------------------------------------------------------
def test_truth_outside_the_whitelist_is_missed():
    report = score(
        [chase(0, 10), chase(0, 10, agent=2, action="sniff")],
        [chase(0, 10), chase(0, 10, agent=2, action="sniff")],
    )
    assert report.labs["north"].actions["sniff"].fn_frames == 10
    assert report.score == 0.5


def test_a_lab_without_predictions_scores_zero():
    report = score([chase(0, 10), chase(0, 10, video=3)], [chase(0, 10)])
    assert report.labs["south"].score == 0.0
    assert report.score == 0.5


# --- point 6: the phantom trap -----------------------------------------------------------------------------
def test_a_phantom_action_halves_a_perfect_score():
    assert score([chase(0, 10)], [chase(0, 10), chase(50, 51, action="sniff")]).score == 0.5


def test_the_phantom_is_judged_by_lab_not_by_video():
    solution = [chase(0, 10), chase(0, 90, video=2, action="sniff")]
    report = score(solution, [chase(0, 10), chase(50, 60, action="sniff"), chase(0, 90, video=2, action="sniff")])
    assert report.labs["north"].actions["sniff"].f_score == pytest.approx(180 / 190)
    assert report.labs["north"].actions["sniff"].recall == 1.0


def test_a_phantom_has_no_recall():
    sniff = score([chase(0, 10)], [chase(50, 51, action="sniff")]).labs["north"].actions["sniff"]
    assert sniff.recall is None
    assert sniff.precision == 0.0


# --- point 7: errors and empty intervals -------------------------------------------------------------------
def test_an_empty_solution_or_submission_is_an_error():
    with pytest.raises(DataError, match="solution is empty"):
        score([], [chase(0, 10)])
    with pytest.raises(DataError, match="submission is empty"):
        score([chase(0, 10)], [])


def test_all_events_that_start_after_their_stop_are_reported():
    with pytest.raises(DataError, match=r"(?s)\(2\).*solution: video 1.*start_frame 9 .*stop_frame 8.*submission"):
        score([chase(9, 8)], [chase(5, 2)])


def test_a_video_without_a_lab_is_an_error():
    with pytest.raises(DataError, match="video 77 has no lab"):
        score([chase(0, 10, video=77)], [chase(0, 10)])


def test_empty_intervals_of_an_action_that_has_others_add_nothing():
    extra = [chase(5, 5), chase(500, 500), chase(7, 7, agent=2, target=1)]
    assert score([chase(0, 10), *extra], [chase(0, 10), *extra]).score == 1.0


def test_an_action_of_empty_rows_alone_scores_zero():
    actions = {"chase": 1.0, "sniff": 0.0}
    empty = chase(5, 5, action="sniff")
    for solution, submission in (([chase(0, 10), empty], [chase(0, 10)]), ([chase(0, 10)], [chase(0, 10), empty])):
        report = score(solution, submission)
        assert report.to_dict()["labs"]["north"]["actions"] == actions
        assert (report.labs["north"].actions["sniff"].precision, report.score) == (None, 0.5)
    ignored = chase(4, 4, action="mount")  # not whitelisted
    assert score([chase(0, 10)], [chase(0, 10), ignored]).score == 1.0


def test_a_video_whose_only_row_is_empty_counts_as_scored():
    report = score([chase(0, 10), chase(5, 5, video=2)], [chase(0, 10), chase(0, 10, video=2)])
    assert report.labs["north"].actions["chase"].fp_frames == 10


# --- the arithmetic behind it -------------------------------------------------------------------------------
def test_union_and_overlap_of_known_intervals():
    def of(*rows: tuple[int, int, int]) -> Intervals:
        return Intervals(*np.array(rows, dtype=np.int64).T)

    left = union(of((0, 5, 9), (1, 0, 4), (0, 9, 12), (0, 20, 20), (1, 2, 3), (0, 100, 110)))
    assert [*zip(left.key, left.start, left.stop, strict=True)] == [(0, 5, 12), (0, 100, 110), (1, 0, 4)]
    right = union(of((0, 0, 6), (0, 11, 105), (2, 0, 50)))
    assert overlap(left, right).tolist() == [2, 5, 0]
