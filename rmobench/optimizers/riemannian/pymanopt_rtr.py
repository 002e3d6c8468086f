"""pymanopt's TrustRegions, as it is."""

from __future__ import annotations

from pymanopt.optimizers import TrustRegions

from rmobench.optimizers.riemannian.pymanopt_problem import Questions, ending, minimize
from rmobench.optimizers.riemannian.rtr import check_shares
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Problem


class TickingTrustRegions(TrustRegions):  # type: ignore[misc]  # pymanopt has no types
    """The solver, which ticks where it would look at its own stopping criteria: once per trial step.

    There is no callback, so the protected method is overridden; it is the only one called at every iterate.
    """

    def __init__(self, ask: Questions, *, acceptance: float, reduction: float, order: float) -> None:
        super().__init__(rho_prime=acceptance, kappa=reduction, theta=order, verbosity=0)
        self._ask = ask

    def _check_stopping_criterion(self, *, gradient_norm: float, **others: float) -> str | None:
        self._ask.complete()
        return ending(gradient_norm)


@optimizer(
    family="riemannian",
    source="Townsend, Koep, Weichwald 2016, JMLR 17(137); pymanopt.optimizers.TrustRegions",
    needs=("deterministic", "second_order"),
    handles=("grassmann", "sphere", "stiefel"),
    requires=("pymanopt",),
    upcasts="float64",
    search={"acceptance": Linear(0.0, 0.24), "reduction": Log(1e-2, 0.5), "order": Linear(0.1, 1.0)},
)
def pymanopt_rtr(problem: Problem, *, acceptance: float = 0.1, reduction: float = 0.1, order: float = 1.0) -> Optimizer:
    """Run pymanopt's trust region method.

    One iterate is one trial step; a rejected one leaves the point where it was. It keeps the point and its gradient,
    and goes on until the gradient is zero.

    Args:
        problem: A deterministic one, on products of Euclidean spaces, spheres, Stiefel and Grassmann manifolds.
        acceptance: rho', share of the predicted decrease that a step must bring, in [0, 0.25).
        reduction: kappa, the part of the residual that the inner iteration may leave, in (0, 1).
        order: theta, by how much the order of convergence exceeds 1, in (0, 1].

    Raises:
        ArgumentError: A number out of its range.
    """
    check_shares("pymanopt_rtr", acceptance=acceptance, reduction=reduction, order=order)

    def solver(ask: Questions) -> TickingTrustRegions:
        return TickingTrustRegions(ask, acceptance=acceptance, reduction=reduction, order=order)

    return minimize(problem, solver, n_vectors=2)
