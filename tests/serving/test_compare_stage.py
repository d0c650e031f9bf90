"""Two families, cross-validated by jobs of the mock, in one table."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_lake  # type: ignore[import-not-found]

from etholake.errors import UsageError
from etholake.settings import Settings
from etholake.stages.model import compare, train
from etholake.stages.model.training_inputs import TrainingOptions


@pytest.mark.long
def test_families_are_compared_on_the_same_videos(mock_settings: Settings, tmp_path: Path) -> None:
    lake = small_lake.make(mock_settings, tmp_path / "state")
    data = small_lake.layout(tmp_path / "data")
    runs = [
        train.run(lake, config, options=TrainingOptions(folds=2)).details["job_name"]
        for config in ("cnn_lstm:smoke", "pose_bert:smoke")
    ]
    result = compare.run(lake, data, runs)
    first, second = result.details["runs"]
    assert (first["config"], second["config"]) == ("cnn_lstm:smoke", "pose_bert:smoke")
    assert first["gain"] == 0
    assert second["gain"] == pytest.approx(second["f"] - first["f"])
    assert all(row["megabytes"] > 0 and row["frames_per_s"] > 0 for row in (first, second))
    assert result.details["videos"] >= 2
    assert "cnn_lstm:smoke" in result.summary
    with pytest.raises(UsageError, match="A comparison needs two cross-validated training jobs or more"):
        compare.run(lake, data, runs[:1])
    with pytest.raises(UsageError, match="There are no out-of-fold predictions of 'nobody'"):
        compare.run(lake, data, ["nobody", *runs])
