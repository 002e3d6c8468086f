"""KFAC and its inverse-free relatives as torch.optim.Optimizer classes."""

from __future__ import annotations

from torch import nn

from rmobench.optim.second_order import SecondOrder
from rmobench.optimizers.natural.ikfac import ikfac
from rmobench.optimizers.natural.ingd import ingd
from rmobench.optimizers.natural.kfac import kfac
from rmobench.optimizers.natural.singd import singd
from rmobench.types import Value


class KFAC(SecondOrder):
    """Step along S_C^-1 G S_K^-1, the factors of the curvature being moving averages that are inverted.

    Args:
        model: Into whose layers it looks; its trainable parameters are moved.
        lr: Step length, in units of the preconditioned gradient.
        momentum: Weight of the past, in [0, 1).
        damping: Added to the diagonal of both factors, in their own units.
        lr_cov: Weight of a batch in the averages, in (0, 1].
        period: Steps from one update of the factors to the next.
        weight_decay: Times the parameters, added to the preconditioned gradient.
        sharing: "expand" or "reduce": how positions that share a weight count.
        widen: Whether inverses are taken in float32; False, as in the bench form, fails for half storage.

    Source: Martens, Grosse 2015, ICML, arXiv 1503.05671; Grosse, Martens 2016, arXiv 1602.01407; Eschenhagen et al.
    2023, NeurIPS, arXiv 2311.00636.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float = 1e-3,
        momentum: float = 0.9,
        damping: float = 1e-3,
        lr_cov: float = 0.05,
        period: int = 10,
        weight_decay: float = 0.0,
        sharing: str = "expand",
        widen: bool = True,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        settings: dict[str, Value] = {
            "damping": damping,
            "lr_cov": lr_cov,
            "period": period,
            "sharing": sharing,
            "widen": widen,
        }
        super().__init__(model, kfac, options, settings)


class INGD(SecondOrder):
    """Step along C C^T G K K^T, each factor following its curvature times the mean of the other's.

    Args:
        model: Into whose layers it looks; its trainable parameters are moved.
        lr: Step length, in units of the preconditioned gradient.
        momentum: Weight of the past, in [0, 1).
        damping: Added to the curvature, in its own units.
        lr_cov: Step length of the factors.
        momentum_cov: Weight of the past in a factor's direction, in [0, 1).
        period: Steps from one move of the factors to the next.
        weight_decay: Times the parameters, added to the preconditioned gradient.
        sharing: "expand" or "reduce": how positions that share a weight count.
        warm_up: Move the factors by 2 % of lr_cov up to step 100 and by 20 % up to step 500.
        normalise: Divide a factor's step by the largest entry of its direction where that is above 1.

    Source: Lin, Dangel, Eschenhagen, Neklyudov, Kristiadi, Turner, Makhzani 2024, ICML, arXiv 2312.05705.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float = 1e-3,
        momentum: float = 0.9,
        damping: float = 1e-3,
        lr_cov: float = 1e-2,
        momentum_cov: float = 0.5,
        period: int = 10,
        weight_decay: float = 0.0,
        sharing: str = "expand",
        warm_up: bool = True,
        normalise: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        settings: dict[str, Value] = {
            "damping": damping,
            "lr_cov": lr_cov,
            "momentum_cov": momentum_cov,
            "period": period,
            "sharing": sharing,
            "warm_up": warm_up,
            "normalise": normalise,
        }
        super().__init__(model, ingd, options, settings)


class IKFAC(SecondOrder):
    """Step along C C^T G K K^T, each factor following the inverse of KFAC's average to first order.

    Args:
        model: Into whose layers it looks; its trainable parameters are moved.
        lr: Step length, in units of the preconditioned gradient.
        momentum: Weight of the past, in [0, 1).
        damping: Added to the curvature, in its own units.
        lr_cov: Step length of the factors.
        structure: A name in `rmobench.curvature.STRUCTURES`, of both factors.
        size: How large its dense parts are; None for its default.
        period: Steps from one move of the factors to the next.
        weight_decay: Times the parameters, added to the preconditioned gradient.
        sharing: "expand" or "reduce": how positions that share a weight count.
        warm_up: Move the factors by 2 % of lr_cov up to step 100 and by 20 % up to step 500.
        normalise: Divide a factor's step by the largest entry of its direction where that is above 1.

    Source: Lin, Dangel, Eschenhagen, Neklyudov, Kristiadi, Turner, Makhzani 2024, ICML, arXiv 2312.05705.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float = 1e-3,
        momentum: float = 0.9,
        damping: float = 1e-3,
        lr_cov: float = 1e-2,
        structure: str = "dense",
        size: int | None = None,
        period: int = 10,
        weight_decay: float = 0.0,
        sharing: str = "expand",
        warm_up: bool = True,
        normalise: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        settings: dict[str, Value] = {
            "damping": damping,
            "lr_cov": lr_cov,
            "structure": structure,
            "size": size,
            "period": period,
            "sharing": sharing,
            "warm_up": warm_up,
            "normalise": normalise,
        }
        super().__init__(model, ikfac, options, settings)


class SINGD(SecondOrder):
    """INGD with factors in a matrix group, whose memory and time the structure sets.

    Args:
        model: Into whose layers it looks; its trainable parameters are moved.
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

    Source: Lin, Dangel, Eschenhagen, Neklyudov, Kristiadi, Turner, Makhzani 2024, ICML, arXiv 2312.05705.
    """

    def __init__(
        self,
        model: nn.Module,
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
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        settings: dict[str, Value] = {
            "damping": damping,
            "lr_cov": lr_cov,
            "momentum_cov": momentum_cov,
            "structure": structure,
            "size": size,
            "period": period,
            "sharing": sharing,
            "warm_up": warm_up,
            "normalise": normalise,
        }
        super().__init__(model, singd, options, settings)
