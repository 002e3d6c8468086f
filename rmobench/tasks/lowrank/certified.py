"""What the tasks of one matrix of low rank share: targets of a given condition, starts, and the judge."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.geometry.frames import haar
from rmobench.models.low_rank_linear import LowRankLinear
from rmobench.types import Problem

Factors = tuple[Tensor, Tensor, Tensor]
"""U [m, r], S [r, r], V [n, r] of a start, float64 on the CPU."""


def planted(m: int, n: int, rank: int, *, kappa: float, generator: Generator) -> Tensor:
    """Draw a matrix [m, n] with singular values evenly spread on the log scale from 1 to 1 / kappa, random bases."""
    d = torch.logspace(0.0, -1.0, rank, base=kappa, dtype=torch.float64)
    return (haar((m, rank), generator) * d) @ haar((n, rank), generator).mT


def random_start(m: int, n: int, rank: int, *, norm: float, generator: Generator) -> Factors:
    """Draw a matrix of a given Frobenius norm: the product of two standard normal factors, scaled, decomposed."""
    left = torch.randn(m, rank, generator=generator, dtype=torch.float64)
    right = torch.randn(n, rank, generator=generator, dtype=torch.float64)
    W = left @ right.mT
    return spectral_start(W * (norm / torch.linalg.matrix_norm(W)), rank)


def spectral_start(a: Tensor, rank: int) -> Factors:
    """Return the nearest matrix of a rank to a [m, n]."""
    U, d, Vh = torch.linalg.svd(a, full_matrices=False)
    return U[:, :rank], torch.diag(d[:rank]), Vh[:rank].mT


def check_shape(task: str, m: int, n: int, rank: int, *, kappa: float) -> None:
    """Raise ArgumentError unless a matrix [m, n] of that rank and condition exists and fits into a test.

    Args:
        task: Its name, for the message.
        m: Rows.
        n: Columns.
        rank: From 1 to the smaller of them.
        kappa: From 1 on; with rank 1 there is no condition.
    """
    if not 1 <= rank <= min(m, n) or max(m, n) > 2000:
        raise ArgumentError(f"{task}: got rank={rank} at {m} x {n}, expected 1 to min({m}, {n}), at most 2000 x 2000.")
    if not 1.0 <= kappa < float("inf"):
        raise ArgumentError(f"{task}: got kappa={kappa}, expected a finite number of at least 1.")


def start_named(
    task: str, start: str, target: Tensor, guess: Tensor, *, rank: int, size: float, generator: Generator
) -> Factors:
    """Return "random", a draw of `size` times the target's Frobenius norm, or "spectral", the nearest to a guess.

    Args:
        task: Its name, for the message.
        start: One of the two.
        target: [m, n].
        guess: [m, n].
        rank: Of the start.
        size: Of the random one.
        generator: Draws it.

    Raises:
        ArgumentError: No such start, or a size that is not positive.
    """
    if start not in ("random", "spectral"):
        raise ArgumentError(f"{task}: got start={start!r}, expected 'random' or 'spectral'.")
    if not 0.0 < size < float("inf"):
        raise ArgumentError(f"{task}: got size={size}, expected a finite number above 0.")
    if start == "spectral":
        return spectral_start(guess, rank)
    norm = size * torch.linalg.matrix_norm(target).item()
    m, n = target.shape
    return random_start(m, n, rank, norm=norm, generator=generator)


def certified_problem(
    loss: Callable[[nn.Module, Any], Tensor],
    data: tuple[Tensor, ...],
    start: Factors,
    *,
    optimum: float,
    device: torch.device,
    dtype: torch.dtype,
) -> Problem:
    """Build the problem of minimising a loss over the matrices of the start's rank.

    The model is a LowRankLinear without a base, so the optimizer meets what it meets in a network. A point is judged
    in float64 by its matrix, whichever factors hold it: nothing to violate, `residual` is 0, and `rank` counts columns
    in use.

    Args:
        loss: (model, data) -> [].
        data: What a batch is, always the same; float64 on the CPU.
        start: The factors.
        optimum: Lowest value over the matrices of that rank.
        device: Where model and data live.
        dtype: Storage precision of both.
    """
    model = LowRankLinear(*(t.to(device, dtype) for t in start))
    placed = tuple(t.to(device, dtype) for t in data)

    def objective(model: LowRankLinear) -> float:
        return loss(Dense(model.matrix(torch.float64).cpu()), data).item()

    height = objective(model) - optimum

    def judge(model: nn.Module) -> Mapping[str, float]:
        assert isinstance(model, LowRankLinear)
        reached = objective(model)
        gap = (reached - optimum) / height
        return {"objective": reached, "gap": gap, "rank": float(model.n_used), "residual": 0.0}

    return Problem(model=model, loss=loss, batches=itertools.repeat(placed), judge=judge)


class Dense(nn.Module):
    """The matrix itself in the place of the layer."""

    def __init__(self, W: Tensor) -> None:
        super().__init__()
        self.W = W

    def forward(self, x: Tensor) -> Tensor:
        """Multiply; [N, n] -> [N, m]."""
        y: Tensor = x @ self.W.mT
        return y


def half_square(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return |X W^T - Y|^2 / 2; X [N, n], Y [N, m] -> []."""
    X, Y = batch
    errors: Tensor = model(X) - Y
    return 0.5 * errors.square().sum()
