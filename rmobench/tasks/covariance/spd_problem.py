"""What the tasks of positive definite matrices share: a function with a known minimum becomes a problem."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, nn

from rmobench.geometry import Spd
from rmobench.geometry.matrices import symmetric
from rmobench.geometry.storage import wide
from rmobench.models import MatrixGroup
from rmobench.types import Problem

Bound = Callable[..., Tensor]
"""The parameters and the constants -> a number [] that no point's value is below, the tighter the better the point."""


class Point(nn.Module):
    """The parameters, and the function's constants as buffers."""

    def __init__(self, params: Mapping[str, Tensor], constants: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in params.items():
            self.register_parameter(name, nn.Parameter(tensor))
        for name, tensor in constants.items():
            self.register_buffer(name, tensor)


def spd_problem(
    value: Callable[..., Tensor],
    constants: Mapping[str, Tensor],
    *,
    optimum: float | Bound,
    start: Mapping[str, Tensor],
    curved: Collection[str] = ("x",),
    group: MatrixGroup | None = None,
    device: torch.device,
    dtype: torch.dtype,
) -> Problem:
    """Build the problem of minimising `value(**parameters, **constants)`.

    A point is judged in float64 on the manifold, so leaving it gains nothing. The gap is the distance of its value from
    the optimum, over that of the start. In half precision the parameters and their gradients are stored narrow, but the
    value is computed in float32: there is no factorisation below, and a rounded constant would be another problem, with
    no minimum at all where it is no longer positive definite.

    Args:
        value: Parameters and constants by name -> []; sees the symmetric part of those on the manifold.
        constants: What the function is made of, by name; float64 on the CPU.
        optimum: Lowest value, or a bound on it that a point itself certifies.
        start: The parameters by name, float64 on the CPU.
        curved: Names of those that are positive definite; the others are Euclidean.
        group: Says which of the parameters are one matrix of which group; None: none are.
        device: Where parameters and constants live.
        dtype: Storage precision of the parameters, and of the constants if it is float32 or wider.
    """
    manifold = Spd()
    held = {
        name: tensor.to(device, torch.promote_types(dtype, torch.float32), copy=True)
        for name, tensor in constants.items()
    }
    model = Point({name: tensor.to(device, dtype, copy=True) for name, tensor in start.items()}, held)
    model.add_module("group", group)

    def loss(model: nn.Module, batch: object) -> Tensor:
        params = {name: wide(model.get_parameter(name)) for name in start}
        params |= {name: symmetric(params[name]) for name in curved}
        return value(**params, **{name: model.get_buffer(name) for name in constants})

    def judged(model: nn.Module) -> tuple[float, float]:
        """Return the value of the nearest point of the manifold, and how far it is above the optimum."""
        params = _exact(model, start)
        params |= {name: manifold.project(params[name]) for name in curved}
        reached = value(**params, **constants).item()
        lowest = optimum(**params, **constants).item() if callable(optimum) else optimum
        return reached, reached - lowest

    _, height = judged(model)

    def judge(model: nn.Module) -> Mapping[str, float]:
        reached, above = judged(model)
        params = _exact(model, curved)
        residual = max((manifold.residual(x).max().item() for x in params.values()), default=0.0)
        return {"objective": reached, "gap": above / height, "residual": residual}

    return Problem(
        model=model,
        loss=loss,
        batches=itertools.repeat(None),
        judge=judge,
        manifolds=dict.fromkeys(curved, manifold),
    )


def _exact(model: nn.Module, names: Collection[str]) -> dict[str, Tensor]:
    return {name: model.get_parameter(name).detach().to("cpu", torch.float64) for name in names}
