"""The official score: one hand-made case per point of its definition, and a slow reference on random events."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etholake.errors import DataError
from etholake.events import metric
from etholake.events.intervals import Intervals, overlap, union
from etholake.events.types import Event, Triplet

LABS = {1: "north", 2: "north", 3: "south"}
WHITELIST = {v: {(1, 2, "chase"), (1, 2, "sniff"), (2, 1, "chase"), (1, 1, "rear")} for v in LABS}


def chase(
    start: int, stop: int, video: int = 1, *, agent: int = 1, target: int = 2, action: str = "chase"
) -> Event:
    return Event(video, agent, target, action, start, stop)


def score(solution: Sequence[Event], submission: Sequence[Event]) -> metric.ScoreReport:
    return metric.score(solution, submission, WHITELIST, LABS)


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


def test_empty_intervals_add_nothing():
    report = score(
        [chase(0, 10), chase(5, 5, action="sniff")], [chase(0, 10), chase(4, 4, target=1, action="rear")]
    )
    assert report.to_dict()["labs"]["north"]["actions"] == {"chase": 1.0}


def test_a_video_whose_only_row_is_empty_counts_as_scored():
    report = score([chase(0, 10), chase(5, 5, video=2)], [chase(0, 10), chase(0, 10, video=2)])
    assert report.labs["north"].actions["chase"].fp_frames == 10


# --- against a slow reference: sets of frames in plain Python ------------------------------------------------
def reference(
    solution: Sequence[Event],
    submission: Sequence[Event],
    whitelist: Mapping[int, Collection[Triplet]],
    labs: Mapping[int, str],
) -> float | str:
    scored = {e.video_id for e in solution}
    true: dict[tuple[int, int, int, str], set[int]] = defaultdict(set)
    predicted: dict[tuple[int, int, int, str], set[int]] = defaultdict(set)
    for e in solution:
        true[e.video_id, e.agent_id, e.target_id, e.action] |= set(range(e.start_frame, e.stop_frame))
    for e in submission:
        if e.video_id in scored and (e.agent_id, e.target_id, e.action) in whitelist[e.video_id]:
            predicted[e.video_id, e.agent_id, e.target_id, e.action] |= set(range(e.start_frame, e.stop_frame))
    seen: dict[tuple[int, int, int], set[int]] = defaultdict(set)
    for (video, agent, target, _), frames in predicted.items():
        if seen[video, agent, target] & frames:
            return "conflict"
        seen[video, agent, target] |= frames
    lab_scores = []
    for lab in {labs[v] for v in scored}:
        per_action = []
        for action in {k[3] for d in (true, predicted) for k, f in d.items() if labs[k[0]] == lab and f}:
            keys = {k for d in (true, predicted) for k in list(d) if labs[k[0]] == lab and k[3] == action}
            tp = sum(len(true[k] & predicted[k]) for k in keys)
            fp = sum(len(predicted[k] - true[k]) for k in keys)
            fn = sum(len(true[k] - predicted[k]) for k in keys)
            per_action.append(2 * tp / (2 * tp + fp + fn))
        lab_scores.append(sum(per_action) / len(per_action) if per_action else 0.0)
    return sum(lab_scores) / len(lab_scores)


_events = st.builds(
    lambda video, agent, target, action, start, length: Event(video, agent, target, action, start, start + length),
    st.sampled_from([1, 2, 3]),
    st.integers(1, 2),
    st.integers(1, 2),
    st.sampled_from(["chase", "sniff", "rear"]),
    st.integers(-3, 40),
    st.integers(0, 12),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_events, min_size=1, max_size=14), st.lists(_events, min_size=1, max_size=6))
def test_it_agrees_with_sets_of_frames(solution: list[Event], submission: list[Event]):
    expected = reference(solution, submission, WHITELIST, LABS)
    if expected == "conflict":
        with pytest.raises(DataError, match="two actions on one frame"):
            score(solution, submission)
    else:
        assert score(solution, submission).score == pytest.approx(expected)


def test_union_and_overlap_of_known_intervals():
    def of(*rows: tuple[int, int, int]) -> Intervals:
        return Intervals(*np.array(rows, dtype=np.int64).T)

    left = union(of((0, 5, 9), (1, 0, 4), (0, 9, 12), (0, 20, 20), (1, 2, 3), (0, 100, 110)))
    assert [*zip(left.key, left.start, left.stop, strict=True)] == [(0, 5, 12), (0, 100, 110), (1, 0, 4)]
    right = union(of((0, 0, 6), (0, 11, 105), (2, 0, 50)))
    assert overlap(left, right).tolist() == [2, 5, 0]
