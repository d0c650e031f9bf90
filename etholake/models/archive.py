"""How models are stored: a folder with `meta.json`, packed as `model.tar.gz`; any kind is read by `load_model`.

`meta.json` names the kind, its vocabulary, what is decided of its scores, and what its kind adds (`own`). Weights
and trees lie beside it as safetensors and UBJ. What does not fit is refused by name; nothing is unpickled.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etholake.errors import ContractError, DataError
from etholake.events.post_processing import PostProcessing
from etholake.models.base import Model

__all__ = ["ARCHIVE", "FORMAT", "META", "ModelMetadata", "load_model", "read_meta", "unpack", "write_meta"]

ARCHIVE, META = "model.tar.gz", "meta.json"
FORMAT = 3
_COMMON = {"format", "kind", "vocabulary", "lab_actions", "decisions", "part_map"}


@dataclass(frozen=True)
class ModelMetadata:
    """What `meta.json` says of a model: what all kinds have, and what its kind or its training added."""

    actions: tuple[str, ...]
    labs: tuple[str, ...]
    lab_actions: dict[str, list[str]]
    decisions: PostProcessing
    part_map: str
    more: dict[str, Any]

    def details(self, *own: str) -> dict[str, Any]:
        """What the training added: without the kind's `own` entries."""
        return {key: value for key, value in self.more.items() if key not in own}


def load_model(folder: Path) -> Model:
    """Whatever recogniser is stored in a folder. Raises ContractError that names what does not fit this code."""
    kind = _read(folder)["kind"]
    if kind == "recogniser":
        from etholake.models.network_model import NetworkModel

        return NetworkModel.load(folder)
    if kind == "boosted":
        from etholake.models.boosted.forest import Boosted

        return Boosted.load(folder)
    if kind == "ensemble":
        from etholake.models.ensemble import Ensemble

        return Ensemble.load(folder)
    if kind == "stack":
        from etholake.models.stacking.model import StackingModel

        return StackingModel.load(folder)
    raise ContractError(f"The model in {folder} is of a kind that this code does not know: '{kind}'.")


def write_meta(folder: Path, kind: str, model: Model, own: Mapping[str, Any]) -> None:
    """`meta.json` of a model: what all kinds have, what its kind adds, and its details."""
    folder.mkdir(parents=True, exist_ok=True)
    meta = {
        "format": FORMAT,
        "kind": kind,
        "vocabulary": {"actions": list(model.actions), "labs": list(model.labs)},
        "lab_actions": {lab: list(actions) for lab, actions in model.lab_actions.items()},
        "decisions": model.decisions.to_dict(),
        "part_map": model.part_map,
        **own,
        **model.details,
    }
    (folder / META).write_text(json.dumps(meta, indent=1, allow_nan=False), encoding="utf-8")


def read_meta(folder: Path, kind: str | None = None) -> ModelMetadata:
    """What `write_meta` wrote. Raises ContractError for another kind, or if a part is missing or does not fit."""
    meta = _read(folder)
    if kind and meta["kind"] != kind:
        raise ContractError(f"{folder / META}: expected a model of kind {kind}, but got {meta['kind']}.")
    if missing := sorted(_COMMON - meta.keys()):
        raise ContractError(f"{folder / META} lacks {missing}. Train the model again.")
    try:
        actions, labs = (tuple(map(str, meta["vocabulary"][name])) for name in ("actions", "labs"))
        lab_actions = {str(lab): [str(a) for a in known] for lab, known in meta["lab_actions"].items()}
        decisions = PostProcessing.from_dict(meta["decisions"])
    except (KeyError, TypeError, AttributeError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err!r}.") from err
    if len(set(actions)) != len(actions):
        raise ContractError(f"The model in {folder} has a vocabulary with repeated actions.")
    if set(lab_actions) != set(labs) or not {a for known in lab_actions.values() for a in known} <= set(actions):
        raise ContractError(f"{folder / META}: lab_actions names labs or actions outside the vocabulary.")
    more = {key: value for key, value in meta.items() if key not in _COMMON}
    return ModelMetadata(actions, labs, lab_actions, decisions, str(meta["part_map"]), more)


def unpack(archive: bytes, folder: Path, name: str) -> Path:
    """The files of an archive below `folder`; links and paths that leave it are refused. Raises DataError."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as content:
            content.extractall(folder, filter="data")
    except tarfile.TarError as err:
        raise DataError(f"'{name}' is not the archive of a model: {err}.") from err
    return folder


def _read(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        form = meta["format"]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err!r}.") from err
    if form != FORMAT or "kind" not in meta:
        raise ContractError(f"The model in {folder} has format {form}; this code reads {FORMAT}. Train it again.")
    assert isinstance(meta, dict)
    return meta
