"""Dynamic trivialization: Adam in coordinates of a tangent space that follows the iterates."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import EUCLIDEAN, Geodesic, Sphere, Stiefel
from rmobench.optimizers.options import checked
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.optimizers.riemannian.radam import radam_update
from rmobench.registry import optimizer
from rmobench.types import Choice, Log, Manifold, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Lezcano-Casado 2019, NeurIPS, arXiv 1909.09501, with Adam inside",
    version=2,
    handles=("sphere", "stiefel"),
    upcasts="float32",
    search={
        "lr": Log(1e-4, 1.0),
        "beta1": Log(0.5, 0.99),
        "beta2": Log(0.9, 0.9999),
        "n_base": Choice((1, 100, 1000)),
    },
)
def trivialization(
    problem: Problem,
    *,
    lr: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    n_base: int = 100,
) -> Optimizer:
    """Write x = exp_b(tangent part of z) and let Adam move z; every n_base steps x becomes the base b, and z zero.

    The gradient is pulled back through the exponential map by automatic differentiation. Adam works entry by entry on
    z [..., n, p], which is free; it keeps its means at a change of base, and the map drops what is not tangent at the
    new one. A step takes exponentials of matrices [4 p, 4 p]. With n_base = 1 the map is never left at its origin and
    nothing need be differentiated: that is Riemannian descent with Adam's moments entry by entry.

    Args:
        problem: Any; parameters on other manifolds take radam, those on none Adam.
        lr: Step length, in units of the entries of z, hence of x.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        n_base: Steps from one base to the next.

    Raises:
        ArgumentError: n_base is less than 1.
    """
    if n_base < 1:
        raise ArgumentError(f"trivialization: got n_base={n_base}, expected 1 or more.")
    rule = checked(
        "trivialization", trivialization_update, lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, n_base=n_base
    )
    return pointwise(problem, rule)


def trivialization_update(
    manifold: Manifold,
    x: Tensor,
    g: Tensor,
    state: State,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    n_base: int,
) -> tuple[Tensor, State]:
    """Return the image of z after a step of Adam along the gradient that is pulled back to z."""
    adam = partial(radam_update, lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon)
    if not isinstance(manifold, Sphere | Stiefel):
        return adam(manifold, x, g, state)
    base, z = (state["base"], state["z"]) if state else (x.detach().clone(), torch.zeros_like(x))
    moments = {key: state[key] for key in ("mean", "square", "n_steps")} if state else {}
    at_origin = moments.get("n_steps", 0) % n_base == 0
    pulled = manifold.tangent(base, g) if at_origin else pulled_back(manifold, base, z, g)
    z, moments = adam(EUCLIDEAN, z, pulled, moments)
    y = image(manifold, base, z)
    if moments["n_steps"] % n_base == 0:
        z = torch.zeros_like(z)
        base = y = manifold.retract(y, z)  # so that roundings do not add up over the bases
    return y, {"base": base, "z": z, **moments}


def image(manifold: Geodesic, base: Tensor, z: Tensor) -> Tensor:
    """Return the point with the coordinates z at a base."""
    return manifold.exp(base, manifold.tangent(base, z))


def pulled_back(manifold: Geodesic, base: Tensor, z: Tensor, g: Tensor) -> Tensor:
    """Return the gradient with respect to z, given that with respect to the point."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        (pulled,) = torch.autograd.grad(image(manifold, base, z), z, g)
    return pulled
