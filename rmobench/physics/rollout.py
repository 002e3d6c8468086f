"""Many steps of time: controls in, motion out, with memory bounded where that is wanted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rmobench.errors import ArgumentError
from rmobench.physics.body import Body
from rmobench.physics.contact import Ground
from rmobench.physics.step import step

Control = tuple[Tensor | None, Tensor | None]
"""The generalised forces [..., nv] and the target [..., nq] of one control step."""


def rollout(
    body: Body,
    qpos: Tensor,
    qvel: Tensor,
    *,
    duration: float,
    n_substeps: int = 1,
    forces: Tensor | None = None,
    targets: Tensor | None = None,
    ground: Ground | None = None,
    checkpoint_every: int = 0,
) -> tuple[Tensor, Tensor]:
    """Simulate under controls that are constant over each control step.

    Args:
        body: nq coordinates, nv degrees of freedom.
        qpos: Start [..., nq].
        qvel: Start [..., nv].
        duration: Of a control step (s).
        n_substeps: Steps of the engine in a control step, all of one length.
        forces: Generalised forces in each control step (N, N m) [..., t, nv].
        targets: Configurations that the controllers pull to in each control step [..., t, nq], the root's entries
            unused. One of forces and targets may be left out.
        ground: None for none.
        checkpoint_every: Control steps after which a state is kept for derivatives, what lies between being computed
            once more; 0 keeps everything. The root of t needs the least memory. Not under torch.func.

    Returns:
        qpos [..., t + 1, nq] and qvel [..., t + 1, nv] at the ends of the control steps, the start first.

    Raises:
        ArgumentError: No controls, controls that do not fit the start, or a number that is not positive.
    """
    controls = _controls(qpos, qvel, forces, targets)
    if n_substeps < 1 or duration <= 0 or checkpoint_every < 0:
        raise ArgumentError(
            f"rollout: got n_substeps {n_substeps}, duration {duration} and checkpoint_every {checkpoint_every}; "
            "expected at least one substep, a duration above 0 s and checkpoint_every of at least 0."
        )
    h = duration / n_substeps

    def run(qpos: Tensor, qvel: Tensor, controls: Sequence[Control]) -> list[tuple[Tensor, Tensor]]:
        states = []
        for force, target in controls:
            for _ in range(n_substeps):
                qpos, qvel = step(body, qpos, qvel, duration=h, force=force, target=target, ground=ground)
            states.append((qpos, qvel))
        return states

    if not checkpoint_every:
        states = [(qpos, qvel), *run(qpos, qvel, controls)]
    else:
        states = [(qpos, qvel)]
        for begin in range(0, len(controls), checkpoint_every):
            part = controls[begin : begin + checkpoint_every]
            states += checkpoint(run, *states[-1], part, use_reentrant=False, preserve_rng_state=False)
    positions, velocities = zip(*states, strict=True)
    return torch.stack(positions, dim=-2), torch.stack(velocities, dim=-2)


def _controls(qpos: Tensor, qvel: Tensor, forces: Tensor | None, targets: Tensor | None) -> list[Control]:
    """Return the controls of each control step."""
    given = [(c, like) for c, like in ((forces, qvel), (targets, qpos)) if c is not None]
    fits = [c.ndim > 1 and (*c.shape[:-2], c.shape[-1]) == tuple(like.shape) for c, like in given]
    if not given or not all(fits) or len({c.shape[-2] for c, _ in given}) > 1:
        shapes = [None if c is None else list(c.shape) for c in (forces, targets)]
        raise ArgumentError(
            f"rollout: forces have shape {shapes[0]} and targets {shapes[1]}; expected at least one of "
            f"{[*qvel.shape[:-1], 't', qvel.shape[-1]]} and {[*qpos.shape[:-1], 't', qpos.shape[-1]]}, "
            "with the same t, as the start has."
        )
    per_step = [[None] * given[0][0].shape[-2] if c is None else [*c.unbind(-2)] for c in (forces, targets)]
    return list(zip(*per_step, strict=True))
