"""The orthogonal Procrustes problem: its optimum, its start, what has no closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rmobench.errors import ArgumentError
from rmobench.tasks.orthogonal.procrustes import lowest, procrustes
from rmobench.types import Problem
from tests.tasks.frame_cases import ROUNDING, build, frame, leaving_gains_nothing, place

SHAPES = [(10, 1), (10, 4), (40, 10), (10, 10)]


def factors(problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    return problem.model.get_buffer("A"), problem.model.get_buffer("B")


def planted(problem: Problem) -> torch.Tensor:
    A, B = factors(problem)
    return torch.linalg.solve(A, B)


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_without_noise_the_planted_frame_is_optimal(rows: int, columns: int) -> None:
    problem = build(procrustes, rows=rows, columns=columns)
    metrics = place(problem, planted(problem))
    assert metrics["objective"] == pytest.approx(0.0, abs=ROUNDING)
    assert metrics["gap"] == pytest.approx(0.0, abs=ROUNDING)
    assert metrics["residual"] < ROUNDING


@pytest.mark.parametrize("noise", [0.01, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_with_noise_the_optimum_is_the_polar_factor(noise: float, seed: int) -> None:
    problem = build(procrustes, seed=seed, rows=12, columns=12, noise=noise)
    A, B = factors(problem)
    U, _, Vt = np.linalg.svd((A.T @ B).numpy())
    metrics = place(problem, torch.tensor(U @ Vt))
    assert metrics["objective"] == pytest.approx(lowest(A, B), abs=ROUNDING * B.square().sum().item())
    assert metrics["gap"] == pytest.approx(0.0, abs=ROUNDING)
    for k in range(20):
        assert place(problem, frame(12, 12, seed=k))["gap"] > 0.0


def test_the_formula_at_its_edge() -> None:
    """B = A: the identity is optimal and the minimum 0."""
    A = frame(6, 6) * torch.linspace(1.0, 3.0, 6, dtype=torch.float64)
    assert lowest(A, A) == pytest.approx(0.0, abs=100 * ROUNDING)


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(8))
def test_a_square_start_is_connected_with_the_optimum(noise: float, seed: int) -> None:
    """Rotations and reflections are apart: the determinants have one sign."""
    problem = build(procrustes, seed=seed, rows=8, columns=8, noise=noise)
    A, B = factors(problem)
    assert torch.linalg.det(problem.params["x"]) * torch.linalg.det(A.T @ B) > 0.0


def test_a_start_is_turned_where_determinants_underflow() -> None:
    for seed in range(4):
        problem = build(procrustes, seed=seed, rows=100, columns=100, cond=1e4)
        A, B = factors(problem)
        assert torch.linalg.det(A.T @ B) == 0.0
        signs = [torch.linalg.slogdet(a).sign for a in (problem.params["x"].detach(), A, B)]
        assert torch.stack(signs).prod() > 0.0


def test_some_starts_had_to_be_turned() -> None:
    signs = {
        bool(torch.linalg.det(torch.linalg.solve(*factors(build(procrustes, seed=seed, rows=8, columns=8)))) > 0)
        for seed in range(8)
    }
    assert signs == {True, False}


@pytest.mark.parametrize("cond", [1.0, 10.0, 1e4])
def test_the_condition_is_the_one_asked_for(cond: float) -> None:
    A, _ = factors(build(procrustes, cond=cond))
    singular = torch.linalg.svdvals(A)
    assert singular[0].item() == pytest.approx(1.0, abs=ROUNDING)
    assert (singular[0] / singular[-1]).item() == pytest.approx(cond, rel=1e-8)


def test_leaving_the_manifold_gains_nothing() -> None:
    problem = build(procrustes)
    leaving_gains_nothing(problem, planted(problem), 0.0)


def test_the_seed_draws_everything() -> None:
    first, again, other = build(procrustes), build(procrustes), build(procrustes, seed=1)
    for name in ("A", "B"):
        assert torch.equal(first.model.get_buffer(name), again.model.get_buffer(name))
        assert not torch.equal(first.model.get_buffer(name), other.model.get_buffer(name))


WRONG = {
    "wide": ({"rows": 4, "columns": 5}, r"got 4 x 5, expected 1 <= columns <= rows and 2 <= rows <= 2000\."),
    "a number": ({"rows": 1, "columns": 1}, r"got 1 x 1, expected 1 <= columns <= rows"),
    "large": ({"rows": 2001}, r"got 2001 x 10, expected"),
    "condition": ({"cond": 0.5}, r"got cond=0\.5, expected a finite number of at least 1\."),
    "noise without a closed form": ({"noise": 0.1}, r"got noise=0\.1 at 40 x 10, expected 0 unless it is square\."),
    "negative noise": ({"columns": 40, "noise": -1.0}, r"got noise=-1\.0 at 40 x 40"),
}


@pytest.mark.parametrize(("args", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_exist(args: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^procrustes: {said}"):
        build(procrustes, **args)
