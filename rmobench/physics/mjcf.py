"""A body from MJCF: MuJoCo reads the file once, its model becomes links."""

from __future__ import annotations

import mujoco
import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.physics.assembly import assemble
from rmobench.physics.body import Body
from rmobench.physics.constants import rotation_of
from rmobench.physics.links import Joint, Link, Motion, Point

MOTIONS = {
    int(mujoco.mjtJoint.mjJNT_FREE): Motion.FREE,
    int(mujoco.mjtJoint.mjJNT_BALL): Motion.BALL,
    int(mujoco.mjtJoint.mjJNT_HINGE): Motion.HINGE,
}
LANDMARK_GROUP, FEELER_GROUP = 1, 2


def read_mjcf(xml: str) -> Body:
    """Read a body from an MJCF model, in float64 on the CPU.

    One tree, at most one joint a body, at the body's origin: free (the root), ball or hinge. A joint's `user` holds the
    stiffness (N m/rad) and the damping (N m s/rad) of its controller. Sites of group 1 are landmarks, sites of group 2
    the points that can touch the ground. Geoms are not looked at.

    Args:
        xml: The model's text.

    Raises:
        ArgumentError: MJCF that MuJoCo does not read, or a model with something that this engine does not simulate.
    """
    try:
        model = mujoco.MjModel.from_xml_string(xml)
    except ValueError as error:
        raise ArgumentError(f"read_mjcf: MuJoCo does not read the model: {error}") from error
    return body_of(model)


def body_of(model: mujoco.MjModel) -> Body:
    """Turn MuJoCo's model into a body, in float64 on the CPU.

    Raises:
        ArgumentError: A model with something that this engine does not simulate.
    """
    _refuse_what_is_not_simulated(model)
    return assemble(
        [_link(model, b) for b in range(1, model.nbody)],
        landmarks=_points(model, LANDMARK_GROUP),
        feelers=_points(model, FEELER_GROUP),
        gravity=_float64(model.opt.gravity),
    )


def _refuse_what_is_not_simulated(model: mujoco.MjModel) -> None:
    """Say what the model has that would be left out in silence."""
    hinges = model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE
    free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
    findings = {
        "several trees": (model.body_parentid[1:] == 0).sum() != 1,
        "several joints on a body": (model.body_jntnum > 1).any(),
        "slide joints": (model.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE).any(),
        "a free joint below the root": (free & (model.body_parentid[model.jnt_bodyid] != 0)).any(),
        "joints away from their body's origin": (model.jnt_pos != 0).any(),
        "hinges with a reference angle": (model.qpos0[model.jnt_qposadr[hinges]] != 0).any(),
        "springs at joints": (model.jnt_stiffness != 0).any() or (model.jnt_stiffnesspoly != 0).any(),
        "nonlinear damping": (model.dof_dampingpoly != 0).any(),
        "dry friction at joints": (model.dof_frictionloss != 0).any(),
        "gravity compensation": (model.body_gravcomp != 0).any(),
        "equality constraints": model.neq > 0,
        "tendons": model.ntendon > 0,
        "actuators": model.nu > 0,
        "a fluid": model.opt.density != 0 or model.opt.viscosity != 0,
    }
    if found := [name for name, there in findings.items() if there]:
        raise ArgumentError(
            f"body_of: the model has {', '.join(found)}; expected one tree of free, ball and hinge joints at their "
            "bodies' origins, damped linearly. Write the model without."
        )


def _link(model: mujoco.MjModel, b: int) -> Link:
    frame = rotation_of(_float64(model.body_iquat[b]))
    return Link(
        name=model.body(b).name,
        parent=int(model.body_parentid[b]) - 1,
        position=_float64(model.body_pos[b]),
        quaternion=_float64(model.body_quat[b]),
        mass=_float64(model.body_mass[b]),
        centre=_float64(model.body_ipos[b]),
        inertia=frame @ _float64(model.body_inertia[b]).diag() @ frame.T,
        joint=_joint(model, int(model.body_jntadr[b])),
    )


def _joint(model: mujoco.MjModel, j: int) -> Joint:
    if j < 0:
        return Joint(motion=Motion.WELD, axis=torch.zeros(3, dtype=torch.float64))
    dof = int(model.jnt_dofadr[j])
    stiffness, drive_damping, *_ = [*map(float, model.jnt_user[j]), 0.0, 0.0]
    low, high = model.jnt_range[j] if model.jnt_limited[j] else (-torch.inf, torch.inf)
    return Joint(
        motion=MOTIONS[int(model.jnt_type[j])],
        axis=_float64(model.jnt_axis[j]),
        range=(float(low), float(high)),
        stiffness=stiffness,
        drive_damping=drive_damping,
        damping=float(model.dof_damping[dof]),
        armature=float(model.dof_armature[dof]),
    )


def _points(model: mujoco.MjModel, group: int) -> list[Point]:
    return [
        Point(name=model.site(s).name, link=int(model.site_bodyid[s]) - 1, position=_float64(model.site_pos[s]))
        for s in range(model.nsite)
        if model.site_group[s] == group
    ]


def _float64(numbers: object) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)
