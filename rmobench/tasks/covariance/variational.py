"""Gaussian variational inference: the function to minimise, and the lowest values that are known."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

import torch
from torch import Generator, Tensor

from rmobench.errors import ArgumentError, UnknownNameError
from rmobench.tasks.covariance.valley import VALLEYS, Walls, expected

BEST_KNOWN = Path(__file__).parent / "targets" / "gaussian_vi.json"

DENSE = "dense"
"""The support of all symmetric matrices, and of lower triangular factors: each of those has such a factor."""

SHARPNESS = 10.0
"""Of a start's precision: so narrow that its value is about that of the function at the mean."""


def negative_elbo(
    mean: Tensor, factor: Tensor, weights: Tensor, centres: Tensor, *, walls: Walls, temperature: float
) -> Tensor:
    """Return the mean of l over N(mean, (B B^T)^-1) minus temperature times its entropy, [].

    The entropy is d (1 + log 2 pi) / 2 - log |det B|. With l minus the logarithm of a density times a likelihood, and
    temperature 1, it is minus the lower bound of the evidence.

    Args:
        mean: [d].
        factor: B [d, d].
        weights: Of the bowl of l, [d].
        centres: Of the bowl of l, [d].
        walls: The rest of l.
        temperature: Weight of the entropy.
    """
    root: Tensor = torch.linalg.inv_ex(factor).inverse
    entropy: Tensor = 0.5 * len(mean) * (1.0 + math.log(2.0 * math.pi)) - torch.linalg.slogdet(factor).logabsdet
    return expected(mean, root, weights, centres, walls=walls) - temperature * entropy


def drawn_mean(dim: int, generator: Generator) -> Tensor:
    """Return where a start has its mean, [d]: standard normal."""
    return torch.randn(dim, generator=generator, dtype=torch.float64)


@cache
def lowest_known(task: str, function: str, dim: int, temperature: float, support: str) -> float:
    """Return the frozen lowest value.

    Args:
        task: Its name, for the message.
        function: A key of VALLEYS.
        dim: Length d of w.
        temperature: Weight of the entropy.
        support: DENSE, "diagonal" or "arrow": entries that a lower triangular factor of the precision may have.

    Raises:
        UnknownNameError: No such function.
        ArgumentError: There is none for these arguments.
    """
    if function not in VALLEYS:
        raise UnknownNameError("function", function, VALLEYS)
    values = json.loads(BEST_KNOWN.read_text(encoding="utf-8"))["values"]
    for v in values:
        if (v["function"], v["dim"], v["temperature"], v["support"]) == (function, dim, temperature, support):
            return float(v["lowest"])
    dims, temperatures = (sorted({v[key] for v in values}) for key in ("dim", "temperature"))
    raise ArgumentError(
        f"{task}: got function={function}, dim={dim}, temperature={temperature}, expected arguments with a known "
        f"minimum: dim one of {', '.join(map(str, dims))}, temperature one of {', '.join(map(str, temperatures))}."
    )
