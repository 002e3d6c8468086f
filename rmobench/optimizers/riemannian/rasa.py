"""RASA: rows and columns of the gradient scaled by what they were."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.geometry import EUCLIDEAN
from rmobench.optimizers.options import checked
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.optimizers.riemannian.radam import without_zeros
from rmobench.registry import optimizer
from rmobench.types import Log, Manifold, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Kasai, Jawanpuria, Mishra 2019, ICML, arXiv 1902.01144, RASA-LR",
    handles=("stiefel", "grassmann"),
    upcasts="float32",
    search={"lr": Log(1e-4, 1.0), "beta": Log(0.9, 0.9999)},
)
def rasa(problem: Problem, *, lr: float = 0.01, beta: float = 0.99, epsilon: float = 1e-8) -> Optimizer:
    """Step along the tangent part of L^-1/4 G R^-1/4, with running maxima of the mean squares of rows and columns.

    G is the Riemannian gradient. There is no momentum and no bias correction, so that the first steps are up to
    1 / sqrt(1 - beta) times as long as the later ones. The step length is constant; the paper's analysis lets it fall
    as 1 / sqrt(t). A parameter without a manifold is a product of real lines, matrices [1, 1]: there the rule divides
    by the root of the running maximum of the mean square, entry by entry.

    Args:
        problem: Any; manifolds must be of matrices.
        lr: Step length, in units of the entries.
        beta: Decay of the means of squares, in [0, 1).
        epsilon: Least mean square, in units of the squared gradient; at zero, what has never had a gradient stays.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    return pointwise(problem, checked("rasa", rasa_update, lr=lr, beta=beta, epsilon=epsilon))


def rasa_update(
    manifold: Manifold, x: Tensor, g: Tensor, state: State, *, lr: float, beta: float, epsilon: float
) -> tuple[Tensor, State]:
    """Return R(x, -lr P), P the tangent part of the scaled gradient."""
    g = manifold.gradient(x, g)
    squares = mean_squares(manifold, g)
    direction, new = g, State()
    for side, square in squares.items():
        mean, largest = f"{side}_mean", f"{side}_largest"
        new[mean] = torch.lerp(state[mean], square, 1.0 - beta) if state else (1.0 - beta) * square
        new[largest] = torch.maximum(state[largest], new[mean]) if state else new[mean].clamp_min(epsilon)
        direction = direction * without_zeros(new[largest], epsilon).pow(-0.5 / len(squares))
    return manifold.retract(x, -lr * manifold.tangent(x, direction)), new


def mean_squares(manifold: Manifold, g: Tensor) -> dict[str, Tensor]:
    """Return diag(g g^T) / p as [..., n, 1] and diag(g^T g) / n as [..., 1, p]; one square per entry without manifold.

    The product [n, n] is never formed.
    """
    square = g * g
    if manifold == EUCLIDEAN:
        return {"entry": square}
    return {"row": square.mean(-1, keepdim=True), "column": square.mean(-2, keepdim=True)}
