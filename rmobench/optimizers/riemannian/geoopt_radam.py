"""geoopt's RiemannianAdam, as it is."""

from __future__ import annotations

from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.geoopt_parameters import attach_manifolds, geoopt
from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Kochurov, Karimov, Kozlukov 2020, arXiv 2005.02819; geoopt.optim.RiemannianAdam",
    handles=("sphere", "stiefel"),
    requires=("geoopt",),
    search={"lr": Log(1e-4, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def geoopt_radam(
    problem: Problem, *, lr: float = 0.01, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Run geoopt's Adam: one mean square per matrix or vector, elementwise where there is no manifold.

    Args:
        problem: Any; Stiefel becomes geoopt.EuclideanStiefel, Sphere geoopt.Sphere.
        lr: Step length, in units of the tangent norm; of the entries where there is no manifold.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient; at zero, a gradient that is zero gives NaN there.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("geoopt_radam", lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon)
    points = attach_manifolds(problem)
    return from_torch(geoopt.optim.RiemannianAdam(points, lr=lr, betas=(beta1, beta2), eps=epsilon))
