"""Every manifold at several shapes, and what the tests of geometry measure with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
import torch
from torch import Tensor

from rmobench.geometry import MANIFOLDS, METRICS, RETRACTIONS, FixedRank, Stiefel, WithHessian, cholesky_qr
from rmobench.types import Manifold

SHAPES = {
    "euclidean": [(5,), (5, 2), (2, 4, 3)],
    "sphere": [(2,), (5,), (3, 5), (2, 3, 4)],
    "stiefel": [(5, 2), (4, 4), (6, 1), (2, 5, 3), (2, 3, 6, 2)],
    "grassmann": [(5, 2), (4, 3), (6, 1), (2, 3, 5, 2)],
    "spd": [(3, 3), (1, 1), (2, 3, 4, 4)],
    "fixedrank": [(5, 4), (3, 6), (4, 2), (2, 3, 4, 3)],  # rank 2
}

DIMENSION: dict[str, Callable[[int, int], int]] = {
    "stiefel": lambda n, p: n * p - p * (p + 1) // 2,
    "grassmann": lambda n, p: p * (n - p),
    "spd": lambda n, p: n * (n + 1) // 2,
    "fixedrank": lambda n, p: 2 * (n + p - 2),
}
"""Of one matrix [n, p]."""

ROUNDING = 1e-12
"""Some thousand roundings of O(1) numbers in float64."""

SLOPE = 0.1
"""How far a fitted order may be from the true one: the next order of the expansion bends the line by less."""


M = TypeVar("M", bound=Manifold)


def cases(manifolds: Iterable[Manifold]) -> list[object]:
    """Return every manifold at every shape, named by what it is made of."""
    return [
        pytest.param(m, shape, id=f"{label(m)}-{'x'.join(map(str, shape))}")
        for m in manifolds
        for shape in SHAPES[m.name]
    ]


def label(manifold: Manifold) -> str:
    """Name the manifold with its options."""
    retraction, metric = getattr(manifold, "retraction", None), getattr(manifold, "metric", None)
    return "-".join(filter(None, [manifold.name, metric, retraction and retraction.__name__]))


def once(manifolds: Iterable[M]) -> list[M]:
    """Return those with the standard retraction, for what does not depend on it."""
    return [m for m in manifolds if getattr(m, "retraction", cholesky_qr) is cholesky_qr]


RETRACTING = [*once(METRICS), *(Stiefel(retraction=r) for r in RETRACTIONS.values()), FixedRank(rank=2)]
"""Every way to step: a metric of frames has no part in it, and subspaces step as frames do."""

every = pytest.mark.parametrize(("manifold", "shape"), cases(MANIFOLDS))

every_metric = pytest.mark.parametrize(("manifold", "shape"), cases(once(MANIFOLDS)))

every_retraction = pytest.mark.parametrize(("manifold", "shape"), cases(RETRACTING))

every_walk = pytest.mark.parametrize(
    ("manifold", "shape"), [pytest.param(m, SHAPES[m.name][-1], id=label(m)) for m in RETRACTING]
)
"""Each at a batch of points only, for what takes many steps."""

LENGTH = {"spd": 0.05}
"""Of such a step, 1 elsewhere: long ones at random would lead to matrices that are singular in floating point."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def point(manifold: Manifold, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return manifold.random(shape, generator(seed))


def unit_tangent(manifold: Manifold, x: Tensor, seed: int = 1) -> Tensor:
    """Return a tangent vector of length 1, one per point of the batch."""
    v = manifold.tangent(x, normal(tuple(x.shape), seed))
    return v / manifold.inner(x, v, v).sqrt()


def random_step(manifold: Manifold, x: Tensor, draw: torch.Generator) -> Tensor:
    """Retract along a random tangent vector, far for the manifold."""
    v = manifold.tangent(x, torch.randn(x.shape, generator=draw).to(x.dtype))
    return manifold.retract(x, (LENGTH.get(manifold.name, 1.0) * v / manifold.inner(x, v, v).sqrt()).to(x.dtype))


def element(manifold: Manifold, x: Tensor) -> Tensor:
    """Return what x stands for: of a frame on the Grassmann manifold its projector, else x."""
    return x @ x.mT if manifold.name == "grassmann" else x


def smooth(manifold: WithHessian, shape: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """Return a function without symmetries, [...] -> [], on the manifold and around it."""
    full = (*shape[:-1], shape[-2]) if manifold.name == "grassmann" else shape
    a, b = normal(full, 3), normal(full, 4)

    def f(x: Tensor) -> Tensor:
        z = element(manifold, x)
        return (a * z + b * z.sin()).sum()

    return f


def dimension(manifold: Manifold, shape: tuple[int, ...]) -> int:
    """Return the dimension of the batch of points."""
    if manifold.name == "euclidean":
        return math.prod(shape)
    if manifold.name == "sphere":
        return math.prod(shape[:-1]) * (shape[-1] - 1)
    return math.prod(shape[:-2]) * DIMENSION[manifold.name](*shape[-2:])


def order(error: Callable[[float], Tensor]) -> float:
    """Fit k in error(t) ~ t^k; infinite where the error is rounding only."""
    times = torch.logspace(-3, -1.5, 8, dtype=torch.float64)
    errors = torch.stack([torch.linalg.vector_norm(error(t.item())) for t in times])
    if errors.max() < 1e-14:
        return math.inf
    design = torch.stack([times.log(), torch.ones_like(times)], -1)
    return torch.linalg.lstsq(design, errors.log().unsqueeze(-1)).solution[0].item()
