"""The problem as pymanopt wants it, and how a solver of pymanopt's ticks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pymanopt
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import EUCLIDEAN, Euclidean, Grassmann, Sphere, Stiefel
from rmobench.optimizers.scipy_style import ZERO_GRADIENT, gradients
from rmobench.types import Manifold, Optimizer, Oracle, Problem

Array = NDArray[np.float64]
Point = Sequence[Array]
"""One array per parameter, in the problem's order; gradients and tangent vectors have the same form."""


@dataclass(frozen=True, slots=True)
class Chart:
    """How pymanopt writes one parameter: in float64, on the CPU."""

    manifold: pymanopt.manifolds.manifold.Manifold
    shape: tuple[int, ...]
    transposed: bool = False  # an array of this shape is transposed for them

    def array(self, x: Tensor) -> Array:
        """Return a copy of a parameter, or of a vector of its shape, as theirs."""
        a: Array = x.detach().to("cpu", torch.float64).reshape(self.shape).numpy().copy()
        return a.T if self.transposed else a

    def tensor(self, a: Array, like: Tensor) -> Tensor:
        """Return an array of theirs in the shape, dtype and place of a parameter."""
        ours = np.ascontiguousarray(a.T if self.transposed else a)
        return torch.from_numpy(ours).reshape(like.shape).to(like.device, like.dtype)


def chart(name: str, x: Tensor, manifold: Manifold) -> Chart:
    """Find pymanopt's manifold for a parameter; retractions are pymanopt's defaults, whatever ours was told.

    A batch of frames is a power of the manifold, a batch of unit vectors the columns of an oblique matrix.

    Raises:
        ArgumentError: A manifold that has no counterpart here.
    """
    theirs, shape = pymanopt.manifolds, tuple(x.shape)
    match manifold:
        case Euclidean():
            return Chart(theirs.Euclidean(*(shape or (1,))), shape or (1,))
        case Sphere():
            k, n = math.prod(shape[:-1]), shape[-1]
            return Chart(theirs.Sphere(n), shape) if x.ndim == 1 else Chart(theirs.Oblique(n, k), (k, n), True)
        case Stiefel(metric="embedded") | Grassmann():
            k, n, p = math.prod(shape[:-2]), *shape[-2:]
            kind = theirs.Grassmann if isinstance(manifold, Grassmann) else theirs.Stiefel
            return Chart(kind(n, p, k=k), (k, n, p) if k > 1 else (n, p))
    raise ArgumentError(
        f"pymanopt: {name} lives on {manifold!r}, expected Euclidean, Sphere, Grassmann or Stiefel (embedded metric)."
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What the oracle said at a point."""

    point: Point
    loss: float
    gradient: Point


@dataclass(slots=True)
class Questions:
    """What a solver asks, in its own terms: one call gives value and gradient, and neither is asked for again.

    pymanopt asks for the value of every trial point but for the gradient of iterates only, so the last point whose
    gradient it asked for is the iterate.
    """

    problem: Problem
    oracle: Oracle
    charts: Mapping[str, Chart]
    trial: Answer | None = None
    iterate: Answer | None = None

    def cost(self, point: Point) -> float:
        """Return the loss; at NaN infinity, unasked: TrustRegions proposes it where its inner residual is zero."""
        if not all(np.isfinite(part).all() for part in point):
            return math.inf
        self.trial = self._answer(point)
        return self.trial.loss

    def gradient(self, point: Point) -> Point:
        """Return the Euclidean gradient."""
        self.iterate = self._answer(point)
        return self.iterate.gradient

    def product(self, point: Point, v: Point) -> Point:
        """Return the Euclidean Hessian times v."""
        self._write(point)
        products = self.oracle.hvp(self._tensors(v))
        return [self.charts[name].array(products[name]) for name in self.charts]

    def complete(self) -> None:
        """Tell the oracle that the iterate is reached."""
        self.back()
        self.oracle.tick()

    def back(self) -> None:
        """Put the parameters at the iterate."""
        if self.iterate is not None:
            self._write(self.iterate.point)

    def arrays(self, tensors: Iterable[Tensor]) -> Point:
        """Return one tensor per parameter as theirs."""
        return [chart.array(x) for chart, x in zip(self.charts.values(), tensors, strict=True)]

    def _answer(self, point: Point) -> Answer:
        for known in (self.trial, self.iterate):
            if known is not None and all(map(np.array_equal, known.point, point)):
                return known
        self._write(point)
        loss = self.oracle().item()
        return Answer(point, loss, self.arrays(gradients(self.problem)))

    @torch.no_grad()
    def _write(self, point: Point) -> None:
        for name, value in self._tensors(point).items():
            self.problem.params[name].copy_(value)

    def _tensors(self, arrays: Point) -> dict[str, Tensor]:
        params = self.problem.params
        return {
            name: chart.tensor(a, params[name]) for (name, chart), a in zip(self.charts.items(), arrays, strict=True)
        }


def minimize(
    problem: Problem,
    solver: Callable[[Questions], pymanopt.optimizers.optimizer.Optimizer],
    *,
    n_vectors: int,
) -> Optimizer:
    """Adapt a solver: its step runs to the end and returns why it ended.

    The solver's point is float64; the oracle sees it rounded to the parameters' dtypes.

    Args:
        problem: A deterministic one.
        solver: Make a solver that ends by `ending` alone.
        n_vectors: Vectors that the method keeps from one iterate to the next; torch does not see them.

    Raises:
        ArgumentError: A manifold that pymanopt does not have.
    """
    charts = {name: chart(name, x, problem.manifolds.get(name, EUCLIDEAN)) for name, x in problem.params.items()}
    manifold = pymanopt.manifolds.Product([chart.manifold for chart in charts.values()])
    place = pymanopt.function.numpy(manifold)

    def step(oracle: Oracle) -> str:
        ask = Questions(problem, oracle, charts)
        task = pymanopt.Problem(
            manifold,
            place(lambda *x: ask.cost(x)),
            euclidean_gradient=place(lambda *x: ask.gradient(x)),
            euclidean_hessian=place(lambda *xv: ask.product(xv[: len(charts)], xv[len(charts) :])),
        )
        start = ask.arrays(problem.params.values())
        norm = np.sqrt(sum(np.square(g).sum() for g in ask.gradient(start)))
        with warnings.catch_warnings():
            # a division by zero or an overflow in a trial step is part of a solver's life
            warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"(pymanopt|numpy)\.")
            try:
                return ending(norm) or solver(ask).run(task, initial_point=start).stopping_criterion
            except np.linalg.LinAlgError as error:  # svd where a number is not finite
                return str(error)
            finally:
                ask.back()

    def state() -> Iterable[Tensor]:
        d = sum(p.numel() for p in problem.params.values())
        yield torch.empty((n_vectors, d), dtype=torch.float64, device="meta")

    return Optimizer(step, state=state)


def ending(norm: float) -> str | None:
    """Return why a solver cannot go on from a gradient of this norm, None if it can."""
    if not math.isfinite(norm):
        return "the gradient is not finite"
    return "the gradient is zero" if norm <= ZERO_GRADIENT else None
