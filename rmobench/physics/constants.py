"""Rigid-body algebra in homogeneous matrices, as constant maps that one product applies to all bodies.

A pose is a 4 x 4 matrix T; a spatial velocity V = (w, v), w the angular velocity (rad/s) and v the velocity (m/s) of
the point of the body that is at the origin, is the matrix with T' = hat(V) T; the mass of a body is the matrix of its
moments P, the integral of x x^T dm with x = (position, 1).
Source: J. J. Uicker 1965 (4 x 4 dynamics); P. M. Wensing, S. Kim, J.-J. E. Slotine 2018, IEEE RA-L 3(1) (P as the
pseudo-inertia); R. Featherstone 2008, Rigid Body Dynamics Algorithms (spatial velocity and inertia).
"""

from __future__ import annotations

import torch
from torch import Tensor


def hat_map() -> Tensor:
    """Return the map from (w, v) [6] to the matrix [[w x, v], [0, 0]] [16], row by row: [6, 16]."""
    hat = torch.zeros(6, 4, 4, dtype=torch.float64)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        hat[i, k, j], hat[i, j, k] = 1.0, -1.0
        hat[3 + i, i, 3] = 1.0
    return hat.reshape(6, 16)


def inertia_map() -> Tensor:
    """Return the map from what resists motion to the spatial inertia, row by row: [32, 36].

    The first 16 entries are the moments of what resists sideways (x and y), the other 16 of what resists upwards (z); a
    mass resists alike in both. Entry i, j sums over directions a <hat_i x, e_a> <hat_j x, e_a> over all x.
    """
    hat = hat_map().reshape(6, 4, 4)
    by_direction = torch.einsum("iab,jac->abcij", hat, hat)[:3].reshape(3, 16, 36)
    return torch.cat([by_direction[:2].sum(0), by_direction[2]])


def rotation_map() -> Tensor:
    """Return the map from the outer product of a unit quaternion with itself [16] to a rotation [16]: [16, 16].

    The matrix is homogeneous with zeros in its last row and column.
    Source: E. B. Dam, M. Koch, M. Lillholm 1998, DIKU-TR-98/5, eq. 3.10.
    """
    turn = torch.zeros(4, 4, 4, 4, dtype=torch.float64)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        w, x, y, z = 0, 1 + i, 1 + j, 1 + k
        for q, sign in ((w, 1.0), (x, 1.0), (y, -1.0), (z, -1.0)):
            turn[q, q, i, i] = sign
        turn[x, y, i, j] = turn[x, y, j, i] = 2.0
        turn[w, z, i, j], turn[w, z, j, i] = -2.0, 2.0
    return turn.reshape(16, 16)


def product_map() -> Tensor:
    """Return the map from the outer product of quaternions p and q [16] to their Hamilton product p q [4]: [16, 4]."""
    table = torch.zeros(4, 4, 4, dtype=torch.float64)
    table[0, 0, 0] = 1.0
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        x, y, z = 1 + i, 1 + j, 1 + k
        table[0, x, x] = table[x, 0, x] = table[x, y, z] = 1.0
        table[x, x, 0] = table[y, x, z] = -1.0
    return table.reshape(16, 4)


def quotient_map() -> Tensor:
    """Return the map from the outer product of quaternions p and q [16] to p^-1 q [4], for p of length one: [16, 4]."""
    conjugate = torch.tensor([1.0, -1.0, -1.0, -1.0], dtype=torch.float64)
    return (conjugate[:, None, None] * product_map().reshape(4, 4, 4)).reshape(16, 4)


def left_product(q: Tensor) -> Tensor:
    """Return the matrix that multiplies a quaternion by q [4] from the left: [4, 4]."""
    return torch.einsum("i,ijk->kj", q, product_map().reshape(4, 4, 4))


def second_moments(mass: Tensor, centre: Tensor, inertia: Tensor) -> Tensor:
    """Return the moments of mass [4, 4] of a body.

    Args:
        mass: kg [].
        centre: Centre of mass in the body's frame, m [3].
        inertia: Rotational inertia about the centre of mass, in the body's frame, kg m^2 [3, 3].
    """
    spread = 0.5 * inertia.trace() * torch.eye(3, dtype=torch.float64) - inertia
    moments = torch.empty(4, 4, dtype=torch.float64)
    moments[:3, :3] = spread + mass * torch.outer(centre, centre)
    moments[:3, 3] = moments[3, :3] = mass * centre
    moments[3, 3] = mass
    return moments


def rotation_of(q: Tensor) -> Tensor:
    """Return the rotation [3, 3] of a unit quaternion (w, x, y, z) [4], both in float64."""
    return (torch.outer(q, q).flatten() @ rotation_map()).reshape(4, 4)[:3, :3]
