"""What rules are trained on: random instances of classical functions, many at once as a batch dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.tasks.analytic.closed_form import Function
from rmobench.tasks.analytic.instances import draw_instance, function_named

QUADRATIC = "quadratic"  # the sphere, stretched along random axes
COND_MAX = 1e3
ZOOM = (0.5, 1.5)  # an instance's box is this much of the function's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """n problems of one dimension: x [n, d] -> gap [n], which is 1 at the start and 0 at the minimum."""

    parts: tuple[Part, ...]
    start: Tensor  # [n, d], in [-1, 1]^d

    def gap(self, x: Tensor) -> Tensor:
        """Return (f - f*) / (f(start) - f*) of every problem; [n, d] -> [n]."""
        pieces = torch.split(x, [len(p.height) for p in self.parts])
        return torch.cat([p.gap(piece) for p, piece in zip(self.parts, pieces, strict=True)])

    def slope(self, x: Tensor, *, differentiable: bool = False) -> tuple[Tensor, Tensor]:
        """Return gap [n] and its gradient [n, d]; detached, or differentiable in x."""
        with torch.enable_grad():
            x = x if differentiable else x.detach()
            x = x if x.requires_grad else x.requires_grad_()
            gap = self.gap(x)
            (gradient,) = torch.autograd.grad(gap.sum(), x, create_graph=differentiable)
        return (gap, gradient) if differentiable else (gap.detach(), gradient)

    def repeat(self, times: int) -> Batch:
        """Return every problem `times` times, one copy of the batch after the other."""
        return Batch(parts=self.parts * times, start=self.start.repeat(times, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Instances of one function: x [k, d] -> y = minimiser + zoom half A (x - centre)."""

    function: Function
    minimiser: Tensor  # [d]
    centre: Tensor  # [k, d]
    map: Tensor  # zoom half A, [k, d, d]
    height: Tensor  # f(start) - f*, [k]

    def gap(self, x: Tensor) -> Tensor:
        """Return (f - f*) / height; [k, d] -> [k]."""
        y = self.minimiser + (self.map @ (x - self.centre).unsqueeze(-1)).squeeze(-1)
        return (self.function.value(y) - self.function.optimum) / self.height


def draw_batch(
    functions: Sequence[str], dim: int, each: int, generator: Generator, dtype: torch.dtype = torch.float64
) -> Batch:
    """Draw `each` instances of every function: shifted, half of them rotated, zoomed; starts uniform in the box."""
    parts, starts = [], []
    for name in functions:
        function = function_named("sphere" if name == QUADRATIC else name, dim)
        half = 0.5 * (function.high - function.low)
        centres, maps = [], []
        for k in range(each):
            instance = draw_instance(function, generator, shifted=True, rotated=name == QUADRATIC or k % 2 == 1)
            low, high = (math.log(z) for z in ZOOM)
            zoom = math.exp(low + (high - low) * _uniform(generator).item())
            matrix = torch.eye(dim, dtype=torch.float64) if instance.rotation is None else instance.rotation
            if name == QUADRATIC:
                cond = COND_MAX ** _uniform(generator).item()
                matrix = cond ** (-0.5 * _uniform(generator, dim)).unsqueeze(-1) * matrix
            centres.append(instance.centre)
            maps.append(zoom * half * matrix)
        part = Part(
            function=function,
            minimiser=function.minimiser,
            centre=torch.stack(centres),
            map=torch.stack(maps),
            height=torch.ones(each, dtype=torch.float64),
        )
        start = 2.0 * _uniform(generator, each, dim) - 1.0
        parts.append(_at(part, part.gap(start), dtype))
        starts.append(start)
    return Batch(parts=tuple(parts), start=torch.cat(starts).to(dtype))


def _at(part: Part, height: Tensor, dtype: torch.dtype) -> Part:
    return Part(
        function=part.function,
        minimiser=part.minimiser.to(dtype),
        centre=part.centre.to(dtype),
        map=part.map.to(dtype),
        height=height.to(dtype),
    )


def _uniform(generator: Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64)
