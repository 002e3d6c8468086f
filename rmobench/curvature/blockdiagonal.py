"""Block-diagonal matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.curvature.entries import diagonal_shifted, log_abs_det, matrix_trace, sum_of_squares
from rmobench.curvature.storage import check_dimension, check_rows, check_size, check_square
from rmobench.curvature.structure import Factor


@dataclass(frozen=True, slots=True)
class BlockDiagonal:
    """Dense blocks [size, size] along the diagonal, n = p // size of them, and one of size r = p mod size for the rest.

    Storage: blocks [n, size, size] and rest [r, r]. Room: size p, and m p for rows.
    """

    size: int = 30

    def __post_init__(self) -> None:
        check_size("BlockDiagonal", "size", self.size, least=1)

    def identity(self, p: int, *, dtype: torch.dtype, device: torch.device | str) -> Factor:
        """Return the unit matrix."""
        check_dimension("BlockDiagonal", p)
        n, r = divmod(p, self.size)
        block = torch.eye(self.size, dtype=dtype, device=device)
        return block.repeat(n, 1, 1), torch.eye(r, dtype=dtype, device=device)

    def project(self, M: Tensor) -> Factor:
        """Return the diagonal blocks of M."""
        check_square("BlockDiagonal", M)
        n, s = len(M) // self.size, self.size
        blocks = M[: n * s, : n * s].reshape(n, s, n, s).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        return blocks.contiguous(), M[n * s :, n * s :].clone()

    def project_gram(self, Y: Tensor) -> Factor:
        """Return the diagonal blocks of Y^T Y: each from its own columns of Y."""
        check_rows("BlockDiagonal.project_gram", Y)
        columns, rest = self._split(Y)
        return columns.mT @ columns, rest.mT @ rest

    def gram(self, A: Factor) -> Factor:
        """Return A^T A."""
        return tuple(a.mT @ a for a in A)

    def slope(self, A: Factor, G: Factor) -> Factor:
        """Return the symmetric part of A^T G / 2."""
        products = (a.mT @ g for a, g in zip(A, G, strict=True))
        return tuple(0.25 * (H + H.mT) for H in products)

    def shifted(self, N: Factor, c: float | Tensor) -> Factor:
        """Return N + c I."""
        return tuple(diagonal_shifted(a, c) for a in N)

    def product(self, A: Factor, B: Factor) -> Factor:
        """Return A B."""
        return tuple(a @ b for a, b in zip(A, B, strict=True))

    def times(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A."""
        blocks, rest = A
        check_rows("BlockDiagonal.times", Y, self._dimension(A))
        columns, last = self._split(Y)
        return _joined(columns @ blocks, last @ rest)

    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A^T."""
        blocks, rest = A
        check_rows("BlockDiagonal.times_transposed", Y, self._dimension(A))
        columns, last = self._split(Y)
        return _joined(columns @ blocks.mT, last @ rest.mT)

    def trace(self, N: Factor) -> Tensor:
        """Return tr N."""
        blocks, rest = N
        return matrix_trace(blocks) + matrix_trace(rest)

    def square(self, A: Factor) -> Tensor:
        """Return tr(A^T A)."""
        return sum_of_squares(*A)

    def diagonal(self, A: Factor) -> Tensor:
        """Return the diagonal."""
        blocks, rest = A
        return torch.cat([blocks.diagonal(dim1=1, dim2=2).reshape(-1), rest.diagonal()])

    def logabsdet(self, A: Factor) -> Tensor:
        """Return log |det A|, by elimination within the blocks in float32 or wider."""
        blocks, rest = A
        return log_abs_det(blocks) + log_abs_det(rest)

    def dense(self, A: Factor) -> Tensor:
        """Return A as [p, p]."""
        blocks, rest = A
        M: Tensor = torch.block_diag(*blocks, rest)  # type: ignore[no-untyped-call]  # torch leaves it so
        return M

    def _dimension(self, A: Factor) -> int:
        blocks, rest = A
        return len(blocks) * self.size + len(rest)

    def _split(self, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the columns of each block, [n, m, size], and those of the rest, [m, r]."""
        n, s = Y.shape[1] // self.size, self.size
        return Y[:, : n * s].reshape(len(Y), n, s).transpose(0, 1), Y[:, n * s :]


def _joined(columns: Tensor, rest: Tensor) -> Tensor:
    """Return [m, p] from the columns of the blocks, [n, m, size], and of the rest, [m, r]."""
    return torch.cat([columns.transpose(0, 1).reshape(len(rest), -1), rest], dim=1)
