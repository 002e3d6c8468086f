"""Adam on the Cholesky factors of positive definite matrices: the constraint by a change of variables."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.geometry import Spd
from rmobench.optimizers.natural.gnc import factor
from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.pointwise import check_spd
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Oracle, Problem


@optimizer(
    family="natural",
    source="Pinheiro, Bates 1996, Stat. Comput. 6(3) (log-Cholesky coordinates); Kingma, Ba 2015, ICLR",
    handles=("spd",),
    search={"lr": Log(1e-4, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def cholesky_adam(
    problem: Problem, *, lr: float = 0.01, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Write X = L L^T, L lower triangular with the diagonal exp(.), and let Adam move the free entries.

    Args:
        problem: Any; parameters without a manifold take Adam as they are.
        lr: Step length, in units of the entries below the diagonal and of the logarithms of those on it.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.

    Raises:
        ArgumentError: An option that is not in its range, another manifold, or a start that is not positive definite.
    """
    check_options("cholesky_adam", lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon)
    check_spd("cholesky_adam", problem)
    curved = {name for name, manifold in problem.manifolds.items() if manifold == Spd()}
    free = {
        name: coordinates(factor("cholesky_adam", name, x.detach())) if name in curved else x.detach().clone()
        for name, x in problem.params.items()
    }
    for z in free.values():
        z.requires_grad_()
    adam = torch.optim.Adam(free.values(), lr=lr, betas=(beta1, beta2), eps=epsilon)

    def step(oracle: Oracle) -> None:
        oracle()
        params = problem.params
        for name, z in free.items():
            g = params[name].grad
            z.grad = g if name not in curved or g is None else pulled_back(z.detach(), g)
        adam.step()
        with torch.no_grad():
            for name, z in free.items():
                z.grad = None
                L = lower(z) if name in curved else None
                params[name].copy_(z if L is None else L @ L.mT)

    return Optimizer(step, state=lambda: tensors_in([*free.values(), adam.state]))


def coordinates(L: Tensor) -> Tensor:
    """Return the free entries: L with the logarithms of its diagonal on the diagonal, [..., n, n]."""
    return L.tril(-1) + torch.diag_embed(L.diagonal(dim1=-2, dim2=-1).log())


def lower(z: Tensor) -> Tensor:
    """Return the factor L of the free entries."""
    return z.tril(-1) + torch.diag_embed(z.diagonal(dim1=-2, dim2=-1).exp())


def pulled_back(z: Tensor, g: Tensor) -> Tensor:
    """Return the gradient in the free entries from that in X = L L^T: the lower part of (g + g^T) L, the chain rule."""
    L = lower(z)
    slope = ((g + g.mT) @ L).tril()
    on = slope.diagonal(dim1=-2, dim2=-1) * L.diagonal(dim1=-2, dim2=-1)
    return slope.tril(-1) + torch.diag_embed(on)
