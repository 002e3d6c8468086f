"""Claims about subspace adaptation: counts that are known, and runs whose winner is."""

from __future__ import annotations

import pandas as pd
import pytest

from rmobench.claims import Evidence, Finding, Measure, Verdict, choose_claims, draw, examine
from tests.claims.cases import curve
from tests.statistics.records import solved, table, trial

(MEMORY,) = choose_claims("subspace_memory")
(SHARING,) = choose_claims("subspace_sharing")
(PERFORMANCE,) = choose_claims("subspace_performance")
LAYERS = "orthogonal_layers[network=resnet50]"
SMALL = "pca[data=digits,instance=1,manifold=stiefel,rank=8,split=held_out]"
SHARED_BYTES = 4.0 * 5242


def measured(finding: Finding, name: str) -> Measure:
    return next(m for m in finding.measures if m.name.startswith(name))


def memory_runs(model_bytes: float = SHARED_BYTES, gap: float = 0.5, n_seeds: int = 3):
    at_size = [
        trial(
            task=LAYERS,
            optimizer=name,
            seed=s,
            model_bytes=b,
            state_bytes=2.0**20 * (s + 1),
            final=gap,
            id=f"{name}{s}",
        )
        for name, b in (("subspace", model_bytes), ("rsgd", 0.0))
        for s in range(n_seeds)
    ]
    return table(*at_size, trial(task=SMALL, optimizer="gmlstm", model_bytes=4.0 * 665601, id="g"))


def memory(**how) -> Finding:
    return examine(MEMORY, Evidence(runs={"subspace_memory": memory_runs(**how)}))


@pytest.mark.parametrize(
    ("assumption", "ratio"),
    [
        ("one predecessor for every shape, with the layer", 1.25e6),
        ("one predecessor for every layer, with the layer", 3.8e6),
        ("one predecessor for every shape, without", 2.3e5),
    ],
)
def test_the_ratio_depends_on_what_is_counted(assumption, ratio):
    finding = memory()
    assert finding.verdict is Verdict.holds
    assert measured(finding, assumption).value.value == pytest.approx(ratio, rel=0.05)
    assert [m.name.partition(":")[0] for m in finding.deciding] == [
        "one predecessor for every shape, with the layer that sees all entries"
    ]


def test_a_shared_rule_of_twice_the_size_would_miss_the_six_orders():
    assert memory(model_bytes=2.0 * SHARED_BYTES).verdict is Verdict.does_not_hold


def test_state_is_shown_beside_with_its_range_over_the_seeds():
    value = measured(memory(), "rsgd: state").value
    assert (value.value, value.low, value.high) == (2.0, 1.0, 3.0)


@pytest.mark.parametrize(("gap", "verdict"), [(0.5, Verdict.holds), (1.5, Verdict.does_not_hold)])
def test_sharing_needs_every_layer_nearer(gap, verdict):
    finding = examine(SHARING, Evidence(runs={"subspace_memory": memory_runs(gap=gap)}))
    assert finding.verdict is verdict


OTHERS = ("rsgd_tuned", "rsgd_m_tuned", "rasa_tuned", "radam_tuned")


def performance_runs(factors: dict[str, float | None], n_tasks: int = 5):
    """Make runs in which ours takes ten steps and each baseline so many times as many; None: it never gets there."""
    rows = []
    for kind in ("pca[rank={}]", "stiefel_classification[instance={}]", "orthogonal_cnn[data=x{}]"):
        for k in range(n_tasks):
            for name in ("subspace_tuned", "subspace_scalefree_tuned", *OTHERS):
                plan = {"task": kind.format(k), "optimizer": name, "id": f"{kind}{k}{name}"}
                factor = factors.get(name, 1.0 if name.startswith("subspace") else 2.0)
                rows.append(trial(**plan) if factor is None else solved(20 * factor, **plan))
    return table(*rows)


def performance(**factors: float | None) -> Finding:
    return examine(PERFORMANCE, Evidence(runs={"subspace_heldout_tuned": performance_runs(factors)}))


def test_faster_than_everybody_holds():
    finding = performance()
    assert finding.verdict is Verdict.holds
    value = measured(finding, "PCA, subspace_tuned: iterations relative to rsgd_tuned").value
    assert (value.value, value.low, value.high) == pytest.approx((0.5,) * 3)
    assert len(finding.deciding) == 2 * len(OTHERS) * 2  # share and ratio, on two kinds of task


@pytest.mark.parametrize("name", OTHERS)
def test_slower_than_one_of_them_does_not(name):
    assert performance(**{name: 0.5}).verdict is Verdict.does_not_hold


def test_a_baseline_that_never_arrives_counts_two_budgets():
    finding = performance(rasa_tuned=None)
    assert finding.verdict is Verdict.holds
    value = measured(finding, "PCA, subspace_tuned: iterations relative to rasa_tuned").value
    assert value.value == pytest.approx(10.0 / 200.0)
    assert measured(finding, "PCA, subspace_tuned: tasks won against rasa_tuned").value.value == 1.0


def test_a_kind_with_one_task_is_compared_seed_by_seed():
    runs = performance_runs({}, n_tasks=1)
    seeds = pd.concat([runs.assign(seed=s, id=runs["id"] + str(s)) for s in range(5)], ignore_index=True)
    finding = examine(PERFORMANCE, Evidence(runs={"subspace_heldout_tuned": seeds}))
    ratio = measured(finding, "orthogonal CNN, subspace_tuned: iterations relative to rsgd_tuned")
    assert (ratio.value.low, ratio.value.high) == pytest.approx((0.5, 0.5))
    assert ratio.unit.startswith("ratio, 5 seeds of one task")


def test_one_that_never_arrives_itself_does_not_win():
    assert performance(subspace_tuned=None).verdict is Verdict.does_not_hold


def test_the_figure_has_a_panel_per_kind_of_task_and_one_for_the_recipes():
    curves = (curve("subspace", 1, -3.0, -3.1), curve("subspace_scalefree", 1, -3.2), curve("optimus", 1, -5.0))
    drawn = draw(PERFORMANCE, Evidence(runs={"subspace_heldout_tuned": performance_runs({})}, curves=curves))
    titles = ["PCA", "Stiefel classification", "orthogonal CNN", "meta-training"]
    assert [axes.get_title() for axes in drawn.axes] == titles
    assert [len(axes.lines) for axes in drawn.axes] == [6, 6, 6, 2]
