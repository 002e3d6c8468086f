"""Plain networks for small images, nothing orthogonal: layers that second-order methods know."""

from __future__ import annotations

from torch import nn


def mlp(classes: int, *, n_inputs: int, widths: tuple[int, ...] = (256, 128)) -> nn.Sequential:
    """Return linear layers with ReLU between them, on flattened images.

    Args:
        classes: Length of the output.
        n_inputs: Pixels times channels.
        widths: Of the hidden layers.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    before = n_inputs
    for width in widths:
        layers += [nn.Linear(before, width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, classes))


def plain_cnn(classes: int, *, in_channels: int = 1) -> nn.Sequential:
    """Return three strided convolutions with ReLU, the mean over the pixels, and a linear layer; no normalisation.

    For images of some 28 x 28; every convolution halves their sides.

    Args:
        classes: Length of the output.
        in_channels: 1 for grey images, 3 for colour.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )
