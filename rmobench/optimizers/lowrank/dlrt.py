"""Dynamical low-rank training: the augmented basis-update & Galerkin step."""

from __future__ import annotations

from torch import Tensor

from rmobench.optimizers.lowrank.augmented import CoreMethod, augmented
from rmobench.optimizers.lowrank.companions import heavy_ball
from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.pointwise import State
from rmobench.registry import optimizer
from rmobench.types import Choice, Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="Schotthofer, Zangrando, Kusch, Ceruti, Tudisco 2022, NeurIPS, arXiv 2205.13571; augmented: Ceruti, Kusch, "
    "Lubich 2022, BIT 62",
    needs=("low_rank_layers",),
    upcasts="float32",
    search={"lr": Log(1e-4, 10.0), "tau": Choice((0.0, 1e-2, 1e-1, 2e-1)), "n_iterations": Choice((1, 2, 4))},
)
def dlrt(problem: Problem, *, lr: float = 0.1, tau: float = 0.0, n_iterations: int = 1) -> Optimizer:
    """Widen the bases by the directions of the K- and the L-step, descend along the core in them, and cut back.

    A step takes 1 + n_iterations gradients, all of one batch, and holds factors of twice the rank.

    Args:
        problem: Parameters outside the low-rank layers take gradient descent.
        lr: Step length, in units of W per unit of gradient.
        tau: As many singular values go as have together at most this share of the norm of all; at most the layer's
            rank stays. 0: always that rank.
        n_iterations: Steps of the core in the wide bases.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("dlrt", lr=lr, tau=tau, n_iterations=n_iterations)

    def move(S: Tensor, g: Tensor, state: State) -> tuple[Tensor, State]:
        return S - lr * g, state

    def turn(state: State, M: Tensor, N: Tensor) -> State:
        return state

    return augmented(
        problem, CoreMethod(move, turn), heavy_ball(lr=lr, momentum=0.0), n_core=n_iterations, tolerance=tau
    )
