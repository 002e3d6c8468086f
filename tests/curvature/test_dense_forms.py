"""Every function of every structure says the same as its dense form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rmobench.curvature import (
    Arrow,
    BlockDiagonal,
    Dense,
    Diagonal,
    Factor,
    Hierarchical,
    Kronecker,
    LowerToeplitz,
    LowerTriangular,
    Structure,
    UpperToeplitz,
    UpperTriangular,
    largest,
    n_bytes,
    plus,
    scaled,
)
from tests.curvature.cases import ALL, Case, named, normal, symmetric

ROUNDING = 1e-12  # float64, of the largest entry: some thousand roundings

Shape = list[list[float]]

FORMS: list[tuple[Structure, list[Shape | list[float] | list[Shape]], Shape]] = [
    (Dense(), [[[1, 2], [3, 4]]], [[1, 2], [3, 4]]),
    (Diagonal(), [[1, 2]], [[1, 0], [0, 2]]),
    (BlockDiagonal(2), [[[[1, 2], [3, 4]]], [[5]]], [[1, 2, 0], [3, 4, 0], [0, 0, 5]]),
    (LowerTriangular(), [[[1, 0], [2, 3]]], [[1, 0], [2, 3]]),
    (UpperTriangular(), [[[1, 2], [0, 3]]], [[1, 2], [0, 3]]),
    (
        Arrow(2),
        [[[1, 2], [3, 4], [5, 6], [7, 8]], [9, 10]],
        [[1, 2, 0, 0], [3, 4, 0, 0], [5, 6, 9, 0], [7, 8, 0, 10]],
    ),
    (
        Hierarchical(1, 1),
        [[[1, 2, 3, 4]], [5, 6], [[7, 8, 9]]],
        [[1, 2, 3, 4], [0, 5, 0, 0], [0, 0, 6, 0], [0, 7, 8, 9]],
    ),
    (LowerToeplitz(), [[1, 2, 3]], [[1, 0, 0], [2, 1, 0], [3, 2, 1]]),
    (UpperToeplitz(), [[1, 2, 3]], [[1, 2, 3], [0, 1, 2], [0, 0, 1]]),
    (Kronecker(2), [[[1, 2], [3, 4]], [[5]]], [[5, 10], [15, 20]]),
    (Kronecker(1), [[[5]], [[1, 2], [3, 4]]], [[5, 10], [15, 20]]),
    (
        Kronecker(2),
        [[[1, 2], [0, 3]], [[1, 4], [0, 1]]],
        [[1, 4, 2, 8], [0, 1, 0, 2], [0, 0, 3, 12], [0, 0, 0, 3]],
    ),
]


@pytest.mark.parametrize(("structure", "storage", "matrix"), FORMS, ids=lambda v: type(v).__name__)
def test_the_dense_form_is_the_one_written_out(structure: Structure, storage: list[Shape], matrix: Shape) -> None:
    dense = structure.dense(tuple(torch.tensor(part, dtype=torch.float64) for part in storage))
    assert dense.equal(torch.tensor(matrix, dtype=torch.float64))


@pytest.mark.parametrize(("case", "p"), ALL, ids=named(ALL))
def test_the_identity_is_one_and_has_the_storage_of_products(case: Case, p: int) -> None:
    unit = case.structure.identity(p, dtype=torch.float64, device="cpu")
    assert case.structure.dense(unit).equal(torch.eye(p, dtype=torch.float64))
    product = case.structure.product(unit, case.draw(p))
    projection = case.structure.project(symmetric(p))
    assert [a.shape for a in unit] == [a.shape for a in product] == [a.shape for a in projection]
    assert all(a.dtype == torch.float64 and a.is_contiguous() for a in (*unit, *product, *projection))
    assert case.structure.identity(p, dtype=torch.bfloat16, device="cpu")[0].dtype == torch.bfloat16


@pytest.mark.parametrize(("case", "p"), ALL, ids=named(ALL))
def test_products_of_elements_are_elements(case: Case, p: int) -> None:
    A, B = case.draw(p, seed=1), case.draw(p, seed=2)
    dense = case.structure.dense
    agree(dense(case.structure.product(A, B)), dense(A) @ dense(B))


@pytest.mark.parametrize(("case", "p"), ALL, ids=named(ALL))
def test_rows_times_an_element(case: Case, p: int) -> None:
    A = case.draw(p)
    M = case.structure.dense(A)
    for m in (1, 4):
        Y = normal(m, p, seed=3)
        agree(case.structure.times(Y, A), Y @ M)
        agree(case.structure.times_transposed(Y, A), Y @ M.mT)
        agree(case.structure.times(Y.mT.contiguous().mT, A), Y @ M)  # rows that are no rows in memory


@pytest.mark.parametrize(("case", "p"), ALL, ids=named(ALL))
def test_grams_are_projections_of_dense_products(case: Case, p: int) -> None:
    A, Y = case.draw(p), normal(4, p, seed=3)
    M = case.structure.dense(A)
    for got, product in ((case.structure.gram(A), M.mT @ M), (case.structure.project_gram(Y), Y.mT @ Y)):
        expected = case.structure.project(product)
        scale = float(largest(expected))
        for a, b in zip(got, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=0.0, atol=ROUNDING * scale)


SCALARS: dict[str, tuple[Callable[[Structure, Factor], Tensor], Callable[[Tensor], Tensor]]] = {
    "square": (lambda s, A: s.square(A), lambda M: (M * M).sum()),
    "diagonal": (lambda s, A: s.diagonal(A), torch.diagonal),
}


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize(("case", "p"), ALL, ids=named(ALL))
def test_numbers_of_an_element(case: Case, p: int, name: str) -> None:
    A = case.draw(p)
    of_factor, of_matrix = SCALARS[name]
    got, expected = of_factor(case.structure, A), of_matrix(case.structure.dense(A))
    torch.testing.assert_close(got, expected, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize(("case", "p"), ALL, ids=named(ALL))
def test_the_determinant_of_an_element_near_the_identity(case: Case, p: int) -> None:
    """Near it, as the elimination of a dense triangular matrix loses more digits than are asked for."""
    unit = case.structure.identity(p, dtype=torch.float64, device="cpu")
    A = plus(scaled(unit, -2.0), case.draw(p), 0.5 / p)
    expected = torch.linalg.slogdet(case.structure.dense(A)).logabsdet
    torch.testing.assert_close(case.structure.logabsdet(A), expected, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize(("case", "p"), ALL, ids=named(ALL))
def test_sums_multiples_shifts_and_the_trace_of_tangents(case: Case, p: int) -> None:
    N, L = case.draw(p, seed=4), case.draw(p, seed=5)
    dense = case.dense_tangent
    agree(dense(plus(N, L, -0.3)), dense(N) - 0.3 * dense(L))
    agree(dense(plus(N, L, torch.tensor(0.5))), dense(N) + 0.5 * dense(L))
    agree(dense(scaled(N, 3.0)), 3.0 * dense(N))
    agree(dense(case.structure.shifted(N, -0.7)), dense(N) - 0.7 * torch.eye(p, dtype=torch.float64))
    torch.testing.assert_close(case.structure.trace(N), dense(N).trace(), rtol=ROUNDING, atol=ROUNDING)


def test_the_largest_entry_and_the_bytes_are_those_of_the_storage() -> None:
    A = (torch.tensor([[1.0, -7.0]]), torch.empty(0, 3), torch.tensor([2.0]))
    assert largest(A).item() == 7.0
    assert n_bytes(A) == 3 * 4
    assert n_bytes(Hierarchical(2, 3).identity(20, dtype=torch.bfloat16, device="cpu")) == 2 * (2 * 20 + 15 + 3 * 18)


def agree(got: Tensor, expected: Tensor) -> None:
    """Fail unless all entries agree to rounding, relative to the largest."""
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(got, expected, rtol=0.0, atol=ROUNDING * scale)
