"""Claims about poses: runs whose winner is known, in and out of domain."""

from __future__ import annotations

import pytest

from rmobench.claims import Evidence, Finding, Measure, Verdict, choose_claims, draw, examine
from rmobench.claims.poses import IN_DOMAIN, runs_by_domain
from rmobench.types import selector
from tests.statistics.records import table, trial

(VERSUS,) = choose_claims("pose_optimus_vs_bfgs")
(GENERAL,) = choose_claims("pose_generalisation")
NAMES = ("bfgs", "lbfgs", "adam", "adafactor_mlp", "optimus", "optimus_pose")
SEEN, UNSEEN = ("walk", "run"), ("roll", "backflip")


def measured(finding: Finding, name: str) -> Measure:
    return next(m for m in finding.measures if m.name == name)


def evidence(
    calls: dict[str, float | None], ends: dict[str, float], clips: tuple[str, ...] = SEEN + UNSEEN
) -> Evidence:
    """Make runs that reach 30 mm after so many calls (40 unless said, None: never) and end at so many mm (20)."""
    rows = []
    for clip in clips:
        task = selector("pose_window", {"clip": clip, "data": "deepmimic", "softness_m": 0.0025, "start_s": 0.2})
        for seed in range(5):
            for name in NAMES:
                n = calls.get(name, 40.0)
                hits = {60.0: 1.0} if n is None else {60.0: n / 2, 30.0: n}
                plan = {"task": task, "optimizer": name, "seed": seed, "id": f"{clip}{seed}{name}"}
                plan |= {"rungs": (60.0, 30.0, 20.0), "headline": 30.0, "metric": "mpjpe_g", "budget_calls": 100}
                rows.append(trial(hits, final=ends.get(name, 20.0), **plan))
    return Evidence(runs={"pose": table(*rows)})


BETTER = ({"optimus_pose": 20.0}, {"optimus_pose": 10.0})


@pytest.mark.parametrize("claim", [VERSUS, GENERAL], ids=lambda claim: claim.name)
def test_fewer_gradients_and_a_better_end_hold(claim) -> None:
    finding = examine(claim, evidence(*BETTER))
    assert finding.verdict is Verdict.holds
    name = finding.deciding[0].name.partition(":")[0]
    ratio = measured(finding, f"{name}: gradients relative to bfgs").value
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.5,) * 3)
    end = measured(finding, f"{name}: MPJPE-G at the end relative to bfgs").value
    assert end.value == pytest.approx(0.5)
    assert measured(finding, f"{name}, optimus_pose: MPJPE-G at the end").value.value == pytest.approx(10.0)
    assert measured(finding, f"{name}, bfgs: reached the target").value.value == 1.0
    assert finding.n_records == 2 * 5 * len(NAMES)


@pytest.mark.parametrize(
    ("calls", "ends"),
    [
        ({"optimus_pose": 60.0}, {"optimus_pose": 10.0}),
        ({"optimus_pose": None}, {"optimus_pose": 10.0}),
        ({"optimus_pose": 20.0}, {"optimus_pose": 25.0}),
    ],
    ids=["more gradients", "never", "a worse end"],
)
@pytest.mark.parametrize("claim", [VERSUS, GENERAL], ids=lambda claim: claim.name)
def test_what_refutes(claim, calls: dict, ends: dict) -> None:
    assert examine(claim, evidence(calls, ends)).verdict is Verdict.does_not_hold


def test_a_miss_counts_two_budgets() -> None:
    finding = examine(VERSUS, evidence({"optimus_pose": None}, {}))
    value = measured(finding, f"{IN_DOMAIN}: gradients relative to bfgs").value
    assert value.value == pytest.approx(2 * 100 / 40)
    assert measured(finding, f"{IN_DOMAIN}, optimus_pose: reached the target").value.value == 0.0


@pytest.mark.parametrize(("others", "expected"), [(20.0, 60.0), (150.0, 150.0)], ids=["easiest rung", "worst end"])
@pytest.mark.parametrize("how", ["no number", "sunk in"])
def test_an_end_that_does_not_count_is_as_bad_as_the_worst(how: str, others: float, expected: float) -> None:
    """Of its window and seed, and no better than the easiest rung, whatever number stands there."""
    there = evidence({}, {"bfgs": others, "optimus_pose": float("nan") if how == "no number" else 5.0}).runs["pose"]
    if how == "sunk in":
        there = there.assign(residual=(there["optimizer"] == "optimus_pose") * 0.03)
    finding = examine(VERSUS, Evidence(runs={"pose": there}))
    assert measured(finding, f"{IN_DOMAIN}, optimus_pose: MPJPE-G at the end").value.value == pytest.approx(expected)
    ratio = measured(finding, f"{IN_DOMAIN}: MPJPE-G at the end relative to bfgs").value.value
    assert ratio == pytest.approx(expected / others)


def test_learning_that_does_not_beat_its_own_beginning_refutes_generalisation_alone() -> None:
    calls, ends = {"optimus_pose": 20.0, "optimus": 15.0}, {"optimus_pose": 10.0, "optimus": 5.0}
    assert examine(VERSUS, evidence(calls, ends)).verdict is Verdict.holds
    assert examine(GENERAL, evidence(calls, ends)).verdict is Verdict.does_not_hold


def test_clips_fall_into_their_domains() -> None:
    groups = runs_by_domain(evidence({}, {}))
    assert [len(runs) for runs in groups.values()] == [2 * 5 * len(NAMES)] * 2
    for clips, runs in zip((SEEN, UNSEEN), groups.values(), strict=True):
        assert all(any(f"clip={clip}," in task for clip in clips) for task in runs["task"])


def test_without_pose_weights_it_says_so() -> None:
    there = evidence({}, {})
    runs = there.runs["pose"]
    finding = examine(VERSUS, Evidence(runs={"pose": runs[runs["optimizer"] != "optimus_pose"]}))
    assert finding.verdict is Verdict.undecided
    assert any("optimus_pose" in note for note in finding.notes)


@pytest.mark.parametrize("claim", [VERSUS, GENERAL], ids=lambda claim: claim.name)
def test_the_figure_is_drawn(claim) -> None:
    figure = draw(claim, evidence(*BETTER))
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["in domain", "held out"]
