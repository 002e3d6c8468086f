"""What rules for poses are trained on: windows of real motion with random starts, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from rmobench.errors import RecipeError
from rmobench.physics.kinematics import landmarks
from rmobench.tasks.pose.clips import moving, windows
from rmobench.tasks.pose.fitting import perturbed
from rmobench.tasks.pose.terms import joints_cost
from rmobench.tasks.pose.window import Variables, Window, simulate

SOFTNESS_M = 0.0025
"""Of the ground: the default of the tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseBatch:
    """n windows of one length: x [n, d] -> gap [n], the loss of `pose_window` over that at the start."""

    window: Window  # [n, ...]
    seen: Tensor  # [n, t + 1, k, 3]
    start: Tensor  # [n, d]
    height: Tensor  # loss at the start, [n]

    def gap(self, x: Tensor) -> Tensor:
        """Return the loss over that at the start; [n, d] -> [n]."""
        variables = self._variables(x)
        loss = joints_cost(self.seen)(self.window)(variables, simulate(self.window, variables))
        return loss / self.height

    def slope(self, x: Tensor, *, differentiable: bool = False) -> tuple[Tensor, Tensor]:
        """Return gap [n] and its gradient [n, d], detached.

        Raises:
            RecipeError: They are to be differentiable.
        """
        if differentiable:
            raise RecipeError("poses are trained on by evolution strategies: estimator pes or nres.")
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            gap = self.gap(x)
            (gradient,) = torch.autograd.grad(gap.sum(), x)
        return gap.detach(), gradient

    def repeat(self, times: int) -> PoseBatch:
        """Return every problem `times` times, one copy of the batch after the other."""

        def again(x: Tensor) -> Tensor:
            return x.repeat(times, *(1,) * (x.ndim - 1))

        window = replace(self.window, qpos=again(self.window.qpos), qvel=again(self.window.qvel))
        return PoseBatch(window=window, seen=again(self.seen), start=again(self.start), height=again(self.height))

    def _variables(self, x: Tensor) -> Variables:
        still = self.window.still()
        parts = torch.split(x, [like[0].numel() for like in still], dim=-1)
        return Variables(*(part.reshape(like.shape) for part, like in zip(parts, still, strict=True)))


def draw_poses(clips: Sequence[str], *, data: str, n_steps: int, each: int, generator: Generator) -> PoseBatch:
    """Draw `each` windows of every clip, uniform in the clip, each with a start of its own.

    Args:
        clips: Names in the source.
        data: Source of motion, as in `clips.moving`.
        n_steps: Control steps of a window, 1 to 15.
        each: Windows of a clip.
        generator: Draws them.
    """
    cut: list[Window] = []
    for clip in clips:
        qpos = moving(data, clip).qpos
        first = torch.randint(len(qpos) - n_steps, (each,), generator=generator).tolist()
        cut.append(windows(qpos, tuple(first), softness_m=SOFTNESS_M, n_steps=n_steps))
    window = replace(cut[0], qpos=torch.cat([part.qpos for part in cut]), qvel=torch.cat([part.qvel for part in cut]))
    return batch_of(window, generator)


def batch_of(window: Window, generator: Generator) -> PoseBatch:
    """Draw a start for each of some windows."""
    start = perturbed(window, generator)
    batch = PoseBatch(
        window=window,
        seen=landmarks(window.body, window.qpos),
        start=torch.cat([part.flatten(1) for part in start], dim=1),
        height=torch.ones(len(window.qpos), dtype=window.qpos.dtype),
    )
    return replace(batch, height=batch.gap(batch.start))
