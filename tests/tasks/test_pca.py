"""Principal components of any data: the optimum, both manifolds, the choice of rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rmobench.data import load
from rmobench.errors import ArgumentError, UnknownNameError
from rmobench.geometry import Grassmann, Stiefel
from rmobench.tasks.orthogonal.pca import pca
from rmobench.tasks.orthogonal.pca_digits import pca_digits
from tests.tasks.frame_cases import ROUNDING, build, frame, leaving_gains_nothing, place


def principal(rows: np.ndarray, rank: int) -> tuple[torch.Tensor, float]:
    """Return the leading directions and the share of the variance they explain, by a singular value decomposition."""
    _, s, Vt = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    return torch.tensor(Vt[:rank].T.copy()), (s[:rank] ** 2).sum() / (s**2).sum()


@pytest.mark.parametrize(("data", "rank"), [("digits", 5), ("mnist5k", 32), ("mnist5k", 128)])
@pytest.mark.parametrize("manifold", ["stiefel", "grassmann"])
def test_the_optimum_is_the_share_of_the_leading_components(data: str, rank: int, manifold: str) -> None:
    problem = build(pca, data=data, rank=rank, manifold=manifold)
    V, share = principal(load(data).inputs.reshape(-1, problem.params["x"].shape[0]).astype(np.float64), rank)
    metrics = place(problem, V)
    assert metrics["objective"] == pytest.approx(-share, abs=ROUNDING)
    assert metrics["gap"] == pytest.approx(0.0, abs=ROUNDING)
    assert metrics["residual"] < ROUNDING


def test_leaving_the_manifold_gains_nothing() -> None:
    V, share = principal(load("digits").inputs, 8)
    leaving_gains_nothing(build(pca, data="digits", rank=8), V, -share)


@pytest.mark.parametrize(("manifold", "expected"), [("stiefel", Stiefel()), ("grassmann", Grassmann())])
def test_the_manifold_is_the_one_asked_for(manifold: str, expected: object) -> None:
    assert build(pca, data="digits", manifold=manifold).manifolds == {"x": expected}


def test_the_value_depends_on_the_span_alone() -> None:
    problem = build(pca, data="digits", rank=8, manifold="grassmann")
    x, turn = frame(64, 8), frame(8, 8, seed=1)
    assert place(problem, x @ turn)["objective"] == pytest.approx(place(problem, x)["objective"], abs=ROUNDING)


def test_on_the_digits_it_is_pca_digits() -> None:
    ours, theirs = build(pca, data="digits", rank=8), build(pca_digits, rank=8)
    assert torch.equal(ours.params["x"], theirs.params["x"])
    assert ours.loss(ours.model, None).item() == theirs.loss(theirs.model, None).item()
    assert ours.judge(ours.model) == theirs.judge(theirs.model)


@pytest.mark.parametrize("change", [{"split": "train"}, {"split": "held_out"}, {"instance": 1}, {"instance": 2}])
def test_other_rows_are_another_problem_from_the_same_start(change: dict[str, object]) -> None:
    ours, other = build(pca, data="digits", rank=8), build(pca, data="digits", rank=8, **change)
    assert torch.equal(ours.params["x"], other.params["x"])
    difference = ours.model.get_buffer("covariance") - other.model.get_buffer("covariance")
    assert difference.abs().max().item() > 1e-4


def test_a_problem_does_not_share_its_memory_with_the_next() -> None:
    first = build(pca, data="digits")
    first.model.get_buffer("covariance").zero_()
    assert build(pca, data="digits").model.get_buffer("covariance").trace().item() == pytest.approx(1.0, abs=ROUNDING)


WRONG = {
    "rank": ({"data": "digits", "rank": 65}, ArgumentError, r"^pca: got rank=65, expected 1 to 63\.$"),
    "full rank": ({"data": "digits", "rank": 64}, ArgumentError, r"^pca: got rank=64, expected 1 to 63\.$"),
    "full span": (
        {"data": "digits", "rank": 64, "manifold": "grassmann"},
        ArgumentError,
        r"^pca: got rank=64, expected 1 to 63\.$",
    ),
    "manifold": (
        {"manifold": "sphere"},
        ArgumentError,
        r"^pca: got manifold='sphere', expected one of stiefel, grassm",
    ),
    "split": (
        {"data": "digits", "split": "test"},
        ArgumentError,
        r"^pca: got split='test', expected one of all, train",
    ),
    "instance": (
        {"data": "digits", "instance": -1},
        ArgumentError,
        r"^pca: got instance=-1, expected a number of at l",
    ),
    "data": ({"data": "iris"}, UnknownNameError, r"no data source named 'iris'"),
}


@pytest.mark.parametrize(("args", "error", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_exist(args: dict[str, object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        build(pca, **args)
