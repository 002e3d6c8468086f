"""A small network for small images: three convolutions, a second or two per hundred steps on one core."""

from __future__ import annotations

from torch import nn

from rmobench.models.orthogonal_conv import convolution

WIDTHS = (16, 32, 64)
"""Channels behind each convolution."""


def small_cnn(classes: int, *, in_channels: int = 1) -> nn.Sequential:
    """Return convolution, batch normalisation and SiLU three times, the mean over the pixels, and a linear layer.

    SiLU is smooth: large parts of such images are one colour, whose pixels would cross a kink all at once. For images
    of some 28 x 28; every convolution halves their sides. On grey images all three are orthogonal, with frames 25 x 16,
    144 x 32 and 288 x 64.

    Args:
        classes: Length of the output.
        in_channels: 1 for grey images, 3 for colour.
    """
    first, second, third = WIDTHS
    return nn.Sequential(
        *_block(in_channels, first, kernel=5),
        *_block(first, second, kernel=3),
        *_block(second, third, kernel=3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(third, classes),
    )


def _block(in_channels: int, out_channels: int, *, kernel: int) -> tuple[nn.Module, ...]:
    layer = convolution(in_channels, out_channels, kernel, stride=2, padding=kernel // 2)
    return layer, nn.BatchNorm2d(out_channels), nn.SiLU()
