"""Backbones of the library `transformers` (ViT, DINOv2, VideoMAE), built from sizes and loaded from a folder.

The library is imported where a model needs it, and nothing is asked of a hub: networks are built from numbers and
words of a configuration, and get tensors that were read from safetensors. Shape letters: B clips, T frames, H and
W pixels, D width, N pictures or pieces of a clip, P patches.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from etholake.digest import file_digest
from etholake.errors import ContractError, UsageError
from etholake.models.vision.frame_backbone import IMAGENET_MEAN, IMAGENET_STD, normalised
from etholake.models.vision.pretrained import misfit, read_state_dict
from etholake.models.vision.transformers_config import needs_transformers
from etholake.models.vision.weights_file import weights_files

__all__ = ["TransformersBackbone"]

_CLASSES = {"vit": "ViT", "dinov2": "Dinov2", "videomae": "VideoMAE"}
_HALF = (0.5, 0.5, 0.5)  # ViT's published weights; those of the others were trained with ImageNet's values
_NORMALISATION = {"vit": (_HALF, _HALF)}
# Parameters of a published model that are not the backbone's: classifiers, the decoder of pre-training, its mask.
_LEFT_OUT = ("classifier.", "pooler.", "decoder.", "encoder_to_decoder.", "mask_token", "fc_norm.")
_MASK = "embeddings.mask_token"
_MAJOR = 5


class TransformersBackbone(nn.Module):
    """Frames [B, T, H, W, 3] (uint8 or 0..255) → features [B, T, width].

    ViT and DINOv2 read each frame by itself, at the size of the crops (their positions are interpolated). VideoMAE
    reads `num_frames` frames at a time, resized to its `image_size`; its patches are averaged over a picture, and
    each of its time steps stands for `tubelet_size` frames.

    Parameters
    ----------
    name
        ``transformers_vit``, ``transformers_dinov2`` or ``transformers_videomae``.
    crop_size
        Side of the crops in pixels.
    sizes
        Fields of the configuration (`transformers_config.KINDS`); others are those of the base size, and
        `image_size` is the crop's.

    Raises
    ------
    UsageError
        The library is missing or too old, or the crop is no multiple of the patches.
    """

    def __init__(self, name: str, crop_size: int, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        self.kind = needs_transformers(name)
        given = {"image_size": crop_size, **sizes}
        mean, std = _NORMALISATION.get(self.kind, (IMAGENET_MEAN, IMAGENET_STD))
        self.mean, self.std = tuple(given.pop("image_mean", mean)), tuple(given.pop("image_std", std))
        self.network = _new_network(self.kind, given)
        config = self.network.config
        side = config.image_size if self.kind == "videomae" else crop_size
        if side % config.patch_size:
            raise UsageError(
                f"The backbone '{name}' has patches of {config.patch_size} pixels and needs crops whose side is a "
                f"multiple of that, but got {side}: make clips of another crop size."
            )
        self.width = int(config.hidden_size)
        self.train()

    def forward(self, frames_BTHW3: Tensor) -> Tensor:
        """Return features [B, T, width]. Raises UsageError for clips that VideoMAE cannot part."""
        x_B3THW = normalised(frames_BTHW3, self.mean, self.std)
        x_BT3HW = x_B3THW.transpose(1, 2)
        if self.kind == "videomae":
            return self._by_pieces(x_BT3HW)
        more = {"interpolate_pos_encoding": True} if self.kind == "vit" else {}  # DINOv2 always does
        tokens_NPD = self.network(pixel_values=x_BT3HW.flatten(0, 1), **more).last_hidden_state
        features: Tensor = tokens_NPD[:, 0].unflatten(0, frames_BTHW3.shape[:2])
        return features

    def _by_pieces(self, x_BT3HW: Tensor) -> Tensor:
        config = self.network.config
        B, T = x_BT3HW.shape[:2]
        if T % config.num_frames:
            raise UsageError(
                f"VideoMAE reads {config.num_frames} frames at a time, and the window has {T}: choose a window "
                "(field window) of a multiple of that."
            )
        side = config.image_size
        if x_BT3HW.shape[-1] != side:
            images = functional.interpolate(
                x_BT3HW.flatten(0, 1), (side, side), mode="bilinear", align_corners=False, antialias=True
            )
            x_BT3HW = images.unflatten(0, (B, T))
        pieces = x_BT3HW.reshape(-1, config.num_frames, *x_BT3HW.shape[2:])
        tokens_NPD = self.network(pixel_values=pieces).last_hidden_state
        steps_NTD = tokens_NPD.unflatten(1, (config.num_frames // config.tubelet_size, -1)).mean(2)
        return steps_NTD.repeat_interleave(config.tubelet_size, dim=1).reshape(B, T, -1)

    def load_from(self, name: str, place: Path) -> dict[str, Any]:
        """Load ``model.safetensors`` of a folder; return what `pretrained.load_backbone` returns.

        Raises ContractError for a parameter that is missing, unknown or of another shape.
        """
        path = weights_files(place, name)[0]
        stored = {key.removeprefix(f"{self.kind}."): value for key, value in read_state_dict(path).items()}
        left_out = [key for key in stored if key.startswith(_LEFT_OUT) or key == _MASK]
        kept = {key: value for key, value in stored.items() if key not in left_out}
        network, info = type(self.network).from_pretrained(
            None, config=self.network.config, state_dict=kept, dtype=torch.float32, output_loading_info=True,
            ignore_mismatched_sizes=True, **_more(self.kind),
        )  # fmt: skip
        problems = [f"{key} is missing" for key in sorted(info["missing_keys"])]
        problems += [f"{key} is unknown" for key in sorted(info["unexpected_keys"])]
        problems += [
            f"{key} has shape {list(stored_shape)}, not {list(shape)}"
            for key, stored_shape, shape in sorted(info["mismatched_keys"])
        ]
        if problems:
            raise ContractError(misfit(path, problems))
        self.network.load_state_dict(network.state_dict())
        return {"name": name, "file": path.name, "sha256": file_digest(path), "left_out": len(left_out)}


def _new_network(kind: str, fields: Mapping[str, Any]) -> Any:
    """Return a network with random weights. Raises UsageError for sizes that the library refuses."""
    library = _library(kind)
    try:
        config = getattr(library, f"{_CLASSES[kind]}Config")(**fields)
        config.use_mask_token = False  # of DINOv2's pre-training
        if config.hidden_size % config.num_attention_heads:
            raise ValueError(f"{config.num_attention_heads} heads do not part a width of {config.hidden_size}")
        config._attn_implementation = "sdpa"  # torch's own, never a kernel from a hub
        return getattr(library, f"{_CLASSES[kind]}Model")(config, **_more(kind))
    except (KeyError, TypeError, ValueError) as err:
        raise UsageError(f"transformers builds no {kind} of these sizes: {err}") from err


def _more(kind: str) -> dict[str, bool]:
    """Return arguments of a network that leave out a layer which no output depends on."""
    return {"vit": {"add_pooling_layer": False}}.get(kind, {})


def _library(kind: str) -> Any:
    """Return the module `transformers`, offline. Raises UsageError if it is missing, broken or too old."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the library is imported
    try:
        import transformers
        from huggingface_hub import constants
    except (ImportError, RuntimeError, OSError) as err:
        raise UsageError(
            f"The backbone 'transformers_{kind}' needs the library transformers, not importable ({err}): "
            "pip install 'etholake[video]'."
        ) from err
    constants.HF_HUB_OFFLINE = True  # it may have been imported before
    if int(transformers.__version__.partition(".")[0]) != _MAJOR:
        raise UsageError(
            f"The backbone 'transformers_{kind}' needs transformers {_MAJOR}, but got {transformers.__version__}: "
            "pip install 'etholake[video]'."
        )
    transformers.logging.set_verbosity_error()  # its tables of parameters; we name those that do not fit
    transformers.logging.disable_progress_bar()
    return transformers
