"""MobileNetV3 (Howard et al. 2019, arXiv 1905.02244) in plain torch, with torchvision's parameter names.

A state dict that torchvision wrote for `mobilenet_v3_small` or `mobilenet_v3_large` loads unchanged. torchvision
itself cannot be installed beside a CPU build of torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from etholake.models.recomputation import RecomputableBlock
from etholake.models.vision.blocks import ConvNormActivation, SqueezeExcitation, rounded

__all__ = ["MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]

NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01


@dataclass(frozen=True)
class _Block:
    """One row of tables 1 and 2 of the paper: channels, and whether it squeezes and uses hard swish."""

    channels_in: int
    kernel: int
    expanded: int
    channels_out: int
    squeeze: bool
    hard_swish: bool
    stride: int


_SMALL = (
    _Block(16, 3, 16, 16, True, False, 2),
    _Block(16, 3, 72, 24, False, False, 2),
    _Block(24, 3, 88, 24, False, False, 1),
    _Block(24, 5, 96, 40, True, True, 2),
    _Block(40, 5, 240, 40, True, True, 1),
    _Block(40, 5, 240, 40, True, True, 1),
    _Block(40, 5, 120, 48, True, True, 1),
    _Block(48, 5, 144, 48, True, True, 1),
    _Block(48, 5, 288, 96, True, True, 2),
    _Block(96, 5, 576, 96, True, True, 1),
    _Block(96, 5, 576, 96, True, True, 1),
)
_LARGE = (
    _Block(16, 3, 16, 16, False, False, 1),
    _Block(16, 3, 64, 24, False, False, 2),
    _Block(24, 3, 72, 24, False, False, 1),
    _Block(24, 5, 72, 40, True, False, 2),
    _Block(40, 5, 120, 40, True, False, 1),
    _Block(40, 5, 120, 40, True, False, 1),
    _Block(40, 3, 240, 80, False, True, 2),
    _Block(80, 3, 200, 80, False, True, 1),
    _Block(80, 3, 184, 80, False, True, 1),
    _Block(80, 3, 184, 80, False, True, 1),
    _Block(80, 3, 480, 112, True, True, 1),
    _Block(112, 3, 672, 112, True, True, 1),
    _Block(112, 5, 672, 160, True, True, 2),
    _Block(160, 5, 960, 160, True, True, 1),
    _Block(160, 5, 960, 160, True, True, 1),
)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=NORM_EPS, momentum=NORM_MOMENTUM)


class _InvertedResidual(RecomputableBlock):
    """Expand, filter each channel, squeeze, project; added to the input where the shapes agree."""

    def __init__(self, block: _Block) -> None:
        super().__init__()
        activation = nn.Hardswish if block.hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if block.expanded != block.channels_in:
            layers.append(
                ConvNormActivation(block.channels_in, block.expanded, 1, norm=_norm, activation=activation)
            )
        layers.append(
            ConvNormActivation(
                block.expanded, block.expanded, block.kernel, block.stride, groups=block.expanded,
                norm=_norm, activation=activation,
            )
        )  # fmt: skip
        if block.squeeze:
            squeezed = rounded(block.expanded / 4)
            layers.append(SqueezeExcitation(block.expanded, squeezed, nn.ReLU, nn.Hardsigmoid))
        layers.append(ConvNormActivation(block.expanded, block.channels_out, 1, norm=_norm, activation=None))
        self.block = nn.Sequential(*layers)
        self.adds = block.stride == 1 and block.channels_in == block.channels_out

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.block(x_NCHW)
        return x_NCHW + y_NCHW if self.adds else y_NCHW


class MobileNetV3(nn.Module):
    """Images [N, 3, H, W], normalised as ImageNet's, → class logits [N, classes], or features [N, `width`].

    `classes` = 0 leaves the classifier out, so that `forward` returns the pooled features.
    """

    def __init__(self, blocks: tuple[_Block, ...], hidden: int, classes: int) -> None:
        super().__init__()
        last = blocks[-1].channels_out
        self.width = 6 * last
        self.features = nn.Sequential(
            ConvNormActivation(3, 16, 3, 2, norm=_norm, activation=nn.Hardswish),
            *(_InvertedResidual(block) for block in blocks),
            ConvNormActivation(last, self.width, 1, norm=_norm, activation=nn.Hardswish),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier: nn.Module = nn.Identity()
        if classes:
            self.classifier = nn.Sequential(
                nn.Linear(self.width, hidden), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(hidden, classes)
            )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return logits [N, classes], or features [N, width]."""
        features_NC: Tensor = self.avgpool(self.features(x_NCHW)).flatten(1)
        logits: Tensor = self.classifier(features_NC)
        return logits


def mobilenet_v3_small(classes: int = 0) -> MobileNetV3:
    """Return MobileNetV3-small: 576 features, 0.93 million parameters without classifier."""
    return MobileNetV3(_SMALL, 1024, classes)


def mobilenet_v3_large(classes: int = 0) -> MobileNetV3:
    """Return MobileNetV3-large: 960 features, 2.97 million parameters without classifier."""
    return MobileNetV3(_LARGE, 1280, classes)
