"""What the tests of tasks of one frame share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from rmobench.types import Problem

CPU = torch.device("cpu")

ROUNDING = 1e-12
"""Of values near 1 in float64, with the loss of some digits in sums over a thousand terms."""


def build(
    task: Callable[..., Problem], *, seed: int = 0, dtype: torch.dtype = torch.float64, **args: object
) -> Problem:
    return task(seed, CPU, dtype, **args)


def place(problem: Problem, x: torch.Tensor) -> dict[str, float]:
    """Put a point there and judge it."""
    with torch.no_grad():
        problem.params["x"].copy_(x)
    return dict(problem.judge(problem.model))


def frame(n: int, p: int, seed: int = 0) -> torch.Tensor:
    normal = np.random.default_rng(seed).standard_normal((n, p))
    return torch.tensor(np.linalg.qr(normal)[0])


def leaving_gains_nothing(problem: Problem, best: torch.Tensor, optimum: float) -> None:
    """Scaled, sheared and collapsed points are judged where they come to lie on the manifold."""
    noise = torch.randn(best.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for x in (0.1 * best, 100.0 * best, best * torch.linspace(1.0, 3.0, best.shape[1]), best + 0.5 * noise):
        metrics = place(problem, x)
        assert metrics["objective"] >= optimum - ROUNDING * max(1.0, abs(optimum))
        assert metrics["gap"] >= -ROUNDING
        assert metrics["residual"] > 0.5
