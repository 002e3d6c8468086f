"""Kronecker-factored approximate curvature, by Cholesky factors of the damped averages."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.geometry.matrices import identity
from rmobench.geometry.storage import wide
from rmobench.optimizers.natural.layered import Kept, Layered, Preconditioner, layered
from rmobench.optimizers.natural.layers import Layer
from rmobench.optimizers.natural.momentum import Momentum
from rmobench.optimizers.natural.rows import Rows
from rmobench.optimizers.options import check_options, check_period, check_switch
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Problem


@optimizer(
    family="natural",
    source="Martens, Grosse 2015, ICML, arXiv 1503.05671; convolutions: Grosse, Martens 2016, arXiv 1602.01407; expand "
    "and reduce: Eschenhagen et al. 2023, NeurIPS, arXiv 2311.00636",
    search={
        "lr": Log(1e-4, 1.0),
        "momentum": Linear(0.0, 0.99),
        "damping": Log(1e-5, 1e-1),
        "lr_cov": Log(1e-3, 0.5),
    },
)
def kfac(
    problem: Problem,
    *,
    lr: float = 1e-3,
    momentum: float = 0.9,
    damping: float = 1e-3,
    lr_cov: float = 0.05,
    period: int = 10,
    weight_decay: float = 0.0,
    sharing: str = "expand",
    widen: bool = False,
) -> Layered:
    """Step along S_C^-1 G S_K^-1 with moving averages S_K of a^T a + damping I and S_C of g^T g + damping I.

    The inverses come from Cholesky factors, in the type of the parameters: where that has no such kernel (bfloat16 and
    float16 on most devices), the trial ends as unsupported. With `widen` they are taken in float32 and rounded.

    Args:
        problem: Its Linear and Conv2d layers are preconditioned; all other parameters take the heavy ball, and so do
            convolutions with groups, with padding that is not zeros or has a name, and weights that modules share.
        lr: Step length, in units of the preconditioned gradient.
        momentum: Weight of the past, in [0, 1).
        damping: Added to the diagonal of both factors, in their own units.
        lr_cov: Weight of a batch in the averages, in (0, 1].
        period: Steps from one update of the factors to the next.
        weight_decay: Times the parameters, added to the preconditioned gradient.
        sharing: "expand" or "reduce": how positions that share a weight count.
        widen: Whether inverses are taken in float32.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("kfac", lr=lr, momentum=momentum, damping=damping, lr_cov=lr_cov, weight_decay=weight_decay)
    check_period("kfac", period)
    check_switch("kfac", widen=widen)

    def update(layer: Layer, t: int, kept: Kept) -> Kept:
        weight = layer.module.weight
        d_o, d_i = layer.shape
        S_K, S_C = kept.get("averages") or (
            weight.new_zeros(d_i, d_i).fill_diagonal_(1.0),
            weight.new_zeros(d_o, d_o).fill_diagonal_(1.0),
        )
        averages = (
            averaged(S_K, layer.inputs, damping=damping, lr_cov=lr_cov),
            averaged(S_C, layer.slopes, damping=damping, lr_cov=lr_cov),
        )
        return {"averages": averages, "inverses": tuple(inverse(S, widen=widen) for S in averages)}

    def precondition(layer: Layer, gradient: Tensor, kept: Kept) -> Tensor:
        if not kept:
            return gradient
        K, C = kept["inverses"]
        return C @ gradient @ K

    return layered(
        "kfac",
        problem,
        Preconditioner(update, precondition),
        Momentum(lr=lr, momentum=momentum, weight_decay=weight_decay),
        period=period,
        sharing=sharing,
    )


def averaged(S: Tensor, rows: list[Rows], *, damping: float, lr_cov: float) -> Tensor:
    """Return (1 - lr_cov) S + lr_cov (Y^T Y + damping I), [d, d], over the rows Y [m, d] of every call."""
    U = damping * identity(S)
    for Y in rows:
        U = U + Y.gram()
    return torch.lerp(S, U, lr_cov)


def inverse(S: Tensor, *, widen: bool) -> Tensor:
    """Return S^-1 by a Cholesky factor, NaN where S is not positive definite; in float32 or wider if `widen`."""
    L, info = torch.linalg.cholesky_ex(wide(S) if widen else S)
    found = torch.cholesky_inverse(L)
    return torch.where((info == 0)[..., None, None], found, torch.nan).to(S.dtype)
