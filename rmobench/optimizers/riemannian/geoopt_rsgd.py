"""geoopt's RiemannianSGD, as it is."""

from __future__ import annotations

from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.geoopt_parameters import attach_manifolds, geoopt
from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Kochurov, Karimov, Kozlukov 2020, arXiv 2005.02819; geoopt.optim.RiemannianSGD",
    handles=("sphere", "stiefel"),
    requires=("geoopt",),
    search={"lr": Log(1e-3, 100.0), "momentum": Linear(0.0, 0.99)},
)
def geoopt_rsgd(problem: Problem, *, lr: float = 0.1, momentum: float = 0.0) -> Optimizer:
    """Run geoopt's gradient descent, whose momentum starts from the Euclidean gradient instead of the Riemannian one.

    Args:
        problem: Any; Stiefel becomes geoopt.EuclideanStiefel, Sphere geoopt.Sphere.
        lr: Step length, in units of the tangent vector per unit of gradient.
        momentum: Weight of the past, in [0, 1).

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("geoopt_rsgd", lr=lr, momentum=momentum)
    return from_torch(geoopt.optim.RiemannianSGD(attach_manifolds(problem), lr=lr, momentum=momentum))
