"""How far IKFAC, which inverts nothing, is from what it follows: KFAC's moving average, inverted."""

from __future__ import annotations

import torch

from rmobench.curvature import Dense
from rmobench.optimizers.natural.inverse_free import Covariance, side
from rmobench.optimizers.natural.kfac import averaged
from rmobench.optimizers.natural.rows import Plain

HORIZON = 10.0
"""Length of a run in units of 1 / lr_cov: the start is forgotten to exp(-10)."""


def disagreement(lr_cov: float, *, seed: int, dim: int = 10, n_rows: int = 78, damping: float = 1e-3) -> float:
    """Let both follow the same random curvature; return |(K K^T)^-1 - S| / |S| at the end, in float64.

    Args:
        lr_cov: Step length of the factor K [dim, dim], and weight of a batch in the average S [dim, dim].
        seed: Draws the rows, normal and independent.
        dim: Size of both.
        n_rows: Of a batch.
        damping: Added to the curvature.

    Source: Lin, Dangel, Eschenhagen et al. 2024, ICML, arXiv 2312.05705.
    """
    how = Covariance(adaptive=False, lr_cov=lr_cov, momentum_cov=0.0, damping=damping, warm_up=False)
    S = torch.eye(dim, dtype=torch.float64)
    K, generator = side(Dense(), dim, S), torch.Generator().manual_seed(seed)
    for t in range(round(HORIZON / lr_cov)):
        rows = Plain(torch.randn(n_rows, dim, generator=generator, dtype=torch.float64) / n_rows**0.5)
        H, mean = K.curvature([rows])
        K = K.moved(K.tangent(H, K, mean, how), how, t)
        S = averaged(S, [rows], damping=damping, lr_cov=lr_cov)
    (A,) = K.factor
    found: float = (torch.dist(torch.linalg.inv(A @ A.T), S) / S.norm()).item()
    return found
