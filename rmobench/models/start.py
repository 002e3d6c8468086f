"""The initial values of a network, drawn from one generator and equal at every precision."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, nn

from rmobench.models.orthogonal_conv import OrthogonalConv2d
from rmobench.models.transformer import Positions

EMBEDDED = 0.02
"""Deviation of an embedding's entries."""


def started(
    build: Callable[[], nn.Module], generator: Generator, *, device: torch.device, dtype: torch.dtype
) -> nn.Module:
    """Build a network and draw its parameters: in float64 on the CPU, then stored as asked.

    Frames are uniform (Haar); other convolutions normal with variance 2 / (out k k); the linear layers uniform within
    1 / sqrt(in), biases 0; embeddings normal with deviation 0.02; normalisations the identity. torch's global stream
    is left alone.
    Source: He et al. 2015, ICCV, arXiv 1502.01852, eq. 14.

    Args:
        build: Makes the network, e.g. `lambda: small_cnn(10)`.
        generator: On the CPU.
        device: Where the network goes.
        dtype: Storage precision of parameters and running statistics.
    """
    with torch.device("meta"):  # allocates and draws nothing
        model = build().double()
    model.to_empty(device="cpu")
    for module in model.modules():
        _draw(module, generator)
    return model.to(device, dtype)


def _draw(module: nn.Module, generator: Generator) -> None:
    match module:
        case OrthogonalConv2d() | Positions():
            module.reset_parameters(generator)
        case nn.Conv2d():
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        case nn.Linear():
            bound = module.in_features**-0.5
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            nn.init.zeros_(module.bias)
        case nn.Embedding():
            nn.init.normal_(module.weight, std=EMBEDDED, generator=generator)
        case nn.BatchNorm2d() | nn.LayerNorm():
            module.reset_parameters()
        case _:
            pass  # the others hold no values of their own
