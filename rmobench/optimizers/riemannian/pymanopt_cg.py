"""pymanopt's ConjugateGradient, as it is."""

from __future__ import annotations

from pymanopt.optimizers import ConjugateGradient
from pymanopt.optimizers.conjugate_gradient import BETA_RULES

from rmobench.errors import ArgumentError
from rmobench.optimizers.riemannian.pymanopt_problem import Questions, ending, minimize
from rmobench.registry import optimizer
from rmobench.types import Choice, Optimizer, Problem


class TickingConjugateGradient(ConjugateGradient):  # type: ignore[misc]  # pymanopt has no types
    """The solver, which ticks where it would look at its own stopping criteria: once per iterate, the start included.

    There is no callback, so the protected method is overridden; it is the only one called at every iterate.
    """

    def __init__(self, ask: Questions, beta_rule: str) -> None:
        super().__init__(beta_rule=beta_rule, verbosity=0)
        self._ask = ask

    def _check_stopping_criterion(
        self, *, iteration: int, gradient_norm: float, step_size: float, **others: float
    ) -> str | None:
        if iteration > 1:
            self._ask.complete()
        if step_size == 0.0:  # AdaptiveLineSearcher 2.2.1 starts every later search from twice this length
            return "the line search has failed, and every later one would start from a length of zero"
        return ending(gradient_norm)


@optimizer(
    family="riemannian",
    source="Townsend, Koep, Weichwald 2016, JMLR 17(137); pymanopt.optimizers.ConjugateGradient",
    needs=("deterministic",),
    handles=("grassmann", "sphere", "stiefel"),
    requires=("pymanopt",),
    upcasts="float64",
    search={
        "beta_rule": Choice(("FletcherReeves", "HagerZhang", "HestenesStiefel", "LiuStorey", "PolakRibiere")),
    },
)
def pymanopt_cg(problem: Problem, *, beta_rule: str = "HestenesStiefel") -> Optimizer:
    """Run pymanopt's conjugate gradients with its backtracking line search.

    It keeps the point, its gradient and the direction, and goes on until a line search fails or the gradient is zero.

    Args:
        problem: A deterministic one, on products of Euclidean spaces, spheres, Stiefel and Grassmann manifolds.
        beta_rule: The past direction's weight, as pymanopt spells it.

    Raises:
        ArgumentError: A rule that pymanopt does not have.
    """
    if beta_rule not in BETA_RULES:
        raise ArgumentError(f"pymanopt_cg: got beta_rule={beta_rule!r}, expected one of {', '.join(BETA_RULES)}.")
    return minimize(problem, lambda ask: TickingConjugateGradient(ask, beta_rule), n_vectors=3)
