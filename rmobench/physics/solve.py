"""Symmetric positive definite systems whose derivatives reuse the factor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def solve(A: Tensor, b: Tensor) -> Tensor:
    """Return x with A x = b by a Cholesky factor, NaN where A is not positive definite.

    The derivative costs one more substitution instead of the derivative of a factorisation. Goes under torch.func and
    any number of derivatives.

    Args:
        A: Symmetric [..., n, n].
        b: [..., n].

    Returns:
        [..., n].

    Source: M. B. Giles 2008, "Collected matrix derivative results", sec. 2.3.1.
    """
    factor, failed = torch.linalg.cholesky_ex(A.detach())
    b = torch.where((failed > 0).unsqueeze(-1), torch.nan, b)  # a failed factorisation may look like a factor
    return _Substitution.apply(A, b, factor)  # type: ignore[no-any-return, no-untyped-call]


class _Substitution(torch.autograd.Function):
    """x = A^-1 b with A's factor at hand."""

    generate_vmap_rule = True

    @staticmethod
    def forward(A: Tensor, b: Tensor, factor: Tensor) -> Tensor:
        return torch.cholesky_solve(b.unsqueeze(-1), factor).squeeze(-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        A, _, factor = inputs
        ctx.save_for_backward(A, factor, output)
        ctx.save_for_forward(A, factor, output)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return -u x^T and u, u = A^-1 g."""
        A, factor, x = ctx.saved_tensors
        u = _Substitution.apply(A, g, factor)  # type: ignore[no-untyped-call]
        return -u.unsqueeze(-1) * x.unsqueeze(-2), u, None

    @staticmethod
    def jvp(ctx: Any, dA: Tensor | None, db: Tensor | None, _: Tensor | None) -> Tensor:
        """Return A^-1 (db - dA x)."""
        A, factor, x = ctx.saved_tensors
        moved = torch.zeros_like(x) if db is None else db
        if dA is not None:
            moved = moved - (dA @ x.unsqueeze(-1)).squeeze(-1)
        return _Substitution.apply(A, moved, factor)  # type: ignore[no-any-return, no-untyped-call]
