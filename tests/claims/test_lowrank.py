"""Claims about momentum of low rank: grids whose best settings are known."""

from __future__ import annotations

import pytest

from rmobench.claims import Evidence, Finding, Measure, Verdict, choose_claims, draw, examine
from rmobench.types import selector
from tests.statistics.records import table, trial

(STALLS,) = choose_claims("factor_momentum_stalls")
(COUNTEREXAMPLE,) = choose_claims("lowrank_counterexample")
GAP = 1e-8
TASKS = {
    (name, kappa): selector(name, {"dim": 60, "kappa": kappa})
    for name in ("low_rank_approximation", "reduced_rank_regression")
    for kappa in (10.0, 100.0)
} | {("matrix_completion", 100.0): selector("matrix_completion", {"kappa": 100.0, "start": "random"})}
METHODS = ("lr_heavy_ball", "factor_heavy_ball", "scaled_gd", "factor_adam")


def measured(finding: Finding, name: str) -> Measure:
    return next(m for m in finding.measures if m.name.startswith(name))


def runs(steps: dict[tuple[str, str, float], float | None], n_seeds: int = 10):
    """Make a grid of two settings: the second one never arrives; None: nor does the first."""
    rows = []
    for (name, kappa), task in TASKS.items():
        for method in METHODS:
            n = steps.get((method, name, kappa), 100.0)
            for seed in range(n_seeds):
                plan = {"task": task, "seed": seed, "rungs": (1e-6, GAP), "headline": 1e-6, "budget_calls": 3000}
                for lr in (0.1, 0.2):
                    label = f"{method}[lr={lr}]"
                    hits = {} if n is None or lr == 0.2 else {1e-6: n, GAP: 2.0 * (n + seed)}  # at two calls a step
                    rows.append(trial(hits, optimizer=label, id=f"{task}{label}{seed}", **plan))
    return table(*rows)


def finding(claim, **kwargs) -> Finding:
    return examine(claim, Evidence(runs={"lowrank_certified": runs(**kwargs)}))


STALLED = {("factor_heavy_ball", name, 100.0): None for name in ("low_rank_approximation", "reduced_rank_regression")}


def test_factors_that_stall_and_a_manifold_that_does_not_hold():
    found = finding(STALLS, steps=STALLED)
    assert found.verdict is Verdict.holds
    best = measured(found, "approximation, condition 100.0, lr_heavy_ball: iterations").value
    assert best.value == pytest.approx(104.5)
    assert best.low < 104.5 < best.high
    assert any("lr_heavy_ball[lr=0.1]" in note for note in found.notes)


def test_factors_that_arrive_refute():
    assert finding(STALLS, steps={}).verdict is Verdict.does_not_hold


@pytest.mark.parametrize("n", [None, 250.0])
def test_a_manifold_that_is_late_or_lost_refutes(n):
    late = {("lr_heavy_ball", "reduced_rank_regression", 100.0): n}
    assert finding(STALLS, steps=STALLED | late).verdict is Verdict.does_not_hold


def test_the_counterexample_holds_where_the_manifold_loses():
    lost = {("lr_heavy_ball", "matrix_completion", 100.0): None}
    assert finding(COUNTEREXAMPLE, steps=lost).verdict is Verdict.holds
    assert finding(COUNTEREXAMPLE, steps={}).verdict is Verdict.does_not_hold


def test_the_figure_is_drawn():
    assert draw(STALLS, Evidence(runs={"lowrank_certified": runs(STALLED)})) is not None
