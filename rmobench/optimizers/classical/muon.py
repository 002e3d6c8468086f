"""Muon: momentum orthogonalised by Newton-Schulz iterations."""

from __future__ import annotations

import torch

from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Choice, Linear, Log, Optimizer, Oracle, Problem


@optimizer(
    family="classical",
    source="Jordan et al. 2024, kellerjordan.github.io/posts/muon; torch.optim.Muon",
    needs=("matrix_parameters",),
    search={
        "lr": Log(1e-4, 1.0),
        "momentum": Linear(0.0, 0.99),
        "weight_decay": Choice((0.0, 1e-3, 1e-2, 1e-1)),
        "companion_lr": Log(1e-5, 1e-1),
    },
)
def muon(
    problem: Problem,
    *,
    lr: float = 0.02,
    momentum: float = 0.95,
    weight_decay: float = 0.0,
    companion_lr: float = 3e-4,
) -> Optimizer:
    """Step matrices along the nearest semi-orthogonal matrix of their Nesterov momentum; AdamW takes the rest.

    A matrix [n, p] moves by lr sqrt(max(1, n / p)) times a matrix whose singular values are near 1, however small the
    gradient is: it comes to rest only as lr does. torch orthogonalises in bfloat16 at every precision, so the
    direction carries two to three digits. The defaults are the paper's, not torch's 1e-3 with
    decay 0.1, which moves the point of rest away from the minimum.

    Args:
        problem: Parameters of other than two dimensions (biases, convolutions) get the companion, AdamW with betas
            (0.9, 0.95) and epsilon 1e-10, as in the paper's code.
        lr: Step length, in units of singular values of the parameter.
        momentum: Weight of the past, in [0, 1).
        weight_decay: Share of every parameter taken away per unit of its lr.
        companion_lr: The companion's step length, in units of the parameters.
    """
    matrices = [p for p in problem.params.values() if p.ndim == 2]
    others = [p for p in problem.params.values() if p.ndim != 2]
    inners: list[torch.optim.Optimizer] = []
    if matrices:
        inners.append(torch.optim.Muon(matrices, lr=lr, momentum=momentum, weight_decay=weight_decay))
    if others:
        betas = (0.9, 0.95)
        inners.append(torch.optim.AdamW(others, lr=companion_lr, betas=betas, eps=1e-10, weight_decay=weight_decay))

    def step(oracle: Oracle) -> None:
        oracle()
        for inner in inners:
            inner.step()

    return Optimizer(step, state=lambda: tensors_in([inner.state for inner in inners]))
