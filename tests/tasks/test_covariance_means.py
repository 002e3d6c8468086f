"""Means of positive definite matrices: distances by their definitions, references against other libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import logm, sqrtm

from rmobench.data import SOURCES
from rmobench.errors import ArgumentError
from rmobench.tasks.covariance.bures_wasserstein import barycentre, bures_wasserstein
from rmobench.tasks.covariance.fixed_point import fixed_point
from rmobench.tasks.covariance.instances import matrices, scattered
from rmobench.tasks.covariance.karcher_mean import karcher_mean, mean
from rmobench.tasks.streams import stream
from tests.tasks.covariance_cases import ROUNDING, constant, given, put
from tests.tasks.frame_cases import build

SAME = 1e-10
"""Two libraries' means agree to this, relative to matrices of norm near 1."""

STATIONARY = 1e-13


def some(source: str, *, cond: float = 100.0) -> torch.Tensor:
    if source == "synthetic":
        return scattered("test", count=12, dim=6, cond=cond, generator=stream(0, "test"))
    if SOURCES[source].where() is None:
        pytest.skip(f"no {source} on this machine")
    return matrices("test", source, count=0, dim=0, cond=0.0, generator=stream(0, "test"))


def test_the_distance_by_its_definition() -> None:
    problem = build(karcher_mean, dim=4, count=3)
    root = np.linalg.inv(sqrtm(problem.params["x"].detach().numpy()))
    expected = np.mean([np.sum(logm(root @ M @ root) ** 2) for M in given(problem).numpy()])
    assert problem.loss(problem.model, None).item() == pytest.approx(expected, rel=1e-10)


def test_the_wasserstein_distance_by_its_definition() -> None:
    problem = build(bures_wasserstein, dim=4, count=3)
    R, x = constant(problem, "roots").numpy(), problem.params["x"].detach().numpy()
    root = sqrtm(x)
    distances = [np.trace(x) + np.trace(M) - 2.0 * np.trace(sqrtm(root @ M @ root)) for M in R @ R.swapaxes(1, 2)]
    assert problem.loss(problem.model, None).item() == pytest.approx(np.mean(distances), rel=1e-10)


@pytest.mark.parametrize("source", ["synthetic", "connectomes"])
def test_the_mean_is_stationary(source: str) -> None:
    M = some(source)
    root = sqrtm(mean("test", M).numpy())
    back = np.linalg.inv(root)
    G = np.mean([logm(back @ A @ back) for A in M.numpy()], axis=0)
    assert np.linalg.norm(G) < STATIONARY * len(G)


@pytest.mark.parametrize("source", ["synthetic", "connectomes"])
def test_the_barycentre_is_stationary(source: str) -> None:
    M = some(source)
    root = sqrtm(barycentre("test", M).numpy())
    back = np.linalg.inv(root)
    T = back @ np.mean([sqrtm(root @ A @ root) for A in M.numpy()], axis=0) @ back
    assert np.linalg.norm(T - np.eye(len(T))) < STATIONARY * len(T)


def test_commuting_matrices_have_the_means_of_their_eigenvalues() -> None:
    values = torch.rand(5, 4, generator=stream(0, "test"), dtype=torch.float64) + 0.1
    M = values.diag_embed()
    torch.testing.assert_close(mean("test", M), values.log().mean(0).exp().diag(), rtol=0.0, atol=ROUNDING)
    torch.testing.assert_close(barycentre("test", M), values.sqrt().mean(0).square().diag(), rtol=0.0, atol=ROUNDING)


@pytest.mark.golden
@pytest.mark.parametrize("source", ["synthetic", "connectomes"])
def test_the_mean_is_that_of_pyriemann(source: str) -> None:
    theirs = pytest.importorskip("pyriemann.geometry.mean")
    M = some(source)
    expected = theirs.mean_riemann(M.numpy(), tol=1e-12, maxiter=500)
    assert np.linalg.norm(mean("test", M).numpy() - expected) < SAME * np.linalg.norm(expected)


@pytest.mark.golden
@pytest.mark.parametrize("source", ["synthetic", "connectomes"])
def test_the_barycentre_is_that_of_pyriemann(source: str) -> None:
    theirs = pytest.importorskip("pyriemann.geometry.mean")
    M = some(source)
    expected = theirs.mean_wasserstein(M.numpy(), tol=1e-12, maxiter=500)
    assert np.linalg.norm(barycentre("test", M).numpy() - expected) < SAME * np.linalg.norm(expected)


@pytest.mark.golden
def test_the_barycentre_is_that_of_pot() -> None:
    theirs = pytest.importorskip("ot.gaussian")
    M = some("synthetic")
    means = np.zeros(M.shape[:2])
    _, expected = theirs.bures_wasserstein_barycenter(means, M.numpy(), num_iter=1000, eps=1e-14)
    assert np.linalg.norm(barycentre("test", M).numpy() - expected) < SAME * np.linalg.norm(expected)


@pytest.mark.parametrize("task", [karcher_mean, bures_wasserstein])
def test_real_matrices_have_a_certified_mean(task: object) -> None:
    M = some("connectomes")
    problem = build(task, data="connectomes")
    best = mean("test", M) if task is karcher_mean else barycentre("test", M)
    assert put(problem, {"x": best})["gap"] == pytest.approx(0.0, abs=ROUNDING)


@pytest.mark.parametrize("cond", [1.0, 10.0, 1e6])
def test_condition_numbers_are_bounded_by_the_one_asked_for(cond: float) -> None:
    spectra = torch.linalg.eigvalsh(some("synthetic", cond=cond))
    assert (spectra[:, -1] / spectra[:, 0]).max() <= cond * (1.0 + 1e-6)
    assert mean("test", some("synthetic", cond=cond)).isfinite().all()


def test_an_iteration_that_goes_nowhere_is_told() -> None:
    start = torch.eye(2, dtype=torch.float64)
    with pytest.raises(ArgumentError, match=r"^made: the reference iteration ends 1\.0e-03 from its fixed point, exp"):
        fixed_point("made", lambda x: (x, 1e-3), start)
    with pytest.raises(ArgumentError, match=r"^made: the reference iteration ends inf from"):
        fixed_point("made", lambda x: (x, float("nan")), start)


WRONG = {
    "count": ({"count": 0}, r"got count=0, expected at least 1\."),
    "dimension": ({"dim": 0}, r"got dim=0, expected 1 to 512\."),
    "condition": ({"cond": 0.1}, r"got cond=0\.1, expected 1 to 1e\+12\."),
    "a table": ({"data": "wine"}, r"got data='wine' of shape \[178, 13\], expected positive definite matrices"),
}


@pytest.mark.parametrize("task", [karcher_mean, bures_wasserstein])
@pytest.mark.parametrize(("args", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_exist(task: object, args: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^{task.__name__}: {said}"):
        build(task, **args)
