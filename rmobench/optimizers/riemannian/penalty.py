"""The orthogonality penalty: no constraint, a term in the objective."""

from __future__ import annotations

from torch import Tensor

from rmobench.geometry import Stiefel
from rmobench.geometry.frames import check_frames
from rmobench.geometry.matrices import identity
from rmobench.optimizers.options import checked
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.optimizers.riemannian.rsgd import rsgd_update
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Manifold, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Bansal, Chen, Wang 2018, NeurIPS, arXiv 1810.09102, soft orthogonality, under the heavy ball",
    handles=("stiefel",),
    upcasts="float32",
    search={"lr": Log(1e-4, 1.0), "momentum": Linear(0.0, 0.99), "weight": Log(0.01, 100.0)},
)
def penalty(problem: Problem, *, lr: float = 0.01, momentum: float = 0.9, weight: float = 1.0) -> Optimizer:
    """Descend on the loss plus weight |x^T x - I|^2 with momentum and no regard to the manifold.

    It does not keep the constraint. At a minimum x (x^T x - I) is the Euclidean gradient over -4 weight, which is not
    zero on most tasks: the trial then ends infeasible however well the objective does. A larger weight comes nearer
    and asks for shorter steps, below 2 (1 + momentum) / (8 weight).

    Args:
        problem: Any; parameters on other manifolds or on none take rsgd.
        lr: Step length, in units of the parameters per unit of the gradient.
        momentum: Weight of the past, in [0, 1).
        weight: Of the penalty, in units of the loss.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    return pointwise(problem, checked("penalty", penalty_update, lr=lr, momentum=momentum, weight=weight))


def penalty_update(
    manifold: Manifold, x: Tensor, g: Tensor, state: State, *, lr: float, momentum: float, weight: float
) -> tuple[Tensor, State]:
    """Return x - lr v with v = momentum v + g + 4 weight x (x^T x - I)."""
    if not isinstance(manifold, Stiefel):
        return rsgd_update(manifold, x, g, state, lr=lr, momentum=momentum)
    check_frames("penalty", x, g=g)
    gram = x.mT @ x
    v = g + 4.0 * weight * (x @ (gram - identity(gram)))
    v = v + momentum * state["momentum"] if "momentum" in state else v
    return x - lr * v, {"momentum": v} if momentum else {}
