"""A trained rule on manifolds as an Optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

from torch import Tensor

from rmobench.geometry import EUCLIDEAN
from rmobench.optimizers.learned.lift import Trained
from rmobench.optimizers.learned.rule import Rule, State
from rmobench.optimizers.riemannian.pointwise import pointwise
from rmobench.types import Manifold, Optimizer, Problem

Diagnostics = Callable[[Iterable[State]], Mapping[str, float]]
"""What the states of the frames say about the rule, for the record."""


def advance(
    rule: Rule, manifold: Manifold, x: Tensor, g: Tensor, state: State | None, *, lr: float
) -> tuple[Tensor, State]:
    """Take one step of a rule on a manifold.

    Args:
        rule: Returns a step for a point and a Riemannian gradient; the step need not be tangent.
        manifold: Where x lies.
        x: Point [..., n, p].
        g: Euclidean gradient at x, [..., n, p].
        state: As the step before returned it; None or empty before the first one.
        lr: Factor of the gradient that the rule sees.

    Returns:
        The next point and the new state.
    """
    # every name that is not kept is a matrix less at the peak
    move, state = rule.update(state or rule.init(x), x, manifold.gradient(x, lr * g))
    move = manifold.tangent(x, move)
    return manifold.retract(x, move), state


def learned_update(
    manifold: Manifold, x: Tensor, g: Tensor, state: State, *, trained: Trained, lr: float
) -> tuple[Tensor, State]:
    """Take the rule's step on a manifold, and that of plain gradient descent where there is none."""
    if manifold == EUCLIDEAN:
        return x - lr * g, {}
    return advance(trained.rule(x.device, x.dtype), manifold, x, g, state, lr=lr)


def riemannian_lift(
    problem: Problem,
    trained: Trained,
    *,
    lr: float,
    diagnostics: Diagnostics = lambda states: {},
) -> Optimizer:
    """Apply a rule to every parameter on a manifold, and plain gradient descent to all others.

    Computes in float64 for float64 parameters and in float32 for all others.

    Args:
        problem: Any.
        trained: The rule with its weights.
        lr: Factor of the gradients that the rule sees, and step length of the parameters without a manifold.
        diagnostics: What the states say about the rule.
    """
    states: dict[str, State] = {}
    rule = partial(learned_update, trained=trained, lr=lr)
    lifted = pointwise(problem, rule, states=states)
    return replace(lifted, weights=trained.weights, diagnostics=lambda: diagnostics([s for s in states.values() if s]))
