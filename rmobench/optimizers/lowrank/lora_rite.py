"""LoRA-RITE: Adam with matrix moments that do not depend on how W is split into factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from rmobench.geometry.matrices import eigh, svd, symmetric
from rmobench.optimizers.lowrank.companions import AdamW
from rmobench.optimizers.lowrank.factors import orthonormal
from rmobench.optimizers.lowrank.layerwise import InTwo, Pair, over_two
from rmobench.optimizers.options import check_switch
from rmobench.optimizers.riemannian.pointwise import State
from rmobench.registry import optimizer
from rmobench.types import Choice, Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="Yen, Si, Meng, Yu, Duvvuri, Dhillon, Hsieh, Kumar 2025, ICLR, arXiv 2410.20625",
    needs=("low_rank_layers",),
    upcasts="float32",
    search={
        "lr": Log(1e-5, 1.0),
        "beta1": Log(0.5, 0.99),
        "beta2": Log(0.9, 0.9999),
        "escape": Choice((True, False)),
    },
)
def lora_rite(
    problem: Problem,
    *,
    lr: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    weight_decay: float = 0.0,
    escape: bool = True,
) -> Optimizer:
    """Step each factor along its gradient in an orthonormal basis of the other, over the root of a matrix moment.

    dB R^-1 with A^T = Q R is the gradient of W seen in the basis Q: whatever multiplies A divides B's step. Without the
    clipping to norm 1 and the skipping beyond a root mean square of 1 of the authors' code, which depend on the scale
    of the loss.

    Args:
        problem: Parameters outside the low-rank layers take AdamW with the same options.
        lr: Step length, in units of W's entries per unit of the preconditioned gradient.
        beta1: Decay of the mean of the preconditioned gradient, in [0, 1).
        beta2: Decay of the second moment, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of the factors taken away per unit of lr.
        escape: Add to the second moment what its projections onto new bases have lost.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    method = lora_rite_method(
        lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay, escape=escape
    )
    return over_two(problem, method)


def lora_rite_method(
    *, lr: float, beta1: float, beta2: float, epsilon: float, weight_decay: float, escape: bool
) -> InTwo:
    """Return what a step is; raise ArgumentError for an option that is not in its range."""
    check_switch("lora_rite", escape=escape)
    how = Rite(lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay, escape=escape)
    companion = AdamW(lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay).check("lora_rite")
    return InTwo(partial(lora_rite_update, how=how), companion.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rite:
    """The options of a step."""

    lr: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    escape: bool


def lora_rite_update(W: Pair, G: Pair, state: State, *, how: Rite) -> tuple[Pair, State]:
    """Return the next factors, and of each the moments in the basis of the other."""
    B, left = _step(W.B, G.B, W.At, state.get("B", {}), how)
    At, right = _step(W.At, G.At, W.B, state.get("A", {}), how)
    return Pair(B, At), {"B": left, "A": right}


def _step(x: Tensor, g: Tensor, other: Tensor, state: State, how: Rite) -> tuple[Tensor, State]:
    """Move one factor x [m, r] of x other^T along its gradient g."""
    Q, R = orthonormal(other)
    inverse = pseudoinverse(R)
    g = g @ inverse  # unmagnified
    if not state:
        zero = torch.zeros_like(R)
        state = {"n_steps": 0, "mean": torch.zeros_like(x), "square": zero, "basis": torch.zeros_like(Q)}
        state["escaped"] = zero.new_zeros(())
    turn = Q.mT @ state["basis"]  # P [r, r]
    carried = symmetric(turn @ state["square"] @ turn.mT)
    kept1, kept2 = (_kept(beta, state["n_steps"]) for beta in (how.beta1, how.beta2))
    escaped = kept2 * (state["escaped"] + lost(state["square"], carried)) if how.escape else state["escaped"]
    square = torch.lerp(g.mT @ g / len(g), carried, kept2)
    direction = g @ inverse_root(square, escaped, how.epsilon)
    mean = torch.lerp(direction, state["mean"] @ turn.mT, kept1)
    moved = (1.0 - how.lr * how.weight_decay) * x - how.lr * (mean @ inverse.mT)
    state = {"n_steps": state["n_steps"] + 1, "mean": mean, "square": square, "basis": Q, "escaped": escaped}
    return moved, state


def _kept(beta: float, n_steps: int) -> float:
    """Return the weight of the past in a mean that is right from the first step on: beta without its start's bias."""
    return beta * (1.0 - beta**n_steps) / (1.0 - beta ** (n_steps + 1))


def lost(before: Tensor, after: Tensor) -> Tensor:
    """Return the most by which an eigenvalue of the moment [r, r] has shrunk, at most the loss of the trace; []."""
    shrunk = (eigh(before)[0] - eigh(after)[0]).max()
    return torch.minimum(shrunk, before.trace() - after.trace()).clamp_min(0.0)


def inverse_root(square: Tensor, escaped: Tensor, epsilon: float) -> Tensor:
    """Return ((V + rho I)^1/2 + epsilon I)^-1 of a positive semidefinite V [r, r]."""
    values, vectors = eigh(symmetric(square))
    return (vectors / ((values.clamp_min(0.0) + escaped).sqrt() + epsilon)) @ vectors.mT


def pseudoinverse(R: Tensor) -> Tensor:
    """Return the pseudoinverse of R [r, r]: zero along singular values that are rounding, as of B = 0."""
    P, d, Qh = svd(R)
    floor = torch.finfo(d.dtype).eps * R.shape[-1] * d[0]
    return (Qh.mT * torch.where(d > floor, 1.0 / d, 0.0)) @ P.mT
