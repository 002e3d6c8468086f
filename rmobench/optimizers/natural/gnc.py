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
from rmobench.optimizers.natural.momentum import velocity
from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.pointwise import State, check_spd
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Choice, Linear, Log, Manifold, Optimizer, Oracle, Problem


def plus_product(A: Tensor, B: Tensor, N: Tensor, c: float, *, share: float = 1.0) -> Tensor:
    """Return share A + c B N, matrices [..., n, n]; of single ones without the product between."""
    return torch.addmm(A, B, N, beta=share, alpha=c) if A.ndim == 2 else share * A + c * (B @ N)


def first_order(A: Tensor, N: Tensor, c: float) -> Tensor:
    """Return A (I + c N): singular where c N has the eigenvalue -1."""
    return plus_product(A, A, N, c)


def second_order(A: Tensor, N: Tensor, c: float) -> Tensor:
    """Return A (I + c N + (c N)^2 / 2): invertible for every symmetric N, as 1 + t + t^2 / 2 >= 1 / 2."""
    return plus_product(A, plus_product(A, A, N, 0.5 * c), N, c)


def exponential(A: Tensor, N: Tensor, c: float) -> Tensor:
    """Return A expm(c N), in float32 or wider: there is no exponential below."""
    return A @ expm(c * wide(N)).to(A.dtype)


MAPS: Mapping[str, Callable[[Tensor, Tensor, float], Tensor]] = MappingProxyType(
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
        ArgumentError: An option that is not in its range, another manifold, or a start that is not positive definite.
    """
    check_map("gnc", map)
    check_options("gnc", lr=lr, momentum=momentum)
    check_spd("gnc", problem)
    params = problem.params
    manifolds = {name: problem.manifolds.get(name, EUCLIDEAN) for name in params}
    states = {name: first_state("gnc", name, x.detach()) for name, x in params.items() if manifolds[name] == Spd()}

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        for name, x in params.items():
            if x.grad is not None:
                manifold, state = manifolds[name], states.get(name, {})
                y, states[name] = gnc_update(manifold, x, x.grad, state, lr=lr, momentum=momentum, map=map)
                x.copy_(y)

    return Optimizer(step, state=lambda: tensors_in(states))


def gnc_update(
    manifold: Manifold,
    x: Tensor,
    g: Tensor,
    state: State,
    *,
    lr: float,
    momentum: float,
    map: str,  # noqa: A002
) -> tuple[Tensor, State]:
    """Return the next point and state; the state of a positive definite matrix begins as `first_state`.

    All is computed and kept in the type of the point.
    """
    if manifold != Spd():
        v = velocity(x, g, state.get("momentum"), momentum=momentum)
        return x - lr * v, {"momentum": v} if momentum else {}
    m = symmetric(plus_product(state["m"], state["A"].mT, g @ state["A"], 1.0, share=momentum))
    A = MAPS[map](state["A"], m, -0.5 * lr)
    return A @ A.mT, {"A": A, "m": m}


def first_state(owner: str, name: str, x: Tensor) -> State:
    """Return the factor of a positive definite matrix, and no momentum.

    Raises:
        ArgumentError: The matrix is not positive definite.
    """
    return {"A": factor(owner, name, x), "m": torch.zeros_like(x)}


def check_map(owner: str, map: object) -> None:  # noqa: A002
    """Raise ArgumentError unless a map is one of MAPS."""
    if map not in MAPS:
        raise ArgumentError(f"{owner}: got map={map!r}, expected one of {', '.join(MAPS)}.")


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
