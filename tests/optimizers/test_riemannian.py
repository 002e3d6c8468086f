"""Riemannian gradient descent and Adam: the rules, and optima with a closed form."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.geometry import EUCLIDEAN, MANIFOLDS, RETRACTIONS, Grassmann, Sphere, Stiefel, polar, polar_factor
from rmobench.harness.clock import Clock
from rmobench.harness.judging import Judge
from rmobench.harness.oracle import CountingOracle
from rmobench.optimizers.riemannian.radam import radam
from rmobench.optimizers.riemannian.rsgd import rsgd
from rmobench.tasks.orthogonal.pca_digits import pca_digits
from rmobench.types import RESIDUAL_MAX, Budget, Manifold, Optimizer, Problem, Target

CPU = torch.device("cpu")


class Point(nn.Module):
    """One parameter x."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = nn.Parameter(x)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def problem(f: object, x: Tensor, manifold: Manifold | None = None) -> Problem:
    """Return the problem of minimising f on the manifold from x."""
    return Problem(
        model=Point(x.clone()),
        loss=lambda model, batch: f(model.x),
        batches=itertools.repeat(None),
        judge=lambda model: {"objective": f(model.x).item(), "gap": 1.0, "residual": 0.0},
        manifolds={} if manifold is None else {"x": manifold},
    )


def oracle(problem: Problem) -> CountingOracle:
    """Return the harness's oracle with no limits."""
    judge = Judge(problem, target=Target(), residual_max=1.0, every_step=True, evaluating=nullcontext)
    return CountingOracle(problem, budget=Budget(n_calls=10**6, time_s=1e6), judge=judge, clock=Clock())


def run(problem: Problem, optimizer: Optimizer, n_steps: int) -> Tensor:
    """Step, and return x."""
    ask = oracle(problem)
    for _ in range(n_steps):
        optimizer.step(ask)
    return problem.params["x"].detach().clone()


def quartic(x: Tensor) -> Tensor:
    """Return a smooth function with curvature of every kind."""
    return (0.1 * x**4 + x.sin()).sum() + (x.mean() - 1.0) ** 2


@pytest.mark.parametrize("shape", [(), (7,), (4, 3), (2, 3, 3, 2)])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rsgd_without_a_manifold_is_the_heavy_ball(shape: tuple[int, ...], momentum: float) -> None:
    """x+ = x - lr v, v = g + momentum v, bit for bit."""
    x0 = normal(*shape)
    ours = run(p := problem(quartic, x0), rsgd(p, lr=0.01, momentum=momentum), 50)
    x, v = x0.clone().requires_grad_(), torch.zeros(shape, dtype=torch.float64)
    for _ in range(50):
        (g,) = torch.autograd.grad(quartic(x), x)
        v = g + momentum * v
        x = (x - 0.01 * v).detach().requires_grad_()
    assert ours.isfinite().all()
    assert torch.equal(ours, x.detach())


def test_rsgd_without_a_manifold_is_torch_sgd() -> None:
    x0 = normal(4, 3)
    ours = run(p := problem(quartic, x0), rsgd(p, lr=0.01, momentum=0.9), 50)
    p = problem(quartic, x0)
    theirs = torch.optim.SGD(p.params.values(), lr=0.01, momentum=0.9)
    ask = oracle(p)
    for _ in range(50):
        ask()
        theirs.step()
    torch.testing.assert_close(ours, p.params["x"].detach(), rtol=0, atol=1e-13)  # fused multiply-add


def test_radam_without_a_manifold_is_torch_adam() -> None:
    x0 = normal(4, 3)
    ours = run(p := problem(quartic, x0), radam(p, lr=0.05, beta1=0.8, beta2=0.99), 50)
    p = problem(quartic, x0)
    theirs = torch.optim.Adam(p.params.values(), lr=0.05, betas=(0.8, 0.99))
    ask = oracle(p)
    for _ in range(50):
        ask()
        theirs.step()
    torch.testing.assert_close(ours, p.params["x"].detach(), rtol=0, atol=1e-12)  # another order of operations


@pytest.mark.parametrize("manifold", [m for m in MANIFOLDS if m.name in ("sphere", "stiefel", "grassmann")])
def test_momentum_starts_from_the_riemannian_gradient(manifold: Manifold) -> None:
    """The first step is the one without momentum, and what is kept is tangent at the new point."""
    a = normal(6, 3, seed=1)
    x0 = manifold.random((6, 3), torch.Generator().manual_seed(0))
    plain = run(p := problem(lambda x: (a * x).sum(), x0, manifold), rsgd(p, lr=0.1), 1)
    p = problem(lambda x: (a * x).sum(), x0, manifold)
    optimizer = rsgd(p, lr=0.1, momentum=0.9)
    y = run(p, optimizer, 1)
    (kept,) = optimizer.state()
    assert torch.equal(plain, y)
    torch.testing.assert_close(kept, manifold.transport(x0, y, manifold.gradient(x0, a)), rtol=0, atol=1e-14)
    torch.testing.assert_close(kept, manifold.tangent(y, kept), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("manifold", "square"), [(None, (5, 4, 3)), (Sphere(), (5, 4, 1)), (Stiefel(), (5, 1, 1)), (Grassmann(), (5, 1, 1))]
)
def test_radam_keeps_one_square_per_point(manifold: Manifold | None, square: tuple[int, ...]) -> None:
    """And the direction it steps along is tangent."""
    x0 = (manifold or EUCLIDEAN).random((5, 4, 3), torch.Generator().manual_seed(0))
    p = problem(quartic, x0, manifold)
    optimizer = radam(p)
    run(p, optimizer, 3)
    assert [tuple(t.shape) for t in optimizer.state()] == [(5, 4, 3), square]


