"""What rules on manifolds are trained on: random instances of problems on frames, many at once as a batch dimension.

Principal components and classification come from the training half of the digits; Brockett's and Procrustes' costs are
synthetic. Every problem is a gap, 1 at the start and 0 at the minimum, times a factor that puts its curvature near 1,
times a random learning rate: the rule has to work around the rate that somebody chose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Generator, Tensor

from rmobench.geometry import Stiefel
from rmobench.tasks.orthogonal.stiefel_classification import lowest
from rmobench.tasks.samples import Samples, samples
from rmobench.tasks.streams import stream
from rmobench.types import Manifold


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameBatch:
    """B problems on frames [n, p]."""

    value: Callable[[Tensor], Tensor]  # objective, [B, n, p] -> [B]
    optimum: Tensor  # [B]
    height: Tensor  # objective at the start minus the optimum, [B]
    rate: Tensor  # learning rate, [B]
    start: Tensor  # [B, n, p]
    manifold: Manifold

    def gap(self, x: Tensor) -> Tensor:
        """Return (f - f*) / (f(start) - f*); [B, n, p] -> [B]."""
        return (self.value(x) - self.optimum) / self.height

    def slope(self, x: Tensor, *, differentiable: bool = False) -> tuple[Tensor, Tensor]:
        """Return gap [B] and the Euclidean gradient of the objective, [B, n, p]; detached, or differentiable in x."""
        with torch.enable_grad():
            x = x if differentiable else x.detach()
            x = x if x.requires_grad else x.requires_grad_()
            value = self.value(x)
            (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=differentiable)
            gap = (value - self.optimum) / self.height
        return (gap if differentiable else gap.detach()), gradient


def draw_frames(
    problem: str, *, rank: int, each: int, rates: tuple[float, float], generator: Generator, validating: bool = False
) -> FrameBatch:
    """Draw `each` instances of a problem.

    Args:
        problem: One of PROBLEMS.
        rank: Columns p of the frames.
        each: How many.
        rates: Learning rates in units of one over the curvature, log-uniform between.
        generator: Draws everything.
        validating: From the images that are kept apart for validation.
    """
    manifold = Stiefel()
    value, shape, optimum, curvature = PROBLEMS[problem](rank, each, generator, validating)
    start = manifold.random((each, *shape), generator)
    low, high = (math.log(r) for r in rates)
    rate = (low + (high - low) * torch.rand(each, generator=generator, dtype=torch.float64)).exp() / curvature
    height = value(start) - optimum
    return FrameBatch(value=value, optimum=optimum, height=height, rate=rate, start=start, manifold=manifold)


Instance = tuple[Callable[[Tensor], Tensor], tuple[int, int], Tensor, Tensor]
"""Objective, shape [n, p], optimum [B], curvature [B]."""


def _pca(rank: int, each: int, generator: Generator, validating: bool) -> Instance:
    """Draw covariances, of unit trace, of 100 to 600 images of three to ten digits, at most all there are."""
    images, labels = training_digits(validating)
    covariances = []
    for _ in range(each):
        kinds = torch.randperm(10, generator=generator)[: int(torch.randint(3, 11, (), generator=generator))]
        rows = torch.isin(labels, kinds).nonzero().squeeze(-1)
        n = int(torch.randint(100, 601, (), generator=generator))
        chosen = images[rows[torch.randperm(len(rows), generator=generator)[:n]]]
        centred = chosen - chosen.mean(0)
        scatter = centred.T @ centred
        covariances.append(scatter / scatter.trace())
    return _trace_problem(torch.stack(covariances), rank)


def _trace_problem(C: Tensor, rank: int) -> Instance:
    """Maximise tr(x^T C x), C [B, n, n]."""
    eigenvalues = torch.linalg.eigvalsh(C)
    optimum = -eigenvalues[:, -rank:].sum(-1)
    return (lambda x: -(x * (C @ x)).sum((-2, -1))), (C.shape[-1], rank), optimum, 2.0 * eigenvalues[:, -1]


def _brockett(rank: int, each: int, generator: Generator, validating: bool) -> Instance:
    """Minimise tr(x^T A x N), A with random eigenvalues in [0, 1], N = diag(1, ..., p) / p."""
    n = int(torch.randint(max(rank, 10), 65, (), generator=generator))
    eigenvalues = torch.rand(each, n, generator=generator, dtype=torch.float64)
    V = Stiefel().random((each, n, n), generator)
    A = V @ (eigenvalues.unsqueeze(-1) * V.mT)
    weights = torch.arange(1, rank + 1, dtype=torch.float64) / rank
    lowest = eigenvalues.sort(-1).values[:, :rank]
    optimum = (lowest * weights.flip(0)).sum(-1)
    return (lambda x: (x * (A @ x) * weights).sum((-2, -1))), (n, rank), optimum, torch.full((each,), 2.0).double()


def _procrustes(rank: int, each: int, generator: Generator, validating: bool) -> Instance:
    """Minimise |A x - B|^2 / (2 n) with B = A x*, A [2 n, n] of random spectrum."""
    n = int(torch.randint(max(rank, 10), 65, (), generator=generator))
    A = torch.randn(each, 2 * n, n, generator=generator, dtype=torch.float64) / (2.0 * n) ** 0.5
    A = A * torch.logspace(0.0, -1.0, n, dtype=torch.float64)
    B = A @ Stiefel().random((each, n, rank), generator)
    optimum = torch.zeros(each, dtype=torch.float64)
    curvature = torch.linalg.matrix_norm(A, ord=2).square()
    return (lambda x: 0.5 * (A @ x - B).square().sum((-2, -1))), (n, rank), optimum, curvature


SCALE = 8.0
"""Of the logits, as in the task."""
POOL = 32
N_ROWS = 200


def _classification(rank: int, each: int, generator: Generator, validating: bool) -> Instance:
    """Draw subsets of the training digits, ten kinds: frames are [64, 10] whatever the rank."""
    rows, labels, optimum = _pool(validating)
    chosen = torch.randint(POOL, (each,), generator=generator)
    rows, labels = rows[chosen], labels[chosen]
    curvature = torch.full((each,), CURVATURE, dtype=torch.float64)
    return (lambda x: mean_cross_entropy(rows, labels, x)), (64, 10), optimum[chosen], curvature


CURVATURE = SCALE**2 / 80.0
"""Of the classification near its minimum, roughly."""


def mean_cross_entropy(rows: Tensor, labels: Tensor, x: Tensor) -> Tensor:
    """Return the mean cross-entropy of softmax(SCALE rows x); [B, m, n], [B, m], [B, n, p] -> [B]."""
    log_shares = (SCALE * (rows @ x)).log_softmax(-1)
    return -log_shares.gather(-1, labels.unsqueeze(-1)).mean((-2, -1))


@cache
def _pool(validating: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows [POOL, m, 64] of training digits, labels [POOL, m], and the minima [POOL]."""
    generator = stream(int(validating), "metatrain/frames/classification")
    images, labels = training_digits(validating)
    chosen = torch.stack([torch.randperm(len(images), generator=generator)[:N_ROWS] for _ in range(POOL)])
    centred = images[chosen] - images[chosen].mean(-2, keepdim=True)
    rows = centred / centred.square().sum(-1).mean(-1).sqrt()[:, None, None]
    optimum = [
        lowest(Samples(rows=r, labels=k, n_kinds=10), scale=SCALE) for r, k in zip(rows, labels[chosen], strict=True)
    ]
    return rows, labels[chosen], torch.tensor(optimum, dtype=torch.float64)


N_VALIDATION = 250
"""Of the 900 images of the training half, the last ones are kept apart for validation."""


@cache
def training_digits(validating: bool) -> tuple[Tensor, Tensor]:
    """Return images [m, 64] and labels [m] of the training half of the digits: for training, or for validation."""
    chosen = samples("metatrain", "digits", split="train", instance=0)
    part = slice(-N_VALIDATION, None) if validating else slice(None, -N_VALIDATION)
    return chosen.rows[part], chosen.labels[part]


PROBLEMS: Mapping[str, Callable[[int, int, Generator, bool], Instance]] = {
    "pca": _pca,
    "classification": _classification,
    "brockett": _brockett,
    "procrustes": _procrustes,
}
