"""The leaderboard of a hundred thousand records: `pytest tests/benchmarks --benchmark-only -s`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from rmobench.statistics import leaderboard
from rmobench.store.columns import to_table
from rmobench.store.parquet import write_parquet
from tests.benchmarks import synthetic
from tests.store import factory

N_TASKS, N_OPTIMIZERS, N_SEEDS = 1000, 10, 10


@pytest.fixture(scope="module")
def runs():
    """1,000 tasks x 10 optimizers x 10 seeds, six rungs."""
    return synthetic.runs(n_tasks=N_TASKS, n_optimizers=N_OPTIMIZERS, n_seeds=N_SEEDS)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """As many records as a Parquet file."""
    path = tmp_path_factory.mktemp("store") / "records.parquet"
    tables = [
        to_table([factory.record(plan, n_points=8) for plan in plans(range(first, first + 100))])
        for first in range(0, N_TASKS, 100)
    ]
    return write_parquet(pa.concat_tables(tables), path)


def plans(tasks):
    for t in tasks:
        for o in range(N_OPTIMIZERS):
            for s in range(N_SEEDS):
                yield factory.trial(args={"dim": 2 + t}, optimizer=f"method{o}", label=f"method{o}", seed=s)


@pytest.mark.parametrize("axis", ["n_grad", "time_s"])
def test_leaderboard_speed(benchmark, runs, axis):
    (board,) = benchmark.pedantic(leaderboard, args=(runs,), kwargs={"axis": axis}, rounds=5, warmup_rounds=1)
    assert board.n_records == 100_000
    assert len(board.scores) == 10_000


CHILD = """
import sys
from pathlib import Path
from rmobench.cli import app

sys.argv = ["rmobench", "leaderboard", "--store", sys.argv[1]]
app(standalone_mode=False)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(peak.split()[1], file=sys.stderr)
"""


def program(store: Path) -> tuple[float, int]:
    """Run the program in a process of its own; return seconds and peak bytes."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", CHILD, str(store)], capture_output=True, check=True)
    return time.perf_counter() - began, int(done.stderr.split()[-1]) * 1024


def test_the_whole_program_on_a_hundred_thousand_records(benchmark, store):
    """From the start of the process to the printed table: within 5 s and 1 GiB."""
    seconds, peaks = [], []

    def once():
        s, peak = program(store)
        seconds.append(s)
        peaks.append(peak)

    benchmark.pedantic(once, rounds=5, warmup_rounds=1)
    median = sorted(seconds)[len(seconds) // 2]
    print(f"\nleaderboard of 100,000 records: {median:.2f} s, {max(peaks) / 2**30:.2f} GiB")
    assert median <= 5.0
    assert max(peaks) <= 2**30
