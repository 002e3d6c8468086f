"""Scaled gradient descent on two factors, with momentum if wanted."""

from __future__ import annotations

from functools import partial

from rmobench.optimizers.lowrank.companions import heavy_ball
from rmobench.optimizers.lowrank.layerwise import InTwo, Pair, over_two
from rmobench.optimizers.lowrank.preconditioned import over_gram
from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.pointwise import State
from rmobench.registry import optimizer
from rmobench.types import Choice, Linear, Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="Tong, Ma, Chi 2021, JMLR 22(150), arXiv 2005.08898",
    needs=("low_rank_layers",),
    upcasts="float32",
    search={"lr": Log(1e-4, 10.0), "momentum": Linear(0.0, 0.99), "damping": Choice((0.0, 1e-8, 1e-6, 1e-4, 1e-2))},
)
def scaled_gd(problem: Problem, *, lr: float = 0.1, momentum: float = 0.0, damping: float = 1e-6) -> Optimizer:
    """Step along dB (A A^T + damping I)^-1 and (B^T B + damping I)^-1 dA plus momentum times the past of each.

    At B = 0 a damping d multiplies the gradient of A, which is zero there, and soon is not, by 1 / d.

    Args:
        problem: Parameters outside the low-rank layers take the heavy ball with the same options.
        lr: Step length, in units of W per unit of gradient.
        momentum: Weight of the past, in [0, 1): the scaled heavy ball.
        damping: Added to the Gram matrices, in units of a factor squared.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("scaled_gd", lr=lr, momentum=momentum, damping=damping)
    rule = partial(scaled_gd_update, lr=lr, momentum=momentum, damping=damping)
    return over_two(problem, InTwo(rule, heavy_ball(lr=lr, momentum=momentum)))


def scaled_gd_update(
    W: Pair, G: Pair, state: State, *, lr: float, momentum: float, damping: float
) -> tuple[Pair, State]:
    """Return the next factors and their directions."""
    v_B, v_A = over_gram(G.B, W.At, damping), over_gram(G.At, W.B, damping)
    if state:
        v_B, v_A = v_B + momentum * state["B"], v_A + momentum * state["A"]
    return Pair(W.B - lr * v_B, W.At - lr * v_A), {"B": v_B, "A": v_A} if momentum else {}
