"""Adam on U and V as orthonormal frames and on S as it is."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from rmobench.geometry import Stiefel, polar
from rmobench.optimizers.lowrank.companions import AdamW
from rmobench.optimizers.lowrank.factors import Factors, Sides
from rmobench.optimizers.lowrank.layerwise import InThree, over_three
from rmobench.optimizers.riemannian.pointwise import State
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem

FRAMES = Stiefel(retraction=polar)


@optimizer(
    family="lowrank",
    source="after Li, Sajadmanesh, Li, Lyu 2025, NeurIPS, arXiv 2510.01938 (StelLA), without its scaling of gradients",
    needs=("low_rank_layers",),
    upcasts="float32",
    search={"lr": Log(1e-5, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def stiefel_adamw(
    problem: Problem,
    *,
    lr: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Give Adam the Riemannian gradients of U and V, make its direction tangent, and go back by the polar factor.

    S takes AdamW. Adam's moments of a frame are not carried along: they stay entry by entry, as the source has them.

    Args:
        problem: Parameters outside the low-rank layers take AdamW with the same options.
        lr: Step length, in units of the entries of the factors.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of S taken away per unit of lr.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    adam = AdamW(lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay).check("stiefel_adamw")
    return over_three(problem, InThree(partial(stiefel_adamw_update, adam=adam), adam.rule))


def stiefel_adamw_update(W: Factors, G: Sides, state: State, most: int, *, adam: AdamW) -> tuple[Factors, State]:
    """Return the next factors, from dU = G V S^T, dV = G^T U S and dS = U^T G V."""
    U, left = _turn(W.U, G.left @ W.S.mT, state.get("U", {}), adam)
    V, right = _turn(W.V, G.right @ W.S, state.get("V", {}), adam)
    S, core = adam.move(W.S, W.U.mT @ G.left, state.get("S", {}))
    return Factors(U, S, V), {"U": left, "S": core, "V": right}


def _turn(x: Tensor, g: Tensor, state: State, adam: AdamW) -> tuple[Tensor, State]:
    direction, state = adam.direction(FRAMES.gradient(x, g), state)
    return FRAMES.retract(x, FRAMES.tangent(x, direction) * -adam.lr), state
