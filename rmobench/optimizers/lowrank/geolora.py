"""GeoLoRA: a step of both bases and of the core from one gradient, with a rank that adapts."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.optimizers.lowrank.companions import AdamW
from rmobench.optimizers.lowrank.factors import Factors, Sides, truncated
from rmobench.optimizers.lowrank.layerwise import InThree, over_three
from rmobench.optimizers.options import check_options, check_period
from rmobench.optimizers.riemannian.pointwise import State
from rmobench.registry import optimizer
from rmobench.types import Choice, Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="Schotthofer, Zangrando, Ceruti, Tudisco, Kusch 2025, ICLR, arXiv 2410.18720",
    needs=("low_rank_layers",),
    upcasts="float32",
    search={
        "lr": Log(1e-4, 10.0),
        "core_lr": Log(1e-5, 1.0),
        "tau": Choice((0.0, 1e-2, 1e-1, 2e-1)),
        "period": Choice((1, 2, 5, 10)),
    },
)
def geolora(
    problem: Problem,
    *,
    lr: float = 0.1,
    core_lr: float = 1e-3,
    tau: float = 0.0,
    period: int = 1,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> Optimizer:
    """Add to the bases what the gradients of K = U S and L = V S^T add, step on the core between them, and cut back.

    The published G_K = dU S^-1 is G V, which is taken as such here: no small singular value has to be floored. Between
    two steps of the bases Adam moves the core alone; its moments begin anew with the bases.

    Args:
        problem: Parameters outside the low-rank layers take Adam with core_lr.
        lr: Step length of the bases' steps, in units of W per unit of gradient.
        core_lr: Adam's step length.
        tau: As many singular values go as have together less than this share of the norm of all; published: 0.1 to
            0.2. At most the layer's rank stays. 0: always that rank.
        period: Steps from one step of the bases to the next; 1: every one.
        beta1: Adam's decay of the mean of the gradient, in [0, 1).
        beta2: Adam's decay of the mean of its square, in [0, 1).
        epsilon: Adam's, added to the root, in units of the gradient.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    method = geolora_method(lr=lr, core_lr=core_lr, tau=tau, period=period, beta1=beta1, beta2=beta2, epsilon=epsilon)
    return over_three(problem, method)


def geolora_method(
    *, lr: float, core_lr: float, tau: float, period: int, beta1: float, beta2: float, epsilon: float
) -> InThree:
    """Return what a step is; raise ArgumentError for an option that is not in its range."""
    check_options("geolora", lr=lr, core_lr=core_lr, tau=tau)
    check_period("geolora", period)
    adam = AdamW(lr=core_lr, beta1=beta1, beta2=beta2, epsilon=epsilon).check("geolora")

    def rule(W: Factors, G: Sides, state: State, most: int) -> tuple[Factors, State]:
        n_steps = state.get("n_steps", 0)
        if n_steps % period == 0:
            return geolora_update(W, G, lr=lr, tau=tau, most=most), {"n_steps": n_steps + 1}
        S, moments = adam.move(W.S, W.U.mT @ G.left, state.get("adam", {}))
        return Factors(W.U, S, W.V), {"n_steps": n_steps + 1, "adam": moments}

    return InThree(rule, adam.rule)


def geolora_update(W: Factors, G: Sides, *, lr: float, tau: float, most: int) -> Factors:
    """Return the truncation of [U U~] [[S - lr G_S, L^T V~], [U~^T K, 0]] [V V~]^T.

    K = U S - lr G V and L = V S^T - lr G^T U; U~ and V~ complete U and V to bases of [U, G V] and [V, G^T U].
    """
    K, L = W.U @ W.S - lr * G.left, W.V @ W.S.mT - lr * G.right
    U_new, V_new = completed(W.U, G.left), completed(W.V, G.right)
    corner = W.S.new_zeros(U_new.shape[-1], V_new.shape[-1])
    core = torch.cat([torch.cat([W.S - lr * (W.U.mT @ G.left), L.mT @ V_new], 1), torch.cat([U_new.mT @ K, corner], 1)])
    U, V = torch.cat([W.U, U_new], 1), torch.cat([W.V, V_new], 1)
    return truncated(U, core, V, tolerance=tau, most=most)[0]


def completed(U: Tensor, a: Tensor) -> Tensor:
    """Return orthonormal columns, orthogonal to U [m, k], that span with it what [U, a] spans: at most m - k."""
    Q: Tensor = torch.linalg.qr(torch.cat([U, a], 1)).Q
    return Q[:, U.shape[-1] :]
