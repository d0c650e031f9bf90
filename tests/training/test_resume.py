"""A run that is killed goes on exactly, two processes learn what one would, the loss curve is the known one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import frozen_run  # type: ignore[import-not-found]
import numpy as np
import pytest
import torch
import training_run  # type: ignore[import-not-found]
from safetensors.torch import load_file

from etholake.dataset.labelled import TrainingData
from etholake.errors import ContractError, UsageError
from etholake.models.network_model import WEIGHTS
from etholake.training import checkpoint
from etholake.training.checkpoint import Checkpoint
from etholake.training.fit import fit
from etholake.training.parallel import Group

SCRIPT = str(Path(training_run.__file__))
ENVIRON = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    training_run.run(folder)
    return folder, json.loads((folder / "report.json").read_text())


def test_the_loss_curve_is_the_known_one(whole: tuple[Path, dict[str, Any]]) -> None:
    """Within 2 %: other processors and versions of torch add up in another order, and training amplifies it."""
    losses = [row["train_loss"] for row in whole[1]["history"]]
    np.testing.assert_allclose(losses, json.loads(training_run.GOLDEN.read_text()), rtol=0.02)


@pytest.mark.slow
def test_a_run_killed_in_mid_epoch_goes_on_bit_for_bit(whole: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, checkpoints = tmp_path / "model", tmp_path / "checkpoints"
    command = [sys.executable, SCRIPT, str(out), str(checkpoints)]
    process = subprocess.Popen(command, env=ENVIRON)
    deadline = time.monotonic() + 300  # a loaded machine needs a while to import torch
    while _last_step(checkpoints) < 20 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 12 < _last_step(checkpoints) < 36
    assert _last_step(checkpoints) % 12, "killed at the end of an epoch (12 steps), not in its middle"
    assert not (out / WEIGHTS).exists()
    subprocess.run(command, env=ENVIRON, check=True)
    assert json.loads((out / "report.json").read_text()) == whole[1]
    assert (out / WEIGHTS).read_bytes() == (whole[0] / WEIGHTS).read_bytes()


def _last_step(checkpoints: Path) -> int:
    return max((int(folder.name.removeprefix("step-")) for folder in checkpoints.glob("step-*")), default=0)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(whole: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """The same global batch, normalised over both: equal but for the order of sums (2e-4 after 36 steps)."""
    _torchrun(training_run, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["processes"] == 2
    for one, two in zip(whole[1]["history"], report["history"], strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=2e-4)
    ours, theirs = (load_file(folder / WEIGHTS) for folder in (tmp_path, whole[0]))
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=5e-3, rtol=5e-3, msg=name)


@pytest.mark.long
def test_two_processes_thaw_a_backbone_as_one_does(tmp_path: Path) -> None:
    """Its gradients are averaged from the epoch on in which it is trained.

    Where a gradient is nearly 0, Adam makes whole steps of its rounding: the median difference is compared.
    """
    alone, both = _made(tmp_path / "alone"), _made(tmp_path / "both")
    report = frozen_run.run(alone)
    _torchrun(frozen_run, both)
    two = json.loads((both / "report.json").read_text())
    assert two["processes"] == 2
    assert two["losses"] == pytest.approx(report["losses"], rel=1e-4)
    ours, theirs = (load_file(folder / WEIGHTS) for folder in (both, alone))
    away = {name: float((value - theirs[name]).abs().median()) for name, value in ours.items() if value.numel()}
    assert max(away.values()) < 1e-4, max(away, key=lambda name: away[name])  # of steps of 5e-3


def _torchrun(script: ModuleType, out: Path) -> None:
    """Run a script of this folder in two processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launcher += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]
    environ = {**ENVIRON, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    subprocess.run([*launcher, str(script.__file__), str(out)], env=environ, check=True, capture_output=True)


def test_accumulated_parts_learn_what_the_batch_does(tmp_path: Path) -> None:
    """With frozen batch statistics out of the way (one step from the same start): the same first loss."""
    quick = {"epochs": 1, "batches_per_epoch": 1}
    whole_batch = training_run.run(_made(tmp_path / "one"), **quick)
    parts = training_run.run(_made(tmp_path / "four"), accumulate=4, **quick)
    # Batch normalisation sees each part alone, so only near: 5 %.
    assert parts["history"][0]["train_loss"] == pytest.approx(whole_batch["history"][0]["train_loss"], rel=0.05)


def test_a_batch_too_small_for_its_parts_is_refused(data: TrainingData, tmp_path: Path) -> None:
    several = Group(0, 3, torch.device("cpu"))
    with pytest.raises(UsageError, match="A batch of 2 cannot be parted into 1 parts for 3 processes"):
        fit(data, tmp_path, "smoke", {**training_run.CONFIG, "batch": 2}, group=several)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# --- checkpoints by themselves ----------------------------------------------------------------------------
def test_a_checkpoint_comes_back_as_it_was_and_replaces_the_last(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 4), "step": torch.tensor(7.0)}
    for step in (5, 12):
        checkpoint.save(tmp_path, Checkpoint(step, tensors, {"run": "r", "losses": [0.1 + 0.2, 1e-300]}))
    assert [folder.name for folder in tmp_path.iterdir()] == ["step-000000012"]
    loaded = checkpoint.latest(tmp_path, "r")
    assert loaded is not None
    assert (loaded.step, loaded.state["losses"]) == (12, [0.1 + 0.2, 1e-300])
    assert all(torch.equal(loaded.tensors[name], value) for name, value in tensors.items())
    assert checkpoint.latest(tmp_path / "none", "r") is None


def test_a_half_written_checkpoint_is_not_seen(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, Checkpoint(5, {"a": torch.zeros(1)}, {"run": "r"}))
    (tmp_path / ".partial-step-000000010").mkdir()
    (tmp_path / ".partial-step-000000010" / "tensors.safetensors").write_bytes(b"half")
    loaded = checkpoint.latest(tmp_path, "r")
    assert loaded is not None
    assert loaded.step == 5
    checkpoint.save(tmp_path, Checkpoint(10, {"a": torch.zeros(1)}, {"run": "r"}))
    assert [folder.name for folder in tmp_path.iterdir()] == ["step-000000010"]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, Checkpoint(5, {"a": torch.zeros(1)}, {"run": "r"}))
    with pytest.raises(ContractError, match="belongs to a run with other data, configuration, seed or split"):
        checkpoint.latest(tmp_path, "other")
    (tmp_path / "step-000000005" / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(ContractError, match="is not a checkpoint of Etholake"):
        checkpoint.latest(tmp_path, "r")
