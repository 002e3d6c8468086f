"""Equations of motion: mass matrix, bias forces, accelerations, each as a few products for all bodies at once.

M(q) a + bias(q, v) = force, in the generalised coordinates of `body`; spatial quantities are those of `Posture`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import cross

from rmobench.physics.body import Body
from rmobench.physics.kinematics import Posture, posture
from rmobench.physics.solve import solve


def mass_matrix(body: Body, placed: Posture) -> Tensor:
    """Return the inertia of the degrees of freedom [..., nv, nv] (kg, kg m, kg m^2), armature included."""
    return coupling(body, placed, moved_mass(body, placed)) + body.drives.armature.diag()


def moved_mass(body: Body, placed: Posture) -> Tensor:
    """Return the moments of all mass that each degree of freedom moves (kg, kg m, kg m^2) [..., 32, nv].

    Twice: mass resists motion sideways and upwards alike.
    """
    moments = placed.moments.flatten(-2).mT @ body.tree.moves
    return torch.cat([moments, moments], dim=-2)


def coupling(body: Body, placed: Posture, resisting: Tensor) -> Tensor:
    """Return S_i . A_j S_j for degrees of freedom i that carry j, and its mirror image.

    Args:
        body: nv degrees of freedom.
        placed: Its posture, with the twists S.
        resisting: Moments of what resists each degree of freedom along x and y, then along z [..., 32, nv]; they make
            the spatial inertia A.

    Returns:
        [..., nv, nv].

    Source: R. Featherstone 2008, Rigid Body Dynamics Algorithms, sec. 6.2 (composite rigid bodies).
    """
    inertias = torch.unflatten(resisting.mT @ body.maps.directed, -1, (6, 6))
    forces = (inertias @ placed.twists.mT.unsqueeze(-1)).squeeze(-1)
    lower = (forces @ placed.twists) * body.tree.pairs.mT
    return lower + lower.mT


def inverse_dynamics(body: Body, placed: Posture, qvel: Tensor, qacc: Tensor | None = None) -> Tensor:
    """Return the generalised forces [..., nv] (N, N m) under which the body accelerates as told; the bias without qacc.

    Args:
        body: nv degrees of freedom.
        placed: Its posture.
        qvel: [..., nv].
        qacc: m/s^2 and rad/s^2 [..., nv]; None for zero. The armature's share is included.

    Source: R. Featherstone 2008, Rigid Body Dynamics Algorithms, sec. 5.3.
    """
    rates = placed.twists * qvel.unsqueeze(-2)
    V = rates @ body.tree.moves.mT
    # the axes of a body turn with it; those of a free root's translation stay
    A = _bracket(V, rates @ body.tree.turns.mT) @ body.tree.carries.mT - body.gravity
    if qacc is not None:
        A = A + (placed.twists * qacc.unsqueeze(-2)) @ body.tree.moves.mT
    inertias = torch.unflatten(placed.moments.flatten(-2) @ body.maps.inertias, -1, (6, 6))
    momenta, forces = (inertias @ torch.stack([V.mT, A.mT], dim=-1)).unbind(-1)
    wrenches = forces.mT + _dual_bracket(V, momenta.mT)
    generalised = against(placed, wrenches @ body.tree.moves)
    return generalised if qacc is None else generalised + body.drives.armature * qacc


def _bracket(V: Tensor, U: Tensor) -> Tensor:
    """Return the rate of a spatial velocity U [..., 6, n] that moves along with V [..., 6, n]."""
    (w, v), (x, y) = torch.split(V, 3, dim=-2), torch.split(U, 3, dim=-2)
    return torch.cat([cross(w, x, dim=-2), cross(w, y, dim=-2) + cross(v, x, dim=-2)], dim=-2)


def _dual_bracket(V: Tensor, h: Tensor) -> Tensor:
    """Return the rate of a spatial momentum h [..., 6, n] that moves along with V [..., 6, n]."""
    (w, v), (n, f) = torch.split(V, 3, dim=-2), torch.split(h, 3, dim=-2)
    return torch.cat([cross(w, n, dim=-2) + cross(v, f, dim=-2), cross(w, f, dim=-2)], dim=-2)


def against(placed: Posture, wrenches: Tensor) -> Tensor:
    """Return the generalised forces [..., nv] of the wrenches (N m, N) [..., 6, nv] on all that each one moves."""
    return (placed.twists * wrenches).sum(-2)


def forward_dynamics(body: Body, qpos: Tensor, qvel: Tensor, force: Tensor) -> Tensor:
    """Return the accelerations [..., nv] (m/s^2, rad/s^2) under generalised forces and the joints' own damping.

    Args:
        body: nq coordinates, nv degrees of freedom.
        qpos: [..., nq].
        qvel: [..., nv].
        force: N and N m [..., nv].
    """
    placed = posture(body, qpos)
    force = force - body.drives.damping * qvel - inverse_dynamics(body, placed, qvel)
    return solve(mass_matrix(body, placed), force)
