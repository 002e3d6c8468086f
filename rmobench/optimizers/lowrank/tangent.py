"""Tangent vectors of the matrices of one rank, in factors: memory (m + n) k + k^2, and time linear in m + n.

Source: Vandereycken 2013, SIAM J. Optim. 23(2), sec. 2.2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.optimizers.lowrank.factors import Factors, Sides, truncated


@dataclass(frozen=True, slots=True)
class Tangent:
    """Z = U M V^T + U_p V^T + U V_p^T at W = U S V^T, with U^T U_p = 0 and V^T V_p = 0."""

    M: Tensor  # [k, k]
    U_p: Tensor  # [m, k]
    V_p: Tensor  # [n, k]

    def __add__(self, other: Tangent) -> Tangent:
        """Add a vector at the same point."""
        return Tangent(self.M + other.M, self.U_p + other.U_p, self.V_p + other.V_p)

    def __mul__(self, factor: Tensor | float) -> Tangent:
        """Scale by a number."""
        return Tangent(self.M * factor, self.U_p * factor, self.V_p * factor)

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return M, U_p and V_p: what an optimizer's state is made of."""
        return self.M, self.U_p, self.V_p

    def square(self) -> Tensor:
        """Return |Z|^2 in the Frobenius norm, []."""
        return self.M.square().sum() + self.U_p.square().sum() + self.V_p.square().sum()


def gradient(W: Factors, G: Sides) -> Tangent:
    """Return the projection U U^T G + G V V^T - U U^T G V V^T of the gradient."""
    M = W.U.mT @ G.left
    return Tangent(M, G.left - W.U @ M, G.right - W.V @ M.mT)


@dataclass(frozen=True, slots=True)
class Move:
    """A step W + length Z cut back to a matrix of low rank, and what carries Z along with it.

    W and Z live in the span of [U U_p] and [V V_p]. With the joint factors [U U_p] = Q_u R_u, [V V_p] = Q_v R_v they
    are Q_u (small) Q_v^T, and the rest happens in coordinates [2k, 2k]: exact even where the stored U and V are
    orthonormal only to the rounding of half precision.
    """

    Y: Factors  # Q_u P d Q^T Q_v^T
    Z: Tensor  # in the coordinates, [2k, 2k]
    P: Tensor  # [2k, l]
    Q: Tensor  # [2k, l]
    Q_u: Tensor  # [m, 2k]
    Q_v: Tensor  # [n, 2k]

    def carried(self) -> Tangent:
        """Return the projection of Z onto the tangent space at Y, of whatever rank."""
        ZQ = self.Z @ self.Q
        M = self.P.mT @ ZQ
        return Tangent(M, self.Q_u @ (ZQ - self.P @ M), self.Q_v @ (self.Z.mT @ self.P - self.Q @ M.mT))


def move(W: Factors, Z: Tangent, length: Tensor | float, *, tolerance: float, most: int) -> Move:
    """Go to the nearest matrix to W + length Z of rank `most`, or of a smaller one as `truncated` says."""
    k = W.rank
    Q_u, R_u = torch.linalg.qr(torch.cat([W.U, Z.U_p], 1))
    Q_v, R_v = torch.linalg.qr(torch.cat([W.V, Z.V_p], 1))
    (on_U, on_p), (V_on, p_on) = (R_u[:, :k], R_u[:, k:]), (R_v[:, :k], R_v[:, k:])
    small = (on_U @ Z.M + on_p) @ V_on.mT + on_U @ p_on.mT
    core = on_U @ W.S @ V_on.mT + length * small
    Y, P, Q = truncated(Q_u, core, Q_v, tolerance=tolerance, most=most)
    return Move(Y, small, P, Q, Q_u, Q_v)
