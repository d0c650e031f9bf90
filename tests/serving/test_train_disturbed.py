"""Two trainings of one lake at once: both end, with the model that one alone gives."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import small_lake  # type: ignore[import-not-found]

from etholake import aws
from etholake.settings import Settings
from etholake.stages.model import train
from etholake.stages.state import load_state


@pytest.mark.long
def test_two_trainings_at_once_are_both_right(mock_settings: Settings, tmp_path: Path) -> None:
    lake: Settings = small_lake.make(mock_settings, tmp_path)
    spawn = multiprocessing.get_context("spawn")  # two commands; the SDK's settings are the process's environment
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        one, two = (job.result() for job in [pool.submit(train.run, lake, "smoke", (3,)) for _ in range(2)])
    scores = [result.details["metrics"]["best_val_score"] for result in (one, two)]
    assert (one.status, two.status) == ("done", "done")
    assert scores[0] == scores[1]
    assert one.details["split"] == two.details["split"]
    saved = load_state(lake, "train")["details"]
    assert saved["model_uri"] in (one.details["model_uri"], two.details["model_uri"])
    for result in (one, two):
        key = result.details["model_uri"].removeprefix(f"s3://{lake.bucket}/")
        assert aws.client(lake, "s3").head_object(Bucket=lake.bucket, Key=key)["ContentLength"] > 1000
    assert train.run(lake, "smoke", (3,)).status == "unchanged"
