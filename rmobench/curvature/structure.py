"""What a structured matrix is: a factor in compact storage, and the structure that knows how to read it.

A structure is a matrix group together with its Lie algebra. An element A is a factor; so is a tangent N, a vector of
the Lie algebra. For every structure but `Kronecker` the group is the invertible part of a matrix algebra, and elements
and tangents have one storage and one meaning; for `Kronecker` they share the storage only, and the step
`plus(A, product(A, N), -lr)`, the series `I + N + N^2 / 2` and the shift `N - I` are right in this notation as well:
the first two act on the two matrices of the factor, the last one is `shifted`.

Everything is computed as it is stored, unless a structure says otherwise.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

Factor = tuple[Tensor, ...]
"""A matrix [p, p] in the storage of its structure: tensors that may be empty, are no scalars, never change in place."""


class Structure(Protocol):
    """A group of matrices [p, p], closed under products, and the projection onto its Lie algebra.

    The metric at the identity is <N, N'> = tr((N + N^T)(N' + N'^T)), the affine-invariant one of A A^T. `project` is
    the steepest direction in it, up to a common factor: <Pi(M), N> = 4 tr(M N) for every tangent N. It keeps the
    entries of the structure with weight 1 on symmetric (diagonal) blocks and 2 on one-sided off-diagonal ones; thus
    Pi / 2 has the weights 1/2 and 1 of an orthonormal basis. Pi(I) = I, and Pi keeps the trace.

    Source: Lin, Nielsen, Khan, Schmidt 2021, ICML, arXiv 2102.07405 (groups, metric at the identity);
    Lin, Dangel, Eschenhagen et al. 2024, ICML, arXiv 2312.05705 (structures, projection).
    """

    def identity(self, p: int, *, dtype: torch.dtype, device: torch.device | str) -> Factor:
        """Return the unit element of dimension p; ArgumentError where the sizes of the structure do not fit p."""
        ...

    def project(self, M: Tensor) -> Factor:
        """Return the tangent Pi(M) of a symmetric M [p, p]."""
        ...

    def project_gram(self, Y: Tensor) -> Factor:
        """Return the tangent Pi(Y^T Y) of rows Y [m, p]."""
        ...

    def gram(self, A: Factor) -> Factor:
        """Return the tangent Pi(A^T A)."""
        ...

    def slope(self, A: Factor, G: Factor) -> Factor:
        """Return the tangent M of the steepest ascent from A: metric(M, N) = 2 <G, A N> for every tangent N.

        G is the gradient in the storage of A, <., .> the sum over its entries. Of a function of A A^T whose gradient
        there is S, it is Pi(A^T S A).
        """
        ...

    def shifted(self, N: Factor, c: float | Tensor) -> Factor:
        """Return the tangent N + c I."""
        ...

    def product(self, A: Factor, B: Factor) -> Factor:
        """Return A B."""
        ...

    def times(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A, [m, p]."""
        ...

    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A^T, [m, p]."""
        ...

    def trace(self, N: Factor) -> Tensor:
        """Return the trace of a tangent, []."""
        ...

    def square(self, A: Factor) -> Tensor:
        """Return tr(A^T A), []."""
        ...

    def diagonal(self, A: Factor) -> Tensor:
        """Return the diagonal of A, [p]."""
        ...

    def logabsdet(self, A: Factor) -> Tensor:
        """Return log |det A|, [], in float32 or wider."""
        ...

    def dense(self, A: Factor) -> Tensor:
        """Return A as [p, p]: for tests and small problems only."""
        ...


def plus(A: Factor, B: Factor, scale: float | Tensor = 1.0) -> Factor:
    """Return A + scale B, tensor by tensor, as A is stored."""
    return tuple(a + scale * b for a, b in zip(A, B, strict=True))


def scaled(A: Factor, c: float | Tensor) -> Factor:
    """Return c A, tensor by tensor, as A is stored."""
    return tuple(c * a for a in A)


def largest(A: Factor) -> Tensor:
    """Return the largest absolute entry of the storage, []."""
    return torch.stack([a.abs().amax() for a in A if a.numel()]).amax()


def n_bytes(A: Factor) -> int:
    """Return the size of the storage in bytes."""
    return sum(a.numel() * a.element_size() for a in A)
