"""SlowFast R50 (Feichtenhofer et al. 2019, arXiv 1812.03982) in plain torch, with pytorchvideo's parameter names.

A state dict that pytorchvideo wrote for `slowfast_r50` loads unchanged. Shape letters: B clips, T frames, H and W
pixels; the slow pathway sees every `ALPHA`-th frame.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etholake.models.recomputation import RecomputableBlock

__all__ = ["ALPHA", "SlowFastR50", "pathways"]

ALPHA = 4  # frames of the fast pathway for each of the slow one
BETA = 8  # the fast pathway has an eighth of the channels
FUSION = 2  # lateral connections double the fast pathway's channels
DEPTHS = (3, 4, 6, 3)
KERNELS_SLOW, KERNELS_FAST = (1, 1, 3, 3), (3, 3, 3, 3)  # in time, of the first convolution of a block


def pathways(frames_BCTHW: Tensor) -> list[Tensor]:
    """Return a clip as the two inputs: every fourth frame (evenly over the clip), and all frames."""
    T = frames_BCTHW.shape[2]
    at = torch.linspace(0, T - 1, T // ALPHA, device=frames_BCTHW.device).long()
    return [frames_BCTHW.index_select(2, at), frames_BCTHW]


class _Stem(RecomputableBlock):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, channels, (kernel, 7, 7), (1, 2, 2), (kernel // 2, 3, 3), bias=False)
        self.norm = nn.BatchNorm3d(channels)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.pool(torch.relu(self.norm(self.conv(x))))
        return pooled


class _Bottleneck(nn.Module):
    def __init__(self, channels_in: int, inner: int, channels_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_a = nn.Conv3d(channels_in, inner, (kernel, 1, 1), padding=(kernel // 2, 0, 0), bias=False)
        self.norm_a = nn.BatchNorm3d(inner)
        self.conv_b = nn.Conv3d(inner, inner, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
        self.norm_b = nn.BatchNorm3d(inner)
        self.conv_c = nn.Conv3d(inner, channels_out, 1, bias=False)
        self.norm_c = nn.BatchNorm3d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm_a(self.conv_a(x)))
        x = torch.relu(self.norm_b(self.conv_b(x)))
        projected: Tensor = self.norm_c(self.conv_c(x))
        return projected


class _ResBlock(RecomputableBlock):
    def __init__(self, channels_in: int, inner: int, channels_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.projects = channels_in != channels_out or stride != 1
        if self.projects:
            self.branch1_conv = nn.Conv3d(channels_in, channels_out, 1, (1, stride, stride), bias=False)
            self.branch1_norm = nn.BatchNorm3d(channels_out)
        self.branch2 = _Bottleneck(channels_in, inner, channels_out, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.branch1_norm(self.branch1_conv(x)) if self.projects else x
        return torch.relu(shortcut + self.branch2(x))


class _Stage(nn.Module):
    def __init__(
        self, channels_in: int, inner: int, channels_out: int, kernel: int, stride: int, depth: int
    ) -> None:
        super().__init__()
        self.res_blocks = nn.ModuleList(
            _ResBlock(
                channels_in if i == 0 else channels_out, inner, channels_out, kernel, stride if i == 0 else 1
            )
            for i in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.res_blocks:
            x = block(x)
        return x


class _Fusion(nn.Module):
    """Add the fast pathway's channels, thinned in time, to the slow pathway's."""

    def __init__(self, fast: int) -> None:
        super().__init__()
        self.conv_fast_to_slow = nn.Conv3d(fast, fast * FUSION, (7, 1, 1), (ALPHA, 1, 1), (3, 0, 0), bias=False)
        self.norm = nn.BatchNorm3d(fast * FUSION)

    def forward(self, paths: list[Tensor]) -> list[Tensor]:
        lateral = torch.relu(self.norm(self.conv_fast_to_slow(paths[1])))
        return [torch.cat((paths[0], lateral), dim=1), paths[1]]


class _Block(nn.Module):
    """Both pathways of a stage, then the fusion (none behind the last stage)."""

    def __init__(self, slow: nn.Module, fast: nn.Module, fusion: nn.Module | None) -> None:
        super().__init__()
        self.multipathway_blocks = nn.ModuleList((slow, fast))
        self.multipathway_fusion = fusion or nn.Identity()

    def forward(self, paths: list[Tensor]) -> list[Tensor]:
        computed = [block(x) for block, x in zip(self.multipathway_blocks, paths, strict=True)]
        fused: list[Tensor] = self.multipathway_fusion(computed)
        return fused


class _Pool(nn.Module):
    """Means over time and pixels of both pathways, side by side: 2,304 features."""

    def forward(self, paths: list[Tensor]) -> Tensor:
        return torch.cat([x.mean(dim=(2, 3, 4)) for x in paths], dim=1)


class _Head(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.proj = nn.Linear(width, classes)

    def forward(self, x_BD: Tensor) -> Tensor:
        logits: Tensor = self.proj(self.dropout(x_BD))
        return logits


class SlowFastR50(nn.Module):
    """Clips [B, 3, T, H, W] (T a multiple of 4) → logits [B, classes], or 2,304 features with `classes` = 0.

    `width` divides all channels; 64 is the published network of 33.6 million parameters, 8 one for tests.
    """

    def __init__(self, classes: int = 0, width: int = 64, depths: tuple[int, int, int, int] = DEPTHS) -> None:
        super().__init__()
        blocks: list[nn.Module] = [
            _Block(_Stem(width, 1), _Stem(width // BETA, 5), _Fusion(width // BETA)),
        ]
        slow_in = width
        for stage, depth in enumerate(depths):
            inner, out = width * 2**stage, width * 4 * 2**stage
            stride = 1 if stage == 0 else 2
            with_lateral = slow_in + slow_in // BETA * FUSION
            blocks.append(
                _Block(
                    _Stage(with_lateral, inner, out, KERNELS_SLOW[stage], stride, depth),
                    _Stage(slow_in // BETA, inner // BETA, out // BETA, KERNELS_FAST[stage], stride, depth),
                    _Fusion(out // BETA) if stage < 3 else None,
                )
            )
            slow_in = out
        self.width = slow_in + slow_in // BETA
        self.blocks = nn.ModuleList([*blocks, _Pool(), _Head(self.width, classes) if classes else nn.Identity()])

    def forward(self, frames_BCTHW: Tensor) -> Tensor:
        """Return logits [B, classes], or features [B, width]."""
        x: list[Tensor] | Tensor = pathways(frames_BCTHW)
        for block in self.blocks:
            x = block(x)
        assert isinstance(x, Tensor)
        return x
