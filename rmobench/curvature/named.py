"""Structures by name, for whoever is told in words which one to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from rmobench.curvature.arrow import Arrow
from rmobench.curvature.blockdiagonal import BlockDiagonal
from rmobench.curvature.dense import Dense
from rmobench.curvature.diagonal import Diagonal
from rmobench.curvature.hierarchical import Hierarchical
from rmobench.curvature.kronecker import Kronecker
from rmobench.curvature.structure import Structure
from rmobench.curvature.toeplitz import LowerToeplitz, UpperToeplitz
from rmobench.curvature.triangular import LowerTriangular, UpperTriangular
from rmobench.errors import ArgumentError, UnknownNameError

STRUCTURES: Mapping[str, Structure] = MappingProxyType(
    {
        "dense": Dense(),
        "diagonal": Diagonal(),
        "block_diagonal": BlockDiagonal(),
        "lower_triangular": LowerTriangular(),
        "upper_triangular": UpperTriangular(),
        "arrow": Arrow(),
        "hierarchical": Hierarchical(),
        "lower_toeplitz": LowerToeplitz(),
        "upper_toeplitz": UpperToeplitz(),
        "kronecker": Kronecker(),
    }
)
"""Every structure, with its default size."""

SIZED: Mapping[str, Callable[[int], Structure]] = MappingProxyType(
    {
        "block_diagonal": BlockDiagonal,
        "arrow": Arrow,
        "hierarchical": lambda size: Hierarchical(size, size),
        "kronecker": Kronecker,
    }
)
"""Those that have a size: of the blocks, the number of dense columns, of dense rows on either side, p1.

p1 of a Kronecker product divides the size it is used for: layers with a bias have d_i + 1 columns, which most often is
divisible by no number that divides d_o, too."""


def structure_named(name: str, size: int | None = None) -> Structure:
    """Return the structure of a name.

    Args:
        name: A key of STRUCTURES.
        size: How large its dense parts are, see SIZED; None for its default.

    Raises:
        UnknownNameError: No structure has the name.
        ArgumentError: It is no name, it has no size, or not this one.
    """
    if not isinstance(name, str):
        raise ArgumentError(f"structure: got {name!r}, expected a name: one of {', '.join(STRUCTURES)}.")
    if name not in STRUCTURES:
        raise UnknownNameError("structure", name, STRUCTURES)
    if size is None:
        return STRUCTURES[name]
    if name not in SIZED:
        raise ArgumentError(f"structure {name!r}: got size={size!r}, but it has none. Leave the size out.")
    return SIZED[name](size)
