"""The least an oracle can be: it counts, keeps the iterates, and stops at a number of calls. And problems to ask."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from rmobench.errors import Stop
from rmobench.types import Optimizer, Problem


@dataclass(slots=True)
class PlainOracle:
    """Counts calls by kind, remembers every iterate, and raises Stop at the call after the last one allowed."""

    problem: Problem
    n_calls: int = 10**9  # allowed
    asked: list[str] = field(default_factory=list)  # "grad", "loss" or "hvp", in the order of the calls
    points: list[Tensor] = field(default_factory=list)  # x [d] at each "grad" and "loss"
    iterates: list[Tensor] = field(default_factory=list)  # x [d] at each tick
    gradients: dict[str, Tensor] = field(default_factory=dict)  # copies of what the last call left in .grad

    def __call__(self) -> Tensor:
        self._spend("grad")
        self.points.append(vector(self.problem))
        params = self.problem.params
        for p in params.values():
            p.grad = None
        with torch.enable_grad():
            loss = self.problem.loss(self.problem.model, None)
            loss.backward()
        self.gradients = {name: p.grad.clone() for name, p in params.items() if p.grad is not None}
        return loss.detach()

    def loss(self) -> Tensor:
        self._spend("loss")
        self.points.append(vector(self.problem))
        with torch.no_grad():
            return self.problem.loss(self.problem.model, None)

    def hvp(self, v: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self._spend("hvp")
        params = self.problem.params
        with torch.enable_grad():
            loss = self.problem.loss(self.problem.model, None)
            grads = torch.autograd.grad(loss, list(params.values()), create_graph=True, materialize_grads=True)
            slope = torch.stack([(g * v[name]).sum() for name, g in zip(params, grads, strict=True)]).sum()
            products = torch.autograd.grad(slope, list(params.values()), materialize_grads=True)
        return dict(zip(params, products, strict=True))

    def tick(self) -> None:
        self.iterates.append(vector(self.problem))

    def _spend(self, kind: str) -> None:
        if len(self.asked) >= self.n_calls:
            raise Stop("budget")
        self.asked.append(kind)


def vector(problem: Problem) -> Tensor:
    """Join all parameters into one vector [d], a copy."""
    return torch.cat([p.detach().reshape(-1).clone() for p in problem.params.values()])


def drive(optimizer: Optimizer, oracle: PlainOracle, *, n_steps: int = 10**9) -> str | None:
    """Step and tick as the harness does; return the solver's message, or None where Stop or n_steps ended it."""
    try:
        for _ in range(n_steps):
            message = optimizer.step(oracle)
            if isinstance(message, str):
                return message
            oracle.tick()
    except Stop:
        return None
    return None


class Named(nn.Module):
    """Parameters a, b, c, ... of the given values."""

    def __init__(self, values: Iterable[Tensor]) -> None:
        super().__init__()
        for name, value in zip("abcdefgh", values, strict=False):
            self.register_parameter(name, nn.Parameter(value.clone()))


def problem(f: Callable[..., Tensor], *values: Tensor) -> Problem:
    """Return the problem of minimising f(a, b, ...) from the given values."""
    return Problem(
        model=Named(values),
        loss=lambda model, batch: f(*(p for p in model.parameters())),
        batches=itertools.repeat(None),
        judge=lambda model: {"objective": 0.0, "gap": 1.0, "residual": 0.0},
    )


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Draw a tensor of standard normal entries."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def hessian(d: int, *, condition: float = 100.0) -> Tensor:
    """Return a symmetric matrix [d, d] with eigenvalues from 1 / condition to 1, log-spaced."""
    q, _ = torch.linalg.qr(normal(d, d, seed=7))
    h = q @ torch.diag(torch.logspace(-float(torch.tensor(condition).log10()), 0, d, dtype=torch.float64)) @ q.T
    return (h + h.T) / 2


def quadratic(h: Tensor, x: Tensor) -> Problem:
    """Return the problem of minimising x H x / 2 from x [d]."""
    return problem(lambda x: 0.5 * x @ (h.to(x) @ x), x)


def rosenbrock(x: Tensor) -> Tensor:
    """Return the sum of 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()
