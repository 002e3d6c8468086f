"""Links become a body: the masks and constant maps that a step multiplies with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.physics.body import Body, Drives, Maps, Tree
from rmobench.physics.constants import inertia_map, product_map, quotient_map, rotation_map, second_moments
from rmobench.physics.coordinates import coordinates
from rmobench.physics.links import Link, Motion, Point


def assemble(links: Sequence[Link], *, landmarks: Sequence[Point], feelers: Sequence[Point], gravity: Tensor) -> Body:
    """Prepare a body, in float64 on the CPU.

    Args:
        links: Of one tree, a parent before its children; qpos and qvel follow this order.
        landmarks: Points that are observed.
        feelers: Points that can touch the ground.
        gravity: Acceleration of free fall (m/s^2) [3].

    Raises:
        ArgumentError: No link, several roots, a parent that comes later, or a free joint below the root.
    """
    _check(links)
    depth = [0] * len(links)
    for b, link in enumerate(links[1:], start=1):
        depth[b] = depth[link.parent] + 1
    order = sorted(range(len(links)), key=lambda b: depth[b])
    placed = [links[b] for b in order]
    return Body(
        names=tuple(link.name for link in placed),
        landmarks=tuple(point.name for point in landmarks),
        feelers=tuple(point.name for point in feelers),
        gravity=torch.cat([torch.zeros_like(gravity), gravity]).unsqueeze(-1),
        places=torch.stack([_place(link) for link in placed]),
        moments=torch.stack([second_moments(link.mass, link.centre, link.inertia) for link in placed]),
        axes=_columns(order, [(b, axis, 0.0) for b, link in enumerate(links) for axis in _axes(link)]),
        anchors=_columns(order, [(b, torch.zeros(3), 1.0) for b, link in enumerate(links) for _ in _axes(link)]),
        slides=_slides(links),
        landmark_points=_columns(order, [(point.link, point.position, 1.0) for point in landmarks]),
        feeler_points=_columns(order, [(point.link, point.position, 1.0) for point in feelers]),
        tree=_tree(links, feelers, depth, order),
        coordinates=coordinates(links, order),
        drives=_drives(links),
        maps=_maps(),
    )


def _check(links: Sequence[Link]) -> None:
    if not links or links[0].parent != -1:
        raise ArgumentError("assemble: expected links that begin with the root, whose parent is -1.")
    for b, link in enumerate(links[1:], start=1):
        if not 0 <= link.parent < b:
            raise ArgumentError(
                f"assemble: link {link.name!r} has the parent {link.parent}, expected one of the links before it, "
                f"0 to {b - 1}. Put parents first; a body has one root."
            )
        if link.joint.motion is Motion.FREE:
            raise ArgumentError(f"assemble: link {link.name!r} is free, expected that only the root is. Use a ball.")


def _place(link: Link) -> Tensor:
    """Where a link sits on its parent: a free root is where qpos says."""
    place = torch.zeros(4, 4, dtype=torch.float64)
    place[3, 3] = 1.0
    if link.parent >= 0:
        place[:3, 3] = link.position
    return place.flatten()


def _axes(link: Link) -> list[Tensor]:
    """One axis for each degree of freedom; zero where it does not turn."""
    unit = torch.eye(3, dtype=torch.float64)
    match link.joint.motion:
        case Motion.FREE:
            return [*torch.zeros_like(unit), *unit]
        case Motion.BALL:
            return [*unit]
        case Motion.HINGE:
            return [link.joint.axis]
    return []


def _slides(links: Sequence[Link]) -> Tensor:
    slides = torch.zeros(6, sum(link.joint.n_dofs for link in links), dtype=torch.float64)
    if links[0].joint.motion is Motion.FREE:
        slides[3:, :3] = torch.eye(3, dtype=torch.float64)
    return slides


def _columns(order: list[int], places: list[tuple[int, Tensor, float]]) -> Tensor:
    """Put each (link, vector [3], 1 for a point or 0 for a direction) into a column [4 nb, n]."""
    columns = torch.zeros(len(order), 4, len(places), dtype=torch.float64)
    for column, (link, vector, is_point) in enumerate(places):
        columns[order.index(link), :3, column] = vector
        columns[order.index(link), 3, column] = is_point
    return columns.flatten(0, 1)


def _tree(links: Sequence[Link], feelers: Sequence[Point], depth: list[int], order: list[int]) -> Tree:
    carries = torch.eye(len(links), dtype=torch.float64)
    for b, link in enumerate(links[1:], start=1):
        carries[b] += carries[link.parent]
    own = torch.zeros(len(links), sum(link.joint.n_dofs for link in links), dtype=torch.float64)
    begin = 0
    for b, link in enumerate(links):
        own[b, begin : begin + link.joint.n_dofs] = 1.0
        begin += link.joint.n_dofs
    moves, turns = carries @ own, own.clone()
    if links[0].joint.motion is Motion.FREE:
        turns[:, :3] = 0.0
    generations = []
    for d in range(1, max(depth) + 1):
        before = [b for b in order if depth[b] == d - 1]
        here = [b for b in order if depth[b] == d]
        generations.append(tuple(before.index(links[b].parent) for b in here))
    return Tree(
        generations=tuple(generations),
        carries=carries[order][:, order],
        moves=moves[order],
        moves_feelers=moves[[point.link for point in feelers]],
        turns=turns[order],
        pairs=moves.T @ own - 0.5 * own.T @ own,
    )


def _drives(links: Sequence[Link]) -> Drives:
    joints = [link.joint for link in links for _ in range(link.joint.n_dofs)]
    stiffness, drive_damping, damping, armature = torch.tensor(
        [[j.stiffness, j.drive_damping, j.damping, j.armature] for j in joints], dtype=torch.float64
    ).T.contiguous()
    return Drives(
        driven=torch.eye(len(joints), dtype=torch.float64)[stiffness > 0],
        stiffness=stiffness,
        drive_damping=drive_damping,
        damping=damping,
        armature=armature,
    )


def _maps() -> Maps:
    directed = inertia_map()
    return Maps(
        rotations=rotation_map(),
        products=product_map(),
        quotients=quotient_map(),
        inertias=directed[:16] + directed[16:],
        directed=directed,
    )
