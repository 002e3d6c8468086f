"""Bodies to test with: two that need no reader, and states of any."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from rmobench.physics.assembly import assemble
from rmobench.physics.body import Body
from rmobench.physics.configuration import integrate
from rmobench.physics.humanoid import humanoid
from rmobench.physics.links import Joint, Link, Motion, Point

F64 = torch.float64
G = 9.81
GRAVITY = torch.tensor([0.0, 0.0, -G], dtype=F64)
UPRIGHT = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=F64)
NONE = torch.zeros(3, dtype=F64)


def vector(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=F64)


def adult(dtype: torch.dtype = F64) -> Body:
    pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")
    return humanoid(dtype=dtype)


def pendulum(*, mass: float = 2.0, length: float = 0.7, damping: float = 0.0, stiffness: float = 0.0) -> Body:
    """A point mass on a rod, hinged about y one metre above the ground; its controller is damped by 0.1 s stiffness."""
    link = Link(
        name="rod",
        parent=-1,
        position=vector(0, 0, 1),
        quaternion=UPRIGHT,
        mass=torch.tensor(mass, dtype=F64),
        centre=vector(0, 0, -length),
        inertia=torch.zeros(3, 3, dtype=F64),
        joint=Joint(
            motion=Motion.HINGE,
            axis=vector(0, 1, 0),
            damping=damping,
            stiffness=stiffness,
            drive_damping=0.1 * stiffness,
        ),
    )
    end = Point(name="end", link=0, position=vector(0, 0, -length))
    return assemble([link], landmarks=[end], feelers=[], gravity=GRAVITY)


def block(*, mass: float = 10.0) -> Body:
    """A flat cuboid 0.4 x 0.4 x 0.1 m that feels the ground at its four lower corners."""
    link = Link(
        name="block",
        parent=-1,
        position=vector(0, 0, 0.05),
        quaternion=UPRIGHT,
        mass=torch.tensor(mass, dtype=F64),
        centre=NONE,
        inertia=(mass / 12 * vector(0.17, 0.17, 0.32)).diag(),
        joint=Joint(motion=Motion.FREE, axis=NONE),
    )
    corners = [Point(name=f"{x} {y}", link=0, position=vector(x, y, -0.05)) for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
    return assemble([link], landmarks=[], feelers=corners, gravity=GRAVITY)


def states(body: Body, n: int, *, seed: int = 0, turn: float = 1.0, rate: float = 3.0) -> tuple[Tensor, Tensor]:
    """Return n configurations around home and velocities, with these standard deviations (rad and m; rad/s and m/s)."""
    generator = Generator().manual_seed(seed)
    away, qvel = torch.randn(2, n, body.n_dofs, generator=generator, dtype=F64)
    return integrate(body, body.home.to(F64).expand(n, -1), turn * away), rate * qvel


def rest(body: Body) -> tuple[Tensor, Tensor]:
    return body.home, torch.zeros(body.n_dofs, dtype=body.home.dtype)
