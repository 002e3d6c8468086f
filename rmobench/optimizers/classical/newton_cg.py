"""Line-search Newton-CG, also called truncated Newton."""

from __future__ import annotations

from rmobench.optimizers.scipy_style import minimize
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Problem


@optimizer(
    family="classical",
    source="Nocedal, Wright 2006, Numerical Optimization, 2nd ed., alg. 7.1; scipy.optimize.minimize Newton-CG",
    needs=("deterministic", "second_order"),
    search={"armijo": Log(1e-5, 1e-2), "curvature": Linear(0.1, 0.95)},
    upcasts="float64",
)
def newton_cg(problem: Problem, *, armijo: float = 1e-4, curvature: float = 0.9) -> Optimizer:
    """Step along a Newton direction found by conjugate gradients, as far as a strong Wolfe line search says.

    One iterate is one outer iteration; each inner one is a Hessian-vector product. It keeps the point x and its
    gradient g, and ends by itself when the line search or the inner iteration fails or the step is exactly zero. The
    last comes with small gradients: a fixed threshold inside scipy drops directions p with <p, H p> below 7e-16.

    Args:
        problem: Any; scipy computes in float64 whatever its dtype.
        armijo: Share c1 of the predicted decrease that a step must bring, 0 < c1 < c2.
        curvature: Share c2 of the slope that may be left after it, c1 < c2 < 1.
    """
    options = {"xtol": 0.0, "c1": armijo, "c2": curvature}
    return minimize(problem, method="Newton-CG", options=options, hessp=True, n_vectors=2)
