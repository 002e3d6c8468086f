"""A step needs no dense matrix, no factorisation, and no kernel that half precision lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rmobench.curvature import STRUCTURES, Factor, Structure, exponential, largest, n_bytes, plus, scaled

P, M = 512, 32  # dimension and rows
PADDING = {"lower_toeplitz": 2.5 * (P + 1) / P, "upper_toeplitz": 2.5 * (P + 1) / P}  # what their docstring promises
DENSE = ("dense", "lower_triangular", "upper_triangular")  # p x p is their own storage

Call = Callable[[Structure, Tensor, Factor], Any]

ON_FACTORS: dict[str, Call] = {
    "gram": lambda s, Y, A: s.gram(A),
    "product": lambda s, Y, A: s.product(A, A),
    "slope": lambda s, Y, A: s.slope(A, A),
    "exponential": lambda s, Y, A: exponential(s, A),
    "shifted": lambda s, Y, A: s.shifted(A, -1.0),
    "plus": lambda s, Y, A: plus(A, A, -0.5),
    "scaled": lambda s, Y, A: scaled(A, 0.5),
    "largest": lambda s, Y, A: (largest(A),),
    "trace": lambda s, Y, A: (s.trace(A),),
    "square": lambda s, Y, A: (s.square(A),),
}
ON_ROWS: dict[str, Call] = {
    "project_gram": lambda s, Y, A: s.project_gram(Y),
    "times": lambda s, Y, A: (s.times(Y, A),),
    "times_transposed": lambda s, Y, A: (s.times_transposed(Y, A),),
}
STEP = {**ON_FACTORS, **ON_ROWS}
"""What a step of an optimizer consists of."""


class Watch(TorchDispatchMode):
    """Keeps the largest storage that any operation returns, in bytes, and the names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.names.add(func.name())
        sizes = [t.untyped_storage().nbytes() for t in tree_leaves(out) if isinstance(t, Tensor)]
        self.largest = max([self.largest, *sizes])
        return out


def operands(structure: Structure, dtype: torch.dtype) -> tuple[Tensor, Factor]:
    """Return rows [M, P] and a factor near the identity that has all of the structure's entries."""
    generator = torch.Generator().manual_seed(0)
    Y = torch.randn(M, P, generator=generator)
    unit = structure.identity(P, dtype=torch.float32, device="cpu")
    A = plus(unit, structure.project_gram(Y), 0.1 / P)
    return Y.to(dtype), tuple(a.to(dtype) for a in A)


@pytest.mark.parametrize("function", STEP)
@pytest.mark.parametrize("name", STRUCTURES)
def test_the_largest_tensor_of_a_step_is_what_the_docstring_promises(name: str, function: str) -> None:
    structure = STRUCTURES[name]
    Y, A = operands(structure, torch.float32)
    with Watch() as watch:
        STEP[function](structure, Y, A)
    room = n_bytes(A) if function in ON_FACTORS else max(n_bytes(A), Y.nbytes)
    assert 0 < watch.largest <= PADDING.get(name, 1.0) * room
    assert name in DENSE or watch.largest < 4 * P * P / 4


def test_the_watch_sees_a_dense_matrix() -> None:
    _, A = operands(STRUCTURES["diagonal"], torch.float32)
    with Watch() as watch:
        STRUCTURES["diagonal"].dense(A)
    assert watch.largest == 4 * P * P


@pytest.mark.parametrize("name", STRUCTURES)
def test_what_a_step_returns_holds_no_more_memory_than_it_shows(name: str) -> None:
    structure = STRUCTURES[name]
    Y, A = operands(structure, torch.float32)
    for function in ("gram", "product", "slope", "exponential", "shifted", "project_gram"):
        for a in STEP[function](structure, Y, A):
            assert a.untyped_storage().nbytes() == a.nbytes, function


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_step_factors_and_inverts_nothing(name: str) -> None:
    structure = STRUCTURES[name]
    Y, A = operands(structure, torch.float32)
    with Watch() as watch:
        for call in STEP.values():
            call(structure, Y, A)
    words = ("inv", "solve", "cholesky", "qr", "svd", "eig", "lu_", "slogdet", "det")
    assert not [n for n in watch.names if any(word in n.removeprefix("aten::") for word in words)]


@pytest.mark.parametrize("function", STEP)
@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.bfloat16, 2.0**-8), (torch.float16, 2.0**-11)], ids=str)
def test_a_step_runs_in_half_precision(name: str, function: str, dtype: torch.dtype, rounding: float) -> None:
    """The result keeps the type, and agrees with float64 from the same rounded operands to a few roundings."""
    structure = STRUCTURES[name]
    Y, A = operands(structure, dtype)
    got = STEP[function](structure, Y, A)
    expected = STEP[function](structure, Y.double(), tuple(a.double() for a in A))
    assert all(a.dtype == dtype for a in got)
    error = max((a.double() - b).abs().max() for a, b in zip(got, expected, strict=True) if b.numel())
    assert error <= 4.0 * rounding * largest(expected)


@pytest.mark.parametrize("name", STRUCTURES)
def test_determinants_are_taken_wider_than_half_precision(name: str) -> None:
    structure = STRUCTURES[name]
    _, A = operands(structure, torch.bfloat16)
    got = structure.logabsdet(A)
    assert got.dtype == torch.float32
    expected = structure.logabsdet(tuple(a.double() for a in A))
    torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-3)
