"""Every number of an evaluation against an independent computation of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from etholake.evaluation.bootstrap import uncertainty
from etholake.evaluation.bouts import compare
from etholake.evaluation.confusion import NONE, confusion
from etholake.evaluation.probabilities import average_precision
from etholake.evaluation.probabilities import judge as judge_probabilities
from etholake.evaluation.report import judge
from etholake.events import metric
from etholake.events.types import Event, PairScores

ACTIONS = ("chase", "sniff")
PAIRS = ((1, 1), (1, 2), (2, 1))
LABS = {1: "north", 2: "north", 3: "north", 4: "south", 5: "south"}
FPS = {1: 30.0, 2: 25.0, 3: 30.0, 4: 120.0, 5: 10.0}
FRAMES = 300
WHITELIST = {video: {(a, t, action) for (a, t), action in product(PAIRS, ACTIONS)} for video in LABS}


def chase(start: int, stop: int, video: int = 1, action: str = "chase") -> Event:
    return Event(video, 1, 2, action, start, stop)


def bouts(random: np.random.Generator, video: int, pair: tuple[int, int], n: int, exclusive: bool) -> list[Event]:
    """Bouts of one pair; `exclusive`: no two share a frame."""
    intervals, at = [], 0
    for _ in range(n):
        start = int(at if exclusive else 0) + int(random.integers(1, 40))
        stop = start + int(random.integers(1, 30))
        if stop > FRAMES:
            break
        intervals.append(Event(video, *pair, str(random.choice(ACTIONS)), start, stop))
        at = stop
    return intervals


def world(seed: int) -> tuple[list[Event], list[Event]]:
    """Truth (actions may overlap) and predictions: the truth moved, with some lost and some made up."""
    random = np.random.default_rng(seed)
    truth, predicted = [], []
    for video, pair in product(LABS, PAIRS):
        own_bouts = bouts(random, video, pair, 8, exclusive=True)
        truth += own_bouts + bouts(random, video, pair, 1, exclusive=False)
        at = 0
        for e in own_bouts:
            start = max(at, e.start_frame + int(random.integers(-4, 5)))
            stop = max(start, e.stop_frame + int(random.integers(-4, 5)))
            action = e.action if random.random() < 0.8 else str(random.choice(ACTIONS))
            if random.random() < 0.8 and stop > start:
                predicted.append(replace(e, start_frame=start, stop_frame=stop, action=action))
                at = stop
    return truth, predicted


def dense(events: list[Event]) -> dict[tuple[int, int, int, str], np.ndarray]:
    """Frames of every (video, agent, target, action) of the world, as 0 and 1."""
    frames = {(v, *p, a): np.zeros(FRAMES + 60, int) for v, p, a in product(LABS, PAIRS, ACTIONS)}
    for e in events:
        frames[e.video_id, e.agent_id, e.target_id, e.action][e.start_frame : e.stop_frame] = 1
    return frames


@pytest.mark.parametrize("seed", range(5))
def test_precision_recall_and_f_are_those_of_sklearn(seed: int) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    truth, predicted = world(seed)
    made = judge(truth, predicted, WHITELIST, LABS, FPS)
    true, claimed = dense(truth), dense(predicted)
    for lab, action in product(("north", "south"), ACTIONS):
        keys = [k for k in true if LABS[k[0]] == lab and k[3] == action]
        y, p = (np.concatenate([x[k] for k in keys]) for x in (true, claimed))
        precision, recall, f, _ = precision_recall_fscore_support(y, p, average="binary")
        got = made.to_dict()["details"][lab]["actions"][action]
        assert (got["precision"], got["recall"], got["f_score"]) == pytest.approx((precision, recall, f))


@pytest.mark.parametrize("seed", range(5))
def test_confusion_is_counted_frame_by_frame(seed: int) -> None:
    truth, predictions = world(seed)
    true, claimed = dense(truth), dense(predictions)
    expected: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for video, pair in product(LABS, PAIRS):
        for f in range(FRAMES + 60):
            annotated = [a for a in ACTIONS if true[video, *pair, a][f]] or [NONE]
            predicted = [a for a in ACTIONS if claimed[video, *pair, a][f]] or [NONE]
            if annotated != [NONE] or predicted != [NONE]:
                expected[LABS[video]].update(product(annotated, predicted))
    assert confusion(truth, predictions, LABS) == {lab: dict(rows) for lab, rows in expected.items()}


@pytest.mark.parametrize("seed", range(5))
def test_bouts_match_as_the_best_assignment_does(seed: int) -> None:
    from scipy.optimize import linear_sum_assignment

    truth, predicted = world(seed)
    got = compare(truth, predicted, LABS, FPS)
    n: Counter[tuple[str, str]] = Counter()
    errors: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    true, claimed = dense(truth), dense(predicted)
    for key, y in true.items():
        lab, rows, columns = LABS[key[0]], runs(y), runs(claimed[key])
        iou = np.array([[iou_of(a, b) for b in columns] for a in rows]).reshape(len(rows), len(columns))
        best = linear_sum_assignment(np.where(iou >= 0.5, 1 + iou / 1e3, 0), maximize=True)
        chosen = [(i, j) for i, j in zip(*best, strict=True) if iou[i, j] >= 0.5]
        n[lab, key[3]] += len(chosen)
        for i, j in chosen:
            errors[lab, key[3]].append(
                ((columns[j][0] - rows[i][0]) / FPS[key[0]], (columns[j][1] - rows[i][1]) / FPS[key[0]])
            )
    for at, counts in got.items():
        assert counts.matched == n[at] > 0
        pairs = [*zip(counts.start_error_s, counts.stop_error_s, strict=True)]
        assert np.array(sorted(pairs)) == pytest.approx(np.array(sorted(errors[at])))
        assert counts.true == sum(len(runs(y)) for k, y in true.items() if (LABS[k[0]], k[3]) == at)
        assert counts.predicted == sum(len(runs(y)) for k, y in claimed.items() if (LABS[k[0]], k[3]) == at)


def runs(y: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.r_[0, y, 0]))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def iou_of(a: tuple[int, int], b: tuple[int, int]) -> float:
    shared = len(set(range(*a)) & set(range(*b)))
    return shared / len(set(range(*a)) | set(range(*b)))


def test_bouts_by_hand() -> None:
    truth = [chase(0, 30), chase(100, 130), chase(200, 230)]
    predicted = [chase(3, 24), chase(110, 150), chase(300, 330), chase(200, 215), chase(215, 230)]
    counts = compare(truth, predicted, {1: "north"}, {1: 30.0})["north", "chase"]
    # 0–30 against 3–24: 21/30; 100–130 against 110–150: 20/50, too little; the two touching rows are one bout
    assert (counts.true, counts.predicted, counts.matched) == (3, 4, 2)
    assert counts.start_error_s.tolist() == pytest.approx([0.1, 0.0])
    assert counts.stop_error_s.tolist() == pytest.approx([-0.2, 0.0])
    assert (counts.precision, counts.recall) == (0.5, pytest.approx(2 / 3))
    assert counts.f_score == pytest.approx(4 / 7)


def test_half_is_enough_and_one_bout_matches_once() -> None:
    counts = compare([chase(0, 10)], [chase(0, 5), chase(6, 10)], {1: "north"}, {})["north", "chase"]
    assert (counts.matched, counts.predicted) == (1, 2)
    assert counts.start_error_s.size == 0  # no frame rate, no seconds


# --- probabilities ----------------------------------------------------------------------------------------
def scores(seed: int, truth: list[Event]) -> list[PairScores]:
    random, true = np.random.default_rng(seed), dense(truth)
    pairs = []
    for video, pair in product(LABS, PAIRS):
        columns = [0.6 * true[video, *pair, a][7:FRAMES] + 0.4 * random.random(FRAMES - 7) for a in ACTIONS]
        p = np.round(np.stack(columns, axis=1), 2).astype("f4")  # rounded: equal probabilities occur
        p[:5] = np.nan
        pairs.append(PairScores(video, LABS[video], FPS[video], *pair, 7, ACTIONS, p))
    return pairs


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_and_reliability_are_those_of_sklearn(seed: int) -> None:
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import average_precision_score

    truth, _ = world(seed)
    pairs, true = scores(seed, truth), dense(truth)
    whitelist = {**WHITELIST, 2: {(1, 2, "chase")}}
    measures = judge_probabilities(pairs, truth, whitelist)
    assert set(measures) == set(product(("north", "south"), ACTIONS))
    for (lab, action), got in measures.items():
        i = ACTIONS.index(action)
        own_pairs = [
            p for p in pairs if p.lab_id == lab and (p.agent_id, p.target_id, action) in whitelist[p.video_id]
        ]
        p = np.concatenate([x.probabilities_TA[5:, i] for x in own_pairs])
        y = np.concatenate([true[x.video_id, x.agent_id, x.target_id, action][12:FRAMES] for x in own_pairs])
        assert got.average_precision == pytest.approx(average_precision_score(y, p))
        share, mean = calibration_curve(y, p, n_bins=10)
        there = got.frames_Q > 0
        assert got.frames_Q.sum() == len(p)
        # sklearn's bins hold their upper edge, ours the lower: probabilities are moved off the edges for it
        off = np.clip(p + 0.001, 0, 1)
        share, mean = calibration_curve(y, off, n_bins=10)
        assert got.share_true_Q[there] == pytest.approx(share)
        assert got.mean_probability_Q[there] == pytest.approx(mean, abs=0.0011)
        bins = zip(got.frames_Q, got.mean_probability_Q, got.share_true_Q, strict=True)
        error = sum(n * abs(m - s) for n, m, s in bins if n)
        assert got.calibration_error == pytest.approx(error / len(p))


def test_average_precision_by_hand() -> None:
    p, y = np.array([0.9, 0.8, 0.8, 0.1], "f4"), np.array([True, True, False, True])
    assert average_precision(p, y) == pytest.approx((1 * 1 + 1 * 2 / 3 + 1 * 3 / 4) / 3)
    assert average_precision(p, np.zeros(4, bool)) is None


def test_probabilities_without_ground_truth_in_the_video_are_not_judged() -> None:
    pair = PairScores(2, "north", 30.0, 1, 2, 0, ("chase",), np.ones((9, 1), "f4"))
    assert judge_probabilities([pair], [chase(0, 5)], WHITELIST) == {}


# --- bootstrap --------------------------------------------------------------------------------------------
def test_the_bootstrap_is_the_score_of_videos_drawn_anew() -> None:
    """The same draws, scored by the metric itself on copies of the drawn videos."""
    truth, predicted = world(1)
    frames = metric.frames_by_video(truth, predicted, WHITELIST, LABS)
    got = uncertainty(frames, LABS, draws=40, seed=3)
    random, by_lab = np.random.default_rng(3), {}
    for lab in ("north", "south"):
        videos = [v for v in LABS if LABS[v] == lab]
        results = []
        for times in random.multinomial(len(videos), [1 / len(videos)] * len(videos), size=40):
            copies = [(v, 100 * v + c) for v, n in zip(videos, times, strict=True) for c in range(n)]
            drawn = [
                [replace(e, video_id=c) for v, c in copies for e in x if e.video_id == v]
                for x in (truth, predicted)
            ]
            whitelist = {c: WHITELIST[v] for v, c in copies}
            results.append(metric.pooled(*drawn, whitelist, {c: lab for _, c in copies}).score)
        by_lab[lab] = results
        assert got.labs[lab] == pytest.approx(tuple(np.percentile(results, [2.5, 97.5])))
    assert got.score == pytest.approx(tuple(np.percentile(np.mean([*by_lab.values()], axis=0), [2.5, 97.5])))


def test_equal_videos_leave_no_doubt_and_one_video_no_knowledge() -> None:
    truth = [chase(0, 10, video) for video in (1, 2, 3, 4)]
    predicted = [chase(5, 15, video) for video in (1, 2, 3, 4)]
    intervals = uncertainty(metric.frames_by_video(truth, predicted, WHITELIST, LABS), LABS)
    assert intervals.actions["north", "chase"] == intervals.labs["north"] == (0.5, 0.5)
    assert intervals.labs["south"] is None
    assert intervals.score == (0.5, 0.5)
    alone = uncertainty(metric.frames_by_video(truth[3:], predicted[3:], WHITELIST, LABS), LABS)
    assert alone.score is None


def test_an_action_of_one_video_is_missing_in_draws_without_it() -> None:
    truth = [chase(0, 10), chase(0, 10, 2), chase(50, 60, 2, "sniff")]
    predicted = [chase(0, 10), chase(0, 10, 2)]
    intervals = uncertainty(metric.frames_by_video(truth, predicted, WHITELIST, LABS), LABS)
    assert intervals.actions["north", "sniff"] == (0.0, 0.0)
    assert intervals.labs["north"] == (0.5, 1.0)  # without video 2 there is no sniff that was missed


# --- the whole --------------------------------------------------------------------------------------------
def test_predictions_that_do_not_count_play_no_part() -> None:
    truth, predicted = world(2)
    ignored = [chase(0, 400, 77), chase(0, 400, 1, "mount"), Event(1, 2, 2, "chase", 0, 400)]
    assert (
        judge(truth, [*predicted, *ignored], WHITELIST, LABS, FPS).to_dict()
        == judge(truth, predicted, WHITELIST, LABS, FPS).to_dict()
    )


def test_the_tables_say_what_the_json_says() -> None:
    truth, predicted = world(3)
    made = judge(truth, predicted, WHITELIST, LABS, FPS, scores(3, truth))
    tables, details = made.tables(), made.to_dict()["details"]
    for row, detail in zip(tables["scores"], tables["score_details"], strict=True):
        action = details[row["lab_id"]]["actions"][row["action"]]
        assert row["f_score"] == action["f_score"]
        assert [detail["f_low"], detail["f_high"]] == action["interval"]
        assert detail["start_error_sec"] == action["bouts"]["start_error_sec"] > 0
        assert detail["average_precision"] == action["average_precision"]
        bins = [
            b for b in tables["score_calibration"] if (b["lab_id"], b["action"]) == (row["lab_id"], row["action"])
        ]
        assert [{k: b[k] for k in action["calibration"]["bins"][0]} for b in bins] == action["calibration"]["bins"]
        assert sum(b["frames"] for b in bins) > 500
    for row in tables["score_confusion"]:
        assert details[row["lab_id"]]["confusion"][row["true_action"]][row["predicted_action"]] == row["frames"]


def test_nothing_predicted_is_zeros_and_unknowns_not_an_error() -> None:
    measures = judge([chase(0, 10)], [], WHITELIST, LABS, FPS).to_dict()["details"]["north"]
    assert measures["score"] == 0.0
    assert measures["confusion"] == {"chase": {NONE: 10}}
    action = measures["actions"]["chase"]
    assert (action["precision"], action["recall"], action["bouts"]["f_score"]) == (None, 0.0, 0.0)
    assert action["bouts"]["start_error_sec"] is None
