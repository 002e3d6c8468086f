"""The rows that curvature is made of, and their gram matrix: of a convolution without its patches in memory twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold


class Rows(Protocol):
    """Rows Y [m, d] in some form."""

    def __len__(self) -> int:
        """Return m."""
        ...

    def matrix(self) -> Tensor:
        """Return Y [m, d]."""
        ...

    def gram(self) -> Tensor:
        """Return Y^T Y [d, d]."""
        ...

    def times(self, c: float) -> Rows:
        """Return c Y."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """Rows as they are, [m, d]."""

    held: Tensor

    def __len__(self) -> int:
        return len(self.held)

    def matrix(self) -> Tensor:
        """Return them."""
        return self.held

    def gram(self) -> Tensor:
        """Return Y^T Y [d, d]."""
        return self.held.mT @ self.held

    def times(self, c: float) -> Plain:
        """Return c Y."""
        return Plain(self.held * c)


@dataclass(frozen=True, slots=True)
class Patches:
    """A row c (patch, 1) for every position of a convolution; kept as the images, which are smaller than the patches.

    A convolution needs its images for its own gradient, so that keeping them takes no memory.
    """

    conv: nn.Conv2d
    images: Tensor  # [N, C, H, W]
    share: Tensor  # c, []

    @property
    def edges(self) -> tuple[int, int]:
        """Return how many zeros there are at the top and at the bottom, and at the left and at the right."""
        top, left = (int(edge) for edge in self.conv.padding)
        return top, left

    @property
    def sides(self) -> tuple[int, int]:
        """Return how many positions there are from top to bottom, and from left to right."""
        conv, shape = self.conv, self.images.shape[2:]
        n_down, n_right = (
            (shape[k] + 2 * self.edges[k] - conv.dilation[k] * (conv.kernel_size[k] - 1) - 1) // conv.stride[k] + 1
            for k in range(2)
        )
        return n_down, n_right

    def __len__(self) -> int:
        n_down, n_right = self.sides
        return len(self.images) * n_down * n_right

    def times(self, c: float) -> Patches:
        """Return c Y."""
        return replace(self, share=self.share * c)

    def matrix(self) -> Tensor:
        """Return Y [m, C k k (+ 1)]."""
        conv = self.conv
        patches = unfold(self.images * self.share, conv.kernel_size, conv.dilation, self.edges, conv.stride)
        rows = patches.mT.flatten(0, 1)
        return rows if conv.bias is None else torch.cat([rows, self.share.expand(len(rows), 1)], 1)

    def gram(self) -> Tensor:
        """Return Y^T Y: of rows in the order (i, j, c), which are copied whole lines of an image at a time."""
        conv, (n, channels, H, W) = self.conv, self.images.shape
        (high, wide), (down, right), steps = conv.kernel_size, conv.stride, conv.dilation
        top, left = self.edges
        lines = self.images.new_zeros(n, H + 2 * top, W + 2 * left, channels)
        torch.mul(self.images.movedim(1, 3), self.share, out=lines[:, top : top + H, left : left + W])
        windows = lines.unfold(1, steps[0] * (high - 1) + 1, down).unfold(2, steps[1] * (wide - 1) + 1, right)
        windows = windows[..., :: steps[0], :: steps[1]].movedim(3, 5)  # [n, rows, columns, i, j, c]
        size = high * wide * channels
        Y = lines.new_empty(len(self), size + (conv.bias is not None))
        n_down, n_right = self.sides
        Y[:, :size].view(n, n_down, n_right, high, wide, channels).copy_(windows)
        Y[:, size:] = self.share
        return _channels_first(Y.mT @ Y, high * wide, channels)


def _channels_first(G: Tensor, n_offsets: int, channels: int) -> Tensor:
    """Return a matrix over the entries (offset, c), then perhaps one more, as one over (c, offset)."""
    size = n_offsets * channels
    ordered, rest = torch.empty_like(G), slice(size, None)
    ordered[:size, :size].view(2 * (channels, n_offsets)).copy_(
        G[:size, :size].view(2 * (n_offsets, channels)).permute(1, 0, 3, 2)
    )
    ordered[rest, :size] = G[rest, :size].view(-1, n_offsets, channels).mT.flatten(1)
    ordered[:size, rest] = G[:size, rest].view(n_offsets, channels, -1).transpose(0, 1).flatten(0, 1)
    ordered[rest, rest] = G[rest, rest]
    return ordered


def patch_means(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """Return the mean patches [N, C k k] of images [N, C, H, W]; no patch is ever formed.

    Entry (c, i, j) of the mean patch is the mean of a strided window of the padded image.
    """
    (high, wide), stride, dilation = conv.kernel_size, conv.stride, conv.dilation
    top, left = (int(edge) for edge in conv.padding)
    images = pad(images, (left, left, top, top))
    reach = [(side - 1) * d for side, d in zip(conv.kernel_size, dilation, strict=True)]
    ends = [images.shape[2 + k] - reach[k] for k in range(2)]
    means = [
        images[:, :, i : i + ends[0] : stride[0], j : j + ends[1] : stride[1]].mean((2, 3))
        for i in range(0, high * dilation[0], dilation[0])
        for j in range(0, wide * dilation[1], dilation[1])
    ]
    return torch.stack(means, -1).flatten(1)
