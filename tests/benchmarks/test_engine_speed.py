"""What two workers gain over one, in the local pool and on Ray: 200 trials of a second each; Ray's start and end count.

Run on two cores that do nothing else, for ten minutes:
pytest tests/benchmarks/test_engine_speed.py --benchmark-only -s
RMOBENCH_TRIALS=20 shortens it; then starting weighs more, and nothing is asserted.
"""

import importlib.util
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from time import perf_counter

import pytest

from rmobench.harness.cluster import sweep_on_ray
from rmobench.harness.suite import Sweep, expand
from rmobench.harness.sweep import sweep
from rmobench.store import statuses, write

N_TRIALS = int(os.environ.get("RMOBENCH_TRIALS", "200"))
N_CORES = 2
LEAST = 1.7


def trials(n: int, n_calls: int):
    """Plan trials that never arrive: they spend their whole budget."""
    return expand(
        [Sweep(tasks=("quadratic[dim=100]",), optimizers=("adam[lr=1e-9]",), seeds=n, n_calls=n_calls)]
    ).trials


def elapsed_s(outcomes: Iterable[object]) -> tuple[float, float]:
    """Return the seconds to the end, and those to the first outcome."""
    began, first_s = perf_counter(), 0.0
    for _ in outcomes:
        first_s = first_s or perf_counter() - began
    return perf_counter() - began, first_s


def calls_a_second(folder: Path) -> int:
    """Return the budget with which a trial takes a second, rehearsal and judging included."""
    n_calls = 1000
    for n in range(3):  # the first also loads what trials need
        whole_s, _ = elapsed_s(sweep(trials(1, n_calls), save=partial(write, folder / str(n)), in_process=True))
        n_calls = max(100, round(n_calls / whole_s))
    return n_calls


@pytest.fixture
def two_cores():
    """This process and all that it starts, on two cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:N_CORES])
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < N_CORES, reason="needs two cores")
@pytest.mark.parametrize(
    "engine",
    [
        sweep,
        pytest.param(
            sweep_on_ray,
            marks=pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: extra `cluster`"),
        ),
    ],
    ids=["pool", "ray"],
)
def test_two_workers_against_one(benchmark, tmp_path, two_cores, engine: Callable):
    todo = trials(N_TRIALS, calls_a_second(tmp_path))
    elapsed_s(sweep(todo[:1], save=partial(write, tmp_path / "warm")))  # the pool's server imports torch once a process
    one_s, _ = elapsed_s(sweep(todo, save=partial(write, tmp_path / "one"), jobs=1))
    two_s, first_s = benchmark.pedantic(
        lambda: elapsed_s(engine(todo, save=partial(write, tmp_path / "two"), jobs=N_CORES)), rounds=1, iterations=1
    )
    assert statuses(tmp_path / "two").by_id == statuses(tmp_path / "one").by_id
    gain = one_s / two_s
    benchmark.extra_info |= {"one_s": one_s, "two_s": two_s, "first_s": first_s, "gain": gain}
    print(f"\n{N_TRIALS} trials of {one_s / N_TRIALS:.2f} s: {one_s:.1f} s by one worker in the local pool")
    print(f"{two_s:.1f} s by two of this engine, {first_s:.1f} s of them to the first record: {gain:.2f} times as fast")
    assert gain >= LEAST or N_TRIALS < 200
