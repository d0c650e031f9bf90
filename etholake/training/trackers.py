"""Send the figures of a training's epochs to experiment trackers as well: TensorBoard, MLflow, Weights & Biases.

Each is imported only when it is asked for, and may fail without harm: the structured log has every figure, and a
run without a tracker loses nothing. Without an address of a server in the environment (MLFLOW_TRACKING_URI;
WANDB_MODE other than offline) they write to a folder, which a training job returns in its output.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from etholake import logs
from etholake.errors import UsageError, suggestion
from etholake.models.family import OnEpoch

__all__ = ["TRACKERS", "check_trackers", "tracked"]

Row = Mapping[str, float | None]


class _Tracker(Protocol):
    """An open run of a tracker."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the figures of an epoch, which counts from 1."""

    def close(self) -> None:
        """End the run and write what is left."""


class _TensorBoard:
    """Event files of TensorBoard."""

    def __init__(self, folder: Path, name: str, parameters: Mapping[str, str]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / name))
        self._writer.add_text("parameters", "\n".join(f"    {key}: {value}" for key, value in parameters.items()))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)

    def close(self) -> None:
        self._writer.close()


class _MLflow:
    """A run of MLflow, in a folder of files or on the server of MLFLOW_TRACKING_URI."""

    def __init__(self, folder: Path, name: str, parameters: Mapping[str, str]) -> None:
        from mlflow.tracking import MlflowClient

        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / 'mlflow.db').resolve()}"
        self._client: Any = MlflowClient(uri)
        existing = self._client.get_experiment_by_name("etholake")
        experiment = existing.experiment_id if existing else self._client.create_experiment("etholake")
        self._run = self._client.create_run(experiment, run_name=name).info.run_id
        for key, value in parameters.items():
            self._client.log_param(self._run, key, value)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._client.log_metric(self._run, key, value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self._run)


class _Wandb:
    """A run of Weights & Biases; offline files unless WANDB_MODE says otherwise."""

    def __init__(self, folder: Path, name: str, parameters: Mapping[str, str]) -> None:
        import wandb  # type: ignore[import-not-found]  # never a dependency

        self._run: Any = wandb.init(
            project="etholake", name=name, dir=str(folder), config=dict(parameters),
            mode=os.environ.get("WANDB_MODE", "offline"),
        )  # fmt: skip

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


TRACKERS: Mapping[str, Callable[[Path, str, Mapping[str, str]], _Tracker]] = {
    "tensorboard": _TensorBoard,
    "mlflow": _MLflow,
    "wandb": _Wandb,
}


def check_trackers(names: Sequence[str]) -> None:
    """Raise UsageError for a name that is none of `TRACKERS`; the message has the nearest."""
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"There is no tracker '{name}'. {suggestion(name, TRACKERS)}")


@contextmanager
def tracked(
    on_epoch: OnEpoch, names: Sequence[str], folder: Path, run: str, parameters: Mapping[str, str]
) -> Iterator[OnEpoch]:
    """Give a callback for epochs that also sends their figures to trackers, which are closed at the end.

    Parameters
    ----------
    on_epoch
        The callback that is called in any case, first.
    folder
        Each tracker has a folder of its name below it.
    run, parameters
        The name and the parameters of the run there.

    A tracker that is not installed, or that fails, is noted once in the log and left out from then on.
    """
    trackers: dict[str, _Tracker] = {}
    for name in names:
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        with _without_harm(name, trackers):
            trackers[name] = TRACKERS[name](place, run, parameters)

    def called(epoch: int, epochs: int, row: Row) -> None:
        on_epoch(epoch, epochs, row)
        values = {key: value for key, value in row.items() if key != "epoch" and value is not None}
        for name, tracker in list(trackers.items()):
            with _without_harm(name, trackers):
                tracker.log(epoch, values)

    try:
        yield called
    finally:
        for name, tracker in list(trackers.items()):
            with _without_harm(name, trackers):
                tracker.close()


@contextmanager
def _without_harm(name: str, trackers: dict[str, _Tracker]) -> Iterator[None]:
    """Note any fault of a tracker, and drop it: it is code of others, and no training may end because of it."""
    try:
        yield
    except Exception as err:
        trackers.pop(name, None)
        reason = (
            "is not installed" if isinstance(err, ModuleNotFoundError) else f"failed ({type(err).__name__}: {err})"
        )
        text = f"The tracker {name} {reason}: the training goes on without it, and the log has all figures."
        logs.log_event("note", text, level=logging.WARNING)
