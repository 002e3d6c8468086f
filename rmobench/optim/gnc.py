"""Momentum in generalised normal coordinates as a torch.optim.Optimizer class."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from rmobench.geometry import Spd
from rmobench.optim.loading import Group
from rmobench.optim.riemannian import Riemannian
from rmobench.optimizers.natural.gnc import check_map, factor, first_state, gnc_update
from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.pointwise import Rule, State
from rmobench.types import Manifold


class GNC(Riemannian):
    """Momentum on positive definite matrices X = A A^T by products alone; without a manifold the heavy ball.

    What moves is the factor A, found when a parameter is first moved: a value that is put into the parameter later on
    is overwritten by the next step. The state has the type of the parameter, also in half precision.

    Args:
        params: Named parameters, model.named_parameters(), or groups of them.
        manifolds: By parameter name, Spd() alone; parameters that are not in it are Euclidean.
        lr: Step length, in units of the affine-invariant norm per unit of gradient.
        momentum: Weight of the past, in [0, 1).
        map: "h1", "h2" or "exp": what stands for the exponential.

    Source: Lin, Duruisseaux, Leok, Nielsen, Khan, Schmidt 2023, ICML, arXiv 2302.09738.
    """

    handles = ("spd",)

    def __init__(
        self,
        params: ParamsT,
        *,
        manifolds: Mapping[str, Manifold],
        lr: float = 0.1,
        momentum: float = 0.9,
        map: str = "h2",  # noqa: A002
    ) -> None:
        super().__init__(params, gnc_update, "gnc", manifolds, {"lr": lr, "momentum": momentum, "map": map})

    def _advance(self, rule: Rule, manifold: Manifold, p: Tensor, g: Tensor) -> State:
        """Move a parameter in place and return its state; unlike the Riemannian rules, in the parameter's type."""
        state = self.state.get(p, {})
        if not state and manifold == Spd():
            state = first_state(type(self).__name__, "a parameter", p)
        y, state = rule(manifold, p, g, state)
        p.copy_(y)
        return state

    def _check_options(self, group: Group) -> None:
        check_map(type(self).__name__, group["map"])
        check_options(type(self).__name__, lr=group["lr"], momentum=group["momentum"])

    def _check_point(self, name: str, p: Tensor, manifold: Manifold, group: Group) -> None:
        super()._check_point(name, p, manifold, group)
        factor(type(self).__name__, name, p)

    def _working_types(self, group: Group) -> dict[Tensor, torch.dtype]:
        return {p: p.dtype for p in group["params"]}
