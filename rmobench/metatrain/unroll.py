"""Unroll a rule over a batch of problems.

The inner state is one flat dictionary with the problems first in every tensor: the iterate "x" [n, d], what the rule
keeps, and "n_bad" [n], in how many steps the rule or the problem was not finite. Problems are a batch dimension
(torch.func.vmap), and so are meta-parameters where every problem has its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.func import vmap

from rmobench.optimizers.learned.rule import Architecture, State, Theta

FLOOR, CEILING = 1e-8, 1e2  # gaps are clipped to these before the logarithm
BOX = 20.0  # iterates are clipped to [-BOX, BOX]^d
SLOPE_MAX = 1e4  # and the slope of the log-gap to this norm
FLOW_MAX = 10.0  # and what flows back through an iterate to this norm


class Problems(Protocol):
    """n problems of one dimension, whose gap is 1 at the start."""

    @property
    def start(self) -> Tensor:
        """Where they begin [n, d]."""
        ...

    def slope(self, x: Tensor, *, differentiable: bool = False) -> tuple[Tensor, Tensor]:
        """Return gap [n] and its gradient [n, d]; detached, or differentiable in x."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Unroll:
    """A rule of some architecture on a batch."""

    architecture: Architecture
    settings: dict[str, int | float | bool]
    batch: Problems

    def begin(self, theta: Theta) -> State:
        """Return the state before the first step."""
        x = self.batch.start
        blank = vmap(lambda p: self.architecture.rule(theta, **self.settings).init(p))(x)
        return blank | {"x": x, "n_bad": x.new_zeros(len(x))}

    def window(
        self, theta: Theta, state: State, n_steps: int, *, own: bool = False, order: int = 2
    ) -> tuple[Tensor, State]:
        """Take some steps.

        Args:
            theta: Meta-parameters, with a leading n where every problem has its own.
            state: Inner state, n problems.
            n_steps: How many.
            own: Every problem has its own meta-parameters.
            order: How the loss depends on theta where autograd asks. 1: through the iterates, the gradients that the
                rule sees being constants. 2: through those gradients too.

        Returns:
            The mean over the steps of log10 of the clipped gap [n], and the state after them.
        """

        def one(theta: Theta, state: State, x: Tensor, g: Tensor) -> tuple[Tensor, State]:
            return self.architecture.rule(theta, **self.settings).update(state, x, g)

        step = vmap(one, in_dims=(0 if own else None, 0, 0, 0))
        state = dict(state)
        x, n_bad = state.pop("x"), state.pop("n_bad")
        _, g = self.batch.slope(x)
        losses = []
        for _ in range(n_steps):
            move, state = step(theta, state, x, g.nan_to_num(0.0, 0.0, 0.0))
            x = (x + move.nan_to_num(0.0, 0.0, 0.0)).clamp(-BOX, BOX)
            gap, g = self.batch.slope(x, differentiable=x.requires_grad and order == 2)
            if x.requires_grad and order == 2:
                x.register_hook(clipped_flow)  # type: ignore[no-untyped-call]  # after slope, whose autograd.grad it would clip too
            n_bad = n_bad + ~(move.detach().isfinite().all(-1) & gap.isfinite() & g.isfinite().all(-1))
            losses.append(log_gap(x, gap.detach(), g.detach()))
        return torch.stack(losses).mean(0), state | {"x": x, "n_bad": n_bad}


def clipped_flow(slope: Tensor) -> Tensor:
    """Clip what flows back into an iterate, problem by problem; [n, ...]."""
    rows = slope.nan_to_num(0.0, 0.0, 0.0).flatten(1)
    return _at_most(rows, FLOW_MAX / len(rows)).reshape(slope.shape)


def log_gap(x: Tensor, gap: Tensor, g: Tensor) -> Tensor:
    """Return log10 of the clipped gap as a function of x, from the gap and its gradient g at x; [n].

    A gap that is not finite counts as the ceiling and has no slope.
    """
    clipped = gap.nan_to_num(CEILING, CEILING, CEILING).clamp(FLOOR, CEILING)
    slope = torch.where((gap == clipped).unsqueeze(-1), g / (clipped * math.log(10.0)).unsqueeze(-1), 0.0)
    slope = slope.nan_to_num(0.0, 0.0, 0.0)
    value: Tensor = clipped.log10() + (_at_most(slope, SLOPE_MAX) * (x - x.detach())).sum(-1)
    return value


def _at_most(slope: Tensor, length: float) -> Tensor:
    """Shorten every row to a length; [n, d]."""
    shortened: Tensor = slope * (length / slope.norm(dim=-1, keepdim=True).clamp_min(length))
    return shortened
