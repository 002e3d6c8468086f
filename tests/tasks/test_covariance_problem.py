"""What every task of positive definite matrices keeps to: the certificate, the judge, the precision."""

from __future__ import annotations

import math

import pytest
import torch

from rmobench.geometry import EUCLIDEAN, Spd
from rmobench.optimizers.riemannian.rsgd import rsgd
from rmobench.optimizers.riemannian.rtr import rtr
from tests.optimizers.plain_oracle import PlainOracle, drive
from tests.tasks.covariance_cases import CASES, ROUNDING, Case, put

CERTIFIED = 1e-8
"""The hardest rung; the duality gap of the graphical lasso falls with the distance, all others with its square."""

EACH = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@EACH
def test_the_minimiser_has_no_gap(case: Case) -> None:
    problem = case.build()
    metrics = put(problem, case.minimiser(problem))
    assert -ROUNDING <= metrics["gap"] <= (CERTIFIED if case is CASES["graphical_lasso"] else ROUNDING)
    assert metrics["residual"] <= ROUNDING


@EACH
def test_points_around_the_minimiser_are_higher(case: Case) -> None:
    """Along random directions at the point, near and far; a change of scale is none for Tyler's scatter."""
    problem = case.build()
    best = case.minimiser(problem)
    gap = put(problem, best)["gap"]
    generator = torch.Generator().manual_seed(0)
    for size in (1e-3, 1e-1, 1.0):
        for _ in range(3):
            point = {}
            for name, x in best.items():
                manifold = problem.manifolds.get(name, EUCLIDEAN)
                support = problem.model.get_buffer("support") if name == "B" else 1.0
                u = manifold.tangent(x, torch.randn(x.shape, generator=generator, dtype=torch.float64) * support)
                point[name] = manifold.retract(x, size * u / manifold.inner(x, u, u).sum().sqrt())
            assert put(problem, point)["gap"] > gap + 1e-3 * size**2 / problem.params[name].numel()


KINKS = ("graphical_lasso", "spd_clustering")
SMOOTH = {name: case for name, case in CASES.items() if name not in KINKS}


@pytest.mark.parametrize("case", SMOOTH.values(), ids=SMOOTH.keys())
def test_an_optimizer_that_knows_nothing_of_the_certificate_arrives_there(case: Case) -> None:
    problem = case.build()
    optimizer, oracle = rtr(problem), PlainOracle(problem)
    for _ in range(40):
        drive(optimizer, oracle, n_steps=1)
        if problem.judge(problem.model)["gap"] < CERTIFIED:
            break
    assert -ROUNDING <= problem.judge(problem.model)["gap"] < CERTIFIED


@pytest.mark.parametrize(
    ("name", "lr", "n_steps", "reached"),
    [("graphical_lasso", 0.01, 300, 2e-2), ("spd_clustering", 0.2, 100, CERTIFIED)],
)
def test_where_there_are_kinks_descent_comes_near(name: str, lr: float, n_steps: int, reached: float) -> None:
    problem = CASES[name].build()
    drive(rsgd(problem, lr=lr, momentum=0.5), PlainOracle(problem), n_steps=n_steps)
    assert -ROUNDING <= problem.judge(problem.model)["gap"] < reached


@EACH
def test_the_gradient_at_the_start_is_finite_in_single_precision(case: Case) -> None:
    problem = case.build(dtype=torch.float32)
    PlainOracle(problem)()
    assert all(torch.isfinite(p.grad).all() and p.grad.any() for p in problem.params.values())


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_parameters_are_stored_as_asked_for_and_the_start_is_on_the_manifold(case: Case, dtype: torch.dtype) -> None:
    problem = case.build(dtype=dtype)
    assert {p.dtype for p in problem.params.values()} == {dtype}
    assert {b.dtype for b in problem.model.buffers()} == {torch.float32}
    assert problem.loss(problem.model, None).isfinite()
    assert problem.judge(problem.model)["gap"] == 1.0
    assert problem.judge(problem.model)["residual"] < ROUNDING


@EACH
def test_autocast_changes_the_loss_little(case: Case) -> None:
    problem = case.build(dtype=torch.float32)
    exact = problem.loss(problem.model, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = problem.loss(problem.model, None)
    assert rounded.item() == pytest.approx(exact.item(), rel=0.05, abs=0.5)


@EACH
def test_a_point_that_is_not_finite_is_judged_so(case: Case) -> None:
    problem = case.build()
    metrics = put(problem, {name: torch.full_like(p, torch.nan) for name, p in problem.params.items()})
    assert math.isnan(metrics["objective"])
    assert math.isnan(metrics["gap"])


@EACH
def test_the_seed_draws_the_start(case: Case) -> None:
    first, again, other = (case.build(seed=seed).params for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


ON_THE_MANIFOLD = {name: case for name, case in CASES.items() if not name.startswith("structured")}


@pytest.mark.parametrize("case", ON_THE_MANIFOLD.values(), ids=ON_THE_MANIFOLD.keys())
def test_leaving_the_manifold_gains_nothing(case: Case) -> None:
    """An antisymmetric part is not seen, and an eigenvalue below zero is judged as one just above it."""
    problem = case.build()
    assert problem.manifolds == {"x": Spd()}
    best = case.minimiser(problem)
    gap, loss, x = put(problem, best)["gap"], problem.loss(problem.model, None).item(), best["x"]
    skew = x.abs().amax() * (torch.triu(torch.ones_like(x), 1) - torch.tril(torch.ones_like(x), -1))
    metrics = put(problem, {**best, "x": x + skew})
    assert metrics["gap"] == pytest.approx(gap, abs=ROUNDING)
    assert metrics["residual"] > 0.01
    assert problem.loss(problem.model, None).item() == pytest.approx(loss, abs=1e-9)
    metrics = put(problem, {**best, "x": x - 2.0 * x.diagonal(dim1=-2, dim2=-1).diag_embed()})
    assert metrics["gap"] > 1e-3
    assert metrics["residual"] > 0.01
