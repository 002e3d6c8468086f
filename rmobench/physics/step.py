"""One step of time: semi-implicit Euler in which what is stiff acts at the end of the step."""

from __future__ import annotations

from torch import Tensor

from rmobench.physics.body import Body
from rmobench.physics.configuration import difference, integrate
from rmobench.physics.contact import Ground, resistance, touch, wrenches
from rmobench.physics.dynamics import against, coupling, inverse_dynamics, moved_mass
from rmobench.physics.kinematics import posture
from rmobench.physics.solve import solve


def step(
    body: Body,
    qpos: Tensor,
    qvel: Tensor,
    *,
    duration: float,
    force: Tensor | None = None,
    target: Tensor | None = None,
    ground: Ground | None = None,
) -> tuple[Tensor, Tensor]:
    """Advance a body by one step.

    The new velocity is v + h a, the new configuration the old one moved along the new velocity. Damping, controllers
    and the ground act at the end of the step, to first order in h a, so that their stiffness does not bound h: to M are
    added h (D + h K) for joints and controllers and h J^T Z J for the ground, which has the shape of a spatial inertia
    and is summed along with those. Without controllers and ground this is MuJoCo's Euler step.

    Args:
        body: nq coordinates, nv degrees of freedom.
        qpos: [..., nq].
        qvel: [..., nv].
        duration: h (s).
        force: Generalised forces from outside (N, N m) [..., nv].
        target: Configuration that the controllers pull to [..., nq], the root's entries unused; None switches them off.
        ground: None for none.

    Returns:
        qpos [..., nq] and qvel [..., nv] after the step.

    Source: D. Baraff, A. Witkin 1998, SIGGRAPH, sec. 3 (one linearised implicit step); J. Tan, K. Liu, G. Turk 2011,
    IEEE CG&A 31(4) (stable proportional-derivative controllers).
    """
    placed, drives = posture(body, qpos), body.drives
    total, resisting, damping = -inverse_dynamics(body, placed, qvel), moved_mass(body, placed), drives.damping
    if force is not None:
        total = total + force
    if target is not None:
        total = total + drives.stiffness * difference(body, qpos, target)
        damping = damping + drives.drive_damping + duration * drives.stiffness
    if ground is not None:
        met = touch(body, placed, qvel, ground, ahead=duration)
        total = total + against(placed, wrenches(met) @ body.tree.moves_feelers)
        resisting = resisting + duration * (resistance(met) @ body.tree.moves_feelers)
    inertia = coupling(body, placed, resisting) + (drives.armature + duration * damping).diag()
    qvel = qvel + duration * solve(inertia, total - damping * qvel)
    return integrate(body, qpos, qvel, duration), qvel
