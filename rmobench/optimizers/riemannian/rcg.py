"""Riemannian nonlinear conjugate gradients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import Product
from rmobench.optimizers.riemannian.curve import Step, follow
from rmobench.optimizers.riemannian.evaluation import Evaluation, Vector, evaluate, plus, product_of, scaled
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Oracle, Problem


@dataclass(frozen=True, slots=True)
class Iterate:
    """Where the method is, and where it goes."""

    here: Evaluation
    direction: Vector | None = None  # None: against the gradient
    fall: float | None = None  # twice what the last step has lost, by the slopes at its ends; negative


@optimizer(
    family="riemannian",
    source="Absil, Mahony, Sepulchre 2008, sec. 8.3; Sakai, Iiduka 2020, Comput. Optim. Appl. 77, arXiv 2002.01644; "
    "Sato 2022, SIAM J. Optim. 32(4), arXiv 2112.02572",
    needs=("deterministic",),
    handles=("fixedrank", "grassmann", "spd", "sphere", "stiefel"),
    upcasts="float32",
    search={"armijo": Log(1e-5, 1e-2), "curvature": Linear(0.1, 0.5)},
)
def rcg(problem: Problem, *, armijo: float = 1e-4, curvature: float = 0.4) -> Optimizer:
    """Step along the gradient plus the transported past direction, as far as a strong Wolfe line search says.

    The past's weight is max(0, min(Hestenes-Stiefel, Dai-Yuan)); at zero the method restarts from the gradient, and so
    it does where nothing lower is found along the direction. It ends by itself where nothing lower is found along the
    gradient. Without a manifold, on a quadratic and with an exact line search, it is the linear method.

    Args:
        problem: A deterministic one; all parameters are one point of a product, those without a manifold Euclidean.
        armijo: Share c1 of the predicted decrease that a step must bring, 0 < c1 < c2.
        curvature: Share c2 of the slope that may be left after it, c1 < c2 < 1.

    Raises:
        ArgumentError: A share out of its range.
    """
    if not 0.0 < armijo < curvature < 1.0:
        raise ArgumentError(f"rcg: got armijo={armijo} and curvature={curvature}, expected 0 < armijo < curvature < 1.")
    manifold = product_of(problem)
    at: Iterate | None = None

    @torch.no_grad()
    def step(oracle: Oracle) -> str | None:
        nonlocal at
        at = at or Iterate(evaluate(problem, manifold, oracle))
        fall, steepest = at.fall, scaled(-1.0, at.here.gradient)
        for direction in [steepest] if at.direction is None else [at.direction, steepest]:
            taken = follow(
                problem,
                manifold,
                oracle,
                at.here,
                direction,
                first=lambda slope: (-slope) ** -0.5 if fall is None else fall / slope,
                armijo=armijo,
                curvature=curvature,
            )
            if taken is not None:
                at = following(manifold, at.here, taken)
                return None
        return "nothing lower is found along the gradient"

    def state() -> Iterable[Tensor]:
        return tensors_in((at.here.point, at.here.gradient, at.direction) if at is not None else ())

    return Optimizer(step, state=state)


def following(manifold: Product, here: Evaluation, taken: Step) -> Iterate:
    """Return the iterate after a step, with the direction -g + beta d in which it goes on.

    beta = max(0, min(<g, y>, <g, g>) / <d, y>) with y = g - (g of before): Hestenes and Stiefel's, but at most Dai and
    Yuan's. All vectors are transported to the new point.
    """
    x, d, g = taken.there.point, taken.direction, taken.there.gradient
    y = plus(g, -1.0, manifold.transport(here.point, x, here.gradient))
    share = min(float(manifold.inner(x, g, y)), float(manifold.inner(x, g, g)))
    along = float(manifold.inner(x, d, y))
    fall = taken.end.length * (taken.start.slope + taken.end.slope)
    return Iterate(
        here=taken.there,
        direction=plus(scaled(-1.0, g), share / along, d) if share > 0.0 < along else None,
        fall=fall if fall < 0.0 else None,
    )
