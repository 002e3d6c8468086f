"""Brockett's cost: its optimum sorts the eigenvectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rmobench.errors import ArgumentError
from rmobench.tasks.orthogonal.brockett import brockett
from rmobench.types import Problem
from tests.tasks.frame_cases import ROUNDING, build, frame, leaving_gains_nothing, place

SHAPES = [(10, 1), (10, 4), (40, 5), (8, 8)]


def eigenvectors(problem: Problem) -> torch.Tensor:
    """Return those of the p lowest eigenvalues, the lowest last: it has the largest weight."""
    _, V = np.linalg.eigh(problem.model.get_buffer("A").numpy())
    p = problem.params["x"].shape[1]
    return torch.tensor(V[:, :p][:, ::-1].copy())


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_the_optimum_is_the_sorted_eigenvectors(rows: int, columns: int) -> None:
    problem = build(brockett, rows=rows, columns=columns)
    metrics = place(problem, eigenvectors(problem))
    assert metrics["gap"] == pytest.approx(0.0, abs=ROUNDING)
    assert metrics["residual"] < ROUNDING


def test_the_value_by_its_definition() -> None:
    problem = build(brockett, rows=6, columns=3)
    A, x = problem.model.get_buffer("A").numpy(), problem.params["x"].detach().numpy()
    expected = np.trace(x.T @ A @ x @ np.diag([1 / 3, 2 / 3, 1.0]))
    assert problem.loss(problem.model, None).item() == pytest.approx(expected, abs=ROUNDING)


def test_the_order_counts() -> None:
    problem = build(brockett, rows=10, columns=4)
    assert place(problem, eigenvectors(problem).flip(1))["gap"] > 1e-4


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_no_other_frame_is_lower(rows: int, columns: int) -> None:
    problem = build(brockett, rows=rows, columns=columns)
    best = eigenvectors(problem)
    for k in range(20):
        assert place(problem, frame(rows, columns, seed=k))["gap"] > 0.0
        near = torch.linalg.qr(best + 1e-3 * frame(rows, columns, seed=k))[0]
        assert place(problem, near)["gap"] > 0.0


@pytest.mark.parametrize("cond", [2.0, 1e6])
def test_the_spectrum_is_the_one_asked_for(cond: float) -> None:
    values = torch.linalg.eigvalsh(build(brockett, cond=cond).model.get_buffer("A"))
    expected = np.geomspace(1.0 / cond, 1.0, 40)
    np.testing.assert_allclose(values.numpy(), expected, rtol=0.0, atol=ROUNDING)


def test_leaving_the_manifold_gains_nothing() -> None:
    problem = build(brockett)
    best = eigenvectors(problem)
    leaving_gains_nothing(problem, best, place(problem, best)["objective"])


WRONG = {
    "wide": ({"rows": 4, "columns": 5}, r"got 4 x 5, expected 1 <= columns <= rows and 2 <= rows <= 2000\."),
    "a number": ({"rows": 1, "columns": 1}, r"got 1 x 1, expected"),
    "condition": ({"cond": 1.0}, r"got cond=1\.0, expected a finite number above 1\."),
}


@pytest.mark.parametrize(("args", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_exist(args: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^brockett: {said}"):
        build(brockett, **args)
