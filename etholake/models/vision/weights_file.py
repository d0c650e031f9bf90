"""Choose the file with a backbone's weights (light: commands that upload weights need no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etholake.errors import UsageError

__all__ = ["SUFFIXES", "chosen_file", "weights_file"]

SUFFIXES = (".safetensors", ".pth", ".pt", ".pyth")


def chosen_file(names: Sequence[str], backbone: str, place: str) -> str:
    """Return the name of the file with the weights of a backbone, of those that `place` holds.

    It is the only one that begins with the name of the backbone, as those of torchvision's downloads do
    (``mobilenet_v3_small-047dcff4.pth``), else the only file of weights. Raises UsageError for none, or several.
    """
    weights = sorted(name for name in names if name.endswith(SUFFIXES))
    named = [name for name in weights if Path(name).name.lower().startswith(backbone.lower())]
    chosen = named or weights
    if len(chosen) != 1:
        raise UsageError(
            f"{place}: expected one file with weights of the backbone '{backbone}' ({', '.join(SUFFIXES)}), but "
            f"got {', '.join(chosen) or 'none'}. Name the file itself, or let the names of files begin with those "
            "of backbones."
        )
    return chosen[0]


def weights_file(place: Path, backbone: str) -> Path:
    """Return the file with the weights of a backbone: `place` itself, or the one in a folder (`chosen_file`)."""
    if place.is_file():
        chosen_file([place.name], backbone, str(place))
        return place
    return place / chosen_file([path.name for path in place.glob("*") if path.is_file()], backbone, str(place))
