"""Retractions of orthonormal frames: from x [..., n, p] along a tangent v [..., n, p] to a frame [..., n, p].

All take float32 or wider, let NaN through, and agree with x + v to first order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from rmobench.geometry.frames import cholesky_qr_factor, polar_factor, polished, qr_factor
from rmobench.geometry.matrices import identity

Retraction = Callable[[Tensor, Tensor], Tensor]
"""From a point and a tangent vector to a point, all [..., n, p]."""


def qr(x: Tensor, v: Tensor) -> Tensor:
    """Return the factor Q of x + v by Householder reflections.

    Source: Absil, Mahony, Sepulchre 2008, ex. 4.1.3.
    """
    return qr_factor(x + v)


def cholesky_qr(x: Tensor, v: Tensor) -> Tensor:
    """Return the same factor Q of x + v, several times faster.

    (x + v)^T (x + v) = I + v^T v at a tangent v: well conditioned unless the step is very long.
    """
    return cholesky_qr_factor(x + v)


def polar(x: Tensor, v: Tensor) -> Tensor:
    """Return the frame nearest to x + v; of second order in the embedded metric.

    Source: Absil, Mahony, Sepulchre 2008, ex. 4.1.3; order: Absil, Malick 2012, SIAM J. Optim. 22(1).
    """
    return polar_factor(x + v)


def newton_schulz(x: Tensor, v: Tensor) -> Tensor:
    """Return the frame nearest to x + v by products only: y <- y (3 I - y^T y) / 2 until it is one.

    Each singular value s <= 1 goes to s (3 - s^2) / 2: up by half while small, then with its error squared. The number
    of iterations depends on the data (so not under vmap); where they do not suffice, `polar` takes over.
    Source: Higham 2008, Functions of Matrices, eq. 8.20.
    """
    a = x + v
    if not a.numel():
        return a
    y, eye = a, identity(a)
    gram = a.mT @ a
    # the root of a row sum bounds the largest singular value, and is 1 where there is nothing to do
    bound = gram.abs().sum(-1).amax(-1)[..., None, None]
    y, gram = a * bound.rsqrt(), gram / bound
    near = torch.finfo(a.dtype).eps ** 0.5
    for _ in range(_N_ITERATIONS):
        error = torch.linalg.matrix_norm(gram - eye)
        y = y @ (1.5 * eye - 0.5 * gram)
        if bool((error < near).all()):  # that step has squared it, to rounding
            return y
        gram = y.mT @ y
    return torch.where((error < near)[..., None, None], y, polar_factor(a))


_N_ITERATIONS = 50
"""Enough for singular values from 1 to 1e7."""


def cayley(x: Tensor, v: Tensor) -> Tensor:
    """Return (I - W/2)^-1 (I + W/2) x with the skew W, W x = v; of second order in the canonical metric.

    W = a b^T has rank 2 p, so that the system to solve is [2 p, 2 p]: y = x + a (I - b^T a / 2)^-1 b^T x.
    Source: Wen, Yin 2013, Math. Program. 142, lemma 4.
    """
    a, b = skew_factors(x, v)
    M = b.mT @ a
    # solve_ex: a NaN goes through where solve would raise
    y = x + a @ torch.linalg.solve_ex(identity(M) - 0.5 * M, b.mT @ x).result
    return polished(y)  # the transform keeps x^T x whatever it is: roundings would add up over the steps


def skew_factors(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return a, b [..., n, 2 p] with a b^T = W skew and W x = v for a tangent v.

    W = w x^T - x w^T with w = v - x x^T v / 2.
    """
    w = v - 0.5 * x @ (x.mT @ v)
    return torch.cat([w, x], -1), torch.cat([x, -w], -1)


RETRACTIONS: Mapping[str, Retraction] = MappingProxyType(
    {"qr": qr, "cholesky_qr": cholesky_qr, "polar": polar, "cayley": cayley, "newton_schulz": newton_schulz}
)
"""The retractions by the names that tasks spell."""
