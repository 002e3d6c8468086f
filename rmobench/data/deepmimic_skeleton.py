"""The skeleton that DeepMimic's clips move, out of the body description that comes with them."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from rmobench.data.motion import Skeleton

SCALE_M = 0.25
"""The file is four times life size: those who use it load it at this scale."""

SIDES = ("right", "left")

SITES = (
    *(("root",), ("right_hip",), ("right_knee",), ("right_ankle",), ("left_hip",), ("left_knee",), ("left_ankle",)),
    *(("chest",), ("neck",), ("head",), ("head_top",)),
    *(("left_shoulder",), ("left_elbow",), ("left_wrist",), ("right_shoulder",), ("right_elbow",), ("right_wrist",)),
)
"""Human3.6M's joints: its spine is the joint below the chest, its thorax the one below the neck."""


def read_skeleton(content: bytes) -> Skeleton:
    """Return the tree of a URDF with the sphere of the head and the boxes of the feet as points on it.

    Beyond the 15 joints: `head`, the centre of its sphere, and `head_top`, the highest point of it; for each side
    `heel` and `toe`, the middles of the sole's edges. A link's axes are x forward, y up, z to the right.

    Args:
        content: Of humanoid.urdf, as DeepMimic's character file humanoid3d.txt has it.
    """
    robot = ElementTree.fromstring(content.rstrip(b"\0"))  # the published file ends with a zero byte
    names, parents, offsets = ["root"], [-1], [np.zeros(3)]
    for name, parent, offset in (*_joints(robot), *_head(robot), *_feet(robot)):
        parents.append(names.index(parent))
        names.append(name)
        offsets.append(offset)
    return Skeleton(
        names=tuple(names), parents=tuple(parents), offsets_m=SCALE_M * np.stack(offsets, axis=0), sites=SITES
    )


def _joints(robot: Element) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    """Yield name, parent and offset of all joints but the root."""
    for joint in robot.iter("joint"):
        parent, child = (_found(joint, end).attrib["link"] for end in ("parent", "child"))
        if child != "root":
            yield child, parent, _numbers(_found(joint, "origin").attrib["xyz"])


def _head(robot: Element) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    shape = _found(robot, "link[@name='neck']/collision")
    centre = _numbers(_found(shape, "origin").attrib["xyz"])
    radius = float(_found(shape, "geometry/sphere").attrib["radius"])
    yield "head", "neck", centre
    yield "head_top", "head", np.array([0.0, radius, 0.0])


def _feet(robot: Element) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    for side in SIDES:
        shape = _found(robot, f"link[@name='{side}_ankle']/collision")
        centre = _numbers(_found(shape, "origin").attrib["xyz"])
        length, height, _ = _numbers(_found(shape, "geometry/box").attrib["size"])
        yield f"{side}_heel", f"{side}_ankle", centre + np.array([-length / 2, -height / 2, 0.0])
        yield f"{side}_toe", f"{side}_ankle", centre + np.array([length / 2, -height / 2, 0.0])


def _numbers(text: str) -> NDArray[np.float64]:
    return np.array(text.split(), dtype=np.float64)


def _found(element: Element, path: str) -> Element:
    found = element.find(path)
    if found is None:
        raise AssertionError(f"no {path}: the file's digest was compared, so it has one")
    return found
