"""Landing: no retraction, an attraction towards the manifold instead, and steps that keep near it."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.geometry import Stiefel
from rmobench.geometry.frames import check_frames
from rmobench.geometry.matrices import identity
from rmobench.optimizers.options import checked
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.optimizers.riemannian.rsgd import rsgd_update
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Manifold, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Ablin, Peyre 2022, AISTATS, arXiv 2102.07432; rectangular: Ablin, Vary, Gao, Absil 2023, arXiv 2303.16510",
    handles=("stiefel",),
    upcasts="float32",
    search={"lr": Log(1e-3, 100.0), "momentum": Linear(0.0, 0.99), "attraction": Log(0.01, 10.0)},
)
def landing(
    problem: Problem, *, lr: float = 0.1, momentum: float = 0.0, attraction: float = 1.0, safety: float = 0.5
) -> Optimizer:
    """Step along skew(g x^T) x + attraction x (x^T x - I), never so far that the error x^T x - I exceeds the safety.

    The iterates are near the manifold, not on it: the error falls as the gradient does, so that on the way it may be
    more than a precision excuses. A step is also at most 1 / (2 attraction): a weaker attraction allows longer ones.

    Args:
        problem: Any; parameters on other manifolds or on none take rsgd.
        lr: Step length, in units of the field; on the manifold the field is half of the gradient in the canonical
            metric.
        momentum: Weight of the past, in [0, 1).
        attraction: Weight of the pull towards the manifold, at least 0.
        safety: Largest Frobenius norm of the error, below 1. A start beyond it gets no farther, one beyond 1 stays.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    rule = checked("landing", landing_update, lr=lr, momentum=momentum, attraction=attraction, safety=safety)
    return pointwise(problem, rule)


def landing_update(
    manifold: Manifold,
    x: Tensor,
    g: Tensor,
    state: State,
    *,
    lr: float,
    momentum: float,
    attraction: float,
    safety: float,
) -> tuple[Tensor, State]:
    """Return x - min(lr, safe step) field."""
    if not isinstance(manifold, Stiefel):
        return rsgd_update(manifold, x, g, state, lr=lr, momentum=momentum)
    check_frames("landing", x, g=g)
    gram = x.mT @ x
    error = gram - identity(gram)
    distance = torch.linalg.matrix_norm(error, keepdim=True)
    if "momentum" in state:
        g = g + momentum / (1.0 + distance) * lifted(x, state["momentum"])
    v = relative_gradient(x, g, gram)
    field = v + attraction * (x @ error)
    step = safe_step(distance, field, attraction=attraction, safety=safety).clamp(max=lr)
    return x - step * field, {"momentum": v} if momentum else {}


def relative_gradient(x: Tensor, g: Tensor, gram: Tensor) -> Tensor:
    """Return skew(g x^T) x = (g x^T x - x g^T x) / 2 without the product [n, n]; gram is x^T x."""
    return 0.5 * (g @ gram - x @ (g.mT @ x))


def lifted(x: Tensor, v: Tensor) -> Tensor:
    """Return 2 v - x x^T v, whose relative gradient is v if v is tangent at x on the manifold.

    So the past is transported by projection, and off the manifold too loses its symmetric part in x^T v. There the
    relative gradient of it may be 1 + |x^T x - I| times as long as v, which the momentum must make up for.
    """
    return 2.0 * v - x @ (x.mT @ v)


def safe_step(distance: Tensor, field: Tensor, *, attraction: float, safety: float) -> Tensor:
    """Return a step length [..., 1, 1] such that no shorter step leaves the error above the safety.

    A step s maps the error E to E - 2 s attraction (E + E^2) + s^2 F^T F, as x^T skew(.) x has no symmetric part. Up to
    s = 1 / (2 attraction), with d = |E| and f = |F|, its norm is at most d - 2 s attraction d (1 - d) + s^2 f^2: equal
    to the safety at the root that is returned. Source: Ablin, Vary, Gao, Absil 2023.

    Args:
        distance: d, [..., 1, 1].
        field: F, [..., n, p].
        attraction: Weight of x E in the field.
        safety: Largest d wanted after the step.
    """
    square = field.square().sum((-2, -1), keepdim=True).clamp_min(torch.finfo(field.dtype).tiny)
    pull = attraction * distance * (1.0 - distance)
    root = (pull + (pull.square() + square * (safety - distance).clamp_min(0.0)).sqrt()) / square
    return root.clamp(max=0.5 / attraction) if attraction else root
