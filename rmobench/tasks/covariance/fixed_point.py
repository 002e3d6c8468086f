"""Iterate to a fixed point: how the reference minima of means and scatters are found."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from rmobench.errors import ArgumentError

AWAY_MAX = 1e-9
"""How far a reference may be from fixed; the error of its value is of the order of the square."""

MAX_ITERATIONS = 20000

PATIENCE = 10
"""Iterations without a new best after which only rounding is left."""


def fixed_point(task: str, advance: Callable[[Tensor], tuple[Tensor, float]], start: Tensor) -> Tensor:
    """Return the point that is nearest to fixed of all that the iteration comes by until it gets no nearer.

    Args:
        task: Its name, for the message.
        advance: Point -> the next one, and how far the point itself is from fixed: 0 at the solution, dimensionless.
        start: The first point.

    Raises:
        ArgumentError: It did not arrive.
    """
    best, x, away_least, waited = start, start, float("inf"), 0
    for _ in range(MAX_ITERATIONS):
        following, away = advance(x)
        waited = 0 if away < away_least else waited + 1
        if waited == 0:
            best, away_least = x, away
        if waited == PATIENCE:
            break
        x = following
    if not away_least <= AWAY_MAX:
        raise ArgumentError(
            f"{task}: the reference iteration ends {away_least:.1e} from its fixed point, expected at most "
            f"{AWAY_MAX:g}. Choose matrices of a smaller condition number, or other data."
        )
    return best
