"""Layers of image backbones, named as torchvision's, so that its state dicts load."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

__all__ = ["ConvNormActivation", "SqueezeExcitation", "rounded"]


def rounded(channels: float, divisor: int = 8) -> int:
    """Return a number of channels as a multiple of `divisor`, at most 10 % below `channels`."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


class ConvNormActivation(nn.Sequential):
    """Convolution without bias, batch normalisation, activation (None for none); the size is kept at stride 1."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        convolution = nn.Conv2d(
            channels_in, channels_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        super().__init__(convolution, norm(channels_out), *([activation()] if activation else []))


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the mean of all channels (Hu et al. 2018)."""

    def __init__(
        self, channels: int, squeezed: int, activation: Callable[[], nn.Module], gate: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = activation()
        self.scale_activation = gate()

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the channels [N, C, H, W], each times its gate."""
        gate_NC11: Tensor = self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x_NCHW)))))
        return gate_NC11 * x_NCHW
