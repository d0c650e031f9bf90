"""Choose the files with a backbone's weights (light: commands that upload weights need no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etholake.digest import file_digest, fingerprint
from etholake.errors import UsageError
from etholake.models.vision.transformers_config import CONFIG, PREPROCESSOR, needs_transformers

__all__ = ["SUFFIXES", "chosen_files", "weights_digest", "weights_files"]

SUFFIXES = (".safetensors", ".pth", ".pt", ".pyth")
MODEL = "model.safetensors"  # in a folder of transformers


def chosen_files(names: Sequence[str], backbone: str, place: str) -> list[str]:
    """Return the names of the files with a backbone's weights, of those that `place` holds; the weights first.

    They are the only file that begins with the name of the backbone, as those of torchvision's downloads do
    (``mobilenet_v3_small-047dcff4.pth``), else the only file of weights; for a backbone of transformers the files
    of its folder. Raises UsageError for none, or several.
    """
    if needs_transformers(backbone):
        return _of_transformers(names, backbone, place)
    weights = sorted(name for name in names if name.endswith(SUFFIXES))
    named = [name for name in weights if Path(name).name.lower().startswith(backbone.lower())]
    chosen = named or weights
    if len(chosen) != 1:
        raise UsageError(
            f"{place}: expected one file with weights of the backbone '{backbone}' ({', '.join(SUFFIXES)}), but "
            f"got {', '.join(chosen) or 'none'}. Name the file itself, or let the names of files begin with those "
            "of backbones."
        )
    return chosen


def weights_files(place: Path, backbone: str) -> list[Path]:
    """Return the files with a backbone's weights: `place` itself, or those in a folder (see `chosen_files`)."""
    if place.is_file():
        chosen_files([place.name], backbone, str(place))
        return [place]
    names = [path.name for path in place.glob("*") if path.is_file()]
    return [place / name for name in chosen_files(names, backbone, str(place))]


def weights_digest(place: Path, backbone: str) -> str:
    """Return the digest of a backbone's weights; those of transformers with their configuration."""
    first, *more = weights_files(place, backbone)
    digest = file_digest(first)
    return fingerprint([digest, *(file_digest(path) for path in more)]) if more else digest


def _of_transformers(names: Sequence[str], backbone: str, place: str) -> list[str]:
    by_name = {Path(name).name: name for name in names}
    if not {MODEL, CONFIG} <= by_name.keys():
        parts = ", ".join(sorted(name for name in by_name if name.endswith((*SUFFIXES, ".bin", ".index.json"))))
        raise UsageError(
            f"{place}: the backbone '{backbone}' needs a folder with {CONFIG} and {MODEL}, as save_pretrained of "
            f"transformers writes it, but got {parts or 'no weights'}. Weights in several files, and those of "
            "pickle (.bin), are not read: save the model again with a large max_shard_size."
        )
    return [by_name[name] for name in (MODEL, CONFIG, PREPROCESSOR) if name in by_name]
