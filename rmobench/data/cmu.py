"""Two recordings of the CMU motion capture database, as Debian packages them."""

from __future__ import annotations

from pathlib import Path

from rmobench.data.bvh import read_bvh
from rmobench.data.folder import Folder
from rmobench.data.motion import Motion, excerpt
from rmobench.data.source import Source

PACKAGE = "assimp-testmodels"

UNIT_M = 0.0254 / 0.45
"""The database counts in inches of a 0.45 scale."""

FOLDER = Folder(
    name="cmu",
    folder="cmu",
    files=("01_01.bvh", "01_03.bvh"),
    licence="free for research and commercial use; acknowledge mocap.cs.cmu.edu, created with NSF EIA-0196217",
    advice=f"Get them with `apt install {PACKAGE}`, or put the published files there.",
    system=Path("/usr/share/assimp/models/BVH"),
)

SITES = (
    *(("LeftUpLeg", "RightUpLeg"), ("RightUpLeg",), ("RightLeg",), ("RightFoot",)),
    *(("LeftUpLeg",), ("LeftLeg",), ("LeftFoot",)),
    *(("Spine",), ("Neck1",), ("Head",), ("Head_end",)),
    *(("LeftArm",), ("LeftForeArm",), ("LeftHand",), ("RightArm",), ("RightForeArm",), ("RightHand",)),
)
"""Human3.6M's joints: its pelvis lies between the hips, not at the root 0.1 m above."""


def cmu() -> dict[str, Motion]:
    """Return trials 1 and 3 of subject 1, by the names of their files, at 120 Hz.

    The conversion put a pose of rest before the first frame; it is left out.
    Source: mocap.cs.cmu.edu; the conversion: Hahne 2008, cgspeed.com.

    Raises:
        MissingDependencyError: The files are in no known place.
        DataError: One of them is damaged.
    """
    contents, provenance = FOLDER.read()
    motions = (
        read_bvh(path, content, unit_m=UNIT_M, sites=SITES, provenance=provenance) for path, content in contents.items()
    )
    return {motion.name: excerpt(motion, 1, len(motion.times_s)) for motion in motions}


SOURCE = Source(
    summary="two recordings of CMU's motion capture database, 60.5 s",
    carrier=f"Debian's {PACKAGE}, or your folder {FOLDER.folder}",
    licence=FOLDER.licence,
    where=FOLDER.where,
    fetch=FOLDER.located,
    load=cmu,
)
