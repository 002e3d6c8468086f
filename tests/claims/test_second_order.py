"""Claims about second-order methods: grids whose failures are known, and runs whose winner is."""

from __future__ import annotations

import pytest

from rmobench.claims import Evidence, Finding, Measure, Verdict, choose_claims, draw, examine
from rmobench.harness.suite import expand, read_suite
from tests.statistics.records import solved, table, trial

(STABILITY,) = choose_claims("bf16_stability")
(ITERATIONS,) = choose_claims("second_order_iterations")
FREE = ("ingd", "ikfac", "singd", "singd[structure=hierarchical]")
GRID = [(lr, damping) for lr in (0.1, 0.01, 0.05) for damping in (1e-4, 1e-2)]


def measured(finding: Finding, name: str) -> Measure:
    return next(m for m in finding.measures if m.name == name)


def at(method: str, lr: float, damping: float) -> str:
    """Write the label of one setting."""
    inside = f"damping={damping},lr={lr}"
    return f"{method[:-1]},{inside}]" if method.endswith("]") else f"{method}[{inside}]"


def stability(failures: dict[tuple[str, str], int], shift: float = 0.5, n_seeds: int = 8) -> Finding:
    """Make a grid in which (method, precision) fails at so many of its six settings, and reaches the target else."""
    rows = []
    for method in ("adamw", "kfac", *FREE):
        for precision in ("fp32", "bf16"):
            n_failures = failures.get((method, precision), 0)
            for k, (lr, damping) in enumerate(GRID):
                for seed in range(n_seeds):
                    name = at(method, lr, damping)
                    plan = {"optimizer": name, "precision": precision, "seed": seed, "id": f"{name}{precision}{seed}"}
                    plan["diagnostics"] = {"factor_shift": 0.5, "factor_anisotropy": shift} if method in FREE else {}
                    rows.append(trial(status="nonfinite", **plan) if k < n_failures else solved(20, **plan))
    return examine(STABILITY, Evidence(runs={"bf16_stability": table(*rows)}))


def test_stable_where_kfac_is_not_holds():
    finding = stability({("kfac", "bf16"): 6})
    assert finding.verdict is Verdict.holds
    assert len(finding.deciding) == 3 * len(FREE)
    assert measured(finding, "kfac in bf16: failed").value.value == 1.0
    assert measured(finding, "kfac in fp32: failed").value.value == 0.0
    assert measured(finding, "singd in bf16: reached the target").value.value == 1.0
    assert "kfac in bf16: 48 nonfinite" in finding.notes


def test_as_stable_as_kfac_does_not_hold():
    assert stability({}).verdict is not Verdict.holds


@pytest.mark.parametrize("method", FREE)
def test_one_method_that_fails_everywhere_in_bf16_refutes(method):
    failing = {("kfac", "bf16"): 6, (method, "bf16"): 6}
    assert stability(failing).verdict is Verdict.does_not_hold


def test_failures_that_float32_has_as_well_are_not_held_against_bf16():
    """They widen the interval, which then leaves it open."""
    finding = stability({("kfac", "bf16"): 6, ("ingd", "bf16"): 1, ("ingd", "fp32"): 1})
    assert finding.verdict is Verdict.undecided
    assert measured(finding, "ingd: failures that bf16 adds to those in fp32").value.value == 0.0


def test_factors_that_are_multiples_of_the_identity_prove_nothing():
    assert stability({("kfac", "bf16"): 6}, shift=1e-3).verdict is Verdict.undecided


def test_few_trials_leave_it_open():
    assert stability({("kfac", "bf16"): 6}, n_seeds=1).verdict is Verdict.undecided


def test_a_trial_that_arrives_and_then_fails_is_drawn_once():
    rows = [
        solved(20, optimizer=at(m, lr, d), precision=p, id=f"{m}{lr}{d}{p}", status="nonfinite", diagnostics={})
        for m in ("kfac", *FREE)
        for lr, d in GRID
        for p in ("fp32", "bf16")
    ]
    figure = draw(STABILITY, Evidence(runs={"bf16_stability": table(*rows)}))
    assert figure is not None
    ends = [bar.get_x() + bar.get_width() for axes in figure.axes for bar in axes.patches]
    assert max(ends) == pytest.approx(1.0) and min(bar.get_width() for axes in figure.axes for bar in axes.patches) >= 0


