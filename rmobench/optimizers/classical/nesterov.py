"""Nesterov's accelerated gradient with a fixed momentum."""

from __future__ import annotations

import torch

from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Problem


@optimizer(
    family="classical",
    source="Nesterov 1983, Soviet Math. Dokl. 27(2); at the extrapolated point: Sutskever et al. 2013, ICML; "
    "torch.optim.SGD with nesterov",
    search={"lr": Log(1e-6, 1.0), "momentum": Linear(0.0, 0.99)},
)
def nesterov(problem: Problem, *, lr: float = 1e-3, momentum: float = 0.9) -> Optimizer:
    """Step from the extrapolated point: x' = y - lr g(y), y' = x' + momentum (x' - x).

    The parameters, and so the judged iterates, are the extrapolated points y, where the gradient is taken.

    Args:
        problem: Any.
        lr: Step length, in units of the parameters per unit of the gradient.
        momentum: Weight of the extrapolation, in [0, 1).
    """
    parameters = problem.params.values()
    # The foreach kernel, torch's choice on CUDA, adds the momentum into .grad, which has to stay as the oracle left it.
    return from_torch(torch.optim.SGD(parameters, lr=lr, momentum=momentum, nesterov=momentum > 0.0, foreach=False))
