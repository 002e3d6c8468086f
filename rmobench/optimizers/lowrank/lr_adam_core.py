"""Adam on the core of a low-rank matrix, its moments carried through every change of the bases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.optimizers.lowrank.augmented import CoreMethod, augmented, widened
from rmobench.optimizers.lowrank.companions import AdamW
from rmobench.optimizers.lowrank.factors import Factors, Sides, truncated
from rmobench.optimizers.lowrank.layerwise import InThree, over_three
from rmobench.optimizers.options import check_options, check_switch
from rmobench.optimizers.riemannian.pointwise import State
from rmobench.registry import optimizer
from rmobench.types import Choice, Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="after Schotthofer, Klein, Kusch 2025, NeurIPS, arXiv 2506.17475 (reconstructed); AdamW: Loshchilov, Hutter "
    "2019, ICLR, arXiv 1711.05101",
    needs=("low_rank_layers",),
    upcasts="float32",
    search={
        "lr": Log(1e-5, 1.0),
        "beta1": Log(0.5, 0.99),
        "beta2": Log(0.9, 0.9999),
        "n_iterations": Choice((1, 2, 4)),
        "theta": Choice((0.0, 1e-3, 1e-2, 1e-1)),
    },
)
def lr_adam_core(
    problem: Problem,
    *,
    lr: float = 3e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    n_iterations: int = 1,
    theta: float = 0.0,
    carried: str = "roots",
    fresh: bool = True,
) -> Optimizer:
    """Widen the bases by G V and G^T U, take AdamW steps on the core in them, and cut back to the rank.

    As S goes to M S N when the bases turn, the mean m goes to M m N and the mean square v to (M sqrt(v) N)^2 or, if
    wanted, to M^2 v N^2, all squares entry by entry: both exact where a turn only permutes. In the first form roots
    can cancel, and where they do a step is long. A step takes 1 + n_iterations gradients, all of one batch, and holds
    factors of twice the rank; or one gradient, if wanted, and no more than it has: see `fresh`.

    Args:
        problem: Parameters outside the low-rank layers take AdamW with the same options.
        lr: Step length, in units of the entries of S.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of S taken away per unit of lr.
        n_iterations: Steps of the core in the wide bases.
        theta: As many singular values go as have together at most this share of the norm of all; at most the layer's
            rank stays. 0: always that rank.
        carried: "roots" or "squares": what of the mean square goes along with the bases.
        fresh: Ask for the gradient of the core in the wide bases. Else its one step (n_iterations is 1) follows what
            the gradient that widened them says of it: all but the corner between the columns that are new on both
            sides, which lies outside the tangent space and counts as zero.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_switch("lr_adam_core", fresh=fresh)
    check_options("lr_adam_core", n_iterations=n_iterations)
    if not fresh:
        if n_iterations > 1:
            raise ArgumentError(f"lr_adam_core: got n_iterations={n_iterations} without fresh gradients, expected 1.")
        method = lr_adam_core_method(
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            theta=theta,
            carried=carried,
        )
        return over_three(problem, method)
    check_options("lr_adam_core", theta=theta)
    adam = AdamW(lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay).check("lr_adam_core")
    return augmented(
        problem,
        CoreMethod(adam.move, partial(turned, carry=_carry(carried))),
        adam.rule,
        n_core=n_iterations,
        tolerance=theta,
    )


def lr_adam_core_method(
    *, lr: float, beta1: float, beta2: float, epsilon: float, weight_decay: float, theta: float, carried: str
) -> InThree:
    """Return what a step from one gradient is; raise ArgumentError for an option that is not in its range."""
    check_options("lr_adam_core", theta=theta)
    adam = AdamW(lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay).check("lr_adam_core")
    return InThree(partial(lr_adam_core_update, adam=adam, carry=_carry(carried), theta=theta), adam.rule)


def lr_adam_core_update(
    W: Factors, G: Sides, state: State, most: int, *, adam: AdamW, carry: Carry, theta: float
) -> tuple[Factors, State]:
    """Return the next factors and the moments of their core, from one gradient."""
    wider, M, N = widened(W, G)
    S, state = adam.move(wider.S, tangent_slope(W, wider, G), turned(state, M, N, carry=carry))
    Y, P, Q = truncated(wider.U, S, wider.V, tolerance=theta, most=most)
    return Y, turned(state, P.mT, Q, carry=carry)


def tangent_slope(W: Factors, wider: Factors, G: Sides) -> Tensor:
    """Return [[U^T G V, U^T G V~], [U~^T G V, 0]] [l, l], the tangent part of the core's gradient in [U U~], [V V~].

    U~^T G V and V~^T G^T U are the triangular factors of what the bases were widened by: what is zero but for rounding
    is zero here, since Adam would divide it by itself.
    """
    k = W.rank
    across, down = (wider.V[:, k:].mT @ G.right).triu(), (wider.U[:, k:].mT @ G.left).triu()
    corner = across.new_zeros(len(down), len(across))
    return torch.cat([torch.cat([W.U.mT @ G.left, across.mT], 1), torch.cat([down, corner], 1)])


def roots(M: Tensor, v: Tensor, N: Tensor) -> Tensor:
    """Return (M sqrt(v) N)^2."""
    return (M @ v.sqrt() @ N).square()


def squares(M: Tensor, v: Tensor, N: Tensor) -> Tensor:
    """Return M^2 v N^2: the mean square of M m N where the entries of m are independent."""
    return M.square() @ v @ N.square()


Carry = Callable[[Tensor, Tensor, Tensor], Tensor]

CARRIED: Mapping[str, Carry] = MappingProxyType({"roots": roots, "squares": squares})
"""How a mean square v follows S -> M S N."""


def _carry(name: str) -> Carry:
    if name not in CARRIED:
        raise ArgumentError(f"lr_adam_core: got carried={name!r}, expected one of {', '.join(CARRIED)}.")
    return CARRIED[name]


def turned(state: State, M: Tensor, N: Tensor, *, carry: Carry) -> State:
    """Return Adam's moments [k, k] of S as those of M S N."""
    if not state:
        return state
    return state | {"mean": M @ state["mean"] @ N, "square": carry(M, state["square"], N)}
