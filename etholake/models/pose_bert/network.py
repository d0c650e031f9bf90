"""PoseBert: key points in, hidden states of every frame and of a whole clip out (BERT, Devlin et al. 2019).

Any skeleton: A animals of P parts in D dimensions. A missing or hidden point is replaced by a learned mask token,
and its mask is an input of its own.

Shape letters: B batch, T frames at 30 Hz, A animals, P parts, D dimensions (2 or 3), H width, C classes, L labs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from etholake.models.cnn_transformer.network import sinusoidal_positions
from etholake.models.pose_bert.lora import Projection

__all__ = ["PoseBert", "Skeleton", "interpolated"]


class Skeleton:
    """The numbers of animals A, parts P and dimensions D that a row of key points has.

    A row [A · P · (D + 1)] holds all coordinates, then the mask of every point (1 where it is missing).
    """

    def __init__(self, animals: int, parts: int, dimensions: int) -> None:
        self.animals, self.parts, self.dimensions = animals, parts, dimensions
        self.points = animals * parts
        self.columns = self.points * (dimensions + 1)

    def parted(self, x_BTF: Tensor) -> tuple[Tensor, Tensor]:
        """Return coordinates [B, T, A · P, D] and masks [B, T, A · P].

        Raises ValueError for rows of another skeleton.
        """
        if x_BTF.shape[-1] != self.columns:
            raise ValueError(
                f"Expected {self.columns} columns ({self.animals} animals, {self.parts} parts, "
                f"{self.dimensions}D), but got {x_BTF.shape[-1]}."
            )
        at = self.points * self.dimensions
        return x_BTF[..., :at].unflatten(-1, (self.points, self.dimensions)), x_BTF[..., at:]


class Block(nn.Module):
    """A pre-norm encoder layer. [B, T, H] → [B, T, H]."""

    def __init__(self, width: int, heads: int, dropout: float, rank: int) -> None:
        super().__init__()
        self.heads, self.p = heads, dropout
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = Projection(width, 3 * width, rank), Projection(width, width, rank)
        self.up, self.down = Projection(width, 4 * width, rank), Projection(4 * width, width, rank)
        self.drop = nn.Dropout(dropout)

    def forward(self, x_BTH: Tensor) -> Tensor:
        """Return the hidden states behind attention and the two linear layers."""
        q, k, v = self.qkv(self.norm_attention(x_BTH)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training else 0.0)
        x_BTH = x_BTH + self.drop(self.out(mixed.transpose(1, 2).flatten(2)))
        return x_BTH + self.drop(self.down(gelu(self.up(self.norm_mlp(x_BTH)))))


class PoseBert(nn.Module):
    """Key points [B, T, A · P · (D + 1)] → logits [B, T, C + tasks]; see `reconstruct` for pre-training.

    Parameters
    ----------
    skeleton, classes, labs
        The rows that it reads, C, and L (with the unknown lab, index 0).
    head
        ``frame``: a logit of every frame; ``clip``: one of the window, from the CLS token, for all of its frames.
    width, layers, heads, dropout
        Of the encoder.
    positions, longest
        ``learned`` up to `longest` frames, or ``sinusoidal``.
    rank
        Of the low-rank changes of the trunk (LoRA, Hu et al. 2022); 0 for none.
    species
        Number of species, with that of mice and unknown ones (index 0). An index of a lab and a species is
        ``lab + L · species``.
    tasks
        One entry a task: whether every frame has an answer of its own; else the CLS token answers for the window.
    """

    def __init__(
        self,
        *,
        skeleton: Skeleton,
        classes: int,
        labs: int,
        head: str,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        positions: str,
        longest: int,
        rank: int,
        species: int = 1,
        tasks: Sequence[bool] = (),
    ) -> None:
        super().__init__()
        self.by_frame = tuple(tasks)
        self.skeleton, self.by_clip = skeleton, head == "clip"
        self.mask_token = nn.Parameter(torch.zeros(skeleton.points, skeleton.dimensions))
        self.embed = nn.Linear(skeleton.columns, width)
        self.cls = nn.Parameter(torch.randn(width) * 0.02)
        self.positions = nn.Parameter(torch.randn(longest, width) * 0.02) if positions == "learned" else None
        self.lab = nn.Embedding(labs, width)
        nn.init.normal_(self.lab.weight, std=0.02)
        self.species = nn.Embedding(species, width)
        nn.init.zeros_(self.species.weight)
        self.blocks = nn.ModuleList(Block(width, heads, dropout, rank) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        self.tasks = nn.ModuleList(nn.Linear(width, 1) for _ in tasks)
        self.points = nn.Linear(width, 2 * skeleton.points * skeleton.dimensions)
        nn.init.zeros_(self.points.weight)
        nn.init.zeros_(self.points.bias)

    def forward(self, x_BTF: Tensor, lab_B: Tensor, labeled_BC: Tensor) -> Tensor:  # noqa: ARG002  # no input of it
        """Return the logits of key points, given the lab's index; those of the tasks are the last columns."""
        cls_BH, frames_BTH = self.hidden(x_BTF, lab_B)
        whole_BTH = cls_BH[:, None].expand_as(frames_BTH)
        logits = [self.head(whole_BTH if self.by_clip else frames_BTH)]
        for head, by_frame in zip(self.tasks, self.by_frame, strict=True):
            logits.append(head(frames_BTH if by_frame else whole_BTH))
        return torch.cat(logits, dim=-1) if self.tasks else logits[0]

    def hidden(self, x_BTF: Tensor, lab_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the hidden state of the CLS token [B, H] and of every frame [B, T, H]."""
        B, T, _ = x_BTF.shape
        places_BTPD, missing_BTP = self.skeleton.parted(x_BTF)
        places_BTPD = torch.where(missing_BTP[..., None] > 0, self.mask_token, places_BTPD)
        L = self.lab.num_embeddings
        group_BH = self.lab(lab_B % L) + self.species(lab_B // L)
        x_BTH = self.embed(torch.cat([places_BTPD.flatten(2), missing_BTP], dim=-1)) + group_BH[:, None]
        x_BTH = x_BTH + self._positions(T, x_BTH.shape[2], x_BTH.device)
        x_BTH = torch.cat([self.cls.expand(B, 1, -1), x_BTH], dim=1)
        for block in self.blocks:
            x_BTH = block(x_BTH)
        x_BTH = self.norm(x_BTH)
        return x_BTH[:, 0], x_BTH[:, 1:]

    def reconstruct(self, x_BTF: Tensor, lab_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return coordinates and velocities [B, T, A · P, D] of all points, in the units of the input (per frame).

        The network corrects a linear interpolation (`interpolated`), which it is before it has learnt anything.
        """
        _, frames_BTH = self.hidden(x_BTF, lab_B)
        change = self.points(frames_BTH).unflatten(-1, (2, self.skeleton.points, self.skeleton.dimensions))
        start_BTPD = interpolated(*self.skeleton.parted(x_BTF), self.skeleton.animals)
        moved_BTPD = start_BTPD.diff(dim=1, prepend=start_BTPD[:, :1])
        return start_BTPD + change[:, :, 0], moved_BTPD + change[:, :, 1]

    def _positions(self, T: int, H: int, device: torch.device) -> Tensor:
        if self.positions is None:
            return sinusoidal_positions(T, H, device)
        return self.positions[:T]


def interpolated(places_BTPD: Tensor, missing_BTP: Tensor, animals: int) -> Tensor:
    """Return coordinates with missing points interpolated linearly in time, and held beyond the last visible one.

    A point that is missing in the whole window is at the mean of the visible points of its animal, else at 0.
    """
    _, T, P, D = places_BTPD.shape
    visible_BTP = missing_BTP == 0
    frames_T1 = torch.arange(T, device=places_BTPD.device)[:, None]
    before_BTP = torch.where(visible_BTP, frames_T1, -1).cummax(dim=1).values
    after_BTP = torch.where(visible_BTP, frames_T1, T).flip(1).cummin(dim=1).values.flip(1)
    low_BTP = torch.where(before_BTP >= 0, before_BTP, after_BTP).clamp(max=T - 1)
    high_BTP = torch.where(after_BTP < T, after_BTP, low_BTP)
    weight_BTP = (frames_T1 - low_BTP) / (high_BTP - low_BTP).clamp(min=1)
    low, high = (places_BTPD.gather(1, at[..., None].expand(-1, -1, -1, D)) for at in (low_BTP, high_BTP))
    line = low + weight_BTP.clamp(0, 1)[..., None] * (high - low)
    by_animal = (x.unflatten(2, (animals, P // animals)) for x in (places_BTPD, visible_BTP[..., None]))
    own, seen = by_animal
    mean = ((own * seen).sum(dim=3, keepdim=True) / seen.sum(dim=3, keepdim=True).clamp(min=1)).expand_as(own)
    return torch.where(visible_BTP.any(dim=1, keepdim=True)[..., None], line, mean.flatten(2, 3))
