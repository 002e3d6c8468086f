"""Likelihoods and the quadratic form with closed-form minima: the formulas, the published numbers, the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from rmobench.data import load
from rmobench.errors import ArgumentError
from rmobench.tasks.covariance.logdet import logdet
from rmobench.tasks.covariance.metric_nearness import metric_nearness
from rmobench.tasks.covariance.structured_precision import STRUCTURES, best_factor, structured_precision
from rmobench.tasks.covariance.tables import RIDGE, correlations, standardised
from tests.tasks.covariance_cases import ROUNDING, constant, put
from tests.tasks.frame_cases import build

PUBLISHED = {"diagonal": 30.000, "arrow": 7.2915, "lower_triangular": -40.6469}
"""Lowest values on the correlations of breast_cancer, arrow of five columns, to four decimals."""


def test_the_likelihood_by_its_definition() -> None:
    problem = build(logdet, dim=5)
    S, x = constant(problem, "S").numpy(), problem.params["x"].detach().numpy()
    expected = np.trace(S @ x) - np.linalg.slogdet(x)[1]
    assert problem.loss(problem.model, None).item() == pytest.approx(expected, abs=ROUNDING)


def test_the_quadratic_form_by_its_definition() -> None:
    problem = build(metric_nearness, dim=5)
    Q, x = constant(problem, "Q").numpy(), problem.params["x"].detach().numpy()
    root = sqrtm(Q)
    expected = 0.5 * np.sum((root @ x @ root - np.eye(5)) ** 2)
    assert expected == pytest.approx(0.5 * np.trace(Q @ x @ Q @ x) - np.trace(Q @ x) + 2.5, abs=ROUNDING)
    assert problem.loss(problem.model, None).item() == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize(("dim", "cond"), [(1, 1.0), (7, 1.0), (16, 100.0), (32, 1e4)])
def test_the_condition_is_the_one_asked_for(dim: int, cond: float) -> None:
    eigenvalues = torch.linalg.eigvalsh(constant(build(logdet, dim=dim, cond=cond), "S"))
    assert eigenvalues[-1].item() == pytest.approx(1.0, abs=ROUNDING)
    assert (eigenvalues[-1] / eigenvalues[0]).item() == pytest.approx(cond, rel=1e-8)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_closed_form_of_a_structure_has_the_published_value(structure: str) -> None:
    problem = build(structured_precision, structure=structure)
    B = best_factor(constant(problem, "S"), constant(problem, "support"))
    assert put(problem, {"B": B})["objective"] == pytest.approx(PUBLISHED[structure], abs=5e-5)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_closed_form_of_a_structure_is_stationary(structure: str) -> None:
    """Every column's share of the value is convex, so that a point without slope is a minimum."""
    problem = build(structured_precision, structure=structure, data="wine")
    put(problem, {"B": best_factor(constant(problem, "S"), constant(problem, "support"))})
    problem.loss(problem.model, None).backward()
    assert problem.params["B"].grad.abs().max() < ROUNDING


@pytest.mark.parametrize("structure", STRUCTURES)
def test_entries_off_the_support_have_no_part(structure: str) -> None:
    problem = build(structured_precision, structure=structure, data="wine", dense_columns=3)
    support, B = constant(problem, "support"), problem.params["B"].detach().clone()
    assert torch.equal(B != 0.0, support == 1.0)
    metrics = put(problem, {"B": B})
    assert put(problem, {"B": B + (1.0 - support)}) == metrics
    problem.loss(problem.model, None).backward()
    assert not (problem.params["B"].grad * (1.0 - support)).any()


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_support_is_that_of_a_group(structure: str) -> None:
    """Products and inverses stay in it."""
    support = constant(build(structured_precision, structure=structure), "support")
    random = np.random.default_rng(0)
    A, B = (support * torch.tensor(random.standard_normal(support.shape)) + 3.0 * torch.eye(30) for _ in range(2))
    for member in (A @ B, torch.linalg.inv(A)):
        assert (member * (1.0 - support)).abs().max() < ROUNDING


def test_a_triangular_factor_reaches_every_precision() -> None:
    problem = build(structured_precision, structure="lower_triangular", data="wine")
    S = constant(problem, "S")
    B = best_factor(S, constant(problem, "support"))
    torch.testing.assert_close(B @ B.T, torch.linalg.inv(S), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("data", "columns", "cond"), [("breast_cancer", 30, 1e5), ("wine", 13, 45.5), ("digits", 61, 146)]
)
def test_correlations_are_those_of_numpy(data: str, columns: int, cond: float) -> None:
    rows = load(data).inputs
    expected = np.corrcoef(rows[:, rows.std(axis=0) > 0.0].T)
    assert expected.shape == (columns, columns)
    assert np.linalg.cond(expected) == pytest.approx(cond, rel=0.01)
    torch.testing.assert_close(correlations(data), torch.tensor(expected), rtol=0.0, atol=1e-10)
    assert torch.equal(constant(build(logdet, data=data), "S"), correlations(data))


def test_a_rank_that_is_missing_is_made_up_for() -> None:
    """Many pixels of MNIST are nearly alike everywhere."""
    rows = standardised("mnist5k")
    plain, C = rows.T @ rows / len(rows), correlations("mnist5k")
    assert torch.linalg.eigvalsh(plain)[0] < 1e-10
    torch.testing.assert_close(
        C, (1.0 - RIDGE) * plain + RIDGE * torch.eye(len(C), dtype=torch.float64), rtol=0.0, atol=ROUNDING
    )


WRONG = {
    "dimension": (logdet, {"dim": 0}, r"^logdet: got dim=0, expected 1 to 512\."),
    "large": (metric_nearness, {"dim": 513}, r"^metric_nearness: got dim=513, expected 1 to 512\."),
    "condition": (logdet, {"cond": 0.5}, r"^logdet: got cond=0\.5, expected 1 to 1e\+12\."),
    "structure": (
        structured_precision,
        {"structure": "triangle"},
        r"^structured_precision: got structure='triangle', expected one of diagonal, arrow, lower_triangular\.",
    ),
    "columns": (
        structured_precision,
        {"dense_columns": 31},
        r"^structured_precision: got dense_columns=31, expected 0 to 30\.",
    ),
}


@pytest.mark.parametrize(("task", "args", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_exist(task: object, args: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        build(task, **args)
