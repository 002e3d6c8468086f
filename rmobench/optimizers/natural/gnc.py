"""Momentum on positive definite matrices in generalised normal coordinates: matrix products only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import EUCLIDEAN, Spd
from rmobench.geometry.exponential import expm
from rmobench.geometry.matrices import symmetric
from rmobench.geometry.storage import wide
from rmobench.optimizers.natural.momentum import Momentum
from rmobench.optimizers.options import check_options
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Choice, Linear, Log, Optimizer, Oracle, Problem


def first_order(A: Tensor, N: Tensor) -> Tensor:
    """Return A (I + N): singular where N has the eigenvalue -1."""
    return A + A @ N


def second_order(A: Tensor, N: Tensor) -> Tensor:
    """Return A (I + N + N^2 / 2): invertible for every symmetric N, as 1 + t + t^2 / 2 >= 1 / 2."""
    AN = A @ N
    return A + AN + 0.5 * (AN @ N)


def exponential(A: Tensor, N: Tensor) -> Tensor:
    """Return A expm(N), in float32 or wider: there is no exponential below."""
    return A @ expm(wide(N)).to(A.dtype)


MAPS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {"h1": first_order, "h2": second_order, "exp": exponential}
)
"""How a factor moves along an element of the Lie algebra, by the paper's names."""


@optimizer(
    family="natural",
    source="Lin, Duruisseaux, Leok, Nielsen, Khan, Schmidt 2023, ICML, arXiv 2302.09738",
    handles=("spd",),
    search={"lr": Log(1e-3, 1.0), "momentum": Linear(0.0, 0.99), "map": Choice(("h1", "h2", "exp"))},
)
def gnc(problem: Problem, *, lr: float = 0.1, momentum: float = 0.9, map: str = "h2") -> Optimizer:  # noqa: A002
    """Keep X = A A^T and move the factor: m <- momentum m + sym(A^T G A), A <- A h(-lr m / 2).

    With h = exp these are the steps of the Riemannian heavy ball with exact parallel transport, without an inverse, a
    root or a decomposition: m is the momentum in coordinates in which the metric at X is the identity, and they are
    transported for free. The first factor is the Cholesky factor of the start, from before the first step.

    Args:
        problem: Any; parameters without a manifold take the heavy ball with the same options.
        lr: Step length, in units of the affine-invariant norm per unit of gradient.
        momentum: Weight of the past, in [0, 1).
        map: "h1", "h2" or "exp": what stands for the exponential.

    Raises:
        ArgumentError: An option that is not in its range, or a start that is not positive definite.
    """
    check_options("gnc", lr=lr, momentum=momentum)
    if map not in MAPS:
        raise ArgumentError(f"gnc: got map={map!r}, expected one of {', '.join(MAPS)}.")
    h = MAPS[map]
    states = {
        name: {"A": factor("gnc", name, x.detach()), "m": torch.zeros_like(x)}
        for name, x in problem.params.items()
        if problem.manifolds.get(name, EUCLIDEAN) == Spd()
    }
    others = Momentum(lr=lr, momentum=momentum, weight_decay=0.0)

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        for name, x in problem.params.items():
            if name not in states:
                others.move(name, x, x.grad)
            elif x.grad is not None:
                state = states[name]
                state["m"] = momentum * state["m"] + symmetric(state["A"].mT @ (x.grad @ state["A"]))
                state["A"] = h(state["A"], -0.5 * lr * state["m"])
                x.copy_(state["A"] @ state["A"].mT)

    return Optimizer(step, state=lambda: tensors_in((states, others.past)))


def factor(owner: str, name: str, x: Tensor) -> Tensor:
    """Return the Cholesky factor of a point [..., n, n], found in float64, in the type of the point.

    Raises:
        ArgumentError: The point is not positive definite.
    """
    L, info = torch.linalg.cholesky_ex(x.double())
    if bool(info.any()):
        raise ArgumentError(f"{owner}: {name} is not positive definite at the start; project it first.")
    narrow: Tensor = L.to(x.dtype)
    return narrow
