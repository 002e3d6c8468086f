"""The seed methods and their relatives as ordinary torch.optim.Optimizer classes, to train with outside the bench.

They compute what the bench form computes, bit for bit. Import reads no weights; the constructor does.

    from rmobench.optim import AdafactorMLP, Optimus

    optimizer = AdafactorMLP(model.parameters(), weights="adafactor_mlp")  # or "mine.safetensors"
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1000)  # of the factor lr, 1 at first
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        scheduler.step()
    torch.save(optimizer.state_dict(), "optimizer.pt")

The Riemannian ones take manifolds by parameter name:

    from rmobench.geometry import Stiefel
    from rmobench.optim import RiemannianAdam

    optimizer = RiemannianAdam(model.named_parameters(), manifolds={"hidden.weight": Stiefel()}, lr=0.01)

The second-order ones take the model, into whose layers they look:

    from rmobench.optim import SINGD

    with SINGD(model, lr=0.01, structure="diagonal") as optimizer:  # or optimizer.close() at the end
        ...  # the same loop

So do those for layers of low rank:

    from rmobench.models.low_rank_linear import insert_low_rank
    from rmobench.optim import LowRankHeavyBall

    insert_low_rank(model, ".*(query|value)", rank=8, generator=torch.Generator().manual_seed(0))
    with LowRankHeavyBall(model, lr=0.1, momentum=0.9) as optimizer:
        ...  # the same loop
"""

from __future__ import annotations

from rmobench.optim.gnc import GNC
from rmobench.optim.learned import AdafactorMLP, MLPLOpt, Optimus
from rmobench.optim.low_rank import (
    GeoLoRA,
    LoRARITE,
    LowRankAdam,
    LowRankCoreAdam,
    LowRankHeavyBall,
    ScaledAdamW,
)
from rmobench.optim.natural import IKFAC, INGD, KFAC, SINGD
from rmobench.optim.riemannian import RASA, Landing, RiemannianAdam, RiemannianSGD, SubspaceRMO

__all__ = [
    "GNC",
    "IKFAC",
    "INGD",
    "KFAC",
    "RASA",
    "SINGD",
    "AdafactorMLP",
    "GeoLoRA",
    "Landing",
    "LoRARITE",
    "LowRankAdam",
    "LowRankCoreAdam",
    "LowRankHeavyBall",
    "MLPLOpt",
    "Optimus",
    "RiemannianAdam",
    "RiemannianSGD",
    "ScaledAdamW",
    "SubspaceRMO",
]
