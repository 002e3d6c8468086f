"""Unroll a rule over a batch of problems on frames.

The inner state is one flat dictionary: the frames "x" [B, n, p], what the rule keeps, and "n_bad" [B], in how many
steps the rule or the problem was not finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.errors import RecipeError
from rmobench.metatrain.frame_distribution import FrameBatch
from rmobench.metatrain.unroll import clipped_flow, log_gap
from rmobench.optimizers.learned.rule import Architecture, State, Theta

STEP_MAX = 10.0
"""Entries of a step are clipped to it before they are retracted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameUnroll:
    """A rule of some architecture on a batch of frames."""

    architecture: Architecture
    settings: dict[str, int | float | bool]
    batch: FrameBatch

    def begin(self, theta: Theta) -> State:
        """Return the state before the first step."""
        x = self.batch.start
        return self.architecture.rule(theta, **self.settings).init(x) | {"x": x, "n_bad": x.new_zeros(len(x))}

    def window(
        self, theta: Theta, state: State, n_steps: int, *, own: bool = False, order: int = 2
    ) -> tuple[Tensor, State]:
        """Take some steps; the arguments and results are those of `Unroll.window`.

        Raises:
            RecipeError: Every problem is to have meta-parameters of its own.
        """
        if own:
            raise RecipeError("problems on frames share their meta-parameters; PES and NRES are not offered for them.")
        rule, manifold = self.architecture.rule(theta, **self.settings), self.batch.manifold
        state = dict(state)
        x, n_bad = state.pop("x"), state.pop("n_bad")
        _, g = self.batch.slope(x, differentiable=x.requires_grad and order == 2)
        losses = []
        for _ in range(n_steps):
            G = manifold.gradient(x, g.nan_to_num(0.0, 0.0, 0.0) * self.batch.rate.view(-1, 1, 1))
            move, state = rule.update(state, x, G)
            finite = move.detach().isfinite().all(-1).all(-1)
            P = manifold.tangent(x, move.nan_to_num(0.0, 0.0, 0.0).clamp(-STEP_MAX, STEP_MAX))
            x = manifold.retract(x, P)
            gap, g = self.batch.slope(x, differentiable=x.requires_grad and order == 2)
            if x.requires_grad and order == 2 and n_steps > 1:  # a single step cannot be chaotic
                x.register_hook(clipped_flow)  # type: ignore[no-untyped-call]  # after slope
            n_bad = n_bad + ~(finite & gap.detach().isfinite() & g.detach().isfinite().all(-1).all(-1))
            of_gap = manifold.gradient(x, g / self.batch.height.view(-1, 1, 1)).detach()
            losses.append(log_gap(x.flatten(1), gap.detach(), of_gap.flatten(1)))
        return torch.stack(losses).mean(0), state | {"x": x, "n_bad": n_bad}
