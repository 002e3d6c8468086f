"""Newton-CG in a trust region."""

from __future__ import annotations

from rmobench.optimizers.scipy_style import ZERO_GRADIENT, minimize
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Problem


@optimizer(
    family="classical",
    source="Steihaug 1983, SIAM J. Numer. Anal. 20(3); Nocedal, Wright 2006, Numerical Optimization, 2nd ed., "
    "alg. 4.1 and 7.2; scipy.optimize.minimize trust-ncg",
    needs=("deterministic", "second_order"),
    search={"radius": Log(1e-2, 1e2), "acceptance": Linear(0.0, 0.24)},
    upcasts="float64",
)
def trust_ncg(problem: Problem, *, radius: float = 1.0, acceptance: float = 0.15) -> Optimizer:
    """Step to the minimum of the quadratic model in a ball, found by conjugate gradients.

    One iterate is one trial step; a rejected one leaves the point where it was. It keeps the point x and its gradient
    g, and ends by itself when the model predicts no decrease or the gradient is zero.

    Args:
        problem: Any; scipy computes in float64 whatever its dtype.
        radius: Radius of the ball at the start, in units of the parameters; below 1000, the largest one.
        acceptance: Share eta of the predicted decrease that a step must bring, in [0, 0.25).
    """
    options = {"gtol": ZERO_GRADIENT, "initial_trust_radius": radius, "max_trust_radius": 1000.0, "eta": acceptance}
    return minimize(problem, method="trust-ncg", options=options, hessp=True, n_vectors=2)
