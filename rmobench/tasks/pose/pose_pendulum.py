"""A chain of rods, swung by its controllers, without contact: a fit whose minimum is known."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.physics.assembly import assemble
from rmobench.physics.body import Body
from rmobench.physics.links import Joint, Link, Motion, Point
from rmobench.registry import task
from rmobench.tasks.pose.fitting import Truth, fit_problem, perturbed
from rmobench.tasks.pose.terms import Weights, joints_cost
from rmobench.tasks.pose.window import Window, simulate
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem

LENGTH_M, MASS_KG = 0.4, 2.0
STIFFNESS, DRIVE_DAMPING = 60.0, 6.0
"""Of the controllers, N m/rad and N m s/rad."""

FITTED = Weights(torques=0.0, limits=0.0, sinking=0.0, sliding=0.0, start=0.0)
"""The joints alone count, so that the loss is 0 where they are hit."""


@task(
    family="pose",
    source="ours; as pose_window without a ground, with a minimum that is known",
    offers=("deterministic", "second_order"),
    budget=Budget(n_calls=500, time_s=120.0),
    cheap=False,
    judge_every=1,
)
def pose_pendulum(seed: int, device: torch.device, dtype: torch.dtype, *, n_rods: int = 3, n_steps: int = 8) -> Problem:
    """Fit controls and start of a chain of rods to where its ends have been.

    The ends were made by controls that the seed draws, so that the loss has the minimum 0. `gap` is the loss over that
    at the start.

    Args:
        seed: Draws the controls that are to be found, and the start.
        device: Where the parameters live.
        dtype: Storage precision of the parameters; the simulation is never narrower than float32.
        n_rods: Of the chain, 1 to 10.
        n_steps: Control steps of 1/30 s.

    Raises:
        ArgumentError: A chain without rods, with more than ten, or fewer than two control steps.
    """
    if not 1 <= n_rods <= 10 or n_steps < 2:
        raise ArgumentError(
            f"pose_pendulum: got n_rods={n_rods} and n_steps={n_steps}, expected 1 to 10 rods and 2 steps or more."
        )
    body = chain(n_rods)
    window = Window(
        body=body,
        ground=None,
        qpos=body.home.expand(n_steps + 1, -1),
        qvel=torch.zeros(body.n_dofs, dtype=torch.float64),
    )
    seen = simulate(window, perturbed(window, stream(seed, "instance"))).joints
    start = perturbed(window, stream(seed, "init"))
    problem = fit_problem(
        window, start, joints_cost(seen, FITTED), Truth(joints=seen, feet=()), device=device, dtype=dtype
    )
    height = problem.judge(problem.model)["objective"]

    def loss(model: nn.Module, batch: object) -> Tensor:
        return problem.loss(model, batch) / height

    def judge(model: nn.Module) -> Mapping[str, float]:
        found = dict(problem.judge(model))
        found["objective"] /= height
        return {**found, "gap": found["objective"]}

    return Problem(model=problem.model, loss=loss, batches=problem.batches, judge=judge)


def chain(n_rods: int) -> Body:
    """Return thin rods that hang from each other at hinges about y, each driven; their lower ends are landmarks."""
    inertia = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64).diag() * MASS_KG * LENGTH_M**2 / 12.0
    down = torch.tensor([0.0, 0.0, -LENGTH_M], dtype=torch.float64)
    hinge = Joint(
        motion=Motion.HINGE,
        axis=torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64),
        stiffness=STIFFNESS,
        drive_damping=DRIVE_DAMPING,
    )
    links = [
        Link(
            name=f"rod_{k}",
            parent=k - 1,
            position=down if k else torch.zeros(3, dtype=torch.float64),
            quaternion=torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64),
            mass=torch.tensor(MASS_KG, dtype=torch.float64),
            centre=0.5 * down,
            inertia=inertia,
            joint=hinge,
        )
        for k in range(n_rods)
    ]
    ends = [Point(name=f"end_{k}", link=k, position=down) for k in range(n_rods)]
    gravity = torch.tensor([0.0, 0.0, -9.81], dtype=torch.float64)
    return assemble(links, landmarks=ends, feelers=[], gravity=gravity)
