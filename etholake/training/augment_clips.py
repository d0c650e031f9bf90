"""Augmentations of clips: one change for all frames and key points of a window.

Shape letters: B windows, T frames, H = W pixels, K key points. Points are in pixels of the crop, NaN where
missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from etholake.dataset.clip_batch import ClipBatch
from etholake.models.config import Augmentation

__all__ = ["augment_clips", "light", "mirror", "mirrored", "turn"]


def mirrored(parts: Sequence[str]) -> list[int]:
    """Return the place of each part's mirror image: left and right change places."""
    swapped = [part.replace("left", "?").replace("right", "left").replace("?", "right") for part in parts]
    return [parts.index(part) for part in swapped]


def augment_clips(clips: ClipBatch, config: Augmentation, random: torch.Generator) -> ClipBatch:
    """Apply what a configuration asks for, drawn for every window."""
    B = len(clips)
    if config.reflect:
        clips = mirror(clips, torch.rand(B, generator=random) < config.reflect)
    if config.rotate:
        clips = turn(clips, torch.randint(0, 4, (B,), generator=random))
    if config.brightness or config.contrast:
        offset_B, factor_B = (
            size * (2 * torch.rand(B, generator=random) - 1) for size in (config.brightness, config.contrast)
        )
        clips = light(clips, 255 * offset_B, 1 + factor_B)
    return clips


def mirror(clips: ClipBatch, chosen_B: Tensor) -> ClipBatch:
    """Mirror the chosen windows left to right; left parts become right parts."""
    frames, points = clips.frames_BTHW3.clone(), clips.keypoints_BTK3.clone()
    for b in chosen_B.nonzero()[:, 0].tolist():
        frames[b] = clips.frames_BTHW3[b].flip(2)
    swapped = points[chosen_B][:, :, mirrored(clips.parts)]
    swapped[..., 0] = clips.crop_size - swapped[..., 0]
    points[chosen_B] = swapped
    return replace(clips, frames_BTHW3=frames, keypoints_BTK3=points)


def turn(clips: ClipBatch, quarters_B: Tensor) -> ClipBatch:
    """Turn each window counterclockwise by so many quarters (0 to 3)."""
    frames, points = clips.frames_BTHW3.clone(), clips.keypoints_BTK3.clone()
    for b, quarters in enumerate(quarters_B.tolist()):
        if quarters:
            frames[b] = clips.frames_BTHW3[b].rot90(quarters, (1, 2))
    for quarters in (1, 2, 3):
        chosen_B = quarters_B == quarters
        x, y, confidence = points[chosen_B].unbind(-1)
        for _ in range(quarters):
            x, y = y, clips.crop_size - x
        points[chosen_B] = torch.stack((x, y, confidence), dim=-1)
    return replace(clips, frames_BTHW3=frames, keypoints_BTK3=points)


def light(clips: ClipBatch, offset_B: Tensor, factor_B: Tensor) -> ClipBatch:
    """Stretch the distances from each window's mean by a factor, then add an offset (0..255); black stays black.

    Only frames with a crop change: the others say that nothing was seen. A value's new one is looked up in a table
    of 256, which takes a tenth of the time of arithmetic on every pixel.
    """
    values = torch.arange(256.0)
    frames = clips.frames_BTHW3.clone()
    for b, (offset, factor) in enumerate(zip(offset_B.tolist(), factor_B.tolist(), strict=True)):
        mean = clips.frames_BTHW3[b].float().mean()
        table = ((values - mean) * factor + mean + offset).clamp(0, 255).round().to(torch.uint8)
        seen_T = clips.seen_BT[b]
        frames[b, seen_T] = torch.from_numpy(np.take(table.numpy(), clips.frames_BTHW3[b, seen_T].numpy()))
    return replace(clips, frames_BTHW3=frames)
