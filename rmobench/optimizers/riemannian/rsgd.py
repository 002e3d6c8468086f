"""Riemannian gradient descent with transported momentum."""

from __future__ import annotations

from torch import Tensor

from rmobench.optimizers.options import checked
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Manifold, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Bonnabel 2013, IEEE TAC 58(9); transport: Absil, Mahony, Sepulchre 2008, sec. 8.1",
    version=2,
    handles=("sphere", "stiefel", "grassmann", "spd"),
    upcasts="float32",
    search={"lr": Log(1e-3, 100.0), "momentum": Linear(0.0, 0.99)},
)
def rsgd(problem: Problem, *, lr: float = 0.1, momentum: float = 0.0) -> Optimizer:
    """Step along the Riemannian gradient plus the transported past; without a manifold it is the heavy ball.

    Args:
        problem: Any; parameters without a manifold are Euclidean.
        lr: Step length, in units of the tangent vector per unit of gradient.
        momentum: Weight of the past, in [0, 1).

    Raises:
        ArgumentError: An option that is not in its range.
    """
    return pointwise(problem, checked("rsgd", rsgd_update, lr=lr, momentum=momentum))


def rsgd_update(
    manifold: Manifold, x: Tensor, g: Tensor, state: State, *, lr: float, momentum: float
) -> tuple[Tensor, State]:
    """Return R(x, -lr v) with v = grad + momentum times the transported v of the step before."""
    v = manifold.gradient(x, g)
    if "momentum" in state:
        v = v + momentum * state["momentum"]
    y = manifold.retract(x, -lr * v)
    if not momentum:
        return y, {}
    carried = manifold.transport(x, y, v)
    return y, {"momentum": carried.clone() if carried is g else carried}  # the gradient's memory is its owner's
