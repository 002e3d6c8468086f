"""Problems on orthonormal frames, and every first-order method that takes them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from rmobench.geometry import Stiefel, qr_factor
from rmobench.types import Manifold, Optimizer, Problem
from tests.optimizers.plain_oracle import PlainOracle, drive, normal, problem

F64 = torch.float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method, and what it promises."""

    name: str
    hyper: Mapping[str, float] = field(default_factory=dict)  # that reach a gap of 1e-6 on pca_digits, rank 8
    n_steps: int  # that they take, some to spare
    free: str  # what a parameter without a manifold gets: "sgd", "adam", or a rule of its own
    momentum: float = 0.0  # default
    rotates: bool = True  # f(Q x) from Q^T x gives Q^T times the iterates
    feasible: bool = True  # keeps x^T x = I to rounding once steps are short

    def build(self, problem: Problem, **hyper: float) -> Optimizer:
        module = importlib.import_module(f"rmobench.optimizers.riemannian.{self.name}")
        return getattr(module, self.name)(problem, **hyper)


METHODS = {
    method.name: method
    for method in (
        Method(name="rsgd", hyper={"lr": 3.0, "momentum": 0.9}, n_steps=130, free="sgd"),
        Method(name="radam", hyper={"lr": 0.3}, n_steps=180, free="adam"),
        Method(name="rasa", n_steps=110, free="rasa", rotates=False),
        Method(name="cayley_sgd", hyper={"lr": 3.0}, n_steps=135, free="sgd", momentum=0.9),
        Method(name="cayley_adam", hyper={"lr": 0.5}, n_steps=800, free="adam"),
        Method(name="landing", hyper={"lr": 3.0, "momentum": 0.9, "attraction": 0.1}, n_steps=180, free="sgd"),
        Method(name="pogo", hyper={"lr": 4.0, "momentum": 0.9}, n_steps=130, free="sgd"),
        Method(name="trivialization", n_steps=500, free="adam", rotates=False),
        Method(name="penalty", hyper={"lr": 0.5, "weight": 0.1}, n_steps=160, free="sgd", momentum=0.9, feasible=False),
        Method(name="svb", hyper={"lr": 3.0, "band": 0.0}, n_steps=550, free="sgd", momentum=0.9),
        Method(name="manifold_muon", hyper={"lr": 0.001}, n_steps=2300, free="adam"),
    )
}


def on(manifold: Manifold, f: Callable[[Tensor], Tensor], x: Tensor) -> Problem:
    """Return the problem of minimising f on a manifold from x; the parameter's name is a."""
    return replace(problem(f, x), manifolds={"a": manifold})


def frame(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> Tensor:
    """Draw orthonormal columns."""
    return qr_factor(normal(*shape, seed=seed)).to(dtype)


def bowl(x: Tensor) -> Tensor:
    """Return a function with curvature of every kind and no symmetry; a batch adds up."""
    n, p = x.shape[-2:]
    w = torch.linspace(0.5, 2.0, n * p, dtype=torch.float64).reshape(n, p).to(x)
    return (0.5 * w * x**2 + torch.sin(3.0 * w * x)).sum()


def walk(build: Callable[[Problem], Optimizer], p: Problem, n_steps: int) -> Tensor:
    """Take some steps; return the iterates [n_steps, d]."""
    oracle = PlainOracle(p)
    drive(build(p), oracle, n_steps=n_steps)
    return torch.stack(oracle.iterates)


def iterates(
    build: Callable[..., Optimizer], f: Callable[[Tensor], Tensor], x: Tensor, n_steps: int, **hyper: float
) -> Tensor:
    """Take some steps on the Stiefel manifold; return the iterates [n_steps, ...] in the shape of x."""
    return walk(partial(build, **hyper), on(Stiefel(), f, x), n_steps).reshape(n_steps, *x.shape)


def gradient(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the Euclidean gradient."""
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(f(x), x)
    return g


def error(x: Tensor) -> Tensor:
    """Return the Frobenius norm of x^T x - I, [...]."""
    return torch.linalg.matrix_norm(x.mT @ x - torch.eye(x.shape[-1], dtype=x.dtype))
