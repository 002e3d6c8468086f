"""Singular value bounding."""

from __future__ import annotations

from torch import Tensor

from rmobench.geometry import Stiefel
from rmobench.geometry.frames import check_frames
from rmobench.geometry.matrices import svd
from rmobench.optimizers.options import checked
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.optimizers.riemannian.rsgd import rsgd_update
from rmobench.registry import optimizer
from rmobench.types import Choice, Linear, Log, Manifold, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Jia, Tao, Gao, Xu 2017, CVPR, arXiv 1611.06013",
    handles=("stiefel",),
    upcasts="float32",
    search={"lr": Log(1e-3, 100.0), "momentum": Linear(0.0, 0.99), "band": Choice((0.0, 0.01, 0.05, 0.5))},
)
def svb(problem: Problem, *, lr: float = 0.1, momentum: float = 0.9, band: float = 0.05) -> Optimizer:
    """Take a step of the heavy ball, then bring every singular value into [1 / (1 + band), 1 + band].

    It keeps the constraint to some 2 band sqrt(p) only, so the trial ends infeasible at most precisions; band = 0 is
    projected gradient descent. The paper bounds the values once in an epoch, here it is done at every step.

    Args:
        problem: Any; parameters on other manifolds or on none take rsgd.
        lr: Step length, in units of the parameters per unit of the gradient.
        momentum: Weight of the past, in [0, 1).
        band: How far the singular values may be from 1.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    return pointwise(problem, checked("svb", svb_update, lr=lr, momentum=momentum, band=band))


def svb_update(
    manifold: Manifold, x: Tensor, g: Tensor, state: State, *, lr: float, momentum: float, band: float
) -> tuple[Tensor, State]:
    """Return x - lr v with its singular values bounded, v = momentum v + g."""
    if not isinstance(manifold, Stiefel):
        return rsgd_update(manifold, x, g, state, lr=lr, momentum=momentum)
    check_frames("svb", x, g=g)
    v = g + momentum * state["momentum"] if "momentum" in state else g
    return bounded(x - lr * v, band), {"momentum": v} if momentum else {}


def bounded(a: Tensor, band: float) -> Tensor:
    """Return a [..., n, p] with its singular values brought into the band."""
    U, S, Vh = svd(a)
    return (U * S.clamp(1.0 / (1.0 + band), 1.0 + band).unsqueeze(-2)) @ Vh
