"""The adult is what its sources say, and what the engine does not simulate is refused."""

from __future__ import annotations

import sys

import pytest
import torch

from rmobench.errors import ArgumentError, MissingDependencyError
from rmobench.physics.assembly import assemble
from rmobench.physics.contact import Ground
from rmobench.physics.humanoid import MODEL, PARENTS, humanoid
from rmobench.physics.kinematics import feelers, landmarks
from rmobench.physics.links import Joint, Link, Motion
from rmobench.physics.rollout import rollout
from tests.physics.machines import F64, GRAVITY, NONE, UPRIGHT, adult, block, rest

HUMAN36M = (
    "hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "spine", "thorax", "nose",
    "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
)  # fmt: skip

DE_LEVA = {
    # length m, mass % of 73.0 kg, centre % of length, radii of gyration % of length about x, y, z, the first end point
    # in the frame of the body m, its direction to the second
    "head": (0.2429, 6.94, 50.02, (30.3, 31.5, 26.1), (0, 0, 0.2429), (0, 0, -1)),
    "upper_trunk": (0.1707, 15.96, 29.99, (71.6, 45.4, 65.9), (0, 0, 0.1707), (0, 0, -1)),
    "chest": (0.2155, 16.33, 45.02, (48.2, 38.3, 46.8), (0, 0, 0.2155), (0, 0, -1)),
    "pelvis": (0.1457, 11.17, 61.15, (61.5, 55.1, 58.7), (0, 0, 0.1457), (0, 0, -1)),
    "upper_arm": (0.2817, 2.71, 57.72, (28.5, 26.9, 15.8), (0, 0, 0), (0, 0, -1)),
    "forearm": (0.2689, 1.62, 45.74, (27.6, 26.5, 12.1), (0, 0, 0), (0, 0, -1)),
    "hand": (0.0862, 0.61, 79.00, (62.8, 51.3, 40.1), (0, 0, 0), (0, 0, -1)),
    "thigh": (0.4222, 14.16, 40.95, (32.9, 32.9, 14.9), (0, 0, 0), (0, 0, -1)),
    "shank": (0.4403, 4.33, 43.95, (25.1, 24.6, 10.2), (0, 0, 0), (0, 0, -1)),
    "foot": (0.2581, 1.37, 44.15, (12.4, 25.7, 24.5), (-0.06, 0, -0.04), (1, 0, 0)),
}  # fmt: skip
"""De Leva 1996, Table 4, males; the foot's length is along x, its height (-0.04) is ours."""


def test_segments_are_those_of_the_table() -> None:
    mujoco = pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")
    spec = mujoco.MjSpec.from_string(MODEL.read_text())
    spec.compiler.fusestatic = False
    model = spec.compile()
    assert model.nbody - 1 == 16
    for b in range(1, model.nbody):
        segment = model.body(b).name.removeprefix("left_").removeprefix("right_")
        length, mass, centre, radii, first, along = DE_LEVA[segment]
        assert model.body_mass[b] == pytest.approx(0.73 * mass, abs=1e-4)
        expected = [f + centre / 100 * length * a for f, a in zip(first, along, strict=True)]
        assert model.body_ipos[b] == pytest.approx(expected, abs=2e-5)
        inertia = [0.73 * mass * (r / 100 * length) ** 2 for r in radii]
        frame = torch.zeros(9, dtype=F64)
        mujoco.mju_quat2Mat(frame.numpy(), model.body_iquat[b])
        turned = frame.reshape(3, 3) @ torch.tensor(model.body_inertia[b]).diag() @ frame.reshape(3, 3).T
        assert turned.diagonal().tolist() == pytest.approx(inertia, rel=1e-3)


def test_the_adult_has_the_skeleton_of_human36m() -> None:
    body = adult()
    assert (len(body.names), body.n_dofs, body.n_coordinates, body.n_driven) == (13, 34, 43, 28)
    assert body.mass.item() == pytest.approx(73.0, abs=1e-3)
    assert body.landmarks == HUMAN36M
    assert all(parent < child for child, parent in enumerate(PARENTS))
    seen = landmarks(body, body.home)
    bones = {HUMAN36M[c]: (seen[c] - seen[p]).norm().item() for c, p in enumerate(PARENTS) if p >= 0}
    assert bones["left_knee"] == bones["right_knee"] == pytest.approx(0.4222)
    assert bones["left_ankle"] == pytest.approx(0.4403)
    assert bones["left_elbow"] == pytest.approx(0.2817) and bones["left_wrist"] == pytest.approx(0.2689)
    assert 1.7 < seen[HUMAN36M.index("head"), 2] < 1.8


