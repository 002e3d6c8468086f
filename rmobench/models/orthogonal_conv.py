"""A convolution whose parameter is a matrix with orthonormal columns."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from rmobench.errors import ArgumentError


class OrthogonalConv2d(nn.Module):
    """Convolve with the kernel W [out, in, k, k] whose flattening W^T is the parameter `frame` M [n, p], M^T M = I.

    n = in k k and p = out. The optimizer sees the matrix itself, so whatever keeps M on the Stiefel manifold keeps
    the layer orthogonal; nothing here enforces it. There is no bias: batch normalisation follows.
    Source: Huang et al. 2018, Orthogonal weight normalization, AAAI, arXiv 1709.06079 (the flattening).

    Args:
        in_channels: Channels of the input.
        out_channels: p, at most n.
        kernel: Side k of the square kernel.
        stride: Pixels from one output to the next.
        padding: Rows and columns of zeros around the input.

    Raises:
        ArgumentError: More outputs than n, for which no p orthonormal columns exist.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        n = in_channels * kernel * kernel
        if out_channels > n:
            raise ArgumentError(f"OrthogonalConv2d: got {out_channels} outputs, expected at most in k k = {n}.")
        self.kernel_shape = (out_channels, in_channels, kernel, kernel)
        self.stride = stride
        self.padding = padding
        self.frame = nn.Parameter(torch.empty(n, out_channels))
        self.reset_parameters()

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the frame from the uniform (Haar) distribution."""
        nn.init.orthogonal_(self.frame, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        """Convolve; [m, in, h, w] -> [m, out, h', w']."""
        kernel = self.frame.mT.reshape(self.kernel_shape)
        return functional.conv2d(images, kernel, stride=self.stride, padding=self.padding)

    def extra_repr(self) -> str:
        """Return the layer's shape as torch prints it."""
        return f"frame={list(self.frame.shape)}, stride={self.stride}, padding={self.padding}"


def convolution(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> OrthogonalConv2d | nn.Conv2d:
    """Return an orthogonal convolution where out <= in k k, and an ordinary one without bias where it is wider."""
    if out_channels <= in_channels * kernel * kernel:
        return OrthogonalConv2d(in_channels, out_channels, kernel, stride=stride, padding=padding)
    return nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=padding, bias=False)


def frames(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the frames [n, p] of the orthogonal layers by parameter name, in the order of the layers."""
    return {
        f"{name}.frame".lstrip("."): module.frame
        for name, module in model.named_modules()
        if isinstance(module, OrthogonalConv2d)
    }
