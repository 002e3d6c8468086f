"""Claims about momentum of low rank: grids whose best settings are known."""

from __future__ import annotations

import numpy as np
import pytest

from rmobench.claims import Evidence, Finding, Measure, Verdict, choose_claims, draw, examine
from rmobench.types import selector
from tests.statistics.records import table, trial

(STALLS,) = choose_claims("factor_momentum_stalls")
(COUNTEREXAMPLE,) = choose_claims("lowrank_counterexample")
(BUDGET,) = choose_claims("lowrank_budget")
(ADAPTIVITY,) = choose_claims("rank_adaptivity")
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


# --- losses of language models -------------------------------------------------------------------------------

LORA = ("lora_adamw", "lora_heavy_ball")
MANIFOLD = ("lr_heavy_ball", "lr_adam_tangent", "lr_adam_core")
N_CALLS = 80


def fine_tuned(losses: dict[str, float], *, seconds: dict[str, float] | None = None, spread: float = 0.01, **changes):
    """Make runs from a loss of 2.5, linear in calls down to the given one, on two tasks with three seeds."""
    rows = []
    noise = np.random.default_rng(0)
    for task in ("byte_gpt[rank=4]", "minilm_reviews[rank=8]"):
        for seed in range(3):
            for method in (*MANIFOLD, *LORA, "full_adamw"):
                end = losses.get(method, 2.0) + spread * noise.standard_normal()
                calls = [0.0, N_CALLS / 2, N_CALLS]
                time_s = [n * (seconds or {}).get(method, 0.1) for n in calls]
                trace = {"trace_n_grad": calls, "trace_time_s": time_s, "trace_metric": [2.5, (2.5 + end) / 2, end]}
                plan = {"task": task, "seed": seed, "optimizer": method, "metric": "objective", **trace}
                n_params = 4000 if method == "full_adamw" else 1000
                rows.append(trial(**{**plan, "n_params": n_params, **changes}))
    return Evidence(runs={"language": table(*rows)})


BETTER = {"lr_heavy_ball": 1.9, "lr_adam_tangent": 1.8, "lr_adam_core": 1.8}


def test_lower_losses_at_equal_budgets_hold():
    found = examine(BUDGET, fine_tuned(BETTER))
    assert found.verdict is Verdict.holds
    assert len(found.deciding) == 6
    ratio = measured(found, "lr_heavy_ball: validation loss relative to lora_heavy_ball after as many calls").value
    assert ratio.value == pytest.approx(1.9 / 2.0, abs=0.01)
    assert ratio.low < ratio.value < ratio.high < 1.0
    assert "Not at an equal budget: full_adamw trains 4 to 4 times as many numbers." in found.notes


def test_equal_losses_have_no_winner():
    found = examine(BUDGET, fine_tuned({}))
    assert found.verdict is not Verdict.holds
    assert sum("no winner" in note for note in found.notes) == 2


def test_higher_losses_refute():
    assert examine(BUDGET, fine_tuned({**BETTER, "lr_adam_core": 2.2})).verdict is Verdict.does_not_hold


def test_a_step_that_takes_three_times_as_long_loses_at_equal_seconds():
    """2.5 - 0.7 / 3 against 2.0 where the faster run ends."""
    found = examine(BUDGET, fine_tuned(BETTER, seconds=dict.fromkeys(MANIFOLD, 0.3), spread=0.0))
    assert found.verdict is Verdict.does_not_hold
    name = "lr_adam_tangent: validation loss relative to lora_adamw after as many seconds"
    assert measured(found, name).value.value == pytest.approx((2.5 - 0.7 / 3.0) / 2.0)
    calls = measured(found, "lr_adam_tangent: validation loss relative to lora_adamw after as many calls")
    assert calls.value.value == pytest.approx(0.9)


