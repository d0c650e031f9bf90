"""MABe 2022's mouse triplets: the linear probe against scikit-learn and by hand, then a whole run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etholake import cli
from etholake.errors import DataError
from etholake.evaluation.protocols import mabe22

CLIP = 60  # frames


def test_the_probe_is_scikit_learns() -> None:
    from sklearn.linear_model import Ridge, RidgeClassifier

    random = np.random.default_rng(0)
    x = random.normal(size=(300, 5)) + 3
    y = x @ random.normal(size=5) + random.normal(size=300)
    weights, intercept = mabe22.ridge(x, y, np.ones(300))
    peer = Ridge(alpha=1.0).fit(x, y)
    np.testing.assert_allclose(weights, peer.coef_)
    assert intercept == pytest.approx(peer.intercept_)
    positive = y > np.quantile(y, 0.8)
    weight = np.where(positive, 300 / 2 / positive.sum(), 300 / 2 / (~positive).sum())
    weights, intercept = mabe22.ridge(x, np.where(positive, 1, -1), weight)
    classifier = RidgeClassifier(alpha=1.0, class_weight="balanced").fit(x, positive)
    np.testing.assert_allclose(weights, np.ravel(classifier.coef_))
    np.testing.assert_array_equal(x @ weights + intercept > 0, classifier.predict(x))


@pytest.mark.parametrize("count", [10, 11, 37])
def test_the_split_is_scikit_learns(count: int) -> None:
    from sklearn.model_selection import train_test_split

    clips = [f"clip {i}" for i in range(count)]
    assert list(mabe22.split_of(clips, 42)) == train_test_split(clips, test_size=0.1, random_state=42)


def test_votes_and_scores_by_hand() -> None:
    """Three seeds, four frames, true 1 1 0 0: one vote is enough, so frames 1, 2 and 3 are positive: F1 = 4/5."""
    seeds = [np.array([0.5, -1, -1, -1]), np.array([0.5, 1, -1, -1]), np.array([0.5, -1, 2, -1])]
    assert mabe22.votes(seeds).tolist() == [True, True, True, False]
    true = np.array([1.0, 1.0, 0.0, 0.0])
    score = mabe22._score(true, seeds, discrete=True)
    assert (score.metric, score.score) == ("F1", pytest.approx(4 / 5))
    assert score.single_seed == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    numbers = mabe22._score(np.array([1.0, 3.0]), [np.array([0.0, 3.0]), np.array([1.0, 4.0])], discrete=False)
    assert (numbers.metric, numbers.score, numbers.single_seed) == ("MSE", 0.25, 0.5)


def write(folder: Path, **changes: Any) -> None:
    """Write twelve clips in the published layout: the first two mice are 300 px apart, in every other clip 40."""
    random = np.random.default_rng(1)
    body = np.stack([np.linspace(0, 80, 12), np.tile([0.0, 9.0, -9.0], 4)], axis=1)
    sequences, frames, near = {}, {}, []
    for number in range(12):
        apart = 40 if number % 2 else 300
        centres = np.array([[200, 200], [200 + apart, 200], [700, 700]])
        points = centres[None, :, None] + body + random.normal(0, 2, (CLIP, 3, 12, 2))
        sequences[f"clip{number:02}"] = {"keypoints": points}
        frames[f"clip{number:02}"] = (number * CLIP, (number + 1) * CLIP)
        near += [float(number % 2)] * CLIP
    labels = np.array([near, [3.0 - 2 * n for n in near]])
    labels[0, 5] = np.nan
    content = {
        "label_array": labels, "vocabulary": ["close", "time_of_day"], "task_type": ["Discrete", "Continious"],
        "frame_number_map": frames,
    }  # fmt: skip
    names = list(sequences)
    split = {"SubmissionTrain": names[:8], "publicTest": names[8:10], "privateTest": names[10:]}
    np.save(folder / "test_labels.npy", content | changes, allow_pickle=True)
    np.save(folder / "test.npy", {"sequences": sequences}, allow_pickle=True)
    (folder / "split.json").write_text(json.dumps(split))


def test_the_protocol_runs_on_files_of_the_published_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    result = mabe22.run(tmp_path)
    assert result.clips == 12
    assert result.tasks["close"].score > 0.95
    assert result.tasks["time_of_day"].metric == "MSE"
    assert result.tasks["time_of_day"].score < 0.2  # of a variance of 1
    assert cli.main(["benchmark", "mabe22", "--data", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "0.7083  close (F1)" in text
    assert "submission 179369, github.com/damaggu/MABe2022" in text
    assert cli.main(["benchmark", "mabe22", "--data", str(tmp_path), "--task", "1"]) == 2
    assert "--task and --rounds belong to calms21" in capsys.readouterr().err


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no npy with 'label_array'"):
        mabe22.run(tmp_path)
    write(tmp_path, frame_number_map={"clip00": (0, 10_000)})
    with pytest.raises(DataError, match="frame_number_map names frames beyond the 720"):
        mabe22.run(tmp_path)
    write(tmp_path, frame_number_map={"clip00": (0, 60)})
    with pytest.raises(DataError, match="the clip 'clip01' of the split is not in the labels"):
        mabe22.run(tmp_path)
