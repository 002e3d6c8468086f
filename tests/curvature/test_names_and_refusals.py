"""Structures by name, sizes that do not fit, and operands of the wrong shape."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rmobench.curvature import (
    STRUCTURES,
    Arrow,
    BlockDiagonal,
    Diagonal,
    Hierarchical,
    Kronecker,
    Structure,
    structure_named,
)
from rmobench.errors import ArgumentError, UnknownNameError

NAMED = [
    ("diagonal", None, Diagonal()),
    ("block_diagonal", None, BlockDiagonal(30)),
    ("block_diagonal", 7, BlockDiagonal(7)),
    ("arrow", 4, Arrow(4)),
    ("hierarchical", 5, Hierarchical(5, 5)),
    ("kronecker", 8, Kronecker(8)),
]


@pytest.mark.parametrize(("name", "size", "expected"), NAMED)
def test_a_structure_has_a_name_and_maybe_a_size(name: str, size: int | None, expected: Structure) -> None:
    assert structure_named(name, size) == expected


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: structure_named("diagnal"), UnknownNameError, "Did you mean 'diagonal'"),
        (lambda: structure_named("dense", 3), ArgumentError, "got size=3, but it has none"),
        (lambda: structure_named("arrow", 0), ArgumentError, "Arrow: got k=0, expected an integer of at least 1"),
        (lambda: BlockDiagonal(0), ArgumentError, "BlockDiagonal: got size=0"),
        (lambda: BlockDiagonal(2.5), ArgumentError, "got size=2.5, expected an integer"),
        (lambda: Hierarchical(2, -1), ArgumentError, "Hierarchical: got k2=-1"),
        (lambda: Kronecker(0), ArgumentError, "Kronecker: got size=0"),
        (lambda: Kronecker(3).project(torch.eye(8)), ArgumentError, "size 3 does not divide the dimension 8"),
    ],
)
def test_sizes_that_cannot_be_are_refused(build: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build()


@pytest.mark.parametrize("name", STRUCTURES)
def test_operands_of_the_wrong_shape_are_refused(name: str) -> None:
    structure = STRUCTURES[name]
    owner = type(structure).__name__
    A = structure.identity(4, dtype=torch.float64, device="cpu")
    with pytest.raises(ArgumentError, match=rf"{owner}.identity: got p=0"):
        structure.identity(0, dtype=torch.float64, device="cpu")
    with pytest.raises(ArgumentError, match=rf"{owner}.project: M has shape \[4, 3\], expected a square matrix"):
        structure.project(torch.ones(4, 3))
    with pytest.raises(ArgumentError, match=rf"{owner}.project_gram: Y has shape \[4\], expected \[m, p\]"):
        structure.project_gram(torch.ones(4))
    with pytest.raises(ArgumentError, match=rf"{owner}.times: Y has shape \[2, 1\], expected \[m, 4\]"):
        structure.times(torch.ones(2, 1), A)
    with pytest.raises(ArgumentError, match=rf"{owner}.times_transposed: Y has shape \[2, 5\], expected \[m, 4\]"):
        structure.times_transposed(torch.ones(2, 5), A)


@pytest.mark.parametrize(("p", "sizes"), [(1, (1, 1)), (7, (1, 7)), (12, (3, 4)), (16, (4, 4)), (30, (5, 6))])
def test_a_kronecker_product_without_a_size_is_as_even_as_it_can_be(p: int, sizes: tuple[int, int]) -> None:
    unit = Kronecker().identity(p, dtype=torch.float64, device="cpu")
    assert tuple(map(len, unit)) == sizes
