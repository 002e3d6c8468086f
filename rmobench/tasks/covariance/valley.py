"""Functions with a curved valley, and their means over normal distributions in closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """What bends: stiffness times the sum over the first coordinates i of (w_(i+1) - bend w_i^2 - shift)^2."""

    links: int  # how many coordinates bend the next one, fewer than there are; 0: a quadratic is left
    stiffness: float
    bend: float
    shift: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Valley:
    """l(w) = sum_i a_i (w_i - c_i)^2 + walls."""

    weights: Tensor  # a [d], float64, not negative
    centres: Tensor  # c [d], float64
    walls: Walls


def rosenbrock(dim: int) -> Valley:
    """Return the sum of 100 (w_(i+1) - w_i^2)^2 + (1 - w_i)^2, as the analytic task of that name.

    Source: Rosenbrock 1960, Computer Journal 3(3).
    """
    weights = torch.ones(dim, dtype=torch.float64)
    weights[-1] = 0.0
    walls = Walls(links=dim - 1, stiffness=100.0, bend=1.0, shift=0.0)
    return Valley(weights=weights, centres=torch.ones_like(weights), walls=walls)


def banana(dim: int) -> Valley:
    """Return w_1^2 / 200 + (w_2 + b w_1^2 - 100 b)^2 / 2 + the sum of w_i^2 / 2 over i > 2, with b = 0.1.

    Source: Haario, Saksman, Tamminen 1999, Comput. Stat. 14(3), the strongly twisted normal density.
    """
    weights = torch.full((dim,), 0.5, dtype=torch.float64)
    weights[0], weights[1] = 1.0 / 200.0, 0.0
    walls = Walls(links=1, stiffness=0.5, bend=-0.1, shift=10.0)
    return Valley(weights=weights, centres=torch.zeros_like(weights), walls=walls)


VALLEYS: Mapping[str, Callable[[int], Valley]] = MappingProxyType({"banana": banana, "rosenbrock": rosenbrock})
"""By name, for a dimension of at least 2."""


def value(w: Tensor, weights: Tensor, centres: Tensor, *, walls: Walls) -> Tensor:
    """Return l(w); [..., d], [d] twice -> [...]."""
    head, tail = w[..., : walls.links], w[..., 1 : walls.links + 1]
    lift = tail - walls.bend * head.square() - walls.shift
    bowl: Tensor = (weights * (w - centres).square()).sum(-1)
    return bowl + walls.stiffness * lift.square().sum(-1)


def expected(mean: Tensor, root: Tensor, weights: Tensor, centres: Tensor, *, walls: Walls) -> Tensor:
    """Return the mean of l over the normal distribution of a mean m [d] and a covariance P = W^T W; -> [].

    The square of u = w_j - b w_i^2 - s has the mean (E u)^2 + var u, with E u = m_j - b (m_i^2 + P_ii) - s and
    var u = P_jj - 4 b m_i P_ij + b^2 (4 m_i^2 P_ii + 2 P_ii^2), for which moments of order four suffice.
    Source: Isserlis 1918, Biometrika 12.

    Args:
        mean: m [d].
        root: W [d, d].
        weights: Of the bowl, [d].
        centres: Of the bowl, [d].
        walls: What is added to the bowl.
    """
    k, b = walls.links, walls.bend
    variance = root.square().sum(0)  # P_ii
    covariance = (root[:, :k] * root[:, 1 : k + 1]).sum(0)  # P_i,i+1
    head, tail, spread = mean[:k], mean[1 : k + 1], variance[:k]
    lift = tail - b * (head.square() + spread) - walls.shift
    around = variance[1 : k + 1] - 4.0 * b * head * covariance + b**2 * spread * (4.0 * head.square() + 2.0 * spread)
    bowl: Tensor = (weights * ((mean - centres).square() + variance)).sum()
    return bowl + walls.stiffness * (lift.square() + around).sum()