NAMES = ("kfac", "ingd", "ikfac", "singd", "singd_hierarchical", "adamw", "sgd")


def iterations(calls: dict[str, float | None]) -> Finding:
    return examine(ITERATIONS, Evidence(runs=runs(calls)))


def runs(calls: dict[str, float | None]):
    """Make runs that need so many calls; None: it becomes infinite; who is not named needs 40."""

    def rows(suite: str, precisions: tuple[str, ...], ending: str):
        for precision in precisions:
            for task in ("mlp", "cnn"):
                for seed in range(5):
                    for name in NAMES:
                        plan = {"optimizer": name + ending, "task": task, "precision": precision, "seed": seed}
                        plan["id"] = f"{suite}{precision}{task}{seed}{name}"
                        n = calls.get(name, 40)
                        yield trial(status="nonfinite", **plan) if n is None else solved(n, **plan)

    return {
        "second_order": table(*rows("second_order", ("fp32", "bf16"), "")),
        "second_order_tuned": table(*rows("second_order_tuned", ("fp32",), "_tuned")),
        "second_order_bf16_tuned": table(*rows("second_order_bf16_tuned", ("bf16",), "_tuned")),
        "second_order_controls": table(*rows("second_order_controls", ("fp32", "bf16"), "_resting")),
    }


def test_faster_than_adamw_holds():
    finding = iterations({"ingd": 20, "singd": 20})
    assert finding.verdict is Verdict.holds
    assert len(finding.deciding) == 2 * 2 * 2
    value = measured(finding, "bf16, tuned, ingd: iterations relative to adamw").value
    assert (value.value, value.low, value.high) == pytest.approx((0.5,) * 3)


@pytest.mark.parametrize("slow", ["ingd", "singd"])
def test_one_structure_slower_than_adamw_refutes(slow):
    assert iterations({"ingd": 20, "singd": 20, slow: 60}).verdict is Verdict.does_not_hold


def test_every_divergence_is_counted():
    finding = iterations({"ingd": None, "singd": 20})
    assert finding.verdict is Verdict.does_not_hold
    assert measured(finding, "fp32, defaults, ingd: failed").value.value == 1.0
    assert measured(finding, "fp32, tuned, ingd: reached the target").value.value == 0.0


def test_what_the_factors_gain_is_told_from_what_a_learning_rate_gains():
    """ikfac needs 30 iterations everywhere: 0.75 of a plain heavy ball of 40, nothing against one that needs 30 too."""
    finding = iterations({"ikfac": 30})
    name = "fp32, tuned, ikfac: iterations relative to itself with factors at rest"
    assert measured(finding, name).value.value == pytest.approx(1.0)
    evidence = runs({"ikfac": 30})
    resting = evidence["second_order_controls"]
    evidence["second_order_controls"] = runs({})["second_order_controls"]
    gained = examine(ITERATIONS, Evidence(runs=evidence))
    assert measured(gained, name).value.value == pytest.approx(0.75)
    assert len(resting) == len(evidence["second_order_controls"])


def test_every_control_has_the_learning_rate_and_the_momentum_of_its_winner():
    settings = {}
    for suite in ("second_order_tuned", "second_order_bf16_tuned", "second_order_controls"):
        plan = expand(read_suite(suite).runs)
        trials = {planned.trial.id: planned.trial for planned in plan.trials}
        for label, id_ in plan.labels:
            trial = trials[id_]
            settings[trial.task, trial.precision, label] = {name: trial.hyper.get(name) for name in ("lr", "momentum")}
    controls = {key: value for key, value in settings.items() if key[2].endswith("_resting")}
    assert len(controls) == 18
    for (task, precision, label), value in controls.items():
        assert value == settings[task, precision, label.replace("_resting", "_tuned")]


@pytest.mark.parametrize("name", ["bf16_stability", "second_order_iterations"])
def test_figures_are_drawn(name):
    if name == "bf16_stability":
        (claim,) = choose_claims(name)
        rows = [
            solved(20, optimizer=at(m, lr, d), precision=p, id=f"{m}{lr}{d}{p}")
            for m in ("kfac", *FREE)
            for lr, d in GRID
            for p in ("fp32", "bf16")
        ]
        evidence = Evidence(runs={name: table(*rows)})
    else:
        claim, evidence = ITERATIONS, Evidence(runs=runs({}))
    assert draw(claim, evidence) is not None
