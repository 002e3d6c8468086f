"""An articulated body as constant tensors: what every step multiplies with, prepared once.

Coordinates are MuJoCo's. `qpos` [nq] holds for a free joint the position (m) and the quaternion (w, x, y, z), for a
ball a quaternion, for a hinge an angle (rad). `qvel` [nv] holds for a free joint the velocity in the world (m/s) and
the angular velocity in the body's frame (rad/s), for a ball the angular velocity in the body's frame, for a hinge its
rate. Every sum over the tree and every choice of coordinates is a product with a mask, so that nothing is gathered or
scattered: a step is a few dense products for all bodies and all worlds at once.

Letters in shapes: nb bodies, in the order of depth; nv degrees of freedom; nq coordinates; h hinges; r ball and free
joints; k landmarks; c feelers, the points that can touch the ground. "As columns" means: laid out so that the frames of
a posture times the columns are the points in world axes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Who carries whom.

    Args:
        generations: For each depth from 1 on, which body of the depth before carries each.
        carries: Column b: the bodies that b carries, itself among them [nb, nb].
        moves: Which degree of freedom moves each body: its own and those of the bodies that carry it [nb, nv].
        moves_feelers: The same for each feeler [c, nv].
        turns: Which rotational degree of freedom is each body's own [nb, nv].
        pairs: 1 where degree of freedom i is on a body that carries that of j, 1/2 where on the same body [nv, nv].
    """

    generations: tuple[tuple[int, ...], ...]
    carries: Tensor
    moves: Tensor
    moves_feelers: Tensor
    turns: Tensor
    pairs: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    """What the entries of qpos and qvel are.

    Args:
        home: The pose in which all joints are at rest [nq].
        joint_quaternions: From [qpos, cos, sin of half the hinges' angles] to the bodies' turns [nq + 2 h, 4 nb].
        fixed_quaternions: Turns of the bodies without a joint [4 nb].
        root_position: From qpos to a free root's position [nq, 3].
        base: Position of a root that is not free (m) [3].
        plain: From qvel to the rates of those coordinates that are plain numbers [nv, nq].
        quaternions: From qpos to the quaternions of balls and free joints [nq, 4 r].
        spins: From qvel to their angular velocities [nv, 3 r].
        hinges: From qpos to the hinges' angles [nq, h].
        hinge_ranges: Lowest and highest angle of each hinge (rad) [h, 2].
        ball_ranges: Largest angle of each ball and free joint (rad) [r].
    """

    home: Tensor
    joint_quaternions: Tensor
    fixed_quaternions: Tensor
    root_position: Tensor
    base: Tensor
    plain: Tensor
    quaternions: Tensor
    spins: Tensor
    hinges: Tensor
    hinge_ranges: Tensor
    ball_ranges: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Drives:
    """What acts at the joints.

    Args:
        driven: From what the controllers of the driven degrees of freedom say to all of them, one-hot [na, nv].
        stiffness: Of the controllers (N m/rad) [nv].
        drive_damping: Of the controllers (N m s/rad) [nv].
        damping: Of the joints themselves (N m s/rad) [nv].
        armature: Inertia added to a degree of freedom (kg m^2) [nv].
    """

    driven: Tensor
    stiffness: Tensor
    drive_damping: Tensor
    damping: Tensor
    armature: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """The constant maps of `constants`.

    Args:
        rotations: From the products of a quaternion's entries to a homogeneous matrix [16, 16].
        products: From the products of the entries of p and q to p q [16, 4].
        quotients: From the products of the entries of p and q to p^-1 q [16, 4].
        inertias: From moments of mass to a spatial inertia [16, 36].
        directed: The same from moments of what resists sideways and of what resists upwards [32, 36].
    """

    rotations: Tensor
    products: Tensor
    quotients: Tensor
    inertias: Tensor
    directed: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A tree of rigid bodies.

    Args:
        names: Of the bodies, in the order of depth.
        landmarks: Names of the points that are observed.
        feelers: Names of the points that can touch the ground.
        gravity: Acceleration of free fall (m/s^2), as a spatial acceleration [6, 1].
        places: Where each body sits on its parent (m), in a homogeneous matrix without rotation [nb, 16].
        moments: Mass (kg), its first (kg m) and second moments (kg m^2) in the body's frame [nb, 4, 4].
        axes: Axes of the rotational degrees of freedom, as columns [4 nb, nv].
        anchors: Points on these axes (m), as columns [4 nb, nv].
        slides: The translational degrees of freedom, as spatial velocities [6, nv].
        landmark_points: Where the landmarks are (m), as columns [4 nb, k].
        feeler_points: Where the feelers are (m), as columns [4 nb, c].
        tree: Who carries whom.
        coordinates: What the entries of qpos and qvel are.
        drives: What acts at the joints.
        maps: Constants of the algebra, in this body's precision.
    """

    names: tuple[str, ...]
    landmarks: tuple[str, ...]
    feelers: tuple[str, ...]
    gravity: Tensor
    places: Tensor
    moments: Tensor
    axes: Tensor
    anchors: Tensor
    slides: Tensor
    landmark_points: Tensor
    feeler_points: Tensor
    tree: Tree
    coordinates: Coordinates
    drives: Drives
    maps: Maps

    @property
    def home(self) -> Tensor:
        """The pose in which all joints are at rest [nq]."""
        return self.coordinates.home

    @property
    def n_coordinates(self) -> int:
        """Entries of qpos."""
        return self.coordinates.home.shape[0]

    @property
    def n_dofs(self) -> int:
        """Entries of qvel."""
        return self.slides.shape[1]

    @property
    def n_driven(self) -> int:
        """Degrees of freedom that have a controller."""
        return self.drives.driven.shape[0]

    @property
    def mass(self) -> Tensor:
        """Mass of the whole (kg) []."""
        return self.moments[:, 3, 3].sum()

    def to(self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Body:
        """Return the same body in another precision or on another device."""
        return _moved(self, dtype, device)


Part = TypeVar("Part", bound=Tree | Coordinates | Drives | Maps | Body)


def _moved(part: Part, dtype: torch.dtype | None, device: torch.device | str | None) -> Part:
    moved: dict[str, Any] = {}
    for field in dataclasses.fields(part):
        match getattr(part, field.name):
            case Tensor() as tensor:
                moved[field.name] = tensor.to(dtype=dtype, device=device)
            case (Tree() | Coordinates() | Drives() | Maps()) as inner:
                moved[field.name] = _moved(inner, dtype, device)
    return dataclasses.replace(part, **moved)
