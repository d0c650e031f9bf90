"""Augmentations: small functions that move the tracks of both mice together. Coordinates [B, T, K, 2] in cm.

Rotation and translation need none: features are agent-centric.
"""

from __future__ import annotations

import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS

__all__ = ["drop_parts", "jitter", "reflect", "stretch"]

Pair = tuple[Tensor, Tensor]
MIRROR = [
    UNIFIED_PARTS.index(p.replace("left", "?").replace("right", "left").replace("?", "right"))
    for p in UNIFIED_PARTS
]


def reflect(agent: Tensor, target: Tensor, chosen_B: Tensor) -> Pair:
    """Mirror the arena of the chosen samples; left parts become right parts."""
    flip = torch.tensor([1.0, -1.0], device=agent.device)
    mirrored = [xy[:, :, MIRROR] * flip for xy in (agent, target)]
    pick = chosen_B[:, None, None, None]
    return torch.where(pick, mirrored[0], agent), torch.where(pick, mirrored[1], target)


def jitter(agent: Tensor, target: Tensor, sd_cm: float, generator: torch.Generator) -> Pair:
    """Independent Gaussian noise on every point."""
    noisy = [xy + sd_cm * torch.randn(xy.shape, generator=generator).to(xy.device) for xy in (agent, target)]
    return noisy[0], noisy[1]


def stretch(agent: Tensor, target: Tensor, scale_B: Tensor) -> Pair:
    """Larger or smaller animals: both mice of a sample times one factor."""
    factor = scale_B[:, None, None, None]
    return agent * factor, target * factor


def drop_parts(agent: Tensor, target: Tensor, probability: float, generator: torch.Generator) -> Pair:
    """Hide body parts of a whole window, the same ones of both mice: a lab that does not track them."""
    B, _, K, _ = agent.shape
    hidden = (torch.rand((B, 1, K, 1), generator=generator) < probability).to(agent.device)
    hidden[:, :, [UNIFIED_PARTS.index("nose"), UNIFIED_PARTS.index("tail_base")]] = False
    return agent.masked_fill(hidden, torch.nan), target.masked_fill(hidden, torch.nan)
