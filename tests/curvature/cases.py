"""Every structure at several sizes, elements of it, and its projection from the definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
)


@dataclass(frozen=True, slots=True)
class Case:
    """A structure, the dimensions it is tried at, and how to read and draw its factors."""

    structure: Structure
    dimensions: tuple[int, ...] = (1, 2, 5, 7, 12, 31)
    tangent: Callable[[Factor], Tensor] | None = None  # dense form of a tangent; None where it is that of an element
    free: Callable[[Tensor], Tensor] = Tensor.clone  # sets what the storage keeps as zeros

    def __str__(self) -> str:
        return repr(self.structure)

    def dense_tangent(self, N: Factor) -> Tensor:
        return (self.tangent or self.structure.dense)(N)

    def draw(self, p: int, *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Factor:
        """Draw an element with standard normal entries, not symmetric in its blocks."""
        generator = torch.Generator().manual_seed(1000 * p + seed)
        unit = self.structure.identity(p, dtype=torch.float64, device="cpu")
        drawn = (torch.randn(a.shape, generator=generator, dtype=torch.float64) for a in unit)
        return tuple(self.free(a).to(dtype) for a in drawn)

    def basis(self, p: int) -> list[Tensor]:
        """Return the dense tangents [p, p] of the storage's unit vectors."""
        unit = self.structure.identity(p, dtype=torch.float64, device="cpu")
        tangents = []
        for place, a in enumerate(unit):
            for i in range(a.numel()):
                one = torch.zeros(a.numel(), dtype=torch.float64).index_fill(0, torch.tensor([i]), 1.0)
                parts = [torch.zeros_like(b) for b in unit]
                parts[place] = self.free(one.reshape(a.shape))
                tangents.append(self.dense_tangent(tuple(parts)))
        return tangents


CASES = (
    Case(Dense()),
    Case(Diagonal()),
    Case(BlockDiagonal(3)),
    Case(BlockDiagonal(40)),
    Case(LowerTriangular(), free=torch.tril),
    Case(UpperTriangular(), free=torch.triu),
    Case(Arrow(1)),
    Case(Arrow(3)),
    Case(Hierarchical(2, 3)),
    Case(Hierarchical(3, 0)),
    Case(Hierarchical(0, 2)),
    Case(LowerToeplitz()),
    Case(UpperToeplitz()),
    Case(Kronecker(), tangent=Kronecker().dense_tangent),
    Case(Kronecker(3), dimensions=(3, 6, 9, 12, 21), tangent=Kronecker(3).dense_tangent),
)

ALL = [(case, p) for case in CASES for p in case.dimensions]
SMALL = [(case, p) for case, p in ALL if p <= 7]  # for what needs the whole basis


def named(pairs: list[tuple[Case, int]]) -> list[str]:
    """Return the ids of cases for pytest."""
    return [f"{case}-{p}" for case, p in pairs]


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Draw a float64 tensor of standard normal entries."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def symmetric(p: int, *, seed: int = 0) -> Tensor:
    """Draw a symmetric matrix [p, p], not definite."""
    M = normal(p, p, seed=seed)
    return M + M.mT


def metric(N: Tensor, M: Tensor) -> Tensor:
    """Return tr((N + N^T)(M + M^T)), the affine-invariant metric of A A^T at A = I."""
    return ((N + N.mT) * (M + M.mT)).sum()


def steepest(case: Case, M: Tensor) -> Tensor:
    """Return the tangent N of least Frobenius norm with metric(N, B) = 4 tr(M B) for each B of the basis, [p, p]."""
    basis = case.basis(len(M))
    gram = torch.stack([torch.stack([metric(a, b) for b in basis]) for a in basis])
    slopes = 4.0 * torch.stack([(M * b).sum() for b in basis])
    weights = torch.linalg.pinv(gram, hermitian=True, rtol=1e-10) @ slopes
    return torch.stack([w * b for w, b in zip(weights, basis, strict=True)]).sum(0)
