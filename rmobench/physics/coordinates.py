"""What the entries of qpos and qvel are: one-hot maps between coordinates, quaternions, angles and rates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rmobench.physics.body import Coordinates
from rmobench.physics.constants import left_product
from rmobench.physics.links import Link, Motion


def coordinates(links: Sequence[Link], order: Sequence[int]) -> Coordinates:
    """Prepare the maps of a body.

    Args:
        links: In the order of qpos and qvel.
        order: Which link each body is.
    """
    positions, quaternions, angles = _entries(links, [link.joint.n_coordinates for link in links])
    velocities, spins, rates = _entries(links, [link.joint.n_dofs for link in links])
    nq, nv = (len(positions) + len(quaternions) + len(angles), len(velocities) + len(spins) + len(rates))
    of_qpos, of_qvel = torch.eye(nq, dtype=torch.float64), torch.eye(nv, dtype=torch.float64)
    hinged = [link for link in links if link.joint.motion is Motion.HINGE]
    rotating = [link for link in links if link.joint.motion in (Motion.FREE, Motion.BALL)]
    blocks = _quaternion_blocks(links, quaternions, nq, len(hinged))
    return Coordinates(
        home=torch.cat([_home(link) for link in links]),
        joint_quaternions=torch.cat([blocks[b] for b in order], dim=1),
        fixed_quaternions=torch.cat([_welded(links[b]) for b in order]),
        root_position=of_qpos[:, positions] if positions else torch.zeros(nq, 3, dtype=torch.float64),
        base=torch.zeros(3, dtype=torch.float64) if positions else links[0].position,
        plain=of_qvel[:, velocities + rates] @ of_qpos[:, positions + angles].T,
        quaternions=of_qpos[:, quaternions],
        spins=of_qvel[:, spins],
        hinges=of_qpos[:, angles],
        hinge_ranges=torch.tensor([link.joint.range for link in hinged], dtype=torch.float64).reshape(-1, 2),
        ball_ranges=torch.tensor([link.joint.range[1] for link in rotating], dtype=torch.float64),
    )


def _entries(links: Sequence[Link], sizes: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Return which entries belong to the root's position, to turns in space, to hinges."""
    positions: list[int] = []
    turns: list[int] = []
    hinges: list[int] = []
    begin = 0
    for link, size in zip(links, sizes, strict=True):
        entries = list(range(begin, begin + size))
        match link.joint.motion:
            case Motion.FREE:
                positions, turns = entries[:3], turns + entries[3:]
            case Motion.BALL:
                turns = turns + entries
            case Motion.HINGE:
                hinges = hinges + entries
        begin += size
    return positions, turns, hinges


def _quaternion_blocks(links: Sequence[Link], quaternions: list[int], nq: int, n_hinges: int) -> list[Tensor]:
    """Return for each link the map [nq + 2 h, 4] from [qpos, cos, sin] to its turn on its parent."""
    blocks = []
    turned, hinge = iter(quaternions), 0
    for link in links:
        block = torch.zeros(nq + 2 * n_hinges, 4, dtype=torch.float64)
        placed = left_product(link.quaternion)
        match link.joint.motion:
            case Motion.FREE:  # qpos says how the root is turned, whatever the model's frame
                block[[next(turned) for _ in range(4)]] = torch.eye(4, dtype=torch.float64)
            case Motion.BALL:
                block[[next(turned) for _ in range(4)]] = placed.T
            case Motion.HINGE:
                block[nq + hinge] = placed[:, 0]
                block[nq + n_hinges + hinge] = placed[:, 1:] @ link.joint.axis
                hinge += 1
        blocks.append(block)
    return blocks


def _welded(link: Link) -> Tensor:
    return link.quaternion if link.joint.motion is Motion.WELD else torch.zeros(4, dtype=torch.float64)


def _home(link: Link) -> Tensor:
    match link.joint.motion:
        case Motion.FREE:
            return torch.cat([link.position, link.quaternion])
        case Motion.BALL:
            return torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    return torch.zeros(link.joint.n_coordinates, dtype=torch.float64)
