"""Riemannian Adam."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.geometry import EUCLIDEAN
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Log, Manifold, Optimizer, Oracle, Problem


@dataclass(slots=True)
class Moments:
    """What is kept of a parameter's past."""

    mean: Tensor  # m, the shape of x, tangent at x
    square: Tensor  # v, one number per point of the manifold; elementwise in Euclidean space
    n_steps: int


@optimizer(
    family="riemannian",
    source="Becigneul, Ganea 2019, ICLR, arXiv 1810.00760, with the bias correction of Kingma, Ba 2015",
    handles=("sphere", "stiefel"),
    upcasts="float32",
    search={"lr": Log(1e-4, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def radam(
    problem: Problem, *, lr: float = 0.01, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Step along the transported mean gradient over the root of its mean square length.

    The mean square is one number <g, g> per matrix (per vector on the sphere), as an elementwise one would leave the
    tangent space. A parameter without a manifold is a product of real lines, one per entry: there the rule is Adam.

    Args:
        problem: Any; parameters without a manifold are Euclidean.
        lr: Step length, in units of the tangent norm; of the entries where there is no manifold.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
    """
    past: dict[str, Moments] = {}

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        for name, x in problem.params.items():
            if x.grad is None:
                continue
            manifold = problem.manifolds.get(name, EUCLIDEAN)
            g = manifold.gradient(x, x.grad)
            p = past.setdefault(name, Moments(mean=torch.zeros_like(g), square=g.new_zeros(()), n_steps=0))
            p.n_steps += 1
            p.mean = beta1 * p.mean + (1.0 - beta1) * g
            p.square = beta2 * p.square + (1.0 - beta2) * square_length(manifold, x, g)
            root = (p.square / (1.0 - beta2**p.n_steps)).sqrt()
            direction = p.mean / (1.0 - beta1**p.n_steps) / (root + epsilon)
            y = manifold.retract(x, -lr * direction)
            p.mean = manifold.transport(x, y, p.mean)
            x.copy_(y)

    return Optimizer(step, state=lambda: tensors_in([(p.mean, p.square) for p in past.values()]))


def square_length(manifold: Manifold, x: Tensor, g: Tensor) -> Tensor:
    """Return <g, g> at x, one number per point: [..., 1, 1] or [..., 1]; the shape of g in Euclidean space."""
    return g * g if manifold == EUCLIDEAN else manifold.inner(x, g, g)
