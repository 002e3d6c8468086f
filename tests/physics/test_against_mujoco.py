"""Without contact, everything equals MuJoCo's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")

import mujoco

from rmobench.physics.body import Body
from rmobench.physics.configuration import integrate
from rmobench.physics.dynamics import forward_dynamics, inverse_dynamics, mass_matrix
from rmobench.physics.humanoid import MODEL
from rmobench.physics.kinematics import feelers, landmarks, posture
from rmobench.physics.mjcf import body_of
from rmobench.physics.rollout import rollout
from tests.physics.machines import F64, states

pytestmark = pytest.mark.golden

ROUNDING = 1e-9
"""Of the largest entry, float64: some million roundings, for sums over a tree whose inertias span 1e-3 to 1e2."""

N_STATES = 100

ARM = """
<mujoco>
  <compiler inertiafromgeom="false" angle="radian"/>
  <option timestep="0.002" gravity="1 -2 -9"/>
  <worldbody>
    <body name="upper" pos="0.3 -0.2 1.1" quat="0.8 0.3 -0.4 0.2">
      <joint type="hinge" axis="1 2 -1" damping="0.3" armature="0.02"/>
      <inertial pos="0.1 0.05 -0.2" quat="0.9 0.1 0.3 -0.2" mass="1.3" diaginertia="0.02 0.03 0.04"/>
      <body name="bracket" pos="0.1 0 -0.3" quat="0.7 0 0.7 0.1">
        <inertial pos="0 0.02 0" mass="0.4" diaginertia="0.001 0.002 0.0015"/>
        <body name="lower" pos="0 0.2 0" quat="0.5 -0.5 0.5 0.4">
          <joint type="ball" damping="0.1"/>
          <inertial pos="0 0 0.3" mass="0.9" diaginertia="0.01 0.011 0.004"/>
          <site name="tip" pos="0 0.1 0.5" group="1"/>
        </body>
      </body>
      <body name="fin" pos="-0.2 0.1 0" quat="0.6 0.1 0.2 0.7">
        <joint type="hinge" axis="0 1 1" armature="0.01"/>
        <inertial pos="0.1 0 0" mass="0.2" diaginertia="0.001 0.001 0.001"/>
        <site name="edge" pos="0.3 0 0" group="2"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
"""What the humanoid has not: a fixed base, turned frames, a body without a joint, armature, gravity aslant."""


class Oracle:
    """MuJoCo's answers, one state at a time, without contact and limits."""

    def __init__(self, xml: str) -> None:
        self.model = mujoco.MjModel.from_xml_string(xml)
        self.model.opt.disableflags = int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
        self.data = mujoco.MjData(self.model)
        self.body: Body = body_of(self.model)

    def at(self, qpos: Tensor, qvel: Tensor, force: Tensor) -> None:
        self.data.qpos[:], self.data.qvel[:], self.data.qfrc_applied[:] = qpos.numpy(), qvel.numpy(), force.numpy()
        mujoco.mj_forward(self.model, self.data)

    def mass_matrix(self) -> Tensor:
        full = torch.zeros(self.model.nv, self.model.nv, dtype=F64)
        mujoco.mj_fullM(self.model, self.data, full.numpy())
        return full

    def site(self, name: str) -> Tensor:
        return torch.tensor(self.data.site(name).xpos)

    def step(self) -> tuple[Tensor, Tensor]:
        mujoco.mj_step(self.model, self.data)
        return torch.tensor(self.data.qpos), torch.tensor(self.data.qvel)


@pytest.fixture(scope="module", params=["humanoid", "arm"])
def oracle(request: pytest.FixtureRequest) -> Oracle:
    return Oracle(MODEL.read_text() if request.param == "humanoid" else ARM)


def forces_for(body: Body, n: int) -> Tensor:
    return 50.0 * torch.randn(n, body.n_dofs, generator=torch.Generator().manual_seed(1), dtype=F64)


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=ROUNDING * max(1.0, theirs.abs().max().item()))


