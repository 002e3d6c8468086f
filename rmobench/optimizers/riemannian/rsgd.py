"""Riemannian gradient descent with transported momentum."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.geometry import EUCLIDEAN
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Oracle, Problem


@optimizer(
    family="riemannian",
    source="Bonnabel 2013, IEEE TAC 58(9); transport: Absil, Mahony, Sepulchre 2008, sec. 8.1",
    handles=("sphere", "stiefel"),
    upcasts="float32",
    search={"lr": Log(1e-4, 10.0), "momentum": Linear(0.0, 0.99)},
)
def rsgd(problem: Problem, *, lr: float = 0.1, momentum: float = 0.0) -> Optimizer:
    """Step along the Riemannian gradient plus the transported past; without a manifold it is the heavy ball.

    Args:
        problem: Any; parameters without a manifold are Euclidean.
        lr: Step length, in units of the tangent vector per unit of gradient.
        momentum: Weight of the past, in [0, 1).
    """
    buffers: dict[str, Tensor] = {}

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        for name, x in problem.params.items():
            if x.grad is None:
                continue
            manifold = problem.manifolds.get(name, EUCLIDEAN)
            v = manifold.gradient(x, x.grad)
            if name in buffers:
                v = v + momentum * buffers[name]
            y = manifold.retract(x, -lr * v)
            if momentum:
                buffers[name] = manifold.transport(x, y, v)
            x.copy_(y)

    return Optimizer(step, state=buffers.values)
