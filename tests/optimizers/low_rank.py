"""Problems of one matrix of low rank, and their dense twins."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rmobench.models.low_rank_linear import LowRankLinear, insert_low_rank
from rmobench.registry import load, optimizers, tasks
from rmobench.types import Optimizer, Problem
from tests.optimizers.plain_oracle import normal

F64 = torch.float64
M, N, R = 9, 7, 3

FAMILY = sorted(name for name, spec in optimizers().items() if spec.family == "lowrank")

LOWRANK = [name for name in FAMILY if "low_rank_layers" in optimizers()[name].needs]
"""Those that step the factors; the others put something else in the place of the layers."""


def build(name: str, problem: Problem, **hyper: Any) -> Optimizer:
    """Build a registered optimizer."""
    spec = optimizers()[name]
    return load(spec.location)(problem, **{**spec.defaults, **hyper})


def certified(name: str, seed: int = 0, **args: Any) -> Problem:
    """Build a registered task in float64."""
    spec = tasks()[name]
    return load(spec.location)(seed, torch.device("cpu"), F64, **{**spec.args, **args})


def bowl(W: Tensor) -> Tensor:
    """Return a function of a matrix with curvature of every kind and no symmetry."""
    w = torch.linspace(0.5, 2.0, W.numel(), dtype=F64).reshape(W.shape).to(W)
    return (0.5 * w * W**2 + torch.sin(3.0 * w * W) + normal(*W.shape, seed=11).to(W) * W).sum()


def slope(W: Tensor) -> Tensor:
    """Return the dense gradient of the bowl."""
    W = W.detach().requires_grad_()
    (G,) = torch.autograd.grad(bowl(W), W)
    return G


def low_rank(*, zero: bool = False, scale: float = 1.0) -> Problem:
    """Return the problem of minimising the bowl over matrices [9, 7] of rank 3; from zero or from a random one."""
    S = torch.zeros(R, R, dtype=F64) if zero else normal(R, R, seed=1)
    model = LowRankLinear(normal(M, R), S, normal(N, R, seed=2), scale=scale)
    eye = torch.eye(N, dtype=F64)
    return Problem(
        model=model,
        loss=lambda model, batch: bowl(model(eye).mT),
        batches=itertools.repeat(None),
        judge=lambda model: {"objective": 0.0, "gap": 1.0, "residual": 0.0},
    )


def oracle_of(problem: Problem) -> Callable[[], Tensor]:
    """Return what fills the gradients, on the problem's next batch at each call."""

    def oracle() -> Tensor:
        for p in problem.model.parameters():
            p.grad = None
        with torch.enable_grad():
            loss = problem.loss(problem.model, next(problem.batches))
            loss.backward()
        return loss.detach()

    return oracle


def matrices(name: str, problem: Problem, n_steps: int, **hyper: Any) -> list[Tensor]:
    """Take some steps; return W after each."""
    optimizer, oracle, found = build(name, problem, **hyper), oracle_of(problem), []
    for _ in range(n_steps):
        optimizer.step(oracle)
        found.append(problem.model.matrix(F64))
    optimizer.close()
    return found


def steps_to(problem: Problem, optimizer: Optimizer, *, gap: float, most: int) -> int | None:
    """Return the number of steps to a gap, None where it takes more than `most`."""
    oracle = oracle_of(problem)
    for step in range(1, most + 1):
        optimizer.step(oracle)
        reached = problem.judge(problem.model)["gap"]
        if reached <= gap:
            return step
        if not reached < 1e6:
            return None
    return None


def best_rank(a: Tensor, k: int) -> Tensor:
    """Return the nearest matrix of rank k."""
    U, d, Vh = torch.linalg.svd(a, full_matrices=False)
    return (U[:, :k] * d[:k]) @ Vh[:k]


def network(*, m: int = 6, n: int = 5, rank: int = 2, dtype: torch.dtype = F64) -> tuple[Problem, Mapping[str, Any]]:
    """Return a small network with two low-rank layers and a free head, on mini-batches, and its low-rank layers."""
    model = nn.Sequential(
        nn.Linear(n, m, dtype=dtype), nn.Tanh(), nn.Linear(m, m, dtype=dtype), nn.Tanh(), nn.Linear(m, 2, dtype=dtype)
    )
    for seed, p in enumerate(model.parameters()):
        p.data = (0.5 * normal(*p.shape, seed=seed)).to(dtype)
    layers = insert_low_rank(model, "0|2", rank=rank, generator=torch.Generator().manual_seed(0))
    model[4].requires_grad_(True)
    inputs, teacher = normal(64, n, seed=20).to(dtype), normal(2, n, seed=21).to(dtype)
    targets = torch.tanh(inputs @ teacher.mT)
    generator = torch.Generator().manual_seed(1)

    def batches():
        while True:
            rows = torch.randperm(64, generator=generator)[:8]
            yield inputs[rows], targets[rows]

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return (model(batch[0]) - batch[1]).square().mean()

    problem = Problem(
        model=model,
        loss=loss,
        batches=batches(),
        judge=lambda model: {"objective": loss(model, (inputs, targets)).item(), "gap": 1.0, "residual": 0.0},
    )
    return problem, layers
