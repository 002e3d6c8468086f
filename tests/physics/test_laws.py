"""Laws of mechanics that need no other simulator."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rmobench.physics.balance import centre_of_mass, kinetic_energy, momentum, potential_energy
from rmobench.physics.body import Body
from rmobench.physics.contact import Ground, ground_forces
from rmobench.physics.kinematics import feelers, landmarks, posture
from rmobench.physics.rollout import rollout
from tests.physics.machines import F64, G, adult, block, pendulum, rest, states, vector

ROUNDING = 1e-10
"""Relative: thousands of steps of float64."""


def coast(body: Body, qpos: Tensor, qvel: Tensor, *, n: int, h: float, ground: Ground | None = None):
    """Simulate without controls; keep the end."""
    forces = torch.zeros(*qvel.shape[:-1], 1, body.n_dofs, dtype=F64)
    qs, vs = rollout(body, qpos, qvel, duration=n * h, n_substeps=n, forces=forces, ground=ground)
    return qs[..., -1, :], vs[..., -1, :]


def weightless(body: Body) -> Body:
    body.gravity.zero_()
    return body


def test_free_fall_of_the_centre_of_mass() -> None:
    """After n steps of h: down by g h^2 n (n + 1) / 2, the exact sum of semi-implicit steps, spread limbs or not."""
    body = adult()
    n, h = 40, 0.005
    qpos, qvel = body.home, torch.zeros(body.n_dofs, dtype=F64)
    qvel[0], qvel[2] = 1.5, 2.0
    end, _ = coast(body, qpos, qvel, n=n, h=h)
    moved = centre_of_mass(posture(body, end)) - centre_of_mass(posture(body, qpos))
    fallen = vector(1.5 * n * h, 0.0, 2.0 * n * h - G * h * h * n * (n + 1) / 2)
    torch.testing.assert_close(moved, fallen, rtol=0, atol=ROUNDING)


def energy(body: Body, qpos: Tensor, qvel: Tensor) -> Tensor:
    placed = posture(body, qpos)
    return kinetic_energy(body, placed, qvel) + potential_energy(body, placed)


def test_a_pendulum_keeps_its_energy_and_its_period() -> None:
    """The period is 2 pi sqrt(l / g) (1 + a^2 / 16).

    Semi-implicit steps let the energy ripple by half of h omega within a swing, and bring it back.
    """
    length, amplitude, n = 0.7, 0.2, 100
    body = pendulum(mass=2.0, length=length)
    omega = math.sqrt(G / length) / (1 + amplitude**2 / 16)
    h = 2 * math.pi / omega / n
    qs, vs = rollout(body, vector(amplitude), vector(0.0), duration=h, forces=torch.zeros(5 * n, 1, dtype=F64))
    energies = energy(body, qs, vs)
    swing = 2.0 * G * length * (1 - math.cos(amplitude))
    lost = (energies - energies[0]).abs() / swing
    assert 0.4 * h * omega < lost.max() < 0.6 * h * omega
    assert lost[::n].max() < 1e-3
    assert qs[-1, 0].item() == pytest.approx(amplitude, rel=0.01)


def test_damping_takes_energy_from_a_pendulum() -> None:
    body = pendulum(damping=0.3)
    qs, vs = rollout(body, vector(1.0), vector(0.0), duration=0.005, forces=torch.zeros(300, 1, dtype=F64))
    lost = energy(body, qs, vs).diff().sum()
    torch.testing.assert_close(lost, -0.005 * 0.3 * vs[1:].square().sum(), rtol=0.02, atol=0.0)


def test_a_controller_acts_at_the_end_of_the_step() -> None:
    """I (w' - w) = h (K (target - angle - h w') - D w'), solved for w': stiff controllers take long steps."""
    h, stiffness, inertia = 0.05, 5e4, 2.0 * 0.7**2
    body = weightless(pendulum(mass=2.0, length=0.7, stiffness=stiffness))
    angle, rate, target = vector(0.3), vector(-1.0), vector(0.5)
    _, vs = rollout(body, angle, rate, duration=h, targets=target.unsqueeze(0))
    pulled = inertia * rate + h * stiffness * (target - angle)
    torch.testing.assert_close(vs[-1], pulled / (inertia + h * 0.1 * stiffness + h * h * stiffness))


def test_without_weight_and_ground_momentum_stays() -> None:
    """Joints' damping is an inner force. What is lost is of first order in the step."""
    body = weightless(adult())
    (qpos,), (qvel,) = states(body, 1, turn=0.5, rate=1.0)
    before = momentum(body, posture(body, qpos), qvel)
    lost = []
    for n in (50, 100, 200):
        end = coast(body, qpos, qvel, n=n, h=0.2 / n)
        lost.append((momentum(body, posture(body, end[0]), end[1]) - before).norm() / before.norm())
    assert lost[0] < 0.02
    assert 1.8 < lost[0] / lost[1] < 2.2 and 1.8 < lost[1] / lost[2] < 2.2


