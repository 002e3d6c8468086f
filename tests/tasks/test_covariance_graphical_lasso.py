"""The graphical lasso: weak duality, the certificate at a solver's point, the penalty."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from rmobench.errors import ArgumentError
from rmobench.geometry import Spd
from rmobench.tasks.covariance.graphical_lasso import dual_bound, graphical_lasso, interior, penalised
from rmobench.tasks.covariance.tables import correlations
from rmobench.tasks.streams import stream
from tests.tasks.covariance_cases import CASES, ROUNDING, constant, put, sparse
from tests.tasks.frame_cases import build

CERTIFIED = 1e-8
"""Absolute duality gap of the reference."""


def duality_gap(x: torch.Tensor, S: torch.Tensor, penalty: float) -> float:
    return (penalised(x, S, penalty=penalty) - dual_bound(x, S, penalty=penalty)).item()


def test_the_value_by_its_definition() -> None:
    problem = build(graphical_lasso, data="wine", penalty=0.3)
    S, x = constant(problem, "S").numpy(), problem.params["x"].detach().numpy()
    off = np.abs(x).sum() - np.abs(np.diag(x)).sum()
    expected = np.trace(S @ x) - np.linalg.slogdet(x)[1] + 0.3 * off
    assert problem.loss(problem.model, None).item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("data", ["breast_cancer", "wine", "digits"])
def test_the_reference_is_certified(data: str) -> None:
    problem = build(graphical_lasso, data=data)
    x = sparse(problem)["x"]
    assert -ROUNDING * 100 <= duality_gap(x, correlations(data), 0.1) <= CERTIFIED
    assert put(problem, {"x": x})["gap"] <= CERTIFIED


def test_the_default_tolerance_of_scikit_learn_is_no_reference() -> None:
    from sklearn.covariance import graphical_lasso as solver

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, x = solver(correlations("breast_cancer").numpy(), 0.1)
    assert duality_gap(torch.tensor(x), correlations("breast_cancer"), 0.1) > 1e-2


@pytest.mark.parametrize("penalty", [0.01, 0.1, 2.0])
def test_the_bound_is_below_every_value(penalty: float) -> None:
    """At any point's bound, and also from points whose inverse cannot be moved without leaving the cone."""
    S, generator = correlations("breast_cancer"), stream(0, "test")
    points = [Spd().random((30, 30), generator) for _ in range(8)]
    lowest_value = min(penalised(x, S, penalty=penalty).item() for x in points)
    bounds = [dual_bound(x, S, penalty=penalty).item() for x in points]
    assert np.isfinite(bounds).all()
    assert max(bounds) < lowest_value


def test_some_bounds_need_the_interior() -> None:
    """Moved entry by entry, the inverse of one of these is no longer positive definite."""
    S, generator = correlations("breast_cancer"), stream(0, "test")
    reach = 0.01 * (1.0 - torch.eye(30, dtype=torch.float64))
    inverses = [torch.linalg.inv(Spd().random((30, 30), generator)) for _ in range(8)]
    moved = [torch.minimum(torch.maximum(W, S - reach), S + reach) for W in inverses]
    assert min(torch.linalg.eigvalsh(W)[0].item() for W in moved) < 0.0


@pytest.mark.parametrize("penalty", [1e-6, 0.1, 2.0])
def test_the_interior_is_feasible(penalty: float) -> None:
    S = correlations("breast_cancer")
    W = interior(S, penalty=penalty)
    assert torch.equal(W.diagonal(), S.diagonal())
    assert (W - S).abs().max() <= penalty + ROUNDING
    assert torch.linalg.eigvalsh(W)[0] > 0.0


def test_a_large_penalty_leaves_a_diagonal() -> None:
    """Correlations are at most 1: beyond, the minimiser is the inverse of the diagonal."""
    problem = build(graphical_lasso, data="wine", penalty=1.0)
    assert put(problem, {"x": torch.eye(13, dtype=torch.float64)})["gap"] == pytest.approx(0.0, abs=ROUNDING)


def test_it_offers_no_second_derivatives() -> None:
    from rmobench.registry import tasks

    assert "second_order" not in tasks()[CASES["graphical_lasso"].task.__name__].offers


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("inf")])
def test_a_penalty_that_does_not_exist(penalty: float) -> None:
    with pytest.raises(ArgumentError, match=rf"^graphical_lasso: got penalty={penalty}, expected a finite positive"):
        build(graphical_lasso, penalty=penalty)
