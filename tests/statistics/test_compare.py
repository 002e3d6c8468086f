"""What counts as worse."""

from __future__ import annotations

import pytest

from rmobench.errors import InputError
from rmobench.statistics import Verdict, compare, unpaired
from tests.statistics.records import solved, table, trial

A = [solved(40, seed=s) for s in range(3)]


def verdict(*b, a=A, **how):
    (change,) = compare(table(*a), table(*b), **how)
    return change


@pytest.mark.parametrize(
    ("b", "expected", "why"),
    [
        ([solved(40, seed=s) for s in range(3)], Verdict.equal, ""),
        ([solved(41, seed=s) for s in range(3)], Verdict.equal, ""),
        ([solved(43, seed=s) for s in range(3)], Verdict.worse, "calls to 0.01: x 1.07"),
        ([solved(36, seed=s) for s in range(3)], Verdict.better, "calls to 0.01: x 0.9"),
        ([solved(4 if s else 40, seed=s) for s in range(2)] + [trial(seed=2)], Verdict.worse, "hits at 0.01: 3 -> 2"),
        ([solved(40, seed=s, state_bytes=33.0) for s in range(3)], Verdict.worse, "state_bytes: x 1.03"),
        ([solved(40, seed=s, peak_bytes=4000.0) for s in range(3)], Verdict.better, "peak_bytes: x 0.977"),
        ([solved(40, seed=s, peak_bytes=4100.0) for s in range(3)], Verdict.equal, ""),
        ([solved(40, seed=s, peak_bytes=None) for s in range(3)], Verdict.equal, ""),
        ([solved(20, seed=s, state_bytes=64.0) for s in range(3)], Verdict.worse, "state_bytes: x 2"),
        ([solved(40, seed=s, time_s=9.0) for s in range(3)], Verdict.equal, ""),
        ([solved(99, seed=7)], Verdict.missing, "no seed and rung in common"),
    ],
)
def test_verdicts(b, expected, why):
    change = verdict(*b)
    assert change.verdict is expected
    assert why in "; ".join(change.why)
    assert change.gates == (expected in (Verdict.worse, Verdict.missing))


def test_any_rung_of_the_ladder_gates():
    b = [solved(40, seed=s) | {"hit_n_grad": [30, 40]} for s in range(3)]
    change = verdict(*b)
    assert (change.verdict, change.calls_ratio) == (Verdict.worse, pytest.approx(1.0))
    assert change.calls_ratio_worst == pytest.approx(1.5)


def test_a_miss_costs_twice_the_budget_and_two_misses_nothing():
    """Seed 0: 200 / 40; seed 1 misses in both stores."""
    a, b = [solved(40, seed=0), trial(seed=1)], [trial(seed=0), trial(seed=1)]
    assert verdict(*b, a=a).calls_ratio == pytest.approx(5.0**0.5)


def test_other_budgets_do_not_compare():
    with pytest.raises(InputError, match=r"1 trials have other budgets in B than in A.*1000 calls against 100"):
        verdict(trial(seed=0, budget_calls=1000), a=[trial(seed=0)])


def test_only_common_seeds_count():
    change = verdict(*A, solved(99, seed=8), trial(seed=9))
    assert (change.verdict, change.n_seeds, change.hits_a, change.hits_b) == (Verdict.equal, 3, 3, 3)


def test_trials_without_a_partner_are_counted():
    assert unpaired(table(*A), table(*A[:1])) == len(A) - 1
    assert unpaired(table(*A), table(*A)) == 0


def test_memory_from_nothing_is_worse():
    a = [solved(40, state_bytes=0.0)]
    assert verdict(solved(40, state_bytes=8.0), a=a).why == ("state_bytes: x inf",)
    assert verdict(solved(40, state_bytes=0.0), a=a).state_ratio == 1.0


def test_missing_and_new_entries_and_their_order():
    a = [*A, solved(40, task="gone"), solved(40, task="same")]
    b = [
        solved(80, seed=0),
        solved(40, task="same"),
        solved(40, task="young"),
        solved(40, task="same", precision="fp32"),
    ]
    found = compare(table(*a), table(*b))
    assert [(c.verdict.value, c.task, c.precision) for c in found] == [
        ("worse", "valley[dim=2]", "fp64"),
        ("missing", "gone", "fp64"),
        ("new", "same", "fp32"),
        ("new", "young", "fp64"),
        ("equal", "same", "fp64"),
    ]


def test_the_tolerance_is_the_users():
    assert verdict(*[solved(43, seed=s) for s in range(3)], tolerance=0.1).verdict is Verdict.equal
    with pytest.raises(InputError, match=r"got tolerance -0\.1, expected a fraction of at least 0"):
        compare(table(*A), table(*A), tolerance=-0.1)


def test_an_empty_store_is_an_input_error():
    with pytest.raises(InputError, match="there are no records to judge"):
        compare(table(*A), table(*A).iloc[:0])
