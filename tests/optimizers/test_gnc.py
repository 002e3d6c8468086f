"""Momentum in generalised normal coordinates against its oracles, and Adam on Cholesky factors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import Spd, Sphere
from rmobench.harness.kernels import Kernels
from rmobench.optimizers.natural.cholesky_adam import cholesky_adam, coordinates, lower, pulled_back
from rmobench.optimizers.natural.gnc import MAPS, gnc
from rmobench.optimizers.riemannian.heavy_ball_exact import heavy_ball_exact
from rmobench.types import Problem
from tests.optimizers.manifold_problems import point, problem
from tests.optimizers.plain_oracle import PlainOracle, drive, normal

N = 6
HOW = {"lr": 0.15, "momentum": 0.7}


def logdet_gap(x: Tensor) -> Tensor:
    """tr(S x) - log det x, S fixed: the least value is at the inverse of S."""
    S = point(Spd(), N, N, seed=1).to(x.dtype)
    return (S * x).sum() - 2.0 * torch.linalg.cholesky_ex(x).L.diagonal().log().sum()


def far_from_normal(x: Tensor) -> Tensor:
    """A loss whose gradient is neither symmetric nor commutes with the point."""
    A, B = normal(N, N, seed=3).to(x.dtype), point(Spd(), N, N, seed=4).to(x.dtype)
    return (A @ x).square().mean() + (B * x).sum().exp().log1p() - 0.3 * x.diagonal().log().sum()


LOSSES = [logdet_gap, far_from_normal]


def on_spd(f, start: Tensor) -> Problem:
    return problem(f, start, manifolds={"a": Spd()})


def ends(build, p: Problem, n_steps: int, **how) -> Tensor:
    """Return the iterates after every step, [n_steps, n, n]."""
    oracle = PlainOracle(p, n_calls=n_steps)
    drive(build(p, **how), oracle)
    return torch.stack(oracle.iterates).reshape(-1, N, N)


@pytest.mark.parametrize("f", LOSSES)
def test_with_the_exponential_it_is_the_heavy_ball_with_parallel_transport(f) -> None:
    start = point(Spd(), N, N, seed=2)
    got = ends(gnc, on_spd(f, start), 60, map="exp", **HOW)
    expected = ends(heavy_ball_exact, on_spd(f, start), 60, **HOW)
    assert len(got) == 60
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("map_", MAPS)
def test_it_is_equivariant_under_congruence(map_: str) -> None:
    """From R^-1 A the same iterates on y -> f(R y R^T), seen through R."""
    R = normal(N, N, seed=5) + 3.0 * torch.eye(N, dtype=torch.float64)
    start = point(Spd(), N, N, seed=2)
    inverse = torch.linalg.inv(R)
    got = ends(gnc, on_spd(lambda y: logdet_gap(R @ y @ R.T), inverse @ start @ inverse.T), 40, map=map_, **HOW)
    expected = ends(gnc, on_spd(logdet_gap, start), 40, map=map_, **HOW)
    torch.testing.assert_close(R @ got @ R.T, expected, rtol=0, atol=1e-13 * expected.abs().max().item())


@pytest.mark.parametrize("map_", MAPS)
def test_every_map_ends_at_the_closed_form(map_: str) -> None:
    optimum = torch.linalg.inv(point(Spd(), N, N, seed=1))
    got = ends(gnc, on_spd(logdet_gap, torch.eye(N, dtype=torch.float64)), 600, map=map_, lr=0.2, momentum=0.7)
    torch.testing.assert_close(got[-1], optimum, rtol=0, atol=1e-12 * optimum.norm().item())


def test_the_second_order_map_keeps_points_positive_where_the_first_does_not() -> None:
    start = torch.eye(N, dtype=torch.float64)
    far = {"lr": 4.0, "momentum": 0.0}
    eigenvalues = {
        name: torch.linalg.eigvalsh(ends(gnc, on_spd(lambda x: 0.5 * x.trace(), start), 1, map=name, **far)[0]).min()
        for name in ("h1", "h2")
    }
    assert eigenvalues["h1"] == 0.0  # I - lr / 2 (1 / 2) I is singular
    assert eigenvalues["h2"] == pytest.approx(0.25)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_step_is_products_in_the_type_of_the_point(dtype: torch.dtype) -> None:
    p = on_spd(lambda x: x.square().sum() + (x * x.detach().mT).sum(), point(Spd(), N, N).to(dtype))
    optimizer = gnc(p)
    with Kernels() as seen:
        drive(optimizer, PlainOracle(p, n_calls=3))
    assert seen.dtypes == {dtype}
    assert seen.factorisations == ()
    assert not any("linalg" in name for name in seen.names)


@pytest.mark.parametrize("build", [gnc, cholesky_adam, heavy_ball_exact])
def test_another_manifold_is_refused(build: Callable[..., object]) -> None:
    """And not taken for a free parameter."""
    p = replace(on_spd(torch.sum, torch.eye(N, dtype=torch.float64)), manifolds={"a": Sphere()})
    with pytest.raises(ArgumentError, match=f"{build.__name__}: a lies on sphere, expected spd or no manifold"):
        build(p)


def test_a_start_that_is_not_positive_definite_is_refused() -> None:
    p = on_spd(torch.sum, -torch.eye(N, dtype=torch.float64))
    for build in (gnc, cholesky_adam):
        with pytest.raises(ArgumentError, match="a is not positive definite at the start"):
            build(p)


def test_an_unknown_map_is_refused() -> None:
    with pytest.raises(ArgumentError, match="expected one of h1, h2, exp"):
        gnc(on_spd(torch.sum, torch.eye(N, dtype=torch.float64)), map="h3")


# --- Adam on Cholesky factors ------------------------------------------------------------------------------


def test_coordinates_are_inverted() -> None:
    L = torch.linalg.cholesky(point(Spd(), N, N))
    torch.testing.assert_close(lower(coordinates(L)), L, rtol=0, atol=1e-14)


def test_the_gradient_is_that_of_automatic_differentiation() -> None:
    z = normal(N, N, seed=1).requires_grad_()
    x = lower(z) @ lower(z).mT
    x.retain_grad()
    (expected,) = torch.autograd.grad(far_from_normal(x), z, retain_graph=True)
    (g,) = torch.autograd.grad(far_from_normal(x), x)
    torch.testing.assert_close(pulled_back(z.detach(), g), expected, rtol=1e-12, atol=1e-12)


def test_adam_on_factors_ends_near_the_closed_form() -> None:
    """With shorter and shorter steps: at one length Adam hovers about the minimum, where rounding decides how near."""
    p = on_spd(logdet_gap, torch.eye(N, dtype=torch.float64))
    best = N + torch.linalg.slogdet(point(Spd(), N, N, seed=1)).logabsdet
    for lr in (2e-2, 2e-3, 2e-4):
        drive(cholesky_adam(p, lr=lr), PlainOracle(p, n_calls=1000))
    assert p.loss(p.model, None).item() == pytest.approx(best.item(), abs=1e-6)


def test_without_a_manifold_it_is_adam() -> None:
    p, q = (problem(lambda x: (x - 2.0).square().sum(), normal(4), manifolds={}) for _ in range(2))
    drive(cholesky_adam(p, lr=0.1), PlainOracle(p, n_calls=20))
    (x,) = q.params.values()
    adam = torch.optim.Adam([x], lr=0.1)
    for _ in range(20):
        x.grad = 2.0 * (x.detach() - 2.0)
        adam.step()
    torch.testing.assert_close(next(iter(p.params.values())), x)
