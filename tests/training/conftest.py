"""One thread for torch, and one trained model for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from chases import SMALL, training_data, video  # type: ignore[import-not-found]

from etholake.dataset.labelled import TrainingData
from etholake.training.fit import fit


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data() -> TrainingData:
    """Two labs of three videos: one to train, one to validate, one to test, each."""
    return training_data([video(i, lab) for i, lab in enumerate(["A"] * 3 + ["B"] * 3, start=1)])


@pytest.fixture(scope="session")
def trained(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A small model and the report of its training."""
    folder = tmp_path_factory.mktemp("model")
    return folder, fit(data, folder, "smoke", SMALL)
