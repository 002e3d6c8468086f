"""Factors B of X = B B^T that lie in a group of matrices: where a problem has them, and which group it is."""

from __future__ import annotations

from collections.abc import Mapping
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
    LowerTriangular,
    Structure,
    UpperTriangular,
    structure_named,
)
from rmobench.errors import ArgumentError
from rmobench.models import MatrixGroup
from rmobench.types import Problem

SUPPORT = "support"
"""Name of the buffer in which a task says where the entries of its group are."""


@dataclass(slots=True)
class GroupFactor:
    """A factor B in the storage of its structure, and the parameters that show it."""

    names: tuple[str, ...]  # of one parameter B [n, n], or of one for every tensor of the storage
    structure: Structure
    factor: Factor
    support: Tensor | None = None  # [n, n], where one parameter is the whole B

    @property
    def n(self) -> int:
        """Return the number of rows of B."""
        return len(self.structure.diagonal(self.factor))

    def slope(self, params: Mapping[str, Tensor]) -> Factor | None:
        """Return Pi(B^T S B) of the gradients, S that in X; None where there are none."""
        gradients = tuple(g for g in (params[name].grad for name in self.names) if g is not None)
        if len(gradients) < len(self.names):
            return None
        if self.support is None:
            return self.structure.slope(self.factor, gradients)
        (g,) = gradients
        return self.structure.project(completed(0.5 * self.structure.times(g.mT, self.factor).mT, self.support))

    def show(self, params: Mapping[str, Tensor]) -> None:
        """Write B into its parameters."""
        shown = self.factor if self.support is None else (self.structure.dense(self.factor),)
        for name, value in zip(self.names, shown, strict=True):
            params[name].copy_(value)


def group_factors(owner: str, problem: Problem) -> list[GroupFactor]:
    """Return every factor of a problem: those in the storage of a `MatrixGroup`, and those with the support's shape.

    Args:
        owner: Who asks, as the message begins.
        problem: With a model that says which of its parameters are matrices of a group.

    Raises:
        ArgumentError: A support that is no known group, or parameters that do not fit their structure.
    """
    params = {name: x.detach() for name, x in problem.params.items()}
    found = [
        stored_factor(owner, prefix, module, params)
        for prefix, module in problem.model.named_modules()
        if isinstance(module, MatrixGroup)
    ]
    support = dict(problem.model.named_buffers()).get(SUPPORT)
    if support is not None:
        structure = group_of(support, owner=owner)
        found += [
            GroupFactor((name,), structure, stored(structure, x), support)
            for name, x in params.items()
            if x.shape == support.shape
        ]
    return found


def stored_factor(owner: str, prefix: str, module: MatrixGroup, params: Mapping[str, Tensor]) -> GroupFactor:
    """Return the factor whose storage are the parameters beside a module.

    Raises:
        ArgumentError: They do not fit the structure.
    """
    beside = prefix.rpartition(".")[0]
    names = tuple(f"{beside}.{part}" if beside else part for part in module.parts)
    structure = structure_named(module.structure, module.size)
    factor = tuple(params[name].clone() for name in names)
    unit = structure.identity(module.n, dtype=torch.float32, device="cpu")
    got, expected = ([list(a.shape) for a in parts] for parts in (factor, unit))
    if got != expected:
        raise ArgumentError(
            f"{owner}: {', '.join(names)} have the shapes {got}, expected {expected}, the storage of {structure} of "
            f"{module.n} rows."
        )
    return GroupFactor(names, structure, factor)


def group_of(support: Tensor, *, owner: str = "gnc_group") -> Structure:
    """Return the group whose entries are where the support [n, n] is not 0.

    Args:
        support: 0 where no matrix of the group has an entry.
        owner: Who asks, as the message begins.

    Raises:
        ArgumentError: No dense, diagonal, block-diagonal, triangular, arrow or hierarchical matrices have it.
    """
    entries = support != 0
    rows, columns = entries.sum(1).tolist(), entries.sum(0).tolist()
    n = len(rows)
    k, size = columns.count(n), max(1, columns[0])
    k1 = next((i for i, row in enumerate(rows) if row < n), n)
    k2 = next((i for i, row in enumerate(reversed(rows[k1:])) if row < n - k1), 0)
    candidates: list[Structure] = [
        Diagonal(),
        Dense(),
        LowerTriangular(),
        UpperTriangular(),
        *([Arrow(k)] if k else []),
        BlockDiagonal(size),
        Hierarchical(k1, k2),
    ]
    for structure in candidates:
        if torch.equal(structure.dense(structure.project(torch.ones_like(support))) != 0, entries):
            return structure
    raise ArgumentError(
        f"{owner}: the support is that of no dense, diagonal, block-diagonal, triangular, arrow or hierarchical "
        "matrices."
    )


def stored(structure: Structure, B: Tensor) -> Factor:
    """Return a matrix [n, n] of the group in its storage: projected, the weights of the projection taken out."""
    weights = structure.project(torch.ones_like(B))
    return tuple(
        torch.where(w != 0, b / w.clamp_min(1.0), 0.0) for b, w in zip(structure.project(B), weights, strict=True)
    )


def completed(half: Tensor, support: Tensor) -> Tensor:
    """Return the symmetric matrix whose entries on the support are those of `half`, 0 where neither side has one."""
    on = support.to(half.dtype)
    return half * on + (half * on).mT * (1.0 - on) * on.mT
