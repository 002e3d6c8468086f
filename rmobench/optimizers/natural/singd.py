"""Structured inverse-free natural gradients."""

from __future__ import annotations

from rmobench.curvature import structure_named
from rmobench.optimizers.natural.inverse_free import Covariance, inverse_free
from rmobench.optimizers.natural.layered import Layered
from rmobench.registry import optimizer
from rmobench.types import Choice, Linear, Log, Problem


@optimizer(
    family="natural",
    source="Lin, Dangel, Eschenhagen, Neklyudov, Kristiadi, Turner, Makhzani 2024, ICML, arXiv 2312.05705",
    search={
        "lr": Log(1e-4, 1.0),
        "momentum": Linear(0.0, 0.99),
        "damping": Log(1e-5, 1e-1),
        "lr_cov": Log(1e-3, 0.5),
        "warm_up": Choice((True, False)),
    },
)
def singd(
    problem: Problem,
    *,
    lr: float = 1e-3,
    momentum: float = 0.9,
    damping: float = 1e-3,
    lr_cov: float = 1e-2,
    momentum_cov: float = 0.5,
    structure: str = "diagonal",
    size: int | None = None,
    period: int = 10,
    weight_decay: float = 0.0,
    sharing: str = "expand",
    warm_up: bool = True,
    normalise: bool = False,
) -> Layered:
    """Precondition as `ingd` with factors in a matrix group, whose memory and time the structure sets.

    Args:
        problem: Its Linear and Conv2d layers are preconditioned; all other parameters take the heavy ball, and so do
            convolutions with groups, with padding that is not zeros or has a name, and weights that modules share.
        lr: Step length, in units of the preconditioned gradient.
        momentum: Weight of the past, in [0, 1).
        damping: Added to the curvature, in its own units.
        lr_cov: Step length of the factors.
        momentum_cov: Weight of the past in a factor's direction, in [0, 1).
        structure: A name in `rmobench.curvature.STRUCTURES`, of both factors.
        size: How large its dense parts are; None for its default.
        period: Steps from one move of the factors to the next.
        weight_decay: Times the parameters, added to the preconditioned gradient.
        sharing: "expand" or "reduce": how positions that share a weight count.
        warm_up: Move the factors by 2 % of lr_cov up to step 100 and by 20 % up to step 500.
        normalise: Divide a factor's step by the largest entry of its direction where that is above 1.

    Raises:
        ArgumentError: An option that is not in its range.
        UnknownNameError: No such structure.
    """
    how = Covariance(
        adaptive=True,
        lr_cov=lr_cov,
        momentum_cov=momentum_cov,
        damping=damping,
        warm_up=warm_up,
        normalise=normalise,
    )
    return inverse_free(
        "singd",
        problem,
        how,
        chosen=structure_named(structure, size),
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        period=period,
        sharing=sharing,
    )
