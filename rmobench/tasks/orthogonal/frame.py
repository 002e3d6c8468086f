"""What the tasks of one orthonormal matrix share: a function with a known minimum becomes a problem."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from rmobench.types import Manifold, Problem


class Frame(nn.Module):
    """The parameter: one matrix x [n, p] with orthonormal columns; the function's constants go along as buffers."""

    def __init__(self, x: Tensor, constants: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.x = nn.Parameter(x)
        for name, tensor in constants.items():
            self.register_buffer(name, tensor)


def frame_problem(
    value: Callable[..., Tensor],
    constants: Mapping[str, Tensor],
    *,
    optimum: float,
    manifold: Manifold,
    start: Tensor,
    nearest: Callable[[Tensor], Tensor] | None = None,
    device: torch.device,
    dtype: torch.dtype,
) -> Problem:
    """Build the problem of minimising `value(x, **constants)` over frames x.

    A point is judged in float64 on the manifold, so leaving it gains nothing.

    Args:
        value: [n, p] and the constants -> [].
        constants: What the function is made of, by name; float64 or integers, on the CPU.
        optimum: Lowest value on the manifold.
        manifold: Of x.
        start: x [n, p], float64 on the CPU.
        nearest: Takes x to the frame that is judged; default: the manifold's nearest.
        device: Where x and the constants live.
        dtype: Storage precision of x and of the constants that are not integers.
    """
    held = {
        name: tensor.to(device, dtype if tensor.is_floating_point() else None) for name, tensor in constants.items()
    }
    model = Frame(start.to(device, dtype), held)
    names = tuple(constants)
    onto = manifold.project if nearest is None else nearest

    def loss(model: nn.Module, batch: object) -> Tensor:
        return value(model.get_parameter("x"), **{name: model.get_buffer(name) for name in names})

    def objective(x: Tensor) -> float:
        return value(onto(x), **constants).item()

    height = objective(_exact(model)) - optimum

    def judge(model: nn.Module) -> Mapping[str, float]:
        x = _exact(model)
        reached = objective(x)
        return {"objective": reached, "gap": (reached - optimum) / height, "residual": manifold.residual(x).item()}

    return Problem(model=model, loss=loss, batches=itertools.repeat(None), judge=judge, manifolds={"x": manifold})


def _exact(model: nn.Module) -> Tensor:
    return model.get_parameter("x").detach().to("cpu", torch.float64)
