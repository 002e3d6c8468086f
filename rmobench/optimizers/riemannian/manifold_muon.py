"""Manifold Muon: the steepest tangent direction in the spectral norm."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.geometry import Stiefel, newton_schulz
from rmobench.geometry.frames import check_frames
from rmobench.geometry.matrices import eigh, symmetric
from rmobench.optimizers.options import checked
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.optimizers.riemannian.radam import radam_update
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Manifold, Optimizer, Problem

SMOOTHING = 1e-3
"""Singular values of the dual matrix below this share of their root mean square do not count in full."""


@optimizer(
    family="riemannian",
    source="Bernstein 2025, Modular Manifolds, thinkingmachines.ai/blog/modular-manifolds",
    handles=("stiefel",),
    upcasts="float32",
    search={"lr": Log(1e-4, 1.0), "momentum": Linear(0.0, 0.99), "companion_lr": Log(1e-5, 1e-1)},
)
def manifold_muon(
    problem: Problem,
    *,
    lr: float = 0.02,
    momentum: float = 0.0,
    companion_lr: float = 3e-4,
    tolerance: float = 1e-4,
    n_dual: int = 50,
) -> Optimizer:
    """Step to the frame nearest to x - lr A, where A is the tangent with spectral norm 1 that ascends most.

    A has singular values near 1 however small the gradient is: the iterates come to rest only as lr does. The step
    back to the manifold is by Newton-Schulz to full precision.

    Args:
        problem: Any; parameters on other manifolds or on none take (Riemannian) Adam.
        lr: Step length, in units of singular values.
        momentum: Weight of the past Euclidean gradients, in [0, 1).
        companion_lr: Adam's step length.
        tolerance: The dual ascent ends where the root mean square of the eigenvalues of sym(x^T A) is below this.
        n_dual: Most iterations of the dual ascent, at least 1.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    rule = checked(
        "manifold_muon",
        manifold_muon_update,
        lr=lr,
        momentum=momentum,
        companion_lr=companion_lr,
        tolerance=tolerance,
        n_dual=n_dual,
    )
    return pointwise(problem, rule)


def manifold_muon_update(
    manifold: Manifold,
    x: Tensor,
    g: Tensor,
    state: State,
    *,
    lr: float,
    momentum: float,
    companion_lr: float,
    tolerance: float,
    n_dual: int,
) -> tuple[Tensor, State]:
    """Return the polar factor of x - lr A."""
    if not isinstance(manifold, Stiefel):
        return radam_update(manifold, x, g, state, lr=companion_lr, beta1=0.9, beta2=0.999, epsilon=1e-8)
    check_frames("manifold_muon", x, g=g)
    g = g + momentum * state["momentum"] if "momentum" in state else g
    A, _ = steepest(x, g, tolerance=tolerance, n_dual=n_dual)
    return newton_schulz(x, -lr * A), {"momentum": g} if momentum else {}


def steepest(x: Tensor, g: Tensor, *, tolerance: float, n_dual: int) -> tuple[Tensor, Tensor]:
    """Solve max <g, A> over the tangents A at x of spectral norm at most 1, by ascent on its dual.

    The dual is min |g + x S|_* over the symmetric S [p, p], with A = msign(g + x S) tangent at its minimum. Smoothed,
    as tr (M^T M + d^2 I)^1/2 with M = g + x S, it is differentiable where M loses rank too, A = M (M^T M + d^2 I)^-1/2
    has norm below 1, and its tangency is exactly stationarity; the smoothing costs at most p d of the maximum.

    Where the source takes subgradient steps of given lengths, every iteration here minimises the quadratic
    tr (M^T M + d^2 I) Z + tr Z^-1 that lies above twice the dual and touches it at the last S, with
    Z = (M^T M + d^2 I)^-1/2: a Lyapunov equation, diagonal in the eigenvectors of Z. No iteration raises the dual, and
    all of them are on matrices [p, p]. The first gives the source's starting point S = -sym(x^T g).

    Args:
        x: Point [..., n, p].
        g: Euclidean gradient, [..., n, p].
        tolerance: Root mean square of the eigenvalues of sym(x^T A) that is small enough.
        n_dual: Most iterations.

    Returns:
        A [..., n, p], and the smoothed dual's value [..., 1, 1], not below the maximum.
    """
    v = g - x @ symmetric(x.mT @ g)  # at once, as g may be much longer than its tangent part
    size = (v.square().mean((-2, -1), keepdim=True) * x.shape[-2]).sqrt().clamp_min(torch.finfo(v.dtype).tiny)
    v = v / size  # singular values of root mean square 1
    K, N = x.mT @ v, v.mT @ v
    K = 0.5 * (K - K.mT)
    S = torch.zeros_like(K)
    for _ in range(n_dual):
        root, V, tangency = _reweighted(K, N, S)
        done = tangency < tolerance
        if bool(done.all()):
            break
        z = 1.0 / root
        C = (V.mT @ K @ V) * z.unsqueeze(-2)
        better = V @ (-2.0 * symmetric(C) / (z.unsqueeze(-1) + z.unsqueeze(-2))) @ V.mT
        S = torch.where(done[..., None, None], S, better)  # a matrix does not depend on the others of its batch
    root, V, _ = _reweighted(K, N, S)
    A = (v + x @ S) @ (V / root.unsqueeze(-2)) @ V.mT
    return A, size * root.sum(-1)[..., None, None]


def _reweighted(K: Tensor, N: Tensor, S: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the eigenvalues [..., p] and vectors of (M^T M + d^2 I)^1/2, and how far A is from tangent, [...]."""
    squares, V = eigh(N + S @ K + K.mT @ S + S @ S)
    root = (squares.clamp_min(0.0) + SMOOTHING**2).sqrt()
    normal = symmetric((K + S) @ (V / root.unsqueeze(-2)) @ V.mT)
    return root, V, normal.square().mean((-2, -1)).mul(normal.shape[-1]).sqrt()
