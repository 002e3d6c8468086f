"""Outer steps per second of meta-training, over the number of problems and their dimension.

Run: pytest tests/benchmarks/test_metatrain_throughput.py --benchmark-only -s
"""

from __future__ import annotations

import itertools
import statistics
from pathlib import Path

import pytest
import torch

from rmobench.metatrain.recipe import Recipe, read_recipe
from rmobench.metatrain.train import Progress, Training, train
from rmobench.tasks.analytic.instances import FUNCTIONS

WINDOW = 50  # inner steps per outer step
N_WINDOWS = 10  # per episode: the draw of its instances is part of the time, as in training
ROUNDS = 10
TRAINED = ("ackley", "rastrigin", "rosenbrock", "sphere")


def recipe(folder: Path, *, n_problems: int, dim: int) -> Recipe:
    """Write and read a recipe of Adafactor-MLP with PES: n_problems antithetic pairs, one episode.

    It validates at the last outer step only, which is never reached.
    """
    held_out = [name for name in FUNCTIONS if name not in TRAINED]
    path = folder / "throughput.toml"
    path.write_text(f"""
description = "Throughput."
architecture = "adafactor_mlp"
seed = 0
functions = {list(TRAINED)}
held_out = {held_out}

[validation]
dims = [2]
each = 1
every = 1000000

[[stages]]
estimator = "pes"
n_outer = 1000000
window = {WINDOW}
horizon = [{N_WINDOWS * WINDOW}, {N_WINDOWS * WINDOW}]
dims = [{dim}, {dim}]
functions_per_batch = {len(TRAINED)}
each = {n_problems // len(TRAINED)}
workers = 1
""")
    return read_recipe(str(path))


@pytest.mark.parametrize(
    ("n_problems", "dim"),
    [(32, 10), (8, 10), (128, 10), (32, 2), (32, 50)],
    ids=lambda value: str(value),
)
def test_outer_steps_per_second(benchmark, tmp_path, n_problems, dim):
    """Every round is an outer step: all problems, each with its antithetic copy, advance by a window."""
    torch.set_num_threads(1)
    outer_steps = train(recipe(tmp_path, n_problems=n_problems, dim=dim), tmp_path / "checkpoint")
    seen: list[tuple[Progress, Training]] = []
    ages, iterates = [], []

    def outer_step():
        seen.append(next(outer_steps))

    def look(*_):
        if seen:
            (worker,) = seen[-1][1].workers
            ages.append((worker.episode * N_WINDOWS + worker.done, worker.memory["t"].unique().tolist()))
            iterates.append(worker.memory["x"])

    benchmark.pedantic(outer_step, setup=look, rounds=ROUNDS, warmup_rounds=2)
    look()
    n_outer, (progress, _) = len(seen), seen[-1]
    assert progress.outer == n_outer == ROUNDS + 2
    assert ages == [(k, [float(WINDOW * ((k - 1) % N_WINDOWS + 1))]) for k in range(1, n_outer + 1)]
    assert all(x.shape == (2 * n_problems, dim) for x in iterates)
    assert not any(torch.equal(x, y) for x, y in itertools.pairwise(iterates))
    assert (progress.n_bad, progress.n_skipped) == (0, 0)
    median = statistics.median(benchmark.stats.stats.data)
    benchmark.extra_info |= {"outer_steps_per_s": 1.0 / median, "problem_steps_per_s": n_problems * WINDOW / median}
    print(f"\n{n_problems} problems, D = {dim}: {1 / median:.2f} outer steps of {WINDOW} inner steps per second")
