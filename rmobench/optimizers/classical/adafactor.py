"""Adafactor."""

from __future__ import annotations

import torch

from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Problem


@optimizer(
    family="classical",
    source="Shazeer, Stern 2018, ICML, arXiv 1804.04235; torch.optim.Adafactor",
    search={"lr": Log(1e-4, 1.0), "decay_power": Linear(-1.0, -0.5), "clip": Log(1.0, 10.0)},
)
def adafactor(problem: Problem, *, lr: float = 0.01, decay_power: float = -0.8, clip: float = 1.0) -> Optimizer:
    """Step along the gradient over a root mean square kept as row and column means.

    The step is relative to the parameter: max(1e-3, RMS(x)) min(lr, 1 / sqrt(t)) after t steps, so lr is the largest
    relative step, 0.01 in the paper, and not a length. With the default it starts to shrink at step 10 000.

    Args:
        problem: Any; parameters of two or more dimensions are factored over the last two, vectors keep every entry.
        lr: Largest step, as a share of the parameter's root mean square.
        decay_power: The mean square forgets a share t ** decay_power at step t; at most 0.
        clip: Largest root mean square of the direction, at least 1.
    """
    parameters = problem.params.values()
    return from_torch(torch.optim.Adafactor(parameters, lr=lr, beta2_decay=decay_power, d=clip))
