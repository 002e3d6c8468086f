"""The BFGS method with the full inverse Hessian."""

from __future__ import annotations

from rmobench.optimizers.scipy_style import ZERO_GRADIENT, minimize
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Problem


@optimizer(
    family="classical",
    source="Nocedal, Wright 2006, Numerical Optimization, 2nd ed., alg. 6.1; scipy.optimize.minimize BFGS",
    needs=("deterministic",),
    search={"armijo": Log(1e-5, 1e-2), "curvature": Linear(0.1, 0.95)},
    upcasts="float64",
)
def bfgs(problem: Problem, *, armijo: float = 1e-4, curvature: float = 0.9) -> Optimizer:
    """Step along the quasi-Newton direction, as far as a strong Wolfe line search says.

    It keeps the inverse Hessian H [d, d], the point x and its gradient g, and ends by itself when a line search finds
    nothing better or the gradient is zero.

    Args:
        problem: Any; scipy computes in float64 whatever its dtype.
        armijo: Share c1 of the predicted decrease that a step must bring, 0 < c1 < c2.
        curvature: Share c2 of the slope that may be left after it, c1 < c2 < 1.
    """
    options = {"gtol": ZERO_GRADIENT, "c1": armijo, "c2": curvature}
    return minimize(problem, method="BFGS", options=options, n_matrices=1, n_vectors=2)
