"""Fits of a pose: units, terms and judge by hand; what BFGS makes of real motion; every source of motion."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")

from rmobench.data import SOURCES
from rmobench.data.deepmimic import HELD_OUT, IN_DOMAIN
from rmobench.data.h36m import ARCHIVE
from rmobench.data.h36m_poses import MOVING
from rmobench.errors import ArgumentError, UnknownNameError
from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.physics.configuration import difference, integrate, pose_of
from rmobench.physics.contact import Ground
from rmobench.physics.kinematics import feelers, landmarks
from rmobench.registry import choose_optimizers, choose_tasks
from rmobench.tasks.pose.clips import N_STEPS, adult, moving, soles, windows
from rmobench.tasks.pose.fitting import Truth, measures, perturbed
from rmobench.tasks.pose.pose_clip import STRIDE, joined, pose_clip
from rmobench.tasks.pose.pose_window import pose_window
from rmobench.tasks.pose.pose_window_2d import pose_window_2d
from rmobench.tasks.pose.terms import ALLOWED_M, Weights, joints_cost, plausibility
from rmobench.tasks.pose.window import (
    CONTROL_UNIT,
    N_SUBSTEPS,
    POSE_UNIT,
    RATE_HZ,
    VELOCITY_UNIT,
    Variables,
    Window,
    controlled,
    every_step,
    simulate,
)
from rmobench.types import Record, Status
from tests.data.h36m_files import write_archive

F64 = torch.float64
CPU = torch.device("cpu")
HOUR = 3600.0  # counts decide, however slow the machine
PRESENT = pytest.mark.skipif(
    SOURCES["deepmimic"].where() is None, reason="no clips on this machine: `rmobench data fetch deepmimic`"
)


def standing(n_steps: int = 4, ground: Ground | None = None) -> Window:
    body = adult()
    return Window(
        body=body,
        ground=ground or Ground(),
        qpos=body.home.expand(n_steps + 1, -1),
        qvel=torch.zeros(body.n_dofs, dtype=F64),
    )


def ones(window: Window, **given: Tensor) -> Variables:
    return window.still()._replace(**given)


def test_a_variable_of_one_is_its_unit() -> None:
    window = standing()
    still = window.still()
    controls, pose, velocity = (torch.zeros_like(x) for x in still)
    controls[2, 5], pose[7], velocity[1] = 1.0, 1.0, -1.0
    start, speed, targets = controlled(window, Variables(controls, pose, velocity))
    body = window.body
    turned = difference(body, body.home.expand(4, -1), targets) @ body.drives.driven.mT
    expected = torch.zeros(4, body.n_driven, dtype=F64)
    expected[2, 5] = CONTROL_UNIT
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(difference(body, body.home, start), POSE_UNIT * pose, rtol=0, atol=1e-12)
    torch.testing.assert_close(speed, VELOCITY_UNIT * velocity)


def test_frames_are_every_third_step_of_the_engine() -> None:
    window = standing()
    drawn = perturbed(window, torch.Generator().manual_seed(0))
    qpos, qvel, done = every_step(window, drawn)
    again = simulate(window, drawn)
    assert len(qpos) == N_SUBSTEPS * 4 + 1
    for a, b in zip(done, again, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)
    torch.testing.assert_close(qvel[::N_SUBSTEPS], done.qvel)


def test_windows_side_by_side_are_windows_one_by_one() -> None:
    body, generator = adult(), torch.Generator().manual_seed(1)
    qpos = integrate(
        body, body.home.expand(20, -1), 0.05 * torch.randn(20, body.n_dofs, generator=generator, dtype=F64)
    )
    both = windows(qpos, (0, 3), softness_m=0.0025)
    drawn = perturbed(both, generator)
    together = joints_cost(landmarks(body, both.qpos))(both)(drawn, simulate(both, drawn))
    for k, first in enumerate((0, 3)):
        one = windows(qpos, (first,), softness_m=0.0025, many=False)
        mine = Variables(*(x[k] for x in drawn))
        alone = joints_cost(landmarks(body, one.qpos))(one)(mine, simulate(one, mine))
        torch.testing.assert_close(together[k], alone, rtol=1e-9, atol=0)


def test_the_velocity_at_the_start_is_a_central_difference_where_it_can_be() -> None:
    body = adult()
    move = torch.zeros(18, body.n_dofs, dtype=F64)
    move[:, 0] = 0.01 * torch.arange(18, dtype=F64) ** 2
    cut = windows(integrate(body, body.home.expand(18, -1), move), (0, 1, 2), softness_m=0.0025)
    torch.testing.assert_close(cut.qvel[:, 0], RATE_HZ * 0.01 * torch.tensor([1.0, 2.0, 4.0], dtype=F64))


# --- terms -------------------------------------------------------------------------------------------------


def test_the_term_of_joints_is_a_weighted_square() -> None:
    """All joints off by 0.1 m: 1, whatever else the weights say about the same motion."""
    window = standing()
    done = simulate(window, window.still())
    off = torch.tensor([0.06, 0.0, 0.08], dtype=F64)
    weights = Weights(torques=0.0, limits=0.0, sinking=0.0, sliding=0.0, start=0.0)
    loss = joints_cost(done.joints + off, weights)(window)(window.still(), done)
    assert loss.item() == pytest.approx(1.0)


def test_terms_of_plausibility_by_hand() -> None:
    window = standing(n_steps=2)
    done = simulate(window, window.still())
    body = window.body
    feet = torch.full_like(done.feelers, 1.0)
    feet[1, 0, 2] = -ALLOWED_M - 0.02  # one point in one of three frames
    feet[:, 1, 2] = -1.0 * ALLOWED_M
    feet[2, 1, 0] += 0.01  # and another in contact slips once, by 0.3 m/s
    torques = torch.zeros_like(done.torques)
    torques[1, 3] = 50.0
    angles = torch.zeros(3, body.n_driven, dtype=F64)
    angles[2, 3] = 2.9  # the knee ends 0.3 rad beyond its range
    weights = Weights(torques=1.0, limits=1.0, sinking=1.0, sliding=1.0, start=1.0)
    found = plausibility(
        window,
        window.still()._replace(pose=torch.full((body.n_dofs,), 2.0, dtype=F64)),
        done._replace(feelers=feet, torques=torques, qpos=pose_of(body, angles)),
        weights=weights,
    )
    assert found["torques"].item() == pytest.approx(50.0**2 / body.n_driven)
    assert found["limits"].item() == pytest.approx(0.3**2 / 3)
    assert found["sinking"].item() == pytest.approx(0.02**2 / 3)
    assert found["sliding"].item() == pytest.approx(0.5 * 0.3**2, rel=0.02)  # it touches by 1 - 1/150
    assert found["start"].item() == pytest.approx(2.0)


def test_smoother_ground_bears_a_body_earlier() -> None:
    """Its force begins above the surface, so that feet come to stand higher."""
    depths = []
    for softness in (0.001, 0.01):
        window = standing(n_steps=15, ground=Ground(smoothing=softness))
        depths.append(-simulate(window, window.still()).feelers[-1, :, 2].min().item())
    assert depths[1] < depths[0] < 0.02


# --- the judge ---------------------------------------------------------------------------------------------


def test_a_simulated_motion_needs_no_force_at_the_root() -> None:
    """Under contact: less than a hundredth of the weight, and all of it where the ground is denied."""
    window = standing(n_steps=6)
    drawn = perturbed(window, torch.Generator().manual_seed(3))
    qpos, qvel, done = every_step(window, drawn)
    truth = Truth(joints=done.joints, feet=soles(window.body))
    found = measures(window, qpos, qvel, truth)
    weight = 9.81 * window.body.mass.item()
    assert found["root_force"] < 0.02 * weight
    assert found["mpjpe_g"] == found["mpjpe"] == 0.0
    still = window.body.home.expand(len(qpos), -1).clone()
    still[:, 2] += 1.0
    hovering = measures(window, still, torch.zeros_like(qvel), truth)
    assert hovering["root_force"] == pytest.approx(weight, rel=1e-6)
    assert hovering["penetration"] == hovering["foot_skate"] == hovering["total_variation"] == 0.0
    assert hovering["mpjpe_g"] == pytest.approx(1000.0, rel=0.2)


def test_what_sinks_deeper_than_two_centimetres_is_the_residual() -> None:
    window = standing(n_steps=3)
    n = N_SUBSTEPS * 3 + 1
    low = window.body.home.expand(n, -1).clone()
    low[:, 2] -= 0.05
    lowest = feelers(window.body, window.body.home)[:, 2].min().item()
    found = measures(
        window,
        low,
        torch.zeros(n, window.body.n_dofs, dtype=F64),
        Truth(joints=landmarks(window.body, low[::3]), feet=()),
    )
    assert found["penetration"] == pytest.approx(50.0 - 1000.0 * lowest, abs=1e-6)
    assert found["residual"] == pytest.approx(0.03 - lowest, abs=1e-9)


def test_a_start_is_not_deeper_than_the_estimate() -> None:
    window = standing()
    allowed = min(0.0, feelers(window.body, window.body.home)[:, 2].min().item())
    for seed in range(20):
        start, _, _ = controlled(window, perturbed(window, torch.Generator().manual_seed(seed)))
        assert feelers(window.body, start)[:, 2].min() > allowed - 1e-3


def test_windows_follow_one_another() -> None:
    frames = torch.arange(20, dtype=F64).unsqueeze(-1)
    cut = torch.stack([frames[0:8], frames[6:14], frames[12:20]])
    assert torch.equal(joined(cut, stride=6), frames)


# --- real motion -------------------------------------------------------------------------------------------


def reached(selector: str, n_calls: int, optimizer: str = "bfgs", seed: int = 0) -> Record:
    (planned,) = plan(
        choose_tasks(selector), choose_optimizers(optimizer), seeds=[seed], n_calls=n_calls, time_s=HOUR
    ).trials
    record = run_trial(planned)
    assert isinstance(record, Record), record
    return record


@PRESENT
@pytest.mark.slow
@pytest.mark.parametrize("window", ["clip=walk,start_s=0.3", "clip=run,start_s=0.1", "clip=jump,start_s=0.4"])
def test_bfgs_tracks_real_motion(window: str) -> None:
    """Below 30 mm, without alignment, within 100 gradients, nothing deeper in the ground than 2 cm."""
    record = reached(f"pose_window[{window}]", 100)
    hits = {hit.rung: hit.point for hit in record.hits}
    assert 30.0 in hits, record.spent
    assert hits[30.0].metrics["penetration"] <= 20.0
    assert hits[30.0].metrics["root_force"] < 0.05 * 9.81 * 73.0


@PRESENT
@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["bfgs", "lbfgs", "adam[lr=0.1]", "adafactor_mlp", "optimus"])
def test_five_optimizers_go_downhill(optimizer: str) -> None:
    record = reached("pose_window", 20, optimizer)
    assert record.status in (Status.budget, Status.solved), record.error
    assert record.spent.metrics["objective"] < 0.7 * record.trace[0].metrics["objective"]


@PRESENT
def test_pictures_see_what_space_says() -> None:
    """The observed keypoints are off by the noise, about 5 px along each axis: 6.3 px on average."""
    problem = pose_window_2d(0, CPU, F64)
    with torch.no_grad():
        for p in problem.params.values():
            p.zero_()
    found = problem.judge(problem.model)
    assert 0.0 < found["mpjpe_2d"] < 50.0
    assert found["mpjpe_g"] == pytest.approx(pose_judged_at_rest(), rel=1e-9)


def pose_judged_at_rest() -> float:
    problem = pose_window(0, CPU, F64)
    with torch.no_grad():
        for p in problem.params.values():
            p.zero_()
    return problem.judge(problem.model)["mpjpe_g"]


@PRESENT
def test_a_clip_is_its_windows_where_they_agree() -> None:
    """One window of a clip is pose_window at its beginning."""
    clip, window = pose_clip(0, CPU, F64, n_windows=1), pose_window(0, CPU, F64, start_s=0.0)
    for name, p in clip.params.items():
        p.data.copy_(window.params[name].unsqueeze(0))
    a, b = (dict(problem.judge(problem.model)) for problem in (clip, window))
    assert a == pytest.approx(b, rel=1e-9)
    assert clip.loss(clip.model, None).item() == pytest.approx(window.loss(window.model, None).item())
    assert pose_clip(0, CPU, F64).params["controls"].shape == (2, N_STEPS, 28)
    assert STRIDE < N_STEPS


@PRESENT
def test_every_clip_of_the_suite_is_there() -> None:
    assert not set(IN_DOMAIN) & set(HELD_OUT)
    for text, clips in (("in", IN_DOMAIN), ("out", HELD_OUT)):
        assert clips, text
    with pytest.raises(UnknownNameError, match=r"no clip named 'wlak'.*Did you mean 'walk'"):
        moving("deepmimic", "wlak")
    with pytest.raises(UnknownNameError, match="no source of motion named 'digits'"):
        moving("digits", "walk")


@PRESENT
@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"start_s": 5.0}, r"pose_window: got start_s=5.0 for walk, expected 0 to 0\.\d+ s"),
        ({"start_s": -0.1}, r"pose_window: got start_s=-0.1"),
        ({"softness_m": 0.0}, r"smoothing is 0.0, expected a number above 0"),
    ],
)
def test_what_makes_no_window_is_refused(args: dict[str, float], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        pose_window(0, CPU, F64, **args)


@PRESENT
def test_other_refusals() -> None:
    with pytest.raises(
        ArgumentError, match=r"pose_clip: got n_windows=9 for walk, which has 2, expected 0, for all, to 2"
    ):
        pose_clip(0, CPU, F64, n_windows=9)
    with pytest.raises(ArgumentError, match=r"pose_window_2d: got noise_px=-1.0"):
        pose_window_2d(0, CPU, F64, noise_px=-1.0)


def write_human36m(folder: Path, action: str) -> None:
    """Write a second at 50 Hz of an adult who raises an arm, in the layout of the archive."""
    body = adult()
    angles = torch.zeros(50, body.n_driven, dtype=F64)
    angles[:, 21] = -torch.linspace(0.0, 1.0, 50, dtype=F64)
    angles[:, 23] = 0.5
    joints = landmarks(body, pose_of(body, angles)).numpy()
    published = np.zeros((50, 32, 3), dtype=np.float32)
    published[:, MOVING] = joints
    write_archive(folder / ARCHIVE, positions_3d={"S9": {action: published}})


def test_human36m_of_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_human36m(tmp_path, "Greeting 1")
    monkeypatch.setenv("RMOBENCH_H36M", str(tmp_path))
    moving.cache_clear()
    problem = pose_window(0, CPU, F64, data="h36m", clip="S9/Greeting 1")
    assert moving("h36m", "S9/Greeting 1").residual_mm.max() < 3.0
    assert problem.judge(problem.model)["mpjpe_g"] > 10.0
    with pytest.raises(ArgumentError, match=r"h36m: got the clip 'Greeting', expected SUBJECT/ACTION"):
        moving("h36m", "Greeting")
    moving.cache_clear()


@pytest.mark.slow
def test_human36m_by_an_option_in_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option alone makes it the data of a task that names none."""
    write_human36m(tmp_path, "Walking 1")
    monkeypatch.delenv("RMOBENCH_H36M", raising=False)
    fit = ("--task", "pose_window", "--optimizer", "adam", "--seeds", "1", "--calls", "2", "-j", "1", "--json")
    words = [*fit, "--data", f"h36m={tmp_path}", "--store", str(tmp_path / "records")]
    done = subprocess.run([sys.executable, "-m", "rmobench", "run", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "records").rglob("*.json")
    record = json.loads(file.read_bytes())
    assert (record["status"], record["trial"]["args"]["data"]) == ("budget", "h36m")
    assert record["trial"]["args"]["clip"] == "S9/Walking 1" and record["trace"][0]["metrics"]["mpjpe_g"] > 10.0
