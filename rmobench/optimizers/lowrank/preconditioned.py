"""The scaled metric of two factors: each one's gradient over the Gram matrix of the other."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.geometry.matrices import identity

ORDERS = ("jacobi", "gauss_seidel")
"""Whether B's gradient is divided by the Gram matrix of the old A, or of the one that has just moved."""


def over_gram(g: Tensor, x: Tensor, damping: float) -> Tensor:
    """Return g (x^T x + damping I)^-1; [m, r], [n, r] -> [m, r]. Not finite where that is singular.

    Source: Mishra, Adithya Apuroop, Sepulchre 2012, arXiv 1211.1550; Tong, Ma, Chi 2021, JMLR 22(150).
    """
    gram = x.mT @ x
    gram = gram + damping * identity(gram)
    scaled: Tensor = torch.linalg.solve_ex(gram, g.mT).result
    return scaled.mT
