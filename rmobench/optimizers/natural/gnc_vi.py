"""Natural gradients of normal distributions in generalised normal coordinates: mean and factor of the precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.curvature import Dense, Factor, plus, scaled
from rmobench.errors import ArgumentError
from rmobench.geometry import EUCLIDEAN, Spd
from rmobench.geometry.matrices import symmetric
from rmobench.geometry.storage import wide
from rmobench.optimizers.natural.gnc import factor
from rmobench.optimizers.natural.gnc_group import second_order
from rmobench.optimizers.natural.group_factor import GroupFactor, group_factors
from rmobench.optimizers.natural.momentum import Momentum
from rmobench.optimizers.options import check_options
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Oracle, Problem

MEAN = "mean"
"""Name of the parameter that is the mean; the other one of the distribution is its precision, or a factor of it."""


@dataclass(slots=True)
class Normal:
    """N(mean, (B B^T)^-1), and the momenta of its parts."""

    factor: GroupFactor  # B
    whole: bool  # the parameter is B B^T itself
    shift: Tensor | None = None  # of u [n]
    turn: Factor | None = None  # of N


@optimizer(
    family="natural",
    source="Lin, Duruisseaux, Leok, Nielsen, Khan, Schmidt 2023, ICML, arXiv 2302.09738; groups: Lin, Nielsen, Khan, "
    "Schmidt 2021, ICML, arXiv 2102.07405; order of the parts: Khan, Rue 2023, JMLR 24, arXiv 2107.04562",
    needs=("gaussian",),
    handles=("spd",),
    upcasts="float32",
    search={"lr": Log(1e-3, 1.0), "momentum": Linear(0.0, 0.99)},
)
def gnc_vi(problem: Problem, *, lr: float = 0.1, momentum: float = 0.0) -> Optimizer:
    """Take B <- B h(-lr Pi(B^T G B)), h(N) = I + N + N^2 / 2, then mean <- mean - lr S^-1 g with the new S = B B^T.

    g and G are the gradients in the mean and in the precision S; that in the covariance is -S G S. Of E l - temperature
    * entropy it is (E Hess l - temperature * S) / 2 (Price 1958, IRE Trans. Inf. Theory 4(2)): S follows the mean
    Hessian, of which nobody computes an entry. Pi leaves B^T G B as it is where S may be any precision; for a group it
    keeps the group's entries and doubles those whose mirror image is none (of Toeplitz matrices and Kronecker products
    it takes means of them). Small steps are along the natural gradient, that of the Fisher metric
    u^T S u + tr(S^-1 V S^-1 V) / 2.

    The mean waits for the new S, as in the rule for natural parameters. That is at least (1 - lr temperature) times the
    old one plus lr E Hess l, so that the mean never moves beyond Newton's step, however wide the distribution was.
    Momenta are kept in the coordinates at B, mean + B^-T u and B h(N), in which the metric is the identity. The solves
    with B are the only factorisations.

    Args:
        problem: With a parameter `mean` [n] and either a positive definite precision [n, n], or its factor in a group
            as `gnc_group` finds it. Other parameters take the heavy ball.
        lr: Step length, in units of the Fisher metric per unit of gradient.
        momentum: Weight of the past, in [0, 1).

    Raises:
        ArgumentError: An option that is not in its range, a start that is not positive definite, a support that is no
            known group, or a manifold that is of no such distribution.
    """
    check_options("gnc_vi", lr=lr, momentum=momentum)
    normal = normal_of(problem)
    others = Momentum(lr=lr, momentum=momentum, weight_decay=0.0)

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        params = problem.params
        if normal is not None:
            move(normal, params, lr=lr, momentum=momentum)
            params = {name: x for name, x in params.items() if name not in (MEAN, *normal.factor.names)}
        for name, x in params.items():
            others.move(name, x, x.grad)

    def state() -> list[object]:
        return [] if normal is None else [normal.factor.factor, normal.shift, normal.turn]

    return Optimizer(step, state=lambda: tensors_in([state(), others.past]))


def normal_of(problem: Problem) -> Normal | None:
    """Return the normal distribution among the parameters, or None.

    Raises:
        ArgumentError: There is a manifold that is not that of its precision, or its start is out of range.
    """
    params = problem.params
    curved = {name for name, manifold in problem.manifolds.items() if manifold != EUCLIDEAN}
    square = 2 * tuple(params[MEAN].shape) if MEAN in params else ()
    if len(square) == 2:
        for name, x in params.items():
            if x.shape == square and curved == {name} and problem.manifolds[name] == Spd():
                return Normal(GroupFactor((name,), Dense(), (factor("gnc_vi", name, x.detach()),)), whole=True)
        if not curved:
            for found in group_factors("gnc_vi", problem):
                if found.n == square[0]:
                    return Normal(found, whole=False)
    if curved:
        raise ArgumentError(
            f"gnc_vi: {', '.join(sorted(curved))} on a manifold, expected at most one [n, n] on spd, the precision of "
            "a normal distribution with a parameter `mean` [n]."
        )
    return None


def move(normal: Normal, params: Mapping[str, Tensor], *, lr: float, momentum: float) -> None:
    """Move mean and precision (or factor) in place along their gradients by a step in the coordinates at B."""
    mean, kept, N = params[MEAN], normal.factor, slope(normal, params)
    if mean.grad is None or N is None:
        return
    if normal.turn is not None:
        N = plus(N, normal.turn, momentum)
    kept.factor = second_order(kept.structure, kept.factor, scaled(N, -lr))
    B = kept.structure.dense(kept.factor)
    if normal.whole:
        params[kept.names[0]].copy_(B @ B.mT)
    else:
        kept.show(params)
    u = torch.linalg.solve_ex(wide(B), wide(mean.grad)).result
    if normal.shift is not None:
        u = u + momentum * normal.shift
    mean.sub_(lr * torch.linalg.solve_ex(wide(B).mT, u).result)
    if momentum:
        normal.shift, normal.turn = u, N


def slope(normal: Normal, params: Mapping[str, Tensor]) -> Factor | None:
    """Return Pi(B^T G B), G the gradient in the precision; None where there is none."""
    kept = normal.factor
    if not normal.whole:
        return kept.slope(params)
    (A,), g = kept.factor, params[kept.names[0]].grad
    return None if g is None else (symmetric((g.mT @ A).mT @ A),)
