"""Our manifolds and optimizers against geoopt's."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("geoopt", reason="geoopt is not installed (extra `peers`)")

from rmobench.errors import ArgumentError
from rmobench.geometry import EUCLIDEAN, Sphere, Stiefel
from rmobench.optimizers.riemannian.geoopt_parameters import attach_manifolds, geoopt
from rmobench.optimizers.riemannian.geoopt_radam import geoopt_radam
from rmobench.optimizers.riemannian.geoopt_rsgd import geoopt_rsgd
from rmobench.optimizers.riemannian.radam import radam
from rmobench.optimizers.riemannian.rsgd import rsgd
from rmobench.types import Manifold, Problem

pytestmark = pytest.mark.golden

ROUNDING = 1e-12
"""Some thousand roundings of O(1) numbers in float64."""

PAIRS = [
    pytest.param(Stiefel(), lambda: geoopt.EuclideanStiefel(), (6, 3), id="stiefel"),
    pytest.param(Stiefel(), lambda: geoopt.EuclideanStiefel(), (2, 5, 5), id="orthogonal"),
    pytest.param(Sphere(), lambda: geoopt.Sphere(), (4, 6), id="sphere"),
    pytest.param(EUCLIDEAN, lambda: geoopt.Euclidean(ndim=2), (4, 6), id="euclidean"),
]


class Layers(nn.Module):
    """Two constrained parameters, one of them in a submodule, and a free one."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.frame = nn.Parameter(Stiefel().random((6, 3), draw))
        self.inner = nn.Module()
        self.inner.direction = nn.Parameter(Sphere().random((3,), draw))
        self.bias = nn.Parameter(torch.randn(6, generator=draw, dtype=torch.float64))

    def forward(self) -> Tensor:
        return ((self.frame @ self.inner.direction + self.bias.sin() - 1.0) ** 2).sum() + self.frame[0, 0]


def problem() -> Problem:
    return Problem(
        model=Layers(),
        loss=lambda model, batch: model(),
        batches=itertools.repeat(None),
        judge=lambda model: {},
        manifolds={"frame": Stiefel(), "inner.direction": Sphere()},
    )


def descend(build: object, n_steps: int, **hyper: float) -> dict[str, Tensor]:
    """Run an optimizer on the loss itself, and return the parameters."""
    p = problem()
    optimizer = build(p, **hyper)

    @torch.enable_grad()
    def oracle() -> Tensor:
        p.model.zero_grad()
        loss = p.loss(p.model, None)
        loss.backward()
        return loss

    for _ in range(n_steps):
        optimizer.step(oracle)
    return {name: x.detach().clone() for name, x in p.params.items()}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert list(ours) == list(theirs)
    for name, x in ours.items():
        torch.testing.assert_close(x, theirs[name], rtol=0, atol=ROUNDING, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize(("ours", "theirs", "shape"), PAIRS)
def test_geometry_agrees(ours: Manifold, theirs: object, shape: tuple[int, ...]) -> None:
    draw, theirs = torch.Generator().manual_seed(0), theirs()
    x = ours.random(shape, draw)
    u = torch.randn(shape, generator=draw, dtype=torch.float64)
    v = ours.tangent(x, u)
    y = ours.retract(x, v)
    near = {"rtol": 0, "atol": ROUNDING}
    torch.testing.assert_close(v, theirs.proju(x, u), **near)
    torch.testing.assert_close(ours.gradient(x, u), theirs.egrad2rgrad(x, u), **near)
    torch.testing.assert_close(y, theirs.retr(x, v), **near)
    torch.testing.assert_close(ours.transport(x, y, v), theirs.transp(x, y, v), **near)
    torch.testing.assert_close(ours.project(u), theirs.projx(u), **near)
    torch.testing.assert_close(ours.exp(x, v), theirs.expmap(x, v), **near)
    if ours.name != "euclidean":  # theirs counts vectors, ours matrices
        torch.testing.assert_close(ours.inner(x, u, v), theirs.inner(x, u, v, keepdim=True), **near)


def test_sphere_logarithm_and_distance_agree() -> None:
    draw, theirs = torch.Generator().manual_seed(0), geoopt.Sphere()
    x, y = Sphere().random((4, 6), draw), Sphere().random((4, 6), draw)
    torch.testing.assert_close(Sphere().log(x, y), theirs.logmap(x, y), rtol=0, atol=ROUNDING)
    torch.testing.assert_close(Sphere().dist(x, y), theirs.dist(x, y), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("n_steps", [1, 30])
def test_rsgd_without_momentum_agrees(n_steps: int) -> None:
    assert_same(descend(rsgd, n_steps, lr=0.05), descend(geoopt_rsgd, n_steps, lr=0.05))


@pytest.mark.parametrize("n_steps", [1, 30])
def test_radam_agrees(n_steps: int) -> None:
    assert_same(descend(radam, n_steps, lr=0.05), descend(geoopt_radam, n_steps, lr=0.05))


def test_momentum_differs_as_documented() -> None:
    """geoopt 0.5.1 starts its momentum from the Euclidean gradient: its first step is (1 + momentum) times too long."""
    ours, theirs = descend(rsgd, 1, lr=0.05, momentum=0.5), descend(geoopt_rsgd, 1, lr=0.05, momentum=0.5)
    start = problem().params["bias"].detach()
    torch.testing.assert_close(theirs["bias"] - start, 1.5 * (ours["bias"] - start), rtol=0, atol=ROUNDING)
    assert not torch.allclose(ours["frame"], theirs["frame"], atol=1e-3)


def test_parameters_keep_their_names_values_and_layout() -> None:
    p = problem()
    before = {name: x.detach().clone() for name, x in p.params.items()}
    points = attach_manifolds(p)
    assert list(p.params) == list(before)
    assert all(p.params[name] is x for name, x in zip(before, points, strict=True))
    assert all(torch.equal(before[name], x) for name, x in p.params.items())
    assert isinstance(p.params["frame"].manifold, geoopt.EuclideanStiefel)
    assert isinstance(p.params["inner.direction"].manifold, geoopt.Sphere)
    assert type(p.params["bias"]) is nn.Parameter


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_refused_by_the_factorisation_not_by_the_set_up(dtype: torch.dtype) -> None:
    """So that the harness can record an unsupported type."""
    p = problem()
    p.model.to(dtype)
    optimizer = geoopt_rsgd(p)
    with pytest.raises(RuntimeError, match=r"not implemented for '(BFloat16|Half)'"):
        optimizer.step(lambda: p.loss(p.model, None).backward())


def test_a_manifold_without_counterpart_is_refused() -> None:
    p = problem()
    with pytest.raises(ArgumentError, match=r"geoopt: got the manifold 'euclidean', expected sphere or stiefel\."):
        attach_manifolds(Problem(**{**_fields(p), "manifolds": {"bias": EUCLIDEAN}}))


def _fields(p: Problem) -> dict[str, object]:
    return {name: getattr(p, name) for name in ("model", "loss", "batches", "judge")}
