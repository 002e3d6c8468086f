"""Momentum on positive definite matrices X = B B^T whose factor lies in a group of structured matrices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch

from rmobench.curvature import Factor, Structure, exponential, plus, scaled
from rmobench.optimizers.natural.gnc import check_map
from rmobench.optimizers.natural.group_factor import group_factors
from rmobench.optimizers.natural.momentum import Momentum
from rmobench.optimizers.options import check_options
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Choice, Linear, Log, Optimizer, Oracle, Problem


def first_order(structure: Structure, B: Factor, N: Factor) -> Factor:
    """Return B (I + N)."""
    return plus(B, structure.product(B, N))


def second_order(structure: Structure, B: Factor, N: Factor) -> Factor:
    """Return B (I + N + N^2 / 2)."""
    BN = structure.product(B, N)
    return plus(plus(B, BN), structure.product(BN, N), 0.5)


def by_exponential(structure: Structure, B: Factor, N: Factor) -> Factor:
    """Return B exp(N)."""
    return structure.product(B, exponential(structure, N))


MOVES: Mapping[str, Callable[[Structure, Factor, Factor], Factor]] = MappingProxyType(
    {"h1": first_order, "h2": second_order, "exp": by_exponential}
)
"""How a factor moves along an element of the Lie algebra, by the names of `gnc`."""


@optimizer(
    family="natural",
    source="Lin, Duruisseaux, Leok, Nielsen, Khan, Schmidt 2023, ICML, arXiv 2302.09738; groups: Lin, Nielsen, Khan, "
    "Schmidt 2021, ICML, arXiv 2102.07405",
    needs=("matrix_group",),
    search={"lr": Log(1e-3, 1.0), "momentum": Linear(0.0, 0.99), "map": Choice(("h1", "h2", "exp"))},
)
def gnc_group(problem: Problem, *, lr: float = 0.1, momentum: float = 0.9, map: str = "h2") -> Optimizer:  # noqa: A002
    """Move the factor within its group: m <- momentum m + Pi(B^T S B), B <- B h(-lr m / 2).

    S is the gradient in X, so that B^T S B is half of B^T times the gradient in B; of it only entries of the group
    count, and those are exact although the gradient has no others. Pi weighs them so that m is the momentum in an
    orthonormal basis of the Lie algebra. Steps are products in the storage of the structure: O(k^2 n) for k dense
    columns, but where the task itself has a dense B and its gradient.

    Args:
        problem: With a factor in a group: parameters [n, n] of the shape of its buffer `support`, which shows the
            entries of dense, diagonal, block-diagonal, triangular, arrow or hierarchical matrices, or the tensors that
            a `MatrixGroup` of its model names, the storage of any structure. Other parameters take the heavy ball.
        lr: Step length, in units of the affine-invariant norm per unit of gradient.
        momentum: Weight of the past, in [0, 1).
        map: What h(N) is: "h1", I + N; "h2", I + N + N^2 / 2; "exp", the exponential, by products of the structure in
            float32 or wider.

    Raises:
        ArgumentError: An option that is not in its range, a support that is no known group, or parameters that do not
            fit their structure.
    """
    check_map("gnc_group", map)
    check_options("gnc_group", lr=lr, momentum=momentum)
    factors = group_factors("gnc_group", problem)
    momenta: dict[tuple[str, ...], Factor] = {}
    within = {name for kept in factors for name in kept.names}
    others = Momentum(lr=lr, momentum=momentum, weight_decay=0.0)

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        params = problem.params
        for kept in factors:
            m = kept.slope(params)
            if m is not None:
                if kept.names in momenta:
                    m = plus(m, momenta[kept.names], momentum)
                kept.factor = MOVES[map](kept.structure, kept.factor, scaled(m, -0.5 * lr))
                momenta[kept.names] = m
                kept.show(params)
        for name, x in params.items():
            if name not in within:
                others.move(name, x, x.grad)

    return Optimizer(step, state=lambda: tensors_in(([kept.factor for kept in factors], momenta, others.past)))
