"""GaLore as the package pytorch-optimizer has it: full matrices, moments of low rank."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytorch_optimizer import GaLore
from torch import Tensor

from rmobench.models.low_rank_linear import merge_low_rank
from rmobench.optimizers.options import check_options, check_period
from rmobench.optimizers.torch_style import from_torch, tensors_in
from rmobench.registry import optimizer
from rmobench.types import Choice, Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="Zhao, Zhang, Chen, Wang, Anandkumar, Tian 2024, ICML, arXiv 2403.03507; pytorch_optimizer.GaLore",
    requires=("pytorch_optimizer",),
    upcasts="float32",
    search={
        "lr": Log(1e-5, 1.0),
        "beta1": Log(0.5, 0.99),
        "beta2": Log(0.9, 0.9999),
        "period": Choice((10, 50, 200)),
    },
)
def galore(
    problem: Problem,
    *,
    lr: float = 1e-2,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    rank: int = 8,
    period: int = 200,
    scale: float = 0.25,
) -> Optimizer:
    """Run Adam on the gradient's products with its own leading singular vectors, and step the full matrix back.

    The low-rank layers of a problem become dense ones, whose gradients [m, n] are formed: only the moments are of low
    rank, (m + 2 n) r numbers for m <= n. They stay as they are when the singular vectors are taken anew. These come
    from float32 whatever the precision: in float64 they are orthonormal to 1e-7 only.

    Args:
        problem: Any; matrices whose sides are both longer than the rank are projected, all else takes Adam.
        lr: Step length, in units of the entries of the projected gradient.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of the parameters taken away per unit of lr.
        rank: Of the moments, at least 1.
        period: Steps from one set of singular vectors to the next; 200 as published.
        scale: Of the steps of projected matrices; 0.25 as published.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    how = {"lr": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weight_decay": weight_decay}
    check_options("galore", **how, scale=scale, rank=rank)
    check_period("galore", period)
    merge_low_rank(problem.model)
    projected = [p for p in problem.params.values() if p.ndim == 2 and min(p.shape) > rank]
    own = {id(p) for p in projected}
    others = [p for p in problem.params.values() if id(p) not in own]
    both: list[dict[str, Any]] = [
        {"params": projected, "rank": rank, "update_proj_gap": period, "scale": scale, "projection_type": "std"},
        {"params": others},
    ]
    inner = GaLore(
        [group for group in both if group["params"]],
        lr=lr,
        betas=(beta1, beta2),
        eps=epsilon,
        weight_decay=weight_decay,
        foreach=False,
    )

    def state() -> Iterator[Tensor]:
        yield from tensors_in(inner.state)
        yield from tensors_in([kept["projector"].ortho_matrix for kept in inner.state.values() if "projector" in kept])

    return Optimizer(from_torch(inner).step, state=state)
