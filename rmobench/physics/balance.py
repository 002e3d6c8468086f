"""What a motion keeps when nothing acts on it: energy and momentum; and where the centre of mass is."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.physics.body import Body
from rmobench.physics.kinematics import Posture, body_velocities


def kinetic_energy(body: Body, placed: Posture, qvel: Tensor) -> Tensor:
    """Return the kinetic energy (J) [...] at qvel [..., nv], without the armature's."""
    return 0.5 * (body_velocities(body, placed, qvel) * _momenta(body, placed, qvel)).sum((-2, -1))


def potential_energy(body: Body, placed: Posture) -> Tensor:
    """Return the energy of the weight (J) [...], zero where the centre of mass is at the world's origin."""
    return -body.mass * (centre_of_mass(placed) @ body.gravity[3:]).squeeze(-1)


def centre_of_mass(placed: Posture) -> Tensor:
    """Return the centre of mass in the world (m) [..., 3]."""
    return placed.origin + _centre(placed)


def momentum(body: Body, placed: Posture, qvel: Tensor) -> Tensor:
    """Return the angular momentum about the centre of mass (N m s) and the linear one (N s) [..., 6] at qvel [..., nv].

    Source: D. E. Orin, A. Goswami, S.-H. Lee 2013, Autonomous Robots 35 (centroidal momentum).
    """
    angular, linear = torch.split(_momenta(body, placed, qvel).sum(-1), 3, dim=-1)
    return torch.cat([angular - torch.linalg.cross(_centre(placed), linear), linear], dim=-1)


def _momenta(body: Body, placed: Posture, qvel: Tensor) -> Tensor:
    """Return the spatial momenta of the bodies about the root's origin [..., 6, nb]."""
    inertias = torch.unflatten(placed.moments.flatten(-2) @ body.maps.inertias, -1, (6, 6))
    return (inertias @ body_velocities(body, placed, qvel).mT.unsqueeze(-1)).squeeze(-1).mT


def _centre(placed: Posture) -> Tensor:
    moments = placed.moments.sum(-3)
    return moments[..., :3, 3] / moments[..., 3, 3:]