def test_momentum_changes_as_weight_and_ground_push() -> None:
    """d(linear momentum) = h (weight + ground forces): the forces reported are the forces that act."""
    body, ground, h = block(), Ground(), 1e-5
    qpos, qvel = rest(body)
    qvel = qvel + vector(0.3, 0.1, -0.4, 0.2, 0.1, 0.5)
    before = momentum(body, posture(body, qpos), qvel)[3:]
    pushed = ground_forces(body, qpos, qvel, ground).sum(0) + vector(0, 0, -10.0 * G)
    end = coast(body, qpos, qvel, n=1, h=h, ground=ground)
    after = momentum(body, posture(body, end[0]), end[1])[3:]
    torch.testing.assert_close((after - before) / h, pushed, rtol=0.01, atol=0.0)


REST = 0.01
"""Relative deviation of the ground reaction from the weight."""


@pytest.mark.parametrize("step", [0.005, 0.02])
def test_a_lying_adult_comes_to_rest_on_a_reaction_equal_to_its_weight(step: float) -> None:
    """On its back, joints damped only; then half a second in which nothing moves by a millimetre."""
    body, ground = adult(), Ground()
    qpos, qvel = rest(body)
    qpos = qpos.clone()
    qpos[2:7] = vector(0.13, math.sqrt(0.5), 0.0, -math.sqrt(0.5), 0.0)
    targets = body.home.expand(5, -1)
    qs, vs = rollout(body, qpos, qvel, duration=0.5, n_substeps=round(0.5 / step), targets=targets, ground=ground)
    reaction = ground_forces(body, qs[-1], vs[-1], ground).sum(0)
    weight = body.mass.item() * G
    assert abs(reaction[2].item() - weight) < REST * weight
    assert reaction[:2].norm() < REST * weight
    assert (landmarks(body, qs[-1]) - landmarks(body, qs[-2])).abs().max() < 1e-3
    assert -0.01 < feelers(body, qs[-1])[..., 2].min() < 0.01


TOPPLING = 0.03
"""Relative; nobody balances, so that the centre of mass slowly begins to fall."""


def test_a_standing_adult_loads_its_feet_evenly() -> None:
    body, ground = adult(), Ground()
    qpos, qvel = rest(body)
    qs, vs = rollout(body, qpos, qvel, duration=0.1, n_substeps=20, targets=body.home.expand(3, -1), ground=ground)
    vertical = dict(zip(body.feelers, ground_forces(body, qs[-1], vs[-1], ground)[:, 2].tolist(), strict=True))
    left, right = (sum(f for name, f in vertical.items() if name.startswith(side)) for side in ("left", "right"))
    weight = body.mass.item() * G
    assert abs(left + right - weight) < TOPPLING * weight
    assert abs(left - right) < 1e-6 * weight


def test_a_sliding_block_is_slowed_by_coulombs_friction_and_stops() -> None:
    """It comes v^2 / (2 mu g) far."""
    ground = Ground(friction=0.5)
    body = block()
    qpos, qvel = rest(body)
    qpos, qvel = coast(body, qpos, qvel, n=100, h=0.005, ground=ground)
    qvel[0] = 2.0
    end, slow = coast(body, qpos, qvel, n=150, h=0.005, ground=ground)
    assert (end[0] - qpos[0]).item() == pytest.approx(2.0**2 / (2 * 0.5 * G), rel=0.03)
    assert slow.abs().max() < 0.01


def test_the_ground_never_pulls_and_friction_stays_in_its_cone() -> None:
    body, ground = block(), Ground(friction=0.7)
    qpos, qvel = states(body, 200, turn=0.02, rate=2.0)
    force = ground_forces(body, qpos, qvel, ground)
    assert (force[..., 2] >= 0).all()
    assert (force[..., :2].norm(dim=-1) <= 0.7 * force[..., 2] * (1 + 1e-12)).all()
    assert force[..., 2].max() > 100.0


def test_the_ground_answers_to_depth_as_its_formula_says() -> None:
    """At rest: k e log(1 + exp(d / e)) at each corner."""
    body, ground = block(), Ground(stiffness=2e4, smoothing=0.003)
    qpos, qvel = rest(body)
    depths = torch.linspace(-0.01, 0.01, 9, dtype=F64)
    sunk = qpos.expand(9, -1).clone()
    sunk[:, 2] -= depths
    force = ground_forces(body, sunk, qvel.expand(9, -1), ground)
    expected = 2e4 * 0.003 * torch.log1p(torch.exp(depths / 0.003))
    torch.testing.assert_close(force[..., 2], expected.unsqueeze(-1).expand(-1, 4), rtol=1e-12, atol=0)
