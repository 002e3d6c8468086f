"""Principal components of any data: the frame that explains most of the variance."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import qr_factor
from rmobench.tasks.orthogonal.frame import frame_problem
from rmobench.types import Manifold, Problem


def covariance(rows: Tensor) -> Tensor:
    """Return the covariance of the centred rows over its trace; [m, n] -> [n, n].

    Unit trace puts the losses between -1 and 0, and cancels the factor 1 / m.
    """
    centred = rows - rows.mean(0)
    scatter = centred.T @ centred / len(rows)
    return scatter / scatter.trace()


def explained(x: Tensor, C: Tensor) -> Tensor:
    """Return tr(x^T C x), the share of the variance that the columns of x explain; [n, p], [n, n] -> []."""
    return (x * (C @ x)).sum()


def unexplained(x: Tensor, covariance: Tensor) -> Tensor:
    """Return minus the explained share of the variance, []."""
    return -explained(x, covariance)


def components_problem(
    task: str, C: Tensor, *, rank: int, manifold: Manifold, init: Generator, device: torch.device, dtype: torch.dtype
) -> Problem:
    """Build the problem of maximising the share of the variance that `rank` orthonormal directions explain.

    The minimum of its negative is minus the sum of the largest eigenvalues of C.
    Source: Absil, Mahony, Sepulchre 2008, sec. 2.2 and 4.8.

    Args:
        task: Its name, for the message.
        C: Covariance [n, n] of unit trace, float64 on the CPU.
        rank: Number p of directions, 1 to n - 1: n of them explain all, whichever they are.
        manifold: Of the frames, or of their spans.
        init: Draws the start, uniform on the manifold.
        device: Where x and the covariance live.
        dtype: Storage precision of both.

    Raises:
        ArgumentError: A rank out of its range.
    """
    n = len(C)
    if not 1 <= rank < n:
        raise ArgumentError(f"{task}: got rank={rank}, expected 1 to {n - 1}.")
    return frame_problem(
        unexplained,
        {"covariance": C},
        optimum=-torch.linalg.eigvalsh(C)[-rank:].sum().item(),
        manifold=manifold,
        start=manifold.random((n, rank), init),
        nearest=qr_factor,  # spans what x spans, which is all that counts here
        device=device,
        dtype=dtype,
    )