def test_the_adult_is_symmetric_and_stands_on_its_soles() -> None:
    body = adult()
    for names, points in ((body.landmarks, landmarks(body, body.home)), (body.feelers, feelers(body, body.home))):
        where = dict(zip(names, points, strict=True))
        for name in (n for n in names if n.startswith("left_")):
            mirrored = where[name] * torch.tensor([1.0, -1.0, 1.0], dtype=F64)
            torch.testing.assert_close(where[name.replace("left", "right")], mirrored)
    heights = sorted(feelers(body, body.home)[:, 2].tolist())
    assert heights[:8] == pytest.approx([0.0] * 8, abs=1e-12) and heights[8] > 0.3


MODEL_WITH = """<mujoco><compiler angle="radian"/><option {option}/><worldbody><body>{joint}
<inertial pos="0 0 -1" mass="1" diaginertia="1 1 1"/>{more}</body>{second}</worldbody>{end}</mujoco>"""
HINGE = '<joint name="j" type="hinge"/>'
SECOND = '<body><joint type="hinge"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body>'


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"joint": '<joint type="slide"/>'}, "slide joints"),
        ({"joint": HINGE + '<joint type="hinge" axis="1 0 0"/>'}, "several joints on a body"),
        ({"joint": '<joint type="hinge" pos="0 0 0.1"/>'}, "joints away from their body's origin"),
        ({"joint": '<joint type="hinge" ref="0.1"/>'}, "hinges with a reference angle"),
        ({"joint": '<joint type="hinge" stiffness="3"/>'}, "springs at joints"),
        ({"joint": '<joint type="hinge" frictionloss="3"/>'}, "dry friction at joints"),
        ({"second": SECOND}, "several trees"),
        ({"option": 'density="1.2"'}, "a fluid"),
        ({"end": '<actuator><motor joint="j"/></actuator>'}, "actuators"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_with_more_than_the_engine_simulates_is_refused(parts: dict[str, str], found: str) -> None:
    pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")
    from rmobench.physics.mjcf import read_mjcf

    whole = {"option": "", "joint": HINGE, "more": "", "second": "", "end": ""}
    assert read_mjcf(MODEL_WITH.format(**whole)).n_dofs == 1
    with pytest.raises(ArgumentError, match=f"the model has .*{found}"):
        read_mjcf(MODEL_WITH.format(**(whole | parts)))


def test_what_is_no_model_is_refused() -> None:
    pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")
    from rmobench.physics.mjcf import read_mjcf

    with pytest.raises(ArgumentError, match="MuJoCo does not read the model"):
        read_mjcf("<mujoco><worldbody><body></mujoco>")


def test_without_mujoco_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    monkeypatch.delitem(sys.modules, "rmobench.physics.mjcf", raising=False)
    with pytest.raises(MissingDependencyError, match=r"pip install rmobench\[pose\]"):
        humanoid()


def link(name: str, parent: int, motion: Motion) -> Link:
    return Link(
        name=name,
        parent=parent,
        position=NONE,
        quaternion=UPRIGHT,
        mass=torch.tensor(1.0, dtype=F64),
        centre=NONE,
        inertia=torch.eye(3, dtype=F64),
        joint=Joint(motion=motion, axis=NONE),
    )


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ([], "begin with the root"),
        ([link("a", 0, Motion.FREE)], "begin with the root"),
        ([link("a", -1, Motion.FREE), link("b", -1, Motion.BALL)], "'b' has the parent -1"),
        ([link("a", -1, Motion.FREE), link("b", 1, Motion.BALL)], "'b' has the parent 1"),
        ([link("a", -1, Motion.FREE), link("b", 0, Motion.FREE)], "'b' is free"),
    ],
)
def test_links_that_are_no_tree_are_refused(links: list[Link], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        assemble(links, landmarks=[], feelers=[], gravity=GRAVITY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forces": None}, "at least one of"),
        ({"forces": torch.zeros(2, 4, 6, dtype=F64)}, r"forces have shape \[2, 4, 6\]"),
        ({"forces": torch.zeros(4, 5, dtype=F64)}, r"expected at least one of \['t', 6\]"),
        ({"targets": torch.zeros(3, 7, dtype=F64)}, "with the same t"),
        ({"duration": 0.0}, "duration above 0 s"),
        ({"n_substeps": 0}, "at least one substep"),
        ({"checkpoint_every": -1}, "checkpoint_every of at least 0"),
    ],
)
def test_a_rollout_refuses_what_does_not_fit(change: dict[str, object], message: str) -> None:
    body = block()
    asked = {"forces": torch.zeros(4, 6, dtype=F64), "duration": 0.01} | change
    with pytest.raises(ArgumentError, match=message):
        rollout(body, *rest(body), **asked)


@pytest.mark.parametrize("name", ["stiffness", "smoothing", "slip"])
def test_a_ground_refuses_what_makes_no_sense(name: str) -> None:
    with pytest.raises(ArgumentError, match=f"Ground: {name} is 0.0"):
        Ground(**{name: 0.0})
