"""Runs side by side are the runs one by one; frozen targets follow from the runs beside them."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")

import rmobench.tasks.pose as room
from rmobench.data import SOURCES
from rmobench.registry import tasks
from rmobench.tasks.pose.picture import stick_figures
from rmobench.tasks.pose.reference import LongRun, long_runs, motions_of
from suites.freeze_pose import SHARES, windows_of
from suites.freeze_target import rounded_up

PRESENT = pytest.mark.skipif(
    SOURCES["deepmimic"].where() is None, reason="no clips on this machine: `rmobench data fetch deepmimic`"
)
WALK = {"data": "deepmimic", "clip": "walk", "start_s": 0.3, "softness_m": 0.0025}
JUMP = {**WALK, "clip": "jump", "start_s": 0.4}
FILE = Path(room.__file__).parent / "targets" / "pose_window.json"
FROZEN = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else None
IS_FROZEN = pytest.mark.skipif(FROZEN is None, reason="no frozen target yet: `python -m suites.freeze_pose` writes it")


@PRESENT
def test_two_runs_side_by_side_are_two_runs() -> None:
    """Products of other sizes add in another order: equal to nine digits at the start."""
    both = long_runs([WALK, JUMP], [0], n_calls=3)
    assert [(run.window["clip"], len(run.mpjpe_g)) for run in both] == [("walk", 3), ("jump", 3)]
    (alone,) = long_runs([JUMP], [0], n_calls=3)
    assert both[1].mpjpe_g == pytest.approx(alone.mpjpe_g, rel=1e-6)
    assert both[1].mpjpe_g[-1] < both[1].mpjpe_g[0]
    motions = motions_of(alone)
    assert {name: tuple(m.shape) for name, m in motions.items()} == dict.fromkeys(("seen", "start", "fit"), (16, 17, 3))
    assert len(stick_figures({"jump": motions}).axes) == 5


def test_what_a_run_says() -> None:
    run = LongRun(window=WALK, seed=0, x=None)
    run.mpjpe_g, run.deepest_mm = [90.0, 40.0, 25.0, 28.0, 22.0], [5.0, 5.0, 30.0, 5.0, 5.0]
    run.calls_at_iterate = [2, 4, 5]
    assert (run.lowest(3), run.lowest(5), run.first_below(30.0)) == (40.0, 22.0, 4)
    assert (run.iterations_below(30.0), run.first_below(10.0), run.iterations_below(10.0)) == (2, None, None)


@IS_FROZEN
def test_the_task_has_the_target_of_its_file() -> None:
    target = tasks()["pose_window"].target
    assert (target.metric, target.mode) == (FROZEN["metric"], FROZEN["mode"])
    assert (list(target.rungs), target.headline) == (FROZEN["rungs"], FROZEN["headline"])


@IS_FROZEN
def test_its_rungs_follow_from_the_runs_beside_them() -> None:
    origin = FROZEN["provenance"]
    runs = [
        LongRun(window=r["window"], seed=r["seed"], x=None, mpjpe_g=r["mpjpe_g"], deepest_mm=r["deepest_mm"])
        for r in origin["runs"]
    ]
    assert len(runs) == len(origin["seeds"]) * sum(map(len, windows_of("pose").values()))
    found = {
        f"{s:g}": rounded_up(statistics.median(r.lowest(max(1, round(s * origin["n_calls"]))) for r in runs))
        for s in SHARES
    }
    assert found == origin["rung_of_share"]
    assert FROZEN["rungs"] == sorted(set(found.values()), reverse=True)
    assert FROZEN["headline"] == found[f"{origin['headline_share']:g}"]


@IS_FROZEN
@pytest.mark.parametrize("clip", ["walk", "run", "jump"])
def test_long_runs_track_real_motion(clip: str) -> None:
    """Every seed comes below 30 mm with nothing deeper in the ground than 2 cm; iterations are counted."""
    runs = [r for r in FROZEN["provenance"]["runs"] if r["window"]["clip"] == clip]
    assert len(runs) == 5
    assert all(r["calls_to_30_mm"] is not None and r["iterations_to_30_mm"] <= r["calls_to_30_mm"] for r in runs)
