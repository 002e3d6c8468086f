"""The Riemannian heavy ball along geodesics of positive definite matrices, with parallel transport."""

from __future__ import annotations

from torch import Tensor

from rmobench.geometry import Spd
from rmobench.optimizers.options import checked
from rmobench.optimizers.riemannian.pointwise import State, check_spd, pointwise
from rmobench.optimizers.riemannian.rsgd import rsgd_update
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Manifold, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Alimisis, Orvieto, Becigneul, Lucchi 2021, AISTATS, arXiv 2008.04576; transport: Sra, Hosseini 2015, SIAM "
    "J. Optim. 25(1)",
    handles=("spd",),
    upcasts="float32",
    search={"lr": Log(1e-3, 1.0), "momentum": Linear(0.0, 0.99)},
)
def heavy_ball_exact(problem: Problem, *, lr: float = 0.1, momentum: float = 0.9) -> Optimizer:
    """Follow the geodesic along the gradient plus the past, carried along geodesics without distortion.

    The reference that `gnc` reproduces without decompositions: a step here takes two of eigenvalues and three Cholesky
    factors.

    Args:
        problem: Its parameters are positive definite or have no manifold; the latter take the heavy ball.
        lr: Step length, in units of the affine-invariant norm per unit of gradient.
        momentum: Weight of the past, in [0, 1).

    Raises:
        ArgumentError: An option that is not in its range, or another manifold.
    """
    check_spd("heavy_ball_exact", problem)
    return pointwise(problem, checked("heavy_ball_exact", heavy_ball_exact_update, lr=lr, momentum=momentum))


def heavy_ball_exact_update(
    manifold: Manifold, x: Tensor, g: Tensor, state: State, *, lr: float, momentum: float
) -> tuple[Tensor, State]:
    """Return Exp_x(-lr v) with v = grad + momentum times the v of the step before, carried along."""
    if not isinstance(manifold, Spd):
        return rsgd_update(manifold, x, g, state, lr=lr, momentum=momentum)
    v = manifold.gradient(x, g)
    if "momentum" in state:
        v = v + momentum * state["momentum"]
    y = manifold.exp(x, -lr * v)
    return y, {"momentum": manifold.transport(x, y, v)} if momentum else {}
