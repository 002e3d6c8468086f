"""Block triangular matrices of two levels: dense rows around a diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.curvature.entries import column_squares, log_abs, log_abs_det, sum_of_squares
from rmobench.curvature.storage import check_dimension, check_rows, check_size, check_square
from rmobench.curvature.structure import Factor


@dataclass(frozen=True, slots=True)
class Hierarchical:
    """Matrices [[A1, A2, A3], [0, D, 0], [0, B2, B3]]: k1 dense rows, a diagonal D, and k2 rows dense from D on.

    Closed under products: acting on rows, every element keeps the line of each middle coordinate, and the span of all
    but the first k1. With a block to the right of D it would not be: a product puts that block times B2 beside D.
    Small matrices lose D first, then the rows below: all are dense where p <= k1. `Hierarchical(k, 0)` has k dense rows
    above a diagonal.
    Storage: above [k1, p] = [A1 A2 A3], d [p - k1 - k2], below [k2, p - k1] = [B2 B3]. Room: (k1 + k2) p + p, and m p
    for rows.

    Source: Lin et al. 2021, ICML, arXiv 2102.07405 (hierarchical groups); Lin et al. 2024, ICML,
    arXiv 2312.05705.
    """

    k1: int = 15
    k2: int = 15

    def __post_init__(self) -> None:
        check_size("Hierarchical", "k1", self.k1, least=0)
        check_size("Hierarchical", "k2", self.k2, least=0)

    def identity(self, p: int, *, dtype: torch.dtype, device: torch.device | str) -> Factor:
        """Return the unit matrix."""
        check_dimension("Hierarchical", p)
        k1, q, k2 = self._sizes(p)
        above = torch.eye(k1, p, dtype=dtype, device=device)
        below = torch.zeros(k2, q + k2, dtype=dtype, device=device)
        below.diagonal(q).fill_(1.0)
        return above, torch.ones(q, dtype=dtype, device=device), below

    def project(self, M: Tensor) -> Factor:
        """Return A1, D and B3 of M, and twice its A2, A3 and B2."""
        check_square("Hierarchical", M)
        k1, q, _ = self._sizes(len(M))
        above, below = M[:k1].clone(), M[k1 + q :, k1:].clone()
        return _doubled(above, below, d=M.diagonal()[k1 : k1 + q].clone())

    def project_gram(self, Y: Tensor) -> Factor:
        """Return Pi(Y^T Y)."""
        check_rows("Hierarchical.project_gram", Y)
        k1, q, _ = self._sizes(Y.shape[1])
        first, middle, last = Y[:, :k1], Y[:, k1 : k1 + q], Y[:, k1 + q :]
        return _doubled(first.mT @ Y, last.mT @ Y[:, k1:], d=column_squares(middle))

    def gram(self, A: Factor) -> Factor:
        """Return Pi(A^T A): the rows of A are those above, those below, and those of D, which touch D alone."""
        above, d, below = A
        k1, q = len(above), len(d)
        lower = above[:, k1 + q :].mT @ above[:, k1:] + below[:, q:].mT @ below
        middle = column_squares(above[:, k1 : k1 + q]) + d.square() + column_squares(below[:, :q])
        return _doubled(above[:, :k1].mT @ above, lower, d=middle)

    def slope(self, A: Factor, G: Factor) -> Factor:
        """Return A^T G / 2 on the entries of the structure, symmetric in its blocks, twice beside them."""
        (above, d, below), (above_, d_, below_) = A, G
        k1, q = len(above), len(d)
        last = above[:, k1 + q :].mT @ above_[:, k1:] + below[:, q:].mT @ below_
        middle = (above * above_)[:, k1 : k1 + q].sum(0) + d * d_ + (below * below_)[:, :q].sum(0)
        first = above[:, :k1].mT @ above_
        for rows, place in ((first, slice(0, k1)), (last, slice(q, None))):
            rows[:, place] = 0.5 * (rows[:, place] + rows[:, place].mT)
        return _doubled(0.5 * first, 0.5 * last, d=0.5 * middle)

    def shifted(self, N: Factor, c: float | Tensor) -> Factor:
        """Return N + c I."""
        above, d, below = N
        above, below = above.clone(), below.clone()
        above.diagonal().add_(c)
        below.diagonal(len(d)).add_(c)
        return above, d + c, below

    def product(self, A: Factor, B: Factor) -> Factor:
        """Return A B."""
        (above, d, below), (above_, d_, below_) = A, B
        k1, q = len(above), len(d)
        upper = above[:, :k1] @ above_
        upper[:, k1:] += above[:, k1 + q :] @ below_
        upper[:, k1 : k1 + q] += above[:, k1 : k1 + q] * d_
        lower = below[:, q:] @ below_
        lower[:, :q] += below[:, :q] * d_
        return upper, d * d_, lower

    def times(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A."""
        above, d, below = A
        check_rows("Hierarchical.times", Y, above.shape[1])
        k1, q = len(above), len(d)
        product = Y[:, :k1] @ above
        product[:, k1:] += Y[:, k1 + q :] @ below
        product[:, k1 : k1 + q] += Y[:, k1 : k1 + q] * d
        return product

    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A^T."""
        above, d, below = A
        check_rows("Hierarchical.times_transposed", Y, above.shape[1])
        k1, q = len(above), len(d)
        return torch.cat([Y @ above.mT, Y[:, k1 : k1 + q] * d, Y[:, k1:] @ below.mT], dim=1)

    def trace(self, N: Factor) -> Tensor:
        """Return tr N."""
        above, d, below = N
        return above.diagonal().sum() + d.sum() + below.diagonal(len(d)).sum()

    def square(self, A: Factor) -> Tensor:
        """Return tr(A^T A)."""
        return sum_of_squares(*A)

    def diagonal(self, A: Factor) -> Tensor:
        """Return the diagonal."""
        above, d, below = A
        return torch.cat([above.diagonal(), d, below.diagonal(len(d))])

    def logabsdet(self, A: Factor) -> Tensor:
        """Return log |det A1| + log |det D| + log |det B3|, by elimination in float32 or wider."""
        above, d, below = A
        return log_abs_det(above[:, : len(above)]) + log_abs(d) + log_abs_det(below[:, len(d) :])

    def dense(self, A: Factor) -> Tensor:
        """Return A as [p, p]."""
        above, d, below = A
        k1, q = len(above), len(d)
        M = above.new_zeros(above.shape[1], above.shape[1])
        M[:k1], M[k1 + q :, k1:] = above, below
        M.diagonal()[k1 : k1 + q] = d
        return M

    def _sizes(self, p: int) -> tuple[int, int, int]:
        """Return the numbers of rows above, in the middle and below."""
        k1 = min(self.k1, p)
        k2 = min(self.k2, p - k1)
        return k1, p - k1 - k2, k2


def _doubled(above: Tensor, below: Tensor, *, d: Tensor) -> Factor:
    """Return the tangent with the weight 2 put, in place, on what is not a diagonal block."""
    above[:, len(above) :] *= 2.0
    below[:, : len(d)] *= 2.0
    return above, d, below
