"""Pi is the steepest direction in the metric of A A^T."""

from __future__ import annotations

import math

import pytest
import torch

from rmobench.curvature import Kronecker, LowerToeplitz, LowerTriangular, largest, plus, scaled
from tests.curvature.cases import ALL, SMALL, Case, metric, named, normal, steepest, symmetric

ROUNDING = 1e-12  # float64, of the largest entry
SOLVED = 1e-10  # the same after a pseudo-inverse of condition up to some hundred


@pytest.mark.parametrize(("case", "p"), SMALL, ids=named(SMALL))
def test_the_projection_is_the_solution_of_its_definition(case: Case, p: int) -> None:
    M = symmetric(p, seed=1)
    got = case.dense_tangent(case.structure.project(M))
    torch.testing.assert_close(got, steepest(case, M), rtol=0.0, atol=SOLVED * float(M.abs().max()))


@pytest.mark.parametrize(("case", "p"), ALL, ids=named(ALL))
def test_the_projection_is_the_slope_along_every_tangent(case: Case, p: int) -> None:
    M = symmetric(p, seed=1)
    direction, N = (case.dense_tangent(case.structure.project(S)) for S in (M, symmetric(p, seed=2)))
    torch.testing.assert_close(metric(direction, N), 4.0 * (M * N).sum(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("case", "p"), ALL, ids=named(ALL))
def test_the_projection_is_linear_and_keeps_the_unit_and_the_trace(case: Case, p: int) -> None:
    project, one = case.structure.project, torch.eye(p, dtype=torch.float64)
    M, S = symmetric(p, seed=1), symmetric(p, seed=2)
    both = plus(scaled(project(M), 2.0), project(S), -3.0)
    assert float(largest(plus(project(2.0 * M - 3.0 * S), both, -1.0))) <= ROUNDING * float(largest(both))
    torch.testing.assert_close(case.dense_tangent(project(one)), one, rtol=0.0, atol=ROUNDING)
    torch.testing.assert_close(case.structure.trace(project(M)), M.trace(), rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("p", [1, 2, 9])
def test_the_metric_of_the_triangular_group(p: int) -> None:
    """|M + M^T|^2 = 4 |diagonal|^2 + 2 |off the diagonal|^2."""
    M = normal(p, p).tril()
    split = 4.0 * M.diagonal().square().sum() + 2.0 * M.tril(-1).square().sum()
    torch.testing.assert_close(metric(M, M), split, rtol=ROUNDING, atol=0.0)


@pytest.mark.parametrize("p", [1, 2, 4])
def test_the_orthonormal_basis_of_the_triangular_group(p: int) -> None:
    """Unit matrices, times 1/2 on the diagonal and 1/sqrt(2) below: their squares are the weights of Pi over 4."""
    places = [(i, j) for i in range(p) for j in range(i + 1)]
    basis = []
    for i, j in places:
        E = torch.zeros(p, p, dtype=torch.float64)
        E[i, j] = 0.5 if i == j else 1.0 / math.sqrt(2.0)
        basis.append(E)
    gram = torch.stack([torch.stack([metric(a, b) for b in basis]) for a in basis])
    torch.testing.assert_close(gram, torch.eye(len(basis), dtype=torch.float64), rtol=0.0, atol=ROUNDING)
    weights = LowerTriangular().project(torch.ones(p, p, dtype=torch.float64))[0] / 4.0
    squares = torch.stack([E.square() for E in basis]).sum(0)
    torch.testing.assert_close(weights, squares, rtol=0.0, atol=ROUNDING)


def test_the_projection_onto_toeplitz_matrices_is_the_doubled_mean() -> None:
    M = torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 10.0]])
    assert LowerToeplitz().project(M)[0].tolist() == [5.0, 7.0, 6.0]


def test_the_projection_onto_kronecker_tangents_keeps_them() -> None:
    structure = Kronecker(3)
    M = torch.kron(symmetric(3, seed=1), torch.eye(4, dtype=torch.float64))
    M = M + torch.kron(torch.eye(3, dtype=torch.float64), symmetric(4, seed=2))
    torch.testing.assert_close(structure.dense_tangent(structure.project(M)), M, rtol=0.0, atol=ROUNDING)


def test_a_kronecker_tangent_moves_both_matrices() -> None:
    """The step A + A (t N), matrix by matrix, is A (I + t N) up to t^2."""
    structure = Kronecker(3)
    generator = torch.Generator().manual_seed(0)
    A = tuple(torch.randn(k, k, generator=generator, dtype=torch.float64) for k in (3, 4))
    N = structure.project(symmetric(12))
    errors = []
    for t in (1e-3, 5e-4):
        moved = structure.dense(plus(A, structure.product(A, N), t))
        dense = structure.dense(A)
        errors.append((moved - dense - t * dense @ structure.dense_tangent(N)).norm().item())
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=1e-6)  # what is left is t^2 times a constant
