"""Load a user's weights into a backbone: from a local file, never from a hub, without running code in it."""

from __future__ import annotations

from _pickle import UnpicklingError  # the error that torch raises; nothing is unpickled here
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from etholake.digest import file_digest
from etholake.errors import ContractError
from etholake.models.vision.weights_file import SUFFIXES, weights_files

__all__ = ["load_backbone", "load_weights", "misfit", "read_state_dict"]

CLASSIFIERS = ("classifier.", "heads.", "_fc.", "blocks.6.proj.")  # parameters of these names are no backbone's
_CONTAINERS = ("state_dict", "model_state", "model")  # keys under which training scripts keep a state dict


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read `.safetensors`, or a `.pth`/`.pt`/`.pyth` state dict by torch's restricted unpickler.

    A state dict inside a checkpoint ("state_dict", "model_state", "model") is taken out; a leading "module." of
    DataParallel is removed. Raises ContractError for a file that is none, or that would have to run code.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix not in SUFFIXES:
        raise ContractError(
            f"{path}: weights are read from a .safetensors, .pth, .pt or .pyth file. Name one of these."
        )
    try:
        if path.suffix == ".safetensors":
            stored = load_file(path)
        else:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, SafetensorError, UnpicklingError) as err:
        raise ContractError(
            f"{path}: the weights cannot be read ({type(err).__name__}). Only plain state dicts are, because a "
            "file that holds whole Python objects can run code: save `model.state_dict()` instead."
        ) from err
    for key in _CONTAINERS:
        if isinstance(stored, Mapping) and isinstance(stored.get(key), Mapping):
            stored = stored[key]
    if not isinstance(stored, Mapping) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise ContractError(f"{path}: holds no state dict (names of parameters and their tensors).")
    return {str(name).removeprefix("module."): value for name, value in stored.items()}


def load_backbone(backbone: nn.Module, name: str, place: Path) -> dict[str, Any]:
    """Load the weights in a file or folder (see `weights_files`) into a backbone; its classifier is left out.

    A backbone that fits weights to its own size itself has a method ``adapted(state_dict)`` for that, and one that
    reads other files ``load_from(name, place)``. Returns what a model keeps of it: `name`, `file`, `sha256`, and
    `left_out` (the number of the classifier's parameters).
    Raises as `weights_files` and `load_weights`.
    """
    if load_from := getattr(backbone, "load_from", None):
        started: dict[str, Any] = load_from(name, place)
        return started
    path = weights_files(place, name)[0]
    left_out = load_weights(backbone, path, without=CLASSIFIERS)
    return {"name": name, "file": path.name, "sha256": file_digest(path), "left_out": len(left_out)}


def load_weights(network: nn.Module, path: Path, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Load a state dict into a backbone; parameters that begin with one of `without` (a classifier) are left out.

    Returns the names in the file that were left out. Raises ContractError if any other parameter of the network is
    missing from the file, has another shape there, or if the file has parameters that the network lacks.
    """
    stored, expected = read_state_dict(path), network.state_dict()
    left_out = tuple(sorted(name for name in stored if name.startswith(without))) if without else ()
    kept = {name: value for name, value in stored.items() if name not in left_out}
    if adapted := getattr(network, "adapted", None):
        kept = adapted(kept)
    needed = {name for name in expected if not (without and name.startswith(without))}
    problems = [f"{name} is missing" for name in sorted(needed - kept.keys()) if "num_batches" not in name]
    problems += [f"{name} is unknown" for name in sorted(kept.keys() - needed)]
    problems += [
        f"{name} has shape {list(kept[name].shape)}, not {list(expected[name].shape)}"
        for name in sorted(needed & kept.keys())
        if kept[name].shape != expected[name].shape
    ]
    if problems:
        raise ContractError(misfit(path, problems))
    network.load_state_dict(kept, strict=False)
    return left_out


def misfit(path: Path, problems: Sequence[str]) -> str:
    """Return the sentence on weights in a file that do not fit a backbone, with the first problems."""
    shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
    return f"{path}: the weights do not fit the backbone: {shown}."
