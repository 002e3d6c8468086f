"""A step along a retracted line, as far as a line search says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rmobench.geometry import Product
from rmobench.optimizers.riemannian.evaluation import Evaluation, Vector, evaluate, move, scaled
from rmobench.optimizers.riemannian.line_search import Sample, search
from rmobench.types import Oracle, Problem


@dataclass(frozen=True, slots=True)
class Step:
    """From where to where a line search has gone."""

    start: Sample
    end: Sample
    there: Evaluation
    direction: Vector  # transported there


def follow(
    problem: Problem,
    manifold: Product,
    oracle: Oracle,
    here: Evaluation,
    direction: Vector,
    *,
    first: Callable[[float], float],
    armijo: float,
    curvature: float,
) -> Step | None:
    """Follow the curve t -> R(t d) to a point that meets the strong Wolfe conditions; one call of the oracle a probe.

    The slope at t is <grad f, d transported>, which is what the methods' formulas are made of. It is the curve's own up
    to a share of the order of the step's length.

    Args:
        problem: Its parameters end at the point reached, or at the start if there is none or the oracle stops.
        manifold: Of all parameters.
        oracle: Of the problem.
        here: The start.
        direction: d, tangent at the start.
        first: From the slope at the start to the length t to try first.
        armijo: Share c1 of the predicted decrease that a step must bring.
        curvature: Share c2 of the slope that may be left after it.

    Returns:
        The step, or None where the direction does not descend or nothing lower is found along it.

    Source: Sato 2022, SIAM J. Optim. 32(4), arXiv 2112.02572 (Wolfe conditions with a transport).
    """
    start = Sample(0.0, here.loss, float(manifold.inner(here.point, here.gradient, direction)))
    if not start.slope < 0.0:
        return None

    def probe(length: float) -> tuple[Sample, tuple[Evaluation, Vector]]:
        move(problem, manifold.retract(here.point, scaled(length, direction)))
        there = evaluate(problem, manifold, oracle)
        transported = manifold.transport(here.point, there.point, direction)
        slope = float(manifold.inner(there.point, there.gradient, transported))
        return Sample(length, there.loss, slope), (there, transported)

    last = here
    try:
        found = search(
            probe,
            start,
            first=first(start.slope),
            armijo=armijo,
            curvature=curvature,
            rounding=here.rounding,
        )
        if found is None:
            return None
        end, (last, transported) = found
        return Step(start=start, end=end, there=last, direction=transported)
    finally:
        move(problem, last.point)
