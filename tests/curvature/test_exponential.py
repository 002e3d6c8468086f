"""Slopes are gradients seen from the Lie algebra; exponentials agree with those of dense matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.curvature import LowerToeplitz, exponential, scaled
from rmobench.geometry.exponential import expm
from tests.curvature.cases import ALL, SMALL, Case, metric, named, normal, steepest, symmetric

ROUNDING = 1e-12  # float64, of the largest entry
SOLVED = 1e-10  # the same after a pseudo-inverse of condition up to some hundred


def gradient(case: Case, A: tuple[Tensor, ...], S: Tensor) -> tuple[Tensor, ...]:
    """Return the gradient of tr(S A A^T) in the storage of A; where it keeps zeros, there may be numbers."""
    parts = tuple(a.clone().requires_grad_() for a in A)
    M = case.structure.dense(parts)
    return torch.autograd.grad(((S @ M) * M).sum(), parts, materialize_grads=True, allow_unused=True)


@pytest.mark.parametrize(("case", "p"), SMALL, ids=named(SMALL))
def test_the_slope_is_the_steepest_tangent(case: Case, p: int) -> None:
    """Of tr(S A A^T): that of A^T S A, from the definition over a whole basis."""
    A, S = case.draw(p), symmetric(p, seed=1)
    M = case.structure.dense(A)
    got = case.dense_tangent(case.structure.slope(A, gradient(case, A, S)))
    expected = steepest(case, M.mT @ S @ M)
    torch.testing.assert_close(got, expected, rtol=0.0, atol=SOLVED * float((M.mT @ S @ M).abs().max()))


@pytest.mark.parametrize(("case", "p"), SMALL, ids=named(SMALL))
def test_the_slope_is_twice_the_derivative_along_every_tangent(case: Case, p: int) -> None:
    A, S = case.draw(p), symmetric(p, seed=1)
    M = case.structure.dense(A)
    direction = case.dense_tangent(case.structure.slope(A, gradient(case, A, S)))
    for N in case.basis(p):
        derivative = 2.0 * ((S @ M) * (M @ N)).sum()
        torch.testing.assert_close(metric(direction, 0.5 * (N + N.mT)), metric(direction, N))
        torch.testing.assert_close(metric(direction, N), 2.0 * derivative, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [1e-3, 0.3, 10.0])
@pytest.mark.parametrize(("case", "p"), ALL, ids=named(ALL))
def test_the_exponential_is_that_of_the_dense_tangent(case: Case, p: int, size: float) -> None:
    """Of norms from far below one to ten; the others' series ends early for single matrices of small norm."""
    N = scaled(case.draw(p), size / p)
    expected = expm(case.dense_tangent(N))
    got = case.structure.dense(exponential(case.structure, N))
    torch.testing.assert_close(got, expected, rtol=0.0, atol=ROUNDING * max(1.0, float(expected.abs().max())))


@pytest.mark.parametrize(("case", "p"), SMALL, ids=named(SMALL))
def test_the_exponential_of_nothing_is_the_identity_and_minus_inverts(case: Case, p: int) -> None:
    structure, N = case.structure, scaled(case.draw(p), 1.0 / p)
    nothing = exponential(structure, scaled(N, 0.0))
    assert structure.dense(nothing).equal(torch.eye(p, dtype=torch.float64))
    product = structure.product(exponential(structure, N), exponential(structure, scaled(N, -1.0)))
    torch.testing.assert_close(structure.dense(product), torch.eye(p, dtype=torch.float64), rtol=0.0, atol=1e-11)


def test_the_exponential_of_what_is_not_finite_is_not_finite() -> None:
    for wrong in (torch.nan, torch.inf):
        (a,) = exponential(LowerToeplitz(), (wrong * normal(4),))
        assert not a.isfinite().all()
