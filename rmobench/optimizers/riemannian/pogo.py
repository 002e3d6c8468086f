"""POGO: a step along the relative gradient, then one step back towards the manifold."""

from __future__ import annotations

from torch import Tensor

from rmobench.geometry import Stiefel
from rmobench.geometry.frames import check_frames
from rmobench.optimizers.options import checked
from rmobench.optimizers.riemannian.landing import lifted, relative_gradient
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.optimizers.riemannian.rsgd import rsgd_update
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Manifold, Optimizer, Problem

NORMAL_STEP = 0.5
"""The paper's lambda: with it the way back is one Newton-Schulz step, which squares the error."""


@optimizer(
    family="riemannian",
    source="Javaloy, Vergari 2026, arXiv 2602.14656",
    handles=("stiefel",),
    upcasts="float32",
    search={"lr": Log(1e-3, 100.0), "momentum": Linear(0.0, 0.99)},
)
def pogo(problem: Problem, *, lr: float = 0.1, momentum: float = 0.0) -> Optimizer:
    """Step to a = x - lr skew(g x^T) x, then to a + a (I - a^T a) / 2.

    As a^T a = I + lr^2 r^T r for x on the manifold, with r the relative gradient, the error after a step is some
    3/4 lr^4 |r|^4: feasible while steps are short, and only the last step's error remains. A step with
    lr |r| > sqrt(2) is not turned back and may diverge. The paper leaves momentum to a base optimizer of the Euclidean
    gradients, whose sum carries normal parts that become steps as x turns; here r itself has the momentum.

    Args:
        problem: Any; parameters on other manifolds or on none take rsgd.
        lr: Step length, in units of the relative gradient, which on the manifold is half of the gradient in the
            canonical metric.
        momentum: Weight of the past, transported as in landing, in [0, 1).

    Raises:
        ArgumentError: An option that is not in its range.
    """
    return pointwise(problem, checked("pogo", pogo_update, lr=lr, momentum=momentum))


def pogo_update(
    manifold: Manifold, x: Tensor, g: Tensor, state: State, *, lr: float, momentum: float
) -> tuple[Tensor, State]:
    """Return a + a (I - a^T a) / 2 with a = x - lr skew(g x^T) x."""
    if not isinstance(manifold, Stiefel):
        return rsgd_update(manifold, x, g, state, lr=lr, momentum=momentum)
    check_frames("pogo", x, g=g)
    if "momentum" in state:
        g = g + momentum * lifted(x, state["momentum"])
    r = relative_gradient(x, g, x.mT @ x)
    a = x - lr * r
    y = (1.0 + NORMAL_STEP) * a - NORMAL_STEP * (a @ (a.mT @ a))
    return y, {"momentum": r} if momentum else {}
