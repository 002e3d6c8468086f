"""Principal components of the digits: the optimum, the start, the judge."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rmobench.data.digits import digits
from rmobench.errors import ArgumentError
from rmobench.geometry import Stiefel, polar, qr
from rmobench.tasks.orthogonal.pca_digits import pca_digits
from rmobench.types import Problem

CPU = torch.device("cpu")


def build(**args: object) -> Problem:
    return pca_digits(0, CPU, torch.float64, **args)


def principal(rank: int) -> tuple[np.ndarray, float]:
    """Return the leading directions and the share of the variance they explain, by a singular value decomposition."""
    images = digits().inputs
    _, s, Vt = np.linalg.svd(images - images.mean(axis=0), full_matrices=False)
    return Vt[:rank].T, (s[:rank] ** 2).sum() / (s**2).sum()


def place(problem: Problem, x: torch.Tensor) -> dict[str, float]:
    with torch.no_grad():
        problem.params["x"].copy_(x)
    return dict(problem.judge(problem.model))


@pytest.mark.parametrize("rank", [1, 8, 32, 61])
def test_the_optimum_is_the_share_of_the_leading_components(rank: int) -> None:
    problem = build(rank=rank)
    V, share = principal(rank)
    metrics = place(problem, torch.tensor(V.copy()))
    assert metrics["objective"] == pytest.approx(-share, abs=1e-14)
    assert metrics["gap"] == pytest.approx(0.0, abs=1e-12)
    assert metrics["residual"] < 1e-12
    assert problem.loss(problem.model, None).item() == pytest.approx(-share, abs=1e-14)


def test_the_start_has_gap_one_and_lies_on_the_manifold() -> None:
    problem = build()
    metrics = problem.judge(problem.model)
    assert metrics["gap"] == 1.0
    assert metrics["residual"] < 1e-14
    assert metrics["objective"] == pytest.approx(problem.loss(problem.model, None).item(), abs=1e-14)


@pytest.mark.parametrize("scale", [1.5, 100.0])
def test_leaving_the_manifold_gains_nothing(scale: float) -> None:
    """The loss falls below the optimum, the judged objective does not, and the residual tells."""
    problem = build()
    V, share = principal(8)
    noise = torch.randn(64, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for x in (scale * torch.tensor(V.copy()), scale * noise, torch.tensor(V[:, :1].repeat(8, axis=1)) + 1e-9 * noise):
        metrics = place(problem, x)
        assert metrics["objective"] >= -share - 1e-12
        assert metrics["gap"] >= -1e-12
        assert metrics["residual"] > 1.0
    place(problem, scale * torch.tensor(V.copy()))
    assert problem.loss(problem.model, None).item() < -share


def test_a_point_that_is_not_finite_is_judged_so() -> None:
    metrics = place(build(), torch.full((64, 8), torch.nan, dtype=torch.float64))
    assert all(np.isnan(value) for value in metrics.values())


def test_the_seed_draws_the_start_and_nothing_else() -> None:
    first, again, other = build(), build(), pca_digits(1, CPU, torch.float64)
    assert torch.equal(first.params["x"], again.params["x"])
    assert not torch.equal(first.params["x"], other.params["x"])
    assert torch.equal(first.model.get_buffer("covariance"), other.model.get_buffer("covariance"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_precision_is_that_of_the_storage_and_judging_is_exact(dtype: torch.dtype) -> None:
    problem = pca_digits(0, CPU, dtype)
    assert problem.params["x"].dtype == dtype
    loss = problem.loss(problem.model, None)
    assert loss.dtype == dtype
    metrics = problem.judge(problem.model)
    assert metrics["gap"] == 1.0
    assert metrics["objective"] == pytest.approx(loss.item(), abs=8 * torch.finfo(dtype).eps)
    assert 0.0 < metrics["residual"] < 64 * torch.finfo(dtype).eps


@pytest.mark.parametrize(("retraction", "function"), [("qr", qr), ("polar", polar)])
def test_the_retraction_is_the_one_asked_for(retraction: str, function: object) -> None:
    assert build(retraction=retraction).manifolds == {"x": Stiefel(retraction=function)}


@pytest.mark.parametrize("rank", [0, -1, 64, 65])
def test_a_rank_that_makes_no_problem(rank: int) -> None:
    """At full rank every frame explains all."""
    with pytest.raises(ArgumentError, match=rf"^pca_digits: got rank={rank}, expected 1 to 63\.$"):
        build(rank=rank)


def test_a_retraction_that_does_not_exist() -> None:
    with pytest.raises(ArgumentError, match=r"^pca_digits: got retraction='givens', expected one of qr, .*polar"):
        build(retraction="givens")
