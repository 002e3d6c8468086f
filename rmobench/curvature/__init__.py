"""Structured matrices: groups closed under products, with the projection onto their Lie algebras.

Each is a frozen value that satisfies `Structure`; a matrix is a `Factor`, a tuple of tensors that the structure reads.
The table is what optimizers choose from by name.
"""

from __future__ import annotations

from rmobench.curvature.arrow import Arrow
from rmobench.curvature.blockdiagonal import BlockDiagonal
from rmobench.curvature.dense import Dense
from rmobench.curvature.diagonal import Diagonal
from rmobench.curvature.exponential import exponential
from rmobench.curvature.hierarchical import Hierarchical
from rmobench.curvature.kronecker import Kronecker
from rmobench.curvature.named import SIZED, STRUCTURES, structure_named
from rmobench.curvature.structure import Factor, Structure, largest, n_bytes, plus, scaled
from rmobench.curvature.toeplitz import LowerToeplitz, UpperToeplitz
from rmobench.curvature.triangular import LowerTriangular, UpperTriangular

__all__ = [
    "SIZED",
    "STRUCTURES",
    "Arrow",
    "BlockDiagonal",
    "Dense",
    "Diagonal",
    "Factor",
    "Hierarchical",
    "Kronecker",
    "LowerToeplitz",
    "LowerTriangular",
    "Structure",
    "UpperToeplitz",
    "UpperTriangular",
    "exponential",
    "largest",
    "n_bytes",
    "plus",
    "scaled",
    "structure_named",
]