def test_a_run_that_diverged_has_the_loss_of_its_start():
    evidence = fine_tuned(BETTER, spread=0.0)
    runs = evidence.runs["language"]
    lost = runs["optimizer"] == "lr_adam_core"
    runs.loc[lost, "trace_metric"] = runs.loc[lost, "trace_metric"].map(lambda trace: [trace[0], np.nan, np.nan])
    found = examine(BUDGET, evidence)
    name = "lr_adam_core: validation loss relative to lora_adamw after as many calls"
    assert measured(found, name).value.value == pytest.approx(2.5 / 2.0)
    assert found.verdict is Verdict.does_not_hold


def test_the_losses_are_drawn():
    assert draw(BUDGET, fine_tuned(BETTER)) is not None


# --- ranks ---------------------------------------------------------------------------------------------------


def adaptive(ranks: dict[str, float], gaps: dict[str, float] | None = None, n_seeds: int = 5) -> Evidence:
    """Make fixed ranks, each at its floor, and three methods with two tolerances and two step lengths each."""
    rows = []
    for seed in range(n_seeds):
        plan = {"seed": seed, "rungs": (1e-1, 1e-6), "headline": 1e-6, "budget_calls": 300}
        for columns in (2, 3, 4, 5, 8, 12):
            gap = 1e-9 if columns >= 5 else 10.0**-columns
            hits = {1e-1: 10.0, 1e-6: 40.0} if columns >= 5 else {1e-1: 10.0}
            task = f"planted_rank[columns={columns},dim=60]"
            says = {"rank": float(columns)}
            for lr in (0.1, 0.5):
                final = gap if lr == 0.5 else 1.0
                rows.append(
                    trial(
                        hits if lr == 0.5 else {},
                        task=task,
                        optimizer=f"lr_heavy_ball[lr={lr}]",
                        final=final,
                        diagnostics=says,
                        **plan,
                    )
                )
        for method, option in (("lr_heavy_ball", "theta"), ("geolora", "tau"), ("dlrt", "tau")):
            for tolerance in (0.01, 0.1):
                gap = (gaps or {}).get(method, 1e-9) if tolerance == 0.01 else 1e-3
                rank = ranks.get(method, 5.0) if tolerance == 0.01 else 3.0
                rows.append(
                    trial(
                        {1e-1: 10.0, 1e-6: 30.0} if gap <= 1e-6 else {1e-1: 10.0},
                        task="planted_rank[columns=12,dim=60]",
                        optimizer=f"{method}[{option}={tolerance},lr=0.5]",
                        final=gap,
                        diagnostics={"rank": rank},
                        **plan,
                    )
                )
    return Evidence(runs={"rank_adaptivity": table(*rows)})


def test_ranks_that_are_found_hold():
    found = examine(ADAPTIVITY, adaptive({}))
    assert found.verdict is Verdict.holds
    assert [m.value.value for m in found.deciding] == [1.0, 1.0, 1.0]
    assert "theta=0.01" in found.deciding[0].unit
    assert measured(found, "lr_heavy_ball, 2 columns: log10 of the gap").value.value == pytest.approx(-2.0)
    assert measured(found, "geolora, tolerance 0.1: columns").value.value == 3.0


def test_one_column_too_many_refutes():
    assert examine(ADAPTIVITY, adaptive({"geolora": 6.0})).verdict is Verdict.does_not_hold


def test_the_right_rank_without_the_gap_refutes():
    assert examine(ADAPTIVITY, adaptive({}, gaps={"dlrt": 1e-3})).verdict is Verdict.does_not_hold


def test_losses_of_networks_inform_where_they_are():
    evidence = adaptive({})
    rows = [
        trial(task="byte_gpt[rank=8]", optimizer=f"lr_heavy_ball[lr={lr}]", seed=seed, final=2.0 + lr + 0.01 * seed,
              diagnostics={"rank": 8.0})
        for lr in (0.1, 0.5)
        for seed in range(3)
    ]  # fmt: skip
    both = Evidence(runs={**evidence.runs, "rank_adaptivity_language": table(*rows)})
    found = examine(ADAPTIVITY, both)
    assert measured(found, "lr_heavy_ball, 8 columns: validation loss").value.value == pytest.approx(2.11)
    assert found.verdict is Verdict.holds
    assert draw(ADAPTIVITY, both) is not None
    assert draw(ADAPTIVITY, evidence) is not None
