"""Trackers get the figures of epochs, and can do no harm. MLflow is real; TensorBoard and W&B are named fakes."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sagemaker_scripts  # type: ignore[import-not-found]

from etholake.errors import UsageError
from etholake.training.trackers import check_trackers, tracked

ROWS = (
    {"epoch": 1, "train_loss": 0.5, "val_score": None, "lr": 0.1},
    {"epoch": 2, "train_loss": 0.25, "val_score": 0.75, "lr": 0.05},
)


def run(names: list[str], folder: Path) -> list[int]:
    """Track two epochs; return those that the callback of the training itself was given."""
    epochs: list[int] = []
    with tracked(
        lambda epoch, _epochs, _row: epochs.append(epoch), names, folder, "run7", {"config": "x"}
    ) as call:
        for number, row in enumerate(ROWS, start=1):
            call(number, 2, row)
    return epochs


class FakeWriter:
    """Keeps what torch's SummaryWriter would write."""

    made: list[FakeWriter]

    def __init__(self, folder: str) -> None:
        self.folder, self.scalars, self.closed = folder, [], False
        FakeWriter.made = [self]

    def add_text(self, _name: str, text: str) -> None:
        assert "config: x" in text

    def add_scalar(self, key: str, value: float, step: int) -> None:
        self.scalars.append((key, value, step))

    def close(self) -> None:
        self.closed = True


def test_a_fake_tensorboard_gets_every_figure_and_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = FakeWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    assert run(["tensorboard"], tmp_path) == [1, 2]
    (writer,) = FakeWriter.made
    assert writer.scalars == [
        ("train_loss", 0.5, 1), ("lr", 0.1, 1), ("train_loss", 0.25, 2), ("val_score", 0.75, 2), ("lr", 0.05, 2),
    ]  # fmt: skip
    assert writer.closed
    assert writer.folder == str(tmp_path / "tensorboard" / "run7")


@pytest.mark.long
def test_mlflow_keeps_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client_of = pytest.importorskip("mlflow.tracking").MlflowClient
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert run(["mlflow"], tmp_path) == [1, 2]
    client = client_of(f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}")
    (kept,) = client.search_runs([client.get_experiment_by_name("etholake").experiment_id])
    assert kept.data.params == {"config": "x"}
    assert kept.info.status == "FINISHED"
    losses = client.get_metric_history(kept.info.run_id, "train_loss")
    assert [(metric.step, metric.value) for metric in losses] == [(1, 0.5), (2, 0.25)]


def test_a_fake_wandb_that_breaks_ends_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Any] = []

    class FakeRun:
        def log(self, values: dict[str, float], step: int) -> None:
            calls.append((step, values))
            raise RuntimeError("no connection")

        def finish(self) -> None:
            calls.append("finish")

    def init(**options: Any) -> FakeRun:
        calls.append(options["mode"])
        return FakeRun()

    fake = ModuleType("wandb")
    fake.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with caplog.at_level(logging.WARNING):
        assert run(["wandb"], tmp_path) == [1, 2]
    assert calls == ["offline", (1, {"train_loss": 0.5, "lr": 0.1})]
    assert "wandb failed (RuntimeError: no connection): the training goes on without it" in caplog.text


def test_a_tracker_that_is_not_installed_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with caplog.at_level(logging.WARNING):
        assert run(["wandb"], tmp_path) == [1, 2]
    assert "The tracker wandb is not installed" in caplog.text


def test_an_unknown_tracker_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no tracker 'tensorbord'\. Did you mean 'tensorboard'"):
        check_trackers(["mlflow", "tensorbord"])


def test_the_job_tracks_beside_its_own_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = sagemaker_scripts.load("train", "tracked_training_job")
    arguments = job.parse(["--trackers", "wandb", "--config", "tiny"])
    with job.epochs_to(arguments, tmp_path, leads=True) as on_epoch:
        on_epoch(1, 2, ROWS[0])
    assert capsys.readouterr().out == "epoch=1 epochs=2 train_loss=0.50000 val_score=none\n"
    assert (tmp_path / "trackers" / "wandb").is_dir()
