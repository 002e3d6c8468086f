"""Where a sweep breaks."""

from __future__ import annotations

import pytest

from rmobench.errors import InputError
from rmobench.statistics import breaking
from tests.statistics.records import solved, table, trial


def sweep(hits, *, label="bowl[cond={},dim=2]", precision="fp64", n_seeds=3):
    """Make n_seeds trials per condition number, of which so many reach the rung."""
    return [
        (solved(10, **here) if seed < n_hits else trial(**here))
        for cond, n_hits in hits.items()
        for seed in range(n_seeds)
        for here in [{"task": label.format(cond), "seed": seed, "precision": precision}]
    ]


@pytest.mark.parametrize(
    ("hits", "broken_at"),
    [
        ({10.0: 3, 100.0: 3, 1000.0: 0}, 1000.0),
        ({10.0: 3, 100.0: 1, 1000.0: 0}, 100.0),  # two of three miss
        ({10.0: 3, 100.0: 2, 1000.0: 2}, None),  # one of three does
        ({10.0: 0, 100.0: 0}, 10.0),
        ({1000.0: 1, 100.0: 3, 1e10: 3}, 1000.0),  # the smallest, though a larger one holds
    ],
)
def test_the_smallest_value_that_most_seeds_miss(hits, broken_at):
    (found,) = breaking(table(*sweep(hits)))
    assert (found.task, found.argument, found.broken_at) == ("bowl[dim=2]", "cond", broken_at)
    assert found.swept == tuple(sorted(hits))
    assert dict(zip(found.swept, found.n_hits, strict=True)) == hits
    assert set(found.n_trials) == {3}


def test_half_of_the_seeds_is_not_more_than_half():
    (found,) = breaking(table(*sweep({1.0: 2, 2.0: 1}, n_seeds=2)))
    assert found.broken_at is None


def test_precisions_break_apart():
    wide, narrow = sweep({10.0: 3, 100.0: 3}), sweep({10.0: 3, 100.0: 0}, precision="bf16")
    found = breaking(table(*wide, *narrow))
    assert {row.precision: row.broken_at for row in found} == {"fp64": None, "bf16": 100.0}


@pytest.mark.parametrize(
    ("label", "rest"),
    [("bowl[cond={}]", "bowl"), ("bowl[a=1,cond={}]", "bowl[a=1]"), ("bowl[a=1,cond={},z=2]", "bowl[a=1,z=2]")],
)
def test_the_task_is_named_without_what_was_swept(label, rest):
    (found,) = breaking(table(*sweep({10.0: 3, 20.0: 3}, label=label)))
    assert found.task == rest


@pytest.mark.parametrize("label", ["bowl[precond={}]", "bowl[dim={}]"])
def test_another_argument_is_no_sweep(label):
    assert breaking(table(*sweep({10.0: 3, 20.0: 0}, label=label))) == ()


def test_another_argument_can_be_the_swept_one():
    (found,) = breaking(table(*sweep({10: 3, 20: 0}, label="bowl[cond=5.0,dim={}]")), argument="dim")
    assert (found.task, found.broken_at) == ("bowl[cond=5.0]", 20.0)


def test_a_single_value_is_no_sweep():
    assert breaking(table(*sweep({10.0: 0}))) == ()


def test_the_rung_decides():
    easy = [trial({1e-1: 10}, task=f"bowl[cond={c}]") for c in (10.0, 20.0)]
    assert breaking(table(*easy))[0].broken_at == 10.0
    assert breaking(table(*easy), rung=1e-1)[0].broken_at is None
    with pytest.raises(InputError, match=r"got rung 0\.5, expected one that a task has"):
        breaking(table(*easy), rung=0.5)
