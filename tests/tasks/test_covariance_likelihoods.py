"""Likelihoods and the quadratic form with closed-form minima: the formulas, the published numbers, the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm, toeplitz
from scipy.optimize import minimize

from rmobench.data import load
from rmobench.errors import ArgumentError
from rmobench.tasks.covariance.logdet import logdet
from rmobench.tasks.covariance.metric_nearness import metric_nearness
from rmobench.tasks.covariance.structured_precision import structured_precision
from rmobench.tasks.covariance.structured_storage import best_kronecker, best_toeplitz
from rmobench.tasks.covariance.structured_support import SUPPORTS, best_factor
from rmobench.tasks.covariance.tables import RIDGE, correlations, standardised
from tests.tasks.covariance_cases import ROUNDING, constant, put
from tests.tasks.frame_cases import build

PUBLISHED = {"diagonal": 30.000, "arrow": 7.2915, "lower_triangular": -40.6469}
"""Lowest values on the correlations of breast_cancer, arrow of five columns, to four decimals."""

ALIKE = ("lower_triangular", "upper_triangular", "dense")
"""Groups in which every precision has a factor."""


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


@pytest.mark.parametrize("structure", PUBLISHED)
def test_the_closed_form_of_a_structure_has_the_published_value(structure: str) -> None:
    problem = build(structured_precision, structure=structure)
    B = best_factor(constant(problem, "S"), constant(problem, "support"))
    assert put(problem, {"B": B})["objective"] == pytest.approx(PUBLISHED[structure], abs=5e-5)


@pytest.mark.parametrize("structure", SUPPORTS)
def test_the_closed_form_of_a_structure_is_stationary(structure: str) -> None:
    """Every column's share of the value is convex, so that a point without slope is a minimum."""
    problem = build(structured_precision, structure=structure, data="wine")
    put(problem, {"B": best_factor(constant(problem, "S"), constant(problem, "support"))})
    problem.loss(problem.model, None).backward()
    assert problem.params["B"].grad.abs().max() < ROUNDING


@pytest.mark.parametrize("structure", SUPPORTS)
def test_entries_off_the_support_have_no_part(structure: str) -> None:
    problem = build(structured_precision, structure=structure, data="wine", dense_columns=3)
    support, B = constant(problem, "support"), problem.params["B"].detach().clone()
    assert torch.equal(B != 0.0, support == 1.0)
    metrics = put(problem, {"B": B})
    assert put(problem, {"B": B + (1.0 - support)}) == metrics
    problem.loss(problem.model, None).backward()
    assert not (problem.params["B"].grad * (1.0 - support)).any()


@pytest.mark.parametrize("structure", SUPPORTS)
def test_a_support_is_that_of_a_group(structure: str) -> None:
    """Products and inverses stay in it; the inverse of a matrix with a large diagonal is well conditioned."""
    support = constant(build(structured_precision, structure=structure), "support")
    random = np.random.default_rng(0)
    A, B = (support * torch.tensor(random.standard_normal(support.shape)) + 3.0 * torch.eye(30) for _ in range(2))
    for member in (A @ B, torch.linalg.inv(A)):
        assert (member * (1.0 - support)).abs().max() < ROUNDING


@pytest.mark.parametrize("structure", ALIKE)
def test_dense_and_triangular_factors_reach_every_precision(structure: str) -> None:
    problem = build(structured_precision, structure=structure, data="wine")
    S = constant(problem, "S")
    B = best_factor(S, constant(problem, "support"))
    torch.testing.assert_close(B @ B.T, torch.linalg.inv(S), rtol=1e-10, atol=1e-10)


def test_a_block_diagonal_precision_is_that_of_its_blocks() -> None:
    problem = build(structured_precision, structure="block_diagonal", data="wine", dense_columns=4)
    S = constant(problem, "S")
    blocks = [S[i : i + 4, i : i + 4] for i in range(0, 13, 4)]
    expected = 13.0 + sum(torch.linalg.slogdet(block).logabsdet.item() for block in blocks)
    B = best_factor(S, constant(problem, "support"))
    assert put(problem, {"B": B})["objective"] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("structure", ["lower_toeplitz", "upper_toeplitz"])
def test_the_best_toeplitz_factor_is_found_by_newtons_method(structure: str) -> None:
    """scipy's, from the identity, on the likelihood in dense matrices."""
    n, S = 13, correlations("wine")

    def value(a: np.ndarray) -> float:
        B = toeplitz(a, np.zeros(n)) if structure == "lower_toeplitz" else toeplitz(np.r_[a[0], np.zeros(n - 1)], a)
        return float(np.trace(S.numpy() @ B @ B.T) - np.linalg.slogdet(B @ B.T)[1])

    found = minimize(value, np.eye(n)[0], method="BFGS", options={"gtol": 1e-7})
    problem = build(structured_precision, structure=structure, data="wine")
    a = best_toeplitz(constant(problem, "S"))
    assert put(problem, {"a": a})["objective"] == pytest.approx(found.fun, abs=1e-9)
    np.testing.assert_allclose(a.numpy(), found.x, atol=1e-5)
    problem.loss(problem.model, None).backward()
    assert problem.params["a"].grad.abs().max() < 1e-10


@pytest.mark.parametrize(("data", "p"), [("breast_cancer", 5), ("breast_cancer", 6), ("digits", 61), ("wine", 1)])
def test_the_best_kronecker_factors_are_stationary(data: str, p: int) -> None:
    """The likelihood is geodesically convex, so that this makes them a minimum."""
    problem = build(structured_precision, structure="kronecker", data=data, dense_columns=p)
    P, Q = best_kronecker("test", constant(problem, "S"), p)
    put(problem, {"P": P, "Q": Q})
    problem.loss(problem.model, None).backward()
    for M, x in ((P, problem.params["P"]), (Q, problem.params["Q"])):
        assert (M.T @ x.grad).abs().max() < 1e-8  # relative to 2 n on the diagonal


def test_kronecker_factors_of_one_side_reach_every_precision() -> None:
    S = correlations("wine")
    for p in (1, 13):
        P, Q = best_kronecker("test", S, p)
        B = torch.kron(P, Q)
        torch.testing.assert_close(B @ B.T, torch.linalg.inv(S), rtol=1e-9, atol=1e-9)


def test_a_kronecker_product_is_found_again() -> None:
    first, second = (constant(build(logdet, dim=d, seed=d), "S") for d in (3, 4))
    P, Q = best_kronecker("test", torch.kron(first, second), 3)
    B = torch.kron(P, Q)
    expected = torch.kron(torch.linalg.inv(first), torch.linalg.inv(second))
    torch.testing.assert_close(B @ B.T, expected, rtol=1e-9, atol=1e-9)


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
        r"^structured_precision: got structure='triangle', expected one of diagonal, arrow, lower_triangular, "
        r"upper_triangular, block_diagonal, hierarchical, dense, lower_toeplitz, upper_toeplitz, kronecker\.",
    ),
    "columns": (
        structured_precision,
        {"dense_columns": 31},
        r"^structured_precision: got dense_columns=31, expected 0 to 30\.",
    ),
    "blocks": (
        structured_precision,
        {"structure": "block_diagonal", "dense_columns": 0},
        r"^structured_precision: got dense_columns=0, expected 1 to 30\.",
    ),
    "divisor": (
        structured_precision,
        {"structure": "kronecker", "dense_columns": 7},
        r"^structured_precision: got dense_columns=7, expected a divisor of 30 for Kronecker products\.",
    ),
}


@pytest.mark.parametrize(("task", "args", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_exist(task: object, args: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        build(task, **args)
