"""Momentum on positive definite matrices X = B B^T whose factor lies in a group of structured matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.curvature import Arrow, Diagonal, Factor, LowerTriangular, Structure, plus, scaled
from rmobench.errors import ArgumentError
from rmobench.optimizers.natural.momentum import Momentum
from rmobench.optimizers.options import check_options
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Oracle, Problem

SUPPORT = "support"
"""Name of the buffer in which a task says where the entries of its group are."""


@dataclass(slots=True)
class Moving:
    """The factor B of one parameter, and its momentum."""

    structure: Structure
    support: Tensor
    factor: Factor
    momentum: Factor | None = None


@optimizer(
    family="natural",
    source="Lin, Duruisseaux, Leok, Nielsen, Khan, Schmidt 2023, ICML, arXiv 2302.09738; groups: Lin, Nielsen, Khan, "
    "Schmidt 2021, ICML, arXiv 2102.07405",
    needs=("matrix_group",),
    search={"lr": Log(1e-3, 1.0), "momentum": Linear(0.0, 0.99)},
)
def gnc_group(problem: Problem, *, lr: float = 0.1, momentum: float = 0.9) -> Optimizer:
    """Move the factor within its group: m <- momentum m + Pi(B^T S B), B <- B h(-lr m / 2), h(N) = I + N + N^2 / 2.

    S is the gradient in X, so that B^T S B is half of B^T times the gradient in B; of it only entries of the group
    count, and those are exact although the gradient has no others. Pi weighs them so that m is the momentum in an
    orthonormal basis of the Lie algebra. Steps are products in the storage of the structure: O(k^2 n) for k dense
    columns, but for the task's own dense B and its gradient.

    Args:
        problem: With square parameters whose factors lie in the group that its buffer `support` shows: diagonal, arrow
            or lower triangular matrices. Other parameters take the heavy ball.
        lr: Step length, in units of the affine-invariant norm per unit of gradient.
        momentum: Weight of the past, in [0, 1).

    Raises:
        ArgumentError: An option that is not in its range, or a support that is no known group.
    """
    check_options("gnc_group", lr=lr, momentum=momentum)
    support = dict(problem.model.named_buffers()).get(SUPPORT)
    moving: dict[str, Moving] = {}
    for name, B in problem.params.items():
        if support is not None and B.shape == support.shape:
            structure = group_of(support)
            moving[name] = Moving(structure, support, stored(structure, B.detach()))
    others = Momentum(lr=lr, momentum=momentum, weight_decay=0.0)

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        for name, B in problem.params.items():
            if name not in moving:
                others.move(name, B, B.grad)
            elif B.grad is not None:
                kept = moving[name]
                structure = kept.structure
                half = 0.5 * structure.times(B.grad.mT, kept.factor).mT  # B^T G / 2
                m = structure.project(completed(half, kept.support))
                if kept.momentum is not None:
                    m = plus(m, kept.momentum, momentum)
                N = scaled(m, -0.5 * lr)
                BN = structure.product(kept.factor, N)
                kept.factor = plus(plus(kept.factor, BN), structure.product(BN, N), 0.5)
                kept.momentum = m
                B.copy_(structure.dense(kept.factor))

    return Optimizer(
        step, state=lambda: tensors_in(([(k.factor, k.momentum or ()) for k in moving.values()], others.past))
    )


def group_of(support: Tensor) -> Structure:
    """Return the group whose entries are where the support [n, n] is not 0.

    Raises:
        ArgumentError: No diagonal, arrow or lower triangular matrices have it.
    """
    entries = support != 0
    k = int(entries.all(0).sum())
    candidates: list[Structure] = [Diagonal(), LowerTriangular(), *([Arrow(k)] if k else [])]
    for structure in candidates:
        if torch.equal(structure.dense(structure.project(torch.ones_like(support))) != 0, entries):
            return structure
    raise ArgumentError("gnc_group: the support is that of no diagonal, arrow or lower triangular matrices.")


def stored(structure: Structure, B: Tensor) -> Factor:
    """Return a matrix [n, n] of the group in its storage: projected, the weights of the projection taken out."""
    weights = structure.project(torch.ones_like(B))
    return tuple(
        torch.where(w != 0, b / w.clamp_min(1.0), 0.0) for b, w in zip(structure.project(B), weights, strict=True)
    )


def completed(half: Tensor, support: Tensor) -> Tensor:
    """Return the symmetric matrix whose entries on the support are those of `half`, 0 where neither side has one."""
    on = support.to(half.dtype)
    return half * on + (half * on).mT * (1.0 - on) * on.mT
