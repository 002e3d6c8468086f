"""Tangent vectors of the matrices of one rank, in factors: memory (m + n) k + k^2, and time linear in m + n.

Source: Vandereycken 2013, SIAM J. Optim. 23(2), sec. 2.2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.geometry.matrices import identity
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


def retract(W: Factors, Z: Tangent, *, tolerance: float, most: int) -> Factors:
    """Return the nearest matrix to W + Z of rank `most`, or of a smaller one as `truncated` says.

    W + Z = [U U_p] [[S + M, I], [I, 0]] [V V_p]^T, and the joint factors Q R of the bases make it a core [2k, 2k]
    between orthonormal ones: exact even where the stored U and V are orthonormal only to the rounding of half
    precision.
    """
    eye = identity(W.S)
    core = torch.cat([torch.cat([W.S + Z.M, eye], 1), torch.cat([eye, torch.zeros_like(eye)], 1)])
    Q_u, R_u = torch.linalg.qr(torch.cat([W.U, Z.U_p], 1))
    Q_v, R_v = torch.linalg.qr(torch.cat([W.V, Z.V_p], 1))
    return truncated(Q_u, R_u @ core @ R_v.mT, Q_v, tolerance=tolerance, most=most)[0]


def transport(W: Factors, Y: Factors, Z: Tangent) -> Tangent:
    """Return the projection of a tangent Z at W onto the tangent space at Y, of whatever rank."""
    on_V, on_U = W.V.mT @ Y.V, W.U.mT @ Y.U  # [k, l]
    ZV = W.U @ (Z.M @ on_V + Z.V_p.mT @ Y.V) + Z.U_p @ on_V  # Z V_Y [m, l]
    ZU = W.V @ (Z.M.mT @ on_U + Z.U_p.mT @ Y.U) + Z.V_p @ on_U  # Z^T U_Y [n, l]
    return gradient(Y, Sides(ZV, ZU))