def test_radam_first_step_has_length_lr() -> None:
    """Bias-corrected, mean over root of mean square is the gradient over its norm."""
    manifold, a = Stiefel(), normal(6, 3, seed=1)
    x0 = manifold.random((6, 3), torch.Generator().manual_seed(0))
    x = run(p := problem(lambda x: (a * x).sum(), x0, manifold), radam(p, lr=0.1), 1)
    g = manifold.gradient(x0, a)
    torch.testing.assert_close(x, manifold.retract(x0, -0.1 * g / g.norm()), rtol=0, atol=1e-8)  # epsilon


def test_rsgd_keeps_nothing_without_momentum() -> None:
    p = pca_digits(0, CPU, torch.float64, rank=2)
    optimizer = rsgd(p)
    run(p, optimizer, 2)
    assert not list(optimizer.state())


@pytest.mark.parametrize("build", [rsgd, radam])
def test_step_leaves_the_gradient_as_the_oracle_filled_it(build: object) -> None:
    p = pca_digits(0, CPU, torch.float64, rank=2)
    optimizer, before = build(p), pca_digits(0, CPU, torch.float64, rank=2)
    run(p, optimizer, 1)
    oracle(before)()
    assert torch.equal(p.params["x"].grad, before.params["x"].grad)


@pytest.mark.parametrize("build", [rsgd, radam])
def test_a_parameter_without_a_gradient_stays(build: object) -> None:
    p = problem(lambda x: x.sum(), normal(3))
    p.model.unused = nn.Parameter(normal(2))
    run(p, build(p), 2)
    assert torch.equal(p.model.unused.detach(), normal(2))


SETTINGS = [
    pytest.param(rsgd, {"lr": 0.3}, id="rsgd"),
    pytest.param(rsgd, {"lr": 0.1, "momentum": 0.7}, id="momentum"),
    pytest.param(radam, {"lr": 0.1, "beta2": 0.99}, id="radam"),
]


@pytest.mark.parametrize(("build", "hyper"), SETTINGS)
@pytest.mark.parametrize("retraction", RETRACTIONS.values(), ids=RETRACTIONS)
def test_orthogonal_procrustes(build: object, hyper: dict[str, float], retraction: object) -> None:
    """min ||x - b||^2 / 2 on the Stiefel manifold: the minimiser is the polar factor of b."""
    b, manifold = normal(6, 3, seed=2), Stiefel(retraction=retraction)
    x0 = manifold.random((6, 3), torch.Generator().manual_seed(0))
    x = run(p := problem(lambda x: 0.5 * (x - b).square().sum(), x0, manifold), build(p, **hyper), 300)
    best = 0.5 * (b.square().sum() + 3.0) - torch.linalg.svdvals(b).sum()
    assert abs(0.5 * (x - b).square().sum() - best) < 1e-8
    torch.testing.assert_close(x, polar_factor(b), rtol=0, atol=1e-4)  # the root of the gap
    assert manifold.residual(x) < 1e-12


@pytest.mark.parametrize(("build", "hyper"), SETTINGS)
def test_rayleigh_quotient_on_the_sphere(build: object, hyper: dict[str, float]) -> None:
    """The minimum of x^T A x is the smallest eigenvalue."""
    A = torch.diag(torch.arange(1.0, 6.0, dtype=torch.float64)) / 5.0
    x0 = Sphere().random((5,), torch.Generator().manual_seed(0))
    x = run(p := problem(lambda x: x @ A @ x, x0, Sphere()), build(p, **hyper), 400)
    assert x @ A @ x - 0.2 < 1e-8
    assert Sphere().residual(x) < 1e-12


@pytest.mark.parametrize(("build", "hyper"), [(rsgd, {"lr": 3.0, "momentum": 0.9}), (radam, {"lr": 0.1})])
@pytest.mark.parametrize("manifold", [Stiefel(retraction=polar), Stiefel(metric="canonical"), Grassmann()])
def test_principal_components(build: object, hyper: dict[str, float], manifold: Manifold) -> None:
    p = replace(pca_digits(0, CPU, torch.float64, rank=4), manifolds={"x": manifold})
    run(p, build(p, **hyper), 400)
    metrics = p.judge(p.model)
    assert metrics["gap"] < 1e-8
    assert metrics["residual"] < 1e-12


@pytest.mark.parametrize("build", [rsgd, radam])
@pytest.mark.parametrize(
    ("dtype", "precision"), [(torch.float32, "fp32"), (torch.bfloat16, "bf16"), (torch.float16, "fp16")]
)
def test_narrow_storage_stays_on_the_manifold(build: object, dtype: torch.dtype, precision: str) -> None:
    p = pca_digits(0, CPU, dtype, rank=4)
    before = p.judge(p.model)["gap"]
    x = run(p, build(p, lr=0.1), 100)
    metrics = p.judge(p.model)
    assert x.dtype == dtype
    assert metrics["gap"] < 0.5 * before
    assert metrics["residual"] <= RESIDUAL_MAX[precision]


def test_a_wrong_shape_is_named() -> None:
    p = problem(lambda x: x.sum(), normal(2, 5), Stiefel())
    with pytest.raises(ArgumentError, match=r"Stiefel\.gradient: x has shape \[2, 5\], expected \[\.\.\., n, p\]"):
        run(p, rsgd(p), 1)
