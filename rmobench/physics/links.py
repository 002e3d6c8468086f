"""What an articulated body consists of, as plain values: links, their joints and points on them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor


class Motion(Enum):
    """How a link moves on the one that carries it: (number of coordinates, number of degrees of freedom)."""

    FREE = (7, 6)
    BALL = (4, 3)
    HINGE = (1, 1)
    WELD = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """Where a link's motion is free, at the link's origin.

    Args:
        motion: Its kind.
        axis: Of a hinge, in the link's frame [3].
        range: Lowest and highest angle (rad); a ball's lowest is 0.
        stiffness: Of its controller (N m/rad); 0 where there is none.
        drive_damping: Of its controller (N m s/rad).
        damping: Of its own (N m s/rad).
        armature: Inertia added to each of its degrees of freedom (kg m^2).
    """

    motion: Motion
    axis: Tensor
    range: tuple[float, float] = (-torch.inf, torch.inf)
    stiffness: float = 0.0
    drive_damping: float = 0.0
    damping: float = 0.0
    armature: float = 0.0

    @property
    def n_coordinates(self) -> int:
        """Its entries in qpos."""
        return int(self.motion.value[0])

    @property
    def n_dofs(self) -> int:
        """Its entries in qvel."""
        return int(self.motion.value[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A rigid body on another one.

    Args:
        name: Of the link.
        parent: Index of the link that carries it, an earlier one; -1 for the root.
        position: Of its origin in the parent's frame (m) [3].
        quaternion: Of its frame in the parent's, (w, x, y, z) [4].
        mass: kg [].
        centre: Centre of mass in its frame (m) [3].
        inertia: About the centre of mass, in its frame (kg m^2) [3, 3].
        joint: How it moves.
    """

    name: str
    parent: int
    position: Tensor
    quaternion: Tensor
    mass: Tensor
    centre: Tensor
    inertia: Tensor
    joint: Joint


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point of a link.

    Args:
        name: Of the point.
        link: Index of its link.
        position: In the link's frame (m) [3].
    """

    name: str
    link: int
    position: Tensor
