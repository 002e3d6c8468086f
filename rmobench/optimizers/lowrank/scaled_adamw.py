"""Riemannian-preconditioned AdamW on two factors."""

from __future__ import annotations

from functools import partial

from rmobench.errors import ArgumentError
from rmobench.optimizers.lowrank.companions import AdamW
from rmobench.optimizers.lowrank.layerwise import InTwo, Pair, over_two
from rmobench.optimizers.lowrank.preconditioned import ORDERS, over_gram
from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.pointwise import State
from rmobench.registry import optimizer
from rmobench.types import Choice, Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="Zhang, Pilanci 2024, ICML, arXiv 2402.02347; order jacobi and damping 1e-2: peft.optimizers",
    needs=("low_rank_layers",),
    upcasts="float32",
    search={
        "lr": Log(1e-5, 1.0),
        "beta1": Log(0.5, 0.99),
        "beta2": Log(0.9, 0.9999),
        "damping": Choice((1e-6, 1e-4, 1e-2)),
    },
)
def scaled_adamw(
    problem: Problem,
    *,
    lr: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    damping: float = 1e-2,
    order: str = "jacobi",
) -> Optimizer:
    """Give AdamW dB (A A^T + damping I)^-1 and (B^T B + damping I)^-1 dA for the gradients of B and A.

    Args:
        problem: Parameters outside the low-rank layers take AdamW with the same options.
        lr: Step length, in units of the entries of the factors.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the scaled gradient.
        weight_decay: Share of the factors taken away per unit of lr.
        damping: Added to the Gram matrices, in units of a factor squared; 1e-6 in the authors' code.
        order: "jacobi": both Gram matrices are those before the step; "gauss_seidel": A moves first, and B's gradient
            is divided by the Gram matrix of the new A, as in the authors' code.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    method = scaled_adamw_method(
        lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay, damping=damping, order=order
    )
    return over_two(problem, method)


def scaled_adamw_method(
    *, lr: float, beta1: float, beta2: float, epsilon: float, weight_decay: float, damping: float, order: str
) -> InTwo:
    """Return what a step is; raise ArgumentError for an option that is not in its range."""
    if order not in ORDERS:
        raise ArgumentError(f"scaled_adamw: got order={order!r}, expected one of {', '.join(ORDERS)}.")
    check_options("scaled_adamw", damping=damping)
    adam = AdamW(lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay).check("scaled_adamw")
    rule = partial(scaled_adamw_update, adam=adam, damping=damping, newest=order == "gauss_seidel")
    return InTwo(rule, adam.rule)


def scaled_adamw_update(
    W: Pair, G: Pair, state: State, *, adam: AdamW, damping: float, newest: bool
) -> tuple[Pair, State]:
    """Return the next factors and the moments of the scaled gradients."""
    At, right = adam.move(W.At, over_gram(G.At, W.B, damping), state.get("A", {}))
    B, left = adam.move(W.B, over_gram(G.B, At if newest else W.At, damping), state.get("B", {}))
    return Pair(B, At), {"B": left, "A": right}
