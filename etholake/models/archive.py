"""Store and load models: a folder with `meta.json`, packed as `model.tar.gz`; `load_model` reads any family.

`meta.json` names the family, the vocabulary, the post-processing, and what the family adds. Weights and trees are
files beside it (safetensors, UBJ). A model that does not fit this code is refused with the reason; nothing is
unpickled.
"""

from __future__ import annotations

import copy
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etholake.errors import ContractError, DataError, UsageError
from etholake.events.post_processing import PostProcessing
from etholake.models.base import Model
from etholake.models.registry import FAMILIES
from etholake.models.tarball import opened, own_name

__all__ = [
    "ARCHIVE", "FORMAT", "META", "ModelMetadata", "checkpoint_of", "load_model", "metadata_of", "read_meta",
    "stored_metas", "write_meta",
]  # fmt: skip

ARCHIVE, META = "model.tar.gz", "meta.json"
FORMAT = 5
_COMMON = {"format", "family", "vocabulary", "lab_actions", "post_processing", "part_map"}


@dataclass(frozen=True)
class ModelMetadata:
    """The content of a `meta.json`.

    All families have the named fields; `more` holds the entries that the family or its training added.
    """

    family: str
    actions: tuple[str, ...]
    labs: tuple[str, ...]
    lab_actions: dict[str, list[str]]
    post_processing: PostProcessing
    part_map: str
    more: dict[str, Any]

    def details(self, *own: str) -> dict[str, Any]:
        """Return what the training added: `more` without the family's `own` entries."""
        return {key: value for key, value in self.more.items() if key not in own}


def load_model(folder: Path) -> Model:
    """Load the model that is stored in a folder, of whatever family.

    Raises ContractError that names what does not fit this code; a family of another distribution that is not
    installed is named.
    """
    name = _read(folder)["family"]
    try:
        family = FAMILIES.get(name)
    except ContractError as err:
        raise ContractError(f"The model in {folder} needs the family '{name}'. {err}") from err
    return family.load(folder)


def write_meta(folder: Path, model: Model, own: Mapping[str, Any]) -> None:
    """Write the `meta.json` of a model: what all families have, `own` of its family, and its details."""
    folder.mkdir(parents=True, exist_ok=True)
    meta = {
        "format": FORMAT,
        "family": model.family,
        "vocabulary": {"actions": list(model.actions), "labs": list(model.labs)},
        "lab_actions": {lab: list(actions) for lab, actions in model.lab_actions.items()},
        "post_processing": model.post_processing.to_dict(),
        "part_map": model.part_map,
        **own,
        **model.details,
    }
    (folder / META).write_text(json.dumps(meta, indent=1, allow_nan=False), encoding="utf-8")


def read_meta(folder: Path, family: str | None = None) -> ModelMetadata:
    """Read what `write_meta` wrote.

    Raises ContractError for a model of another family, or if a part is missing or does not fit.
    """
    meta = _read(folder)
    if family and meta["family"] != family:
        raise ContractError(f"{folder / META}: expected a model of the family {family}, but got {meta['family']}.")
    if missing := sorted(_COMMON - meta.keys()):
        raise ContractError(f"{folder / META} lacks {missing}. Train the model again.")
    try:
        actions, labs = (tuple(map(str, meta["vocabulary"][name])) for name in ("actions", "labs"))
        lab_actions = {str(lab): [str(a) for a in names] for lab, names in meta["lab_actions"].items()}
        post_processing = PostProcessing.from_dict(meta["post_processing"])
    except (KeyError, TypeError, AttributeError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err!r}.") from err
    if len(set(actions)) != len(actions):
        raise ContractError(f"The model in {folder} has a vocabulary with repeated actions.")
    if set(lab_actions) != set(labs) or not {a for names in lab_actions.values() for a in names} <= set(actions):
        raise ContractError(f"{folder / META}: lab_actions names labs or actions outside the vocabulary.")
    more = {key: value for key, value in meta.items() if key not in _COMMON}
    return ModelMetadata(
        str(meta["family"]), actions, labs, lab_actions, post_processing, str(meta["part_map"]), more
    )


def metadata_of(archive: bytes, where: str) -> dict[str, Any]:
    """Return the `meta.json` of an archive as it is stored. Raises DataError, naming `where`, if it has none."""
    with opened(archive, where) as members:
        stored = next((members.read(m) for m in members if m.isreg() and own_name(m) == META), None)
    try:
        meta = json.loads(stored or b"")
    except (ValueError, RecursionError) as err:
        raise DataError(f"This is not the archive of a model: {where} has no readable {META} ({err}).") from err
    if not isinstance(meta, dict):
        raise DataError(f"This is not the archive of a model: the {META} of {where} is no JSON object.")
    return meta


def stored_metas(archive: bytes) -> Iterator[dict[str, Any]]:
    """Yield the `meta.json` of the model in an archive, and of those that it combines."""
    with opened(archive, ARCHIVE) as members:
        for member in members:
            if member.isreg() and Path(member.name).name == META:
                yield json.loads(members.read(member))


def checkpoint_of(archive: bytes, checkpoint: str) -> bytes:
    """Return the archive of another checkpoint of the training that an archive holds, with the same code.

    A checkpoint is a folder with a model of its own beside the model. Raises UsageError if there is none of that
    name, and DataError for no archive.
    """
    sink = io.BytesIO()
    checkpoints: set[str] = set()
    with opened(archive, ARCHIVE) as members, tarfile.open(fileobj=sink, mode="w:gz") as target:
        for member in members:
            name = own_name(member)
            if member.isreg() and name.endswith(f"/{META}") and name.count("/") == 1:
                checkpoints.add(name.split("/")[0])
            own = name.removeprefix(f"{checkpoint}/")
            if member.isreg() and (own != name or name.startswith("code/")):
                info = copy.copy(member)
                info.name = own
                target.addfile(info, io.BytesIO(members.read(member)))
    if checkpoint not in checkpoints:
        raise UsageError(
            f"The model has no checkpoint '{checkpoint}'; it has {', '.join(sorted(checkpoints)) or 'none'} "
            "beside that of the best score (field second_best of a network that is trained alone)."
        )
    return sink.getvalue()


def _read(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        form = meta["format"]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err!r}.") from err
    if form != FORMAT or "family" not in meta:
        raise ContractError(f"The model in {folder} has format {form}; this code reads {FORMAT}. Train it again.")
    assert isinstance(meta, dict)
    return meta
