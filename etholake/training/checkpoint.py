"""Checkpoints: the state from which a killed run resumes exactly. safetensors and JSON, no pickle.

A checkpoint is one folder, `step-<n>/`, which is written under another name and then renamed, so that a killed run
leaves the last complete one. Random numbers need no state: each follows from (seed, step).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from etholake.errors import ContractError

__all__ = ["Checkpoint", "latest", "save"]

TENSORS, STATE = "tensors.safetensors", "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and a `state` (JSON) with the `run` (a fingerprint) that the checkpoint belongs to."""

    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint durably, and remove older ones."""
    from safetensors.torch import save_file

    final = folder / f"step-{checkpoint.step:09d}"
    partial = folder / f".partial-{final.name}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(
        {name: t.detach().cpu().contiguous().clone() for name, t in checkpoint.tensors.items()}, partial / TENSORS
    )
    (partial / STATE).write_text(json.dumps(dict(checkpoint.state) | {"step": checkpoint.step}), encoding="utf-8")
    for name in (TENSORS, STATE):
        with (partial / name).open("rb+") as file:
            os.fsync(file.fileno())
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    for old in sorted(folder.glob("step-*"))[:-1]:
        shutil.rmtree(old)


def latest(folder: Path, run: str) -> Checkpoint | None:
    """Return the last complete checkpoint of a run; None if there is none.

    Raises ContractError if the folder holds one of another run (other data, configuration, seed or split), or one
    that cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folders = sorted(folder.glob("step-*"))
    if not folders:
        return None
    try:
        state = json.loads((folders[-1] / STATE).read_text(encoding="utf-8"))
        tensors = load_file(folders[-1] / TENSORS)
        same = state["run"] == run
    except (OSError, ValueError, KeyError, SafetensorError) as err:
        raise ContractError(f"{folders[-1]} is not a checkpoint of Etholake: {err!r}. Remove it.") from err
    if not same:
        raise ContractError(
            f"{folders[-1]} belongs to a run with other data, configuration, seed or split. "
            "Give this run a folder of its own, or remove the checkpoint to begin anew."
        )
    return Checkpoint(int(state["step"]), tensors, state)
