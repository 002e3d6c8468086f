"""Orthonormal frames from matrices: the factors Q and U V^T of an ambient a [..., n, p], p <= n."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry.matrices import all_finite, identity, minus_product, svd
from rmobench.geometry.storage import check_same_shape, wide


def qr_factor(a: Tensor) -> Tensor:
    """Return the factor Q of a = Q R with R's diagonal made positive, so that Q is a smooth function of a.

    By Householder reflections: orthonormal for every finite a, NaN for every other.
    """
    Q, R = torch.linalg.qr(a)
    signs = torch.where(R.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(a.dtype)
    # asked, as not every reflection looks at every entry: those of [[NaN]] are the identity
    return torch.where(all_finite(a), Q * signs.unsqueeze(-2), torch.nan)


def cholesky_qr_factor(a: Tensor) -> Tensor:
    """Return the factor of `qr_factor` by products and small triangular systems, several times faster.

    a^T a = L L^T, Q = a L^-T, and once more where Q is not orthonormal to rounding. Where a is nearly a frame, as after
    a short step, L is known without a factorisation. A matrix that is too badly conditioned for that, or not finite,
    takes `qr_factor`. The others of a batch go together, the way that the worst of them needs: on whom a matrix is with
    may depend its last bits. Goes under torch.func.vmap and has derivatives.
    Source: Yamamoto, Nakatsukasa, Yanagisawa, Fukaya 2015, ETNA 44 (CholeskyQR2).
    """
    Q: Tensor = _CholeskyQR.apply(a)  # type: ignore[no-untyped-call]
    return Q


NEAR = 0.5
"""Up to this |a^T a - I|_F the condition of a^T a is at most 3: one pass is as good as reflections."""


class _CholeskyQR(torch.autograd.Function):
    """A function of its own: the steps taken depend on the data, which vmap and plain derivatives do not allow."""

    @staticmethod
    def forward(a: Tensor) -> Tensor:
        eps, p = torch.finfo(a.dtype).eps, a.shape[-1]
        gram = a.mT @ a
        excess = gram - identity(gram)
        worst = _largest_norm(excess)  # chooses for all
        if worst**2 <= eps:  # then L^T = I + the upper half of the excess, L^-T = I - that half, to rounding
            return minus_product(a, a, 0.5 * (excess.triu() + excess.triu(1)))
        Q = _over_cholesky(a, gram)
        if worst < NEAR:
            return Q
        gram = Q.mT @ Q
        # also tells a failed factorisation, which leaves no frame: no need to look at its status
        excess = gram - identity(gram)
        worst = _largest_norm(excess)
        if worst <= (p + 2) * eps:  # about what Householder reflections leave
            return Q
        Q = _over_cholesky(Q, gram)
        if not worst < NEAR:  # the second pass needs singular values near 1; NaN is not less
            bad = ~(torch.linalg.matrix_norm(excess) < NEAR)
            Q[bad] = qr_factor(a[bad])
        return Q

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return (g + Q M) R^-T, M symmetric with the lower triangle of -g^T Q.

        Source: Walter, Lehmann 2010, arXiv 1009.6112.
        """
        (g,) = grads
        a, Q = ctx.saved_tensors
        lower = (-g.mT @ Q).tril()
        M = lower + lower.tril(-1).mT
        R = (Q.mT @ a).triu()
        gradient: Tensor = torch.linalg.solve_triangular(R.mT, g + Q @ M, upper=False, left=False)
        return gradient

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], a: Tensor) -> tuple[Tensor, int]:
        return cholesky_qr_factor(a.movedim(in_dims[0], 0)), 0


def _largest_norm(excess: Tensor) -> float:
    """Return the largest Frobenius norm in a batch [..., p, p], 0 in an empty one; NaN goes through."""
    return torch.linalg.matrix_norm(excess).max().item() if excess.numel() else 0.0


def _over_cholesky(a: Tensor, gram: Tensor) -> Tensor:
    """Return a L^-T with gram = L L^T; anything where there is no such L."""
    L = torch.linalg.cholesky_ex(gram).L
    Q: Tensor = torch.linalg.solve_triangular(L.mT, a, upper=True, left=False)
    return Q


def polar_factor(a: Tensor) -> Tensor:
    """Return the polar factor U V^T of a = U S V^T, the frame nearest to a; NaN where a is not finite.

    By the decomposition of the small factor R of a = Q R.
    """
    tall = a.shape[-2] > a.shape[-1]
    Q = cholesky_qr_factor(a) if tall else None
    R = a if Q is None else Q.mT @ a
    U, _, Vh = svd(R)
    W = polished(U @ Vh)
    return W if Q is None else Q @ W


def polished(x: Tensor) -> Tensor:
    """Return x (3 I - x^T x) / 2, which squares the error of a nearly orthonormal x.

    One step of the Newton-Schulz iteration. Source: Higham 2008, Functions of Matrices, eq. 8.20.
    """
    gram = x.mT @ x
    return x @ (1.5 * identity(gram) - 0.5 * gram)


def orthonormality(x: Tensor) -> Tensor:
    """Return the Frobenius norm of x^T x - I, [...], in float32 or wider."""
    gram = wide(x).mT @ wide(x)
    norm: Tensor = torch.linalg.matrix_norm(gram - identity(gram))
    return norm


def off_by_rounding(p: int, dtype: torch.dtype) -> float:
    """Return the most that storing a frame [n, p] in a type moves x^T x from I in the Frobenius norm.

    Rounding changes every entry by a share of at most u = eps / 2, so x by an e with |e|_F <= u |x|_F = u sqrt(p), and
    x^T x by |x^T e + e^T x + e^T e|_F <= 2 u sqrt(p) + u^2 p. Independent roundings leave about 0.3 of it where n = p,
    less where n > p: 0.11 at p = 2048 in bfloat16.
    """
    shift = 0.5 * torch.finfo(dtype).eps * math.sqrt(p)
    return shift * (2.0 + shift)


def haar(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw a frame from the uniform (Haar) distribution in float64: qr of a standard normal matrix."""
    return qr_factor(torch.randn(shape, generator=generator, dtype=torch.float64))


def check_frames(where: str, x: Tensor, **others: Tensor) -> None:
    """Raise ArgumentError unless x is [..., n, p] with p <= n and every other tensor has its shape."""
    if x.ndim < 2 or x.shape[-1] > x.shape[-2]:
        raise ArgumentError(f"{where}: x has shape {list(x.shape)}, expected [..., n, p] with p <= n.")
    check_same_shape(where, x, **others)
