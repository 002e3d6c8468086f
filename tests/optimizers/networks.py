"""A small network with layers of every kind, on data of its own."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rmobench.types import Problem
from tests.optimizers.plain_oracle import normal


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Small(nn.Module):
    """A convolution, a normalisation, a linear layer on tokens, one without a bias, and a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 8, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(8)
        self.tokens = nn.Linear(8, 10)
        self.head = nn.Linear(10, 4, bias=False)
        self.shift = nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.conv(x).flatten(2).mT)
        out: Tensor = self.head(self.tokens(tokens).tanh().mean(1)) + self.shift
        return out


def loss(model: nn.Module, batch) -> Tensor:
    return cross_entropy(model(batch[0]), batch[1])


def small(dtype: torch.dtype = torch.float64) -> Problem:
    model = Small().to(dtype)
    for i, p in enumerate(model.parameters()):
        p.data.copy_(0.3 * normal(*p.shape, seed=i))
    data = [
        (normal(6, 2, 8, 8, seed=s, dtype=dtype), torch.randint(4, (6,), generator=seeded(s))) for s in range(20, 24)
    ]
    return Problem(model=model, loss=loss, batches=itertools.cycle(data), judge=lambda m: {})
