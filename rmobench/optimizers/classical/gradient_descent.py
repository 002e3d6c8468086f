"""Gradient descent with a fixed step length."""

from __future__ import annotations

import torch

from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem


@optimizer(
    family="classical",
    source="Cauchy 1847, Comptes Rendus 25; Robbins, Monro 1951, Ann. Math. Stat. 22(3); torch.optim.SGD",
    search={"lr": Log(1e-6, 1.0)},
)
def gradient_descent(problem: Problem, *, lr: float = 1e-3) -> Optimizer:
    """Step against the gradient: x <- x - lr g.

    The default is torch.optim.SGD's. It converges where the curvature stays below 2 / lr and diverges beyond.

    Args:
        problem: Any.
        lr: Step length, in units of the parameters per unit of the gradient.
    """
    return from_torch(torch.optim.SGD(problem.params.values(), lr=lr))
