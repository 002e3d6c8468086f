"""What all fits of a pose share: the parameters, where they start, the loss, and the judge in float64."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from rmobench.physics.balance import centre_of_mass
from rmobench.physics.contact import forces_over_step
from rmobench.physics.kinematics import feelers, landmarks, posture
from rmobench.tasks.pose.metrics import (
    foot_skate,
    mpjpe,
    mpjpe_global,
    mpjpe_procrustes,
    penetration_depth,
    root_residual_force,
    total_variation,
)
from rmobench.tasks.pose.terms import CostOf
from rmobench.tasks.pose.window import (
    N_SUBSTEPS,
    POSE_UNIT,
    RATE_HZ,
    Variables,
    Window,
    controlled,
    every_step,
    simulate,
)
from rmobench.types import Problem

SUNK_MM = 20.0
"""A fit may sink in so deep; what is beyond violates the ground, and its metres are the residual."""

OFFSET, JITTER, START = 1.0, 0.5, 0.5
"""Standard deviations of the start, in units of the variables: of a joint's control over the whole window, of each
control step beyond that, and of the initial state."""


class Fit(nn.Module):
    """The parameters of a fit, numbers of order 1 whose units are in `window`."""

    def __init__(self, start: Variables) -> None:
        super().__init__()
        self.controls, self.pose, self.velocity = (nn.Parameter(x) for x in start)

    @property
    def variables(self) -> Variables:
        """Return the parameters under the names that `simulate` knows."""
        return Variables(self.controls, self.pose, self.velocity)


def perturbed(window: Window, generator: Generator) -> Variables:
    """Draw a start about the kinematic estimate, lifted where it would be deeper in the ground than that is."""

    def normal(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=torch.float64)

    still = window.still()
    controls = OFFSET * normal(still.controls[..., :1, :]) + JITTER * normal(still.controls)
    pose, velocity = START * normal(still.pose), START * normal(still.velocity)
    drawn = Variables(controls, pose, velocity)
    return drawn if window.ground is None else drawn._replace(pose=_lifted(window, drawn))


def _lifted(window: Window, drawn: Variables) -> Tensor:
    """Return the pose variables with the root raised, if need be."""
    start, _, _ = controlled(window, drawn)
    lowest = feelers(window.body, start)[..., 2].amin(-1)
    allowed = feelers(window.body, window.qpos[..., 0, :])[..., 2].amin(-1).clamp_max(0.0)
    lift = torch.zeros_like(drawn.pose)
    lift[..., 2] = (allowed - lowest).relu() / POSE_UNIT
    return drawn.pose + lift


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What a fit is judged by.

    Args:
        joints: Where the joints are (m) [frames, k, 3], float64.
        feet: Numbers of the feelers that are on the soles.
        joined: Puts the frames of several windows after one another: [..., frames, n] -> [frames, n].
        every: More metrics, of the joints at the frames.
    """

    joints: Tensor
    feet: tuple[int, ...]
    joined: Callable[[Tensor], Tensor] = lambda frames: frames
    every: Callable[[Tensor], Mapping[str, float]] = lambda joints: {}


def fit_problem(
    window: Window,
    start: Variables,
    cost: CostOf,
    truth: Truth,
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Problem:
    """Build the problem of moving the controls and the start so that the loss is small.

    The simulation runs in the parameters' precision, in float32 below that, where factorisations do not exist. Judged
    is the motion that the parameters give in float64 on the CPU.

    Args:
        window: In float64 on the CPU.
        start: Where the parameters begin, likewise.
        cost: window, placed -> loss of variables.
        truth: By which it is judged.
        device: Where the parameters live.
        dtype: Storage precision of the parameters.
    """
    model = Fit(Variables(*(x.to(device, dtype) for x in start)))
    wide = torch.promote_types(dtype, torch.float32)
    placed = window.to(dtype=wide, device=device)
    seen_cost, exact_cost = cost(placed), cost(window)

    def loss(model: nn.Module, batch: object) -> Tensor:
        assert isinstance(model, Fit)
        variables = Variables(*(x.to(wide) for x in model.variables))
        return seen_cost(variables, simulate(placed, variables))

    def judge(model: nn.Module) -> Mapping[str, float]:
        assert isinstance(model, Fit)
        variables = Variables(*(x.detach().to("cpu", torch.float64) for x in model.variables))
        qpos, qvel, done = every_step(window, variables)
        return {"objective": exact_cost(variables, done).item(), **measures(window, qpos, qvel, truth)}

    return Problem(model=model, loss=loss, batches=itertools.repeat(None), judge=judge)


def measures(window: Window, qpos: Tensor, qvel: Tensor, truth: Truth) -> dict[str, float]:
    """Return the metrics of a motion by name.

    mpjpe_g, mpjpe and mpjpe_pa in mm; penetration, the deepest, in mm; total_variation in m/s^2 a frame; foot_skate in
    %; root_force, the mean force that contact and weight do not explain, from one step of the engine to the next, in N;
    residual, what the deepest point is beyond SUNK_MM, in m. Without a ground, the first three and a residual of 0.

    Args:
        window: That the motion belongs to.
        qpos: After each step of the engine [..., N_SUBSTEPS t + 1, nq].
        qvel: Likewise [..., nv].
        truth: By which it is judged.
    """
    body = window.body
    qpos, qvel = truth.joined(qpos), truth.joined(qvel)
    joints = landmarks(body, qpos[::N_SUBSTEPS])
    found = {
        "mpjpe_g": mpjpe_global(joints, truth.joints).item(),
        "mpjpe": mpjpe(joints, truth.joints).item(),
        "mpjpe_pa": mpjpe_procrustes(joints, truth.joints).item(),
        **truth.every(joints),
    }
    if window.ground is None:
        return found | {"residual": 0.0}
    touching = feelers(body, qpos)
    deepest = penetration_depth(touching).max().item()
    step_s = 1.0 / (RATE_HZ * N_SUBSTEPS)
    forces = forces_over_step(body, qpos[:-1], qvel[:-1], qvel[1:], window.ground, duration=step_s).sum(-2)
    centre = centre_of_mass(posture(body, qpos))
    missing = root_residual_force(
        centre,
        torch.cat([forces, forces[-1:]]),
        mass_kg=body.mass.item(),
        dt_s=step_s,
        gravity=tuple(body.gravity[3:, 0].tolist()),
    )
    return found | {
        "total_variation": total_variation(joints, dt_s=1.0 / RATE_HZ).item(),
        "foot_skate": foot_skate(touching[::N_SUBSTEPS, truth.feet]).item(),
        "penetration": deepest,
        "root_force": missing.mean().item(),
        "residual": max(0.0, deepest - SUNK_MM) / 1000.0,
    }
