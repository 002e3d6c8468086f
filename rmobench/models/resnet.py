"""Residual networks with 18 and 50 layers, every convolution orthogonal that can be."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from rmobench.models.orthogonal_conv import convolution


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input is led; He et al. 2016, fig. 5 left."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            *_normalised(in_channels, width, 3, stride=stride),
            nn.ReLU(),
            *_normalised(width, width, 3),
        )
        self.shortcut = _shortcut(in_channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(path(x) + shortcut(x)); [m, in, h, w] -> [m, width, h', w']."""
        return relu(self.path(x) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions around which the input is led; He et al. 2016, fig. 5 right."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            *_normalised(in_channels, width, 1, stride=stride),
            nn.ReLU(),
            *_normalised(width, width, 3),
            nn.ReLU(),
            *_normalised(width, width * self.expansion, 1),
        )
        self.shortcut = _shortcut(in_channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(path(x) + shortcut(x)); [m, in, h, w] -> [m, 4 width, h', w']."""
        return relu(self.path(x) + self.shortcut(x))


class ResNet(nn.Module):
    """Stem, four stages of residual blocks, the mean over the pixels, and a linear layer.

    The stride of a stage lies in its first convolution and shortcuts that change the shape are 1 x 1 convolutions
    (option B), as published; later implementations move the stride of a bottleneck to its 3 x 3 convolution.
    Source: He, Zhang, Ren, Sun 2016, Deep residual learning for image recognition, CVPR, arXiv 1512.03385, table 1.

    Args:
        block: Kind of residual block.
        depths: Blocks in each stage.
        classes: Length of the output.
        in_channels: Channels of the images.
        small_images: Stem for images of some 32 x 32: 3 x 3 at full resolution, instead of 7 x 7 at a quarter.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: tuple[int, int, int, int],
        classes: int,
        *,
        in_channels: int,
        small_images: bool,
    ) -> None:
        super().__init__()
        self.stem = _stem(in_channels, small_images=small_images)
        channels, blocks = 64, list[nn.Module]()
        for stage, depth in enumerate(depths):
            width = 64 * 2**stage
            for place in range(depth):
                blocks.append(block(channels, width, stride=2 if stage > 0 and place == 0 else 1))
                channels = width * block.expansion
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits; [m, in_channels, h, w] -> [m, classes]."""
        features: Tensor = self.blocks(self.stem(images))
        logits: Tensor = self.classifier(features.mean((-2, -1)))
        return logits


def resnet18(classes: int, *, in_channels: int = 3, small_images: bool = False) -> ResNet:
    """Return ResNet-18: two basic blocks in each stage, 20 convolutions with the shortcuts."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes, in_channels=in_channels, small_images=small_images)


def resnet50(classes: int, *, in_channels: int = 3, small_images: bool = False) -> ResNet:
    """Return ResNet-50: 3, 4, 6 and 3 bottlenecks, 53 convolutions with the shortcuts."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes, in_channels=in_channels, small_images=small_images)


def _stem(in_channels: int, *, small_images: bool) -> nn.Sequential:
    if small_images:
        return nn.Sequential(*_normalised(in_channels, 64, 3), nn.ReLU())
    return nn.Sequential(*_normalised(in_channels, 64, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(*_normalised(in_channels, out_channels, 1, stride=stride))


def _normalised(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """Return a convolution that keeps the size up to its stride, and its batch normalisation."""
    layer = convolution(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2)
    return layer, nn.BatchNorm2d(out_channels)
