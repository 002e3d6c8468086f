"""A method of scipy.optimize.minimize as the one interface: the solver owns its loop and ticks from its callback."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmobench.types import Optimizer, Oracle, Problem, Value

Array = NDArray[np.float64]

ZERO_GRADIENT = 1e-150
"""Gradients up to it count as zero: their products underflow, and the solvers' formulas would divide 0 by 0."""


NONFINITE = "array must not contain infs or NaNs"
"""What scipy.linalg raises as a ValueError where trust-ncg meets a number that is not finite."""


def minimize(
    problem: Problem,
    *,
    method: str,
    options: Mapping[str, Value],
    hessp: bool = False,
    n_vectors: int,
    n_matrices: int = 0,
) -> Optimizer:
    """Adapt a solver: its step runs to the end and returns scipy's message.

    One value with gradient is one call of the oracle, one Hessian-vector product another. The solver's x [d] is
    float64, all parameters one after the other; the oracle sees it rounded to the parameters' dtype.

    Args:
        problem: A deterministic one.
        method: Name of the method, as scipy spells it.
        options: The method's own; tolerances belong here, and the number of iterations is unlimited.
        hessp: Whether the method asks for Hessian-vector products.
        n_vectors: Vectors [d] that the method keeps from one iterate to the next.
        n_matrices: Matrices [d, d] that it keeps. torch sees neither, so meta tensors stand for them; what scipy
            allocates beyond the method's needs is not counted.
    """

    def step(oracle: Oracle) -> str:
        ask = Questions(problem, oracle)
        with warnings.catch_warnings():
            # Overflow in a trial step and a line search that ends early are part of a solver's life.
            warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"(scipy|numpy)\.")
            try:
                result = scipy.optimize.minimize(
                    ask.value_and_gradient,
                    joined(problem.params.values()),
                    method=method,
                    jac=True,
                    hessp=ask.product if hessp else None,
                    callback=ask.complete,
                    options={"maxiter": sys.maxsize, **options},
                )
            except ValueError as error:
                if str(error) != NONFINITE:
                    raise
                return NONFINITE
        write(result.x, problem.params)
        return str(result.message)

    def state() -> Iterable[Tensor]:
        d = sum(p.numel() for p in problem.params.values())
        for shape in [(d, d)] * n_matrices + [(d,)] * n_vectors:
            yield torch.empty(shape, dtype=torch.float64, device="meta")

    return Optimizer(step, state=state)


@dataclass(frozen=True, slots=True)
class Questions:
    """What a solver asks, in its own terms: x, v [d] in float64. Each puts the parameters to x first."""

    problem: Problem
    oracle: Oracle

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return the loss and its gradient [d] at x."""
        write(x, self.problem.params)
        loss = self.oracle()
        return loss.item(), joined(gradients(self.problem))

    def product(self, x: Array, v: Array) -> Array:
        """Return the Hessian at x times v, [d]."""
        write(x, self.problem.params)
        products = self.oracle.hvp(split(v, self.problem.params))
        return joined(products[name] for name in self.problem.params)

    def complete(self, x: Array) -> None:
        """Tell that x is the next iterate."""
        write(x, self.problem.params)
        self.oracle.tick()


def gradients(problem: Problem) -> list[Tensor]:
    """Return every parameter's gradient, zero where the loss does not depend on it."""
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in problem.params.values()]


def joined(tensors: Iterable[Tensor]) -> Array:
    """Join tensors of any shapes into one vector [d], float64."""
    array: Array = torch.cat([t.detach().reshape(-1).to("cpu", torch.float64) for t in tensors]).numpy()
    return array


def split(x: Array, params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cut a vector [d] into pieces of the parameters' names, shapes, dtypes and devices."""
    pieces = torch.split(torch.from_numpy(x), [p.numel() for p in params.values()])
    return {
        name: piece.reshape(p.shape).to(p.device, p.dtype)
        for (name, p), piece in zip(params.items(), pieces, strict=True)
    }


@torch.no_grad()
def write(x: Array, params: Mapping[str, Tensor]) -> None:
    """Set the parameters to a vector [d], rounded to their dtypes."""
    for name, value in split(x, params).items():
        params[name].copy_(value)
