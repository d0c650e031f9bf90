"""The learning curve: parts of the teaching videos, the line through the scores, a cross-validation with one."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from chases import SMALL  # type: ignore[import-not-found]

from etholake.dataset.labelled import TrainingData
from etholake.dataset.split import Span, Split
from etholake.models.archive import META
from etholake.training.cross import fit_folds
from etholake.training.cross_plan import CrossValidationPlan
from etholake.training.learning_curve import learning_curve, mean_teaching_videos, part_of, smaller_splits


def split(labs: dict[str, int]) -> Split:
    """Return a split that so many videos of each lab teach, the first of them in two spans."""
    spans = [
        Span(video, lab, 0, 100) for lab, n in labs.items() for video in range(ord(lab) * 100, ord(lab) * 100 + n)
    ]
    return Split((*spans, Span(spans[0].video_id, spans[0].lab_id, 200, 300)), (), (Span(1, "a", 0, 100),))


def videos(one: Split) -> set[int]:
    return {span.video_id for span in one.train}


def test_a_part_keeps_every_lab_and_the_larger_holds_the_smaller() -> None:
    whole = split({"a": 6, "b": 1})
    small, large = part_of(whole, 1 / 3), part_of(whole, 2 / 3)
    assert [len(videos(part)) for part in (small, large, whole)] == [3, 5, 7]
    assert videos(small) < videos(large) < videos(whole)
    assert {span.lab_id for span in small.train} == {"a", "b"}
    assert small.test == whole.test


def test_sizes_that_do_not_differ_are_one() -> None:
    assert list(smaller_splits([split({"a": 6}), split({"a": 6})])) == [2.0, 4.0]
    assert list(smaller_splits([split({"a": 2})])) == [1.0]
    assert smaller_splits([split({"a": 1, "b": 1})]) == {}
    assert mean_teaching_videos([split({"a": 2}), split({"a": 3})]) == 2.5


def judged(right: int, n: int = 4) -> Any:
    """Return an estimate with `right` of 100 frames of each video found, none false: F is 2 r / (r + 100)."""
    frames = {(video, "chase"): np.array([right, 0, 100 - right]) for video in range(n)}
    score = 2 * right / (right + 100)
    return SimpleNamespace(
        report=SimpleNamespace(score=score), frames=frames, labs=dict.fromkeys(range(n), "north")
    )


def test_more_videos_promise_what_the_line_over_the_logarithm_says() -> None:
    """F rises from 66/133 to 2/3 with a doubling, so from 10 to 13 videos by log2(1.3) = 0.38 times that."""
    curve = learning_curve("boosted", {2.0: judged(33), 4.0: judged(50)}, videos=10)
    assert curve is not None
    slope = (2 / 3 - 66 / 133) / np.log(2)
    assert curve.gain == pytest.approx(slope * np.log(13 / 10))
    assert curve.interval == pytest.approx((curve.gain, curve.gain)), "all videos are alike"
    assert curve.more == 3
    assert curve.sentence() == (
        "learning curve of boosted: 0.496 from 2 videos, 0.667 from 4 videos; with 3 more labelled videos expect "
        "+0.065 (95 % +0.065 to +0.065)"
    )
    assert learning_curve("boosted", {2.0: judged(33)}, videos=10) is None
    alone = learning_curve("boosted", {1.0: judged(33, 1), 2.0: judged(50, 1)}, videos=100)
    assert alone is not None
    assert (alone.interval, alone.more) == (None, 20)


@pytest.mark.slow
def test_further_seeds_do_not_change_the_last_point_of_the_curve(data: TrainingData, tmp_path: Path) -> None:
    curves = []
    for seeds in ((0,), (0, 1)):
        plan, folder = CrossValidationPlan(("smoke",), 3, seeds, learning_curve=True), tmp_path / str(len(seeds))
        fields = {**SMALL, "epochs": 1}
        report = fit_folds(data, folder, plan, fields, scratch=tmp_path / "out", checkpoints=tmp_path / "state")
        curves.append(report["learning_curve"])
    assert curves[0] == curves[1]


@pytest.mark.slow
def test_a_cross_validation_tells_its_learning_curve(data: TrainingData, tmp_path: Path) -> None:
    plan = CrossValidationPlan(("boosted",), 3, learning_curve=True)
    progress: list[tuple[int, int]] = []
    report = fit_folds(
        data, tmp_path / "model", plan, {"rounds": 20}, lambda n, of, _row: progress.append((n, of)),
        scratch=tmp_path / "out",
    )  # fmt: skip
    curve = json.loads((tmp_path / "model" / META).read_text())["learning_curve"]
    assert [point["videos"] for point in curve["points"]] == [2.0, 4.0]
    assert curve["points"][1]["score"] == pytest.approx(report["validation"]["score"], abs=1e-4)
    assert any(note.startswith("learning curve of boosted: ") for note in report["notes"])
    assert progress[-1][0] == progress[-1][1], "the smaller models are counted, too"
