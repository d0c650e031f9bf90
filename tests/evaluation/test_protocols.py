"""The published protocols: the metric on cases worked out by hand, the whole run on generated files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etholake import cli
from etholake.errors import DataError, UsageError
from etholake.evaluation.protocols import calms21
from etholake.evaluation.protocols.metric import mean_of, score_classes

CLASSES = ("attack", "mount", "other")
VOCAB = {"attack": 0, "investigation": 1, "mount": 2, "other": 3}


def test_the_metric_by_hand() -> None:
    """Frames: attack, attack, mount, other, other; predicted attack, other, mount, mount, other.

    attack: 1 hit of 2 true and 1 predicted: F1 = 2·1/(2+1) = 2/3. mount: 1 hit of 1 true and 2 predicted: 2/3.
    AP of attack: its frames have .8 (first of all) and .3 (after .8 and .4): 1/2·1 + 1/2·2/3 = 5/6. AP of mount:
    its frame has .6, after the .7 of the fourth frame: 1/2.
    """
    probabilities = np.array(
        [[0.8, 0.1, 0.1], [0.3, 0.2, 0.5], [0.4, 0.6, 0.0], [0.1, 0.7, 0.2], [0.1, 0.1, 0.8]], dtype=np.float32
    )
    scores = score_classes(probabilities, np.array([0, 0, 1, 2, 2]), CLASSES, "other")
    assert scores.f1 == pytest.approx({"attack": 2 / 3, "mount": 2 / 3})
    assert scores.ap == pytest.approx({"attack": 5 / 6, "mount": 1 / 2})
    assert (scores.mean_f1, scores.mean_ap) == pytest.approx((2 / 3, 2 / 3))


def test_other_does_not_count_and_groups_count_alike() -> None:
    """Group a: 'other' all wrong, attack perfect but for two false frames: F1 = 2·1/(1+3) = 1/2. Group b: 1."""
    wrong = np.array([[0.9, 0, 0.1], [0.8, 0, 0.2], [0.7, 0, 0.3]], dtype=np.float32)
    right = np.array([[0.9, 0, 0.1], [0.1, 0, 0.9]], dtype=np.float32)
    groups = {
        "a": score_classes(wrong, np.array([0, 2, 2]), CLASSES, "other"),
        "b": score_classes(right, np.array([0, 2]), CLASSES, "other"),
    }
    assert groups["a"].f1 == {"attack": 0.5}
    assert mean_of(groups) == pytest.approx((0.75, 1.0))


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(DataError, match="nothing but 'other'"):
        score_classes(np.ones((2, 3), dtype=np.float32), np.array([2, 2]), CLASSES, "other")
    with pytest.raises(DataError, match=r"2 frames and 3 classes, but got the shape \(2, 2\)"):
        score_classes(np.ones((2, 2), dtype=np.float32), np.array([2, 2]), CLASSES, "other")


def sequence(seed: int, frames: int = 240) -> dict[str, Any]:
    """Return a sequence in which the resident attacks whenever the intruder is near: 40 frames of 80."""
    chance = np.random.default_rng(seed)
    near = (np.arange(frames) // 40) % 2 == 1
    body = np.stack([np.linspace(0, 60, 7), np.tile([0.0, 8.0, -8.0, 0.0], 2)[:7]])  # [xy, part]
    points = np.zeros((frames, 2, 2, 7))
    points[:, 0] = body + 300 + chance.normal(0, 0.5, (frames, 2, 7))
    points[:, 1] = body + np.where(near, 340, 600)[:, None, None] + chance.normal(0, 0.5, (frames, 2, 7))
    annotations = np.where(near, VOCAB["attack"], VOCAB["other"])
    return {
        "keypoints": points.tolist(),
        "scores": [],
        "annotations": annotations.tolist(),
        "metadata": {"vocab": VOCAB},
    }


def write(folder: Path, task: int, groups: int = 1, **changes: Any) -> None:
    for split, seeds in (("train", (0, 1)), ("test", (2,))):
        content = {
            f"annotator-id_{g}": {f"task{task}/{split}/mouse{s:03}": {**sequence(s), **changes} for s in seeds}
            for g in range(groups)
        }
        path = folder / f"task{task}_official" / f"calms21_task{task}_{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))


@pytest.mark.slow
def test_the_protocol_runs_on_files_of_the_official_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2, groups=2)
    write(tmp_path, 3, groups=7)
    third = calms21.run_task(tmp_path, 3, rounds=2)
    assert len(third.groups) == 7  # a behaviour each, of one other annotator; they count alike
    assert third.f1 == pytest.approx(np.mean([scores.mean_f1 for scores in third.groups.values()]))
    result = calms21.run_task(tmp_path, 1, rounds=5)
    assert (result.train_frames, result.test_frames) == (480, 240)
    assert result.f1 > 0.95
    assert result.ap > 0.95
    line = ["benchmark", "calms21", "--data", str(tmp_path), "--task", "2", "--rounds", "5"]
    assert cli.main(line) == 0
    text = capsys.readouterr().out
    assert "0.754   0.774  1D convolution (Sun et al. 2021, arXiv:2104.02710)" in text
    assert "ours: boosted trees" in text


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"calms21_task1_train\.json is not below"):
        calms21.run_task(tmp_path, 1)
    with pytest.raises(UsageError, match="the tasks 1, 2 and 3, but not 4"):
        calms21.run_task(tmp_path, 4)
    write(tmp_path, 1, keypoints=[[1.0]])
    with pytest.raises(DataError, match=r"must have the shape \(frames, mice, xy, parts\) = \(240, 2, 2, 7\)"):
        calms21.run_task(tmp_path, 1)
    write(tmp_path, 1, metadata={})
    with pytest.raises(DataError, match="has no vocabulary"):
        calms21.run_task(tmp_path, 1)


@pytest.mark.parametrize("name", ["deepethogram", "pair-r24m", "sbea"])
def test_a_data_set_without_a_published_split_is_no_benchmark(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["benchmark", name, "--data", str(tmp_path)]) == 2
    text = " ".join(capsys.readouterr().err.split())
    assert f"There is no benchmark '{name}' to repeat" in text
    assert "No split is invented here." in text