def test_mass_bias_and_acceleration(oracle: Oracle) -> None:
    body = oracle.body
    qpos, qvel = states(body, N_STATES)
    force = forces_for(body, N_STATES)
    placed = posture(body, qpos)
    masses, biases = mass_matrix(body, placed), inverse_dynamics(body, placed, qvel)
    accelerations = forward_dynamics(body, qpos, qvel, force)
    for n in range(N_STATES):
        oracle.at(qpos[n], qvel[n], force[n])
        close(masses[n], oracle.mass_matrix())
        close(biases[n], torch.tensor(oracle.data.qfrc_bias))
        close(accelerations[n], torch.tensor(oracle.data.qacc))


def test_points_and_one_step(oracle: Oracle) -> None:
    body, h = oracle.body, oracle.model.opt.timestep
    qpos, qvel = states(body, 20)
    force = forces_for(body, 20)
    moved, faster = rollout(body, qpos, qvel, duration=h, forces=force.unsqueeze(-2))
    seen, felt = landmarks(body, qpos), feelers(body, qpos)
    for n in range(20):
        oracle.at(qpos[n], qvel[n], force[n])
        for names, points in ((body.landmarks, seen[n]), (body.feelers, felt[n])):
            for name, point in zip(names, points, strict=True):
                close(point, oracle.site(name))
        their_qpos, their_qvel = oracle.step()
        close(moved[n, 1], their_qpos)
        close(faster[n, 1], their_qvel)


def test_inverse_dynamics_of_the_accelerations_gives_the_forces(oracle: Oracle) -> None:
    body = oracle.body
    qpos, qvel = states(body, 20)
    force = forces_for(body, 20)
    qacc = forward_dynamics(body, qpos, qvel, force)
    back = inverse_dynamics(body, posture(body, qpos), qvel, qacc) + body.drives.damping * qvel
    close(back, force)


N_STEPS, N_DIRECTIONS, WIDTH = 20, 12, 1e-6
DIFFERENCES = 1e-4
"""Relative: central differences of width 1e-6 over 20 steps leave about 1e-7."""


def test_gradient_of_a_window_equals_mujocos_differences(oracle: Oracle) -> None:
    """Of where a landmark ends, by the start, the start's velocity and the forces of all steps."""
    body, h = oracle.body, oracle.model.opt.timestep
    (qpos,), (qvel,) = states(body, 1, turn=0.5, rate=1.0)
    forces = 0.2 * forces_for(body, N_STEPS)
    towards = torch.tensor([0.3, -0.5, 0.8], dtype=F64)
    name = body.landmarks[-1]

    def theirs(away: Tensor, qvel: Tensor, forces: Tensor) -> Tensor:
        oracle.at(integrate(body, qpos, away), qvel, forces[0])
        for force in forces:
            oracle.data.qfrc_applied[:] = force.numpy()
            oracle.step()
        oracle.at(torch.tensor(oracle.data.qpos), torch.tensor(oracle.data.qvel), force)
        return oracle.site(name) @ towards

    def ours(away: Tensor, qvel: Tensor, forces: Tensor) -> Tensor:
        motion, _ = rollout(body, integrate(body, qpos, away), qvel, duration=h, forces=forces)
        return landmarks(body, motion[-1])[-1] @ towards

    at = (torch.zeros(body.n_dofs, dtype=F64), qvel, forces)
    close(ours(*at), theirs(*at))
    gradients = torch.func.grad(ours, argnums=(0, 1, 2))(*at)
    generator = torch.Generator().manual_seed(2)
    for which in range(3):
        slopes, differences = [], []
        for _ in range(N_DIRECTIONS):
            d = torch.randn(at[which].shape, generator=generator, dtype=F64)
            ends = [theirs(*(x + s * WIDTH * d if i == which else x for i, x in enumerate(at))) for s in (1, -1)]
            slopes.append((gradients[which] * d).sum())
            differences.append((ends[0] - ends[1]) / (2 * WIDTH))
        a, b = torch.stack(slopes), torch.stack(differences)
        assert (a - b).norm() <= DIFFERENCES * b.norm()
