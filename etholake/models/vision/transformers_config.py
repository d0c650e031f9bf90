"""Read the sizes of a backbone of the library `transformers` from a folder in its layout (light: no torch).

Only numbers and words of the lists below are taken from ``config.json``; what names code, a hub or an attention
kernel is not read. Nothing here imports `transformers`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etholake.errors import ContractError, UsageError, raise_collected, suggestion

__all__ = [
    "CONFIG", "KINDS", "PREPROCESSOR", "VIDEO_EXTRA", "check_fields", "needs_transformers", "sizes_of_folder",
]  # fmt: skip

VIDEO_EXTRA = "video"  # of pyproject.toml, with the library
CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
_PREFIX = "transformers_"
_SHARED = {
    "hidden_size": int, "num_hidden_layers": int, "num_attention_heads": int, "hidden_act": str,
    "layer_norm_eps": float, "image_size": int, "patch_size": int,
}  # fmt: skip
_NORMALISATION = {"image_mean": list, "image_std": list}
KINDS: Mapping[str, Mapping[str, type]] = {  # {model type of transformers: {field: type}}
    "vit": _SHARED | _NORMALISATION | {"intermediate_size": int, "qkv_bias": bool},
    "dinov2": _SHARED | _NORMALISATION | {
        "mlp_ratio": float, "qkv_bias": bool, "layerscale_value": float, "use_swiglu_ffn": bool,
    },
    "videomae": _SHARED | _NORMALISATION | {
        "intermediate_size": int, "num_frames": int, "tubelet_size": int, "use_mean_pooling": bool,
    },
}  # fmt: skip


def needs_transformers(backbone: str) -> str:
    """Return the model type of a backbone of `transformers` (`transformers_vit` → `vit`); "" for any other.

    Raises UsageError for a type that is not read, and names the nearest.
    """
    if not backbone.startswith(_PREFIX):
        return ""
    kind = backbone.removeprefix(_PREFIX)
    if kind not in KINDS:
        nearest = suggestion(backbone, [_PREFIX + name for name in KINDS])
        raise UsageError(f"There is no backbone '{backbone}'. {nearest}")
    return kind


def check_fields(backbone: str, fields: Mapping[str, Any]) -> None:
    """Raise UsageError that names the fields which a backbone does not have, or which have another type."""
    kind = needs_transformers(backbone)
    if not kind:
        if fields:
            raise UsageError(
                f"backbone_config has sizes of a backbone of transformers, but the backbone is '{backbone}': "
                f"leave {', '.join(fields)} out, or choose one of {', '.join(_PREFIX + name for name in KINDS)}."
            )
        return
    problems = _problems(KINDS[kind], fields)
    raise_collected(UsageError, f"The sizes of '{backbone}' (field backbone_config) cannot be used", problems)


def sizes_of_folder(backbone: str, folder: Path) -> dict[str, Any]:
    """Return the fields of ``config.json`` that define a backbone, and how pictures are normalised for it.

    The mean and deviation are those of ``preprocessor_config.json``, if there is one. Raises ContractError for a
    file that is missing or not JSON, is of another model type, or has a field of another type.
    """
    kind, path = needs_transformers(backbone), folder / CONFIG
    stored = _json(path)
    if stored.get("model_type") != kind:
        raise ContractError(
            f"{path}: the backbone '{backbone}' needs a model of the type '{kind}', but got "
            f"'{stored.get('model_type')}'. Name its own folder, or another backbone."
        )
    if (folder / PREPROCESSOR).is_file():
        stored |= {k: v for k, v in _json(folder / PREPROCESSOR).items() if k in _NORMALISATION}
    sizes = {name: stored[name] for name in KINDS[kind] if stored.get(name) is not None}
    raise_collected(ContractError, f"{path} cannot be used", _problems(KINDS[kind], sizes))
    return sizes


def _json(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        raise ContractError(
            f"{path} cannot be read ({type(err).__name__}). Weights of transformers are a folder with {CONFIG} "
            "and model.safetensors, as save_pretrained writes it."
        ) from err
    if not isinstance(stored, dict):
        raise ContractError(f"{path} holds no configuration, but a {type(stored).__name__}.")
    return stored


def _problems(allowed: Mapping[str, type], fields: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with each field: unknown, of another type, or no size."""
    problems = []
    for name, value in fields.items():
        if name not in allowed:
            problems.append(f"there is no field '{name}' ({suggestion(name, allowed).rstrip('.')})")
        elif allowed[name] is list:
            if not (isinstance(value, list | tuple) and len(value) == 3 and all(_number(v) for v in value)):
                problems.append(f"{name} must be three numbers, but is {value!r}")
        elif allowed[name] is int:
            if not (isinstance(value, int) and not isinstance(value, bool) and value > 0):
                problems.append(f"{name} must be a whole number above 0, but is {value!r}")
        elif not (_number(value) if allowed[name] is float else isinstance(value, allowed[name])):
            problems.append(f"{name} must be of the type {allowed[name].__name__}, but is {value!r}")
    return problems


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
