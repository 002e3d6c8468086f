"""A small case that shows everything."""

from __future__ import annotations

import pandas as pd
import pytest

from rmobench.types import Skip
from tests.statistics.records import solved, table, trial

TASKS = ("ball[dim=3]", "snake_pit[dim=10]", "valley[dim=2]")


@pytest.fixture
def runs() -> pd.DataFrame:
    """Three optimizers, three tasks, three seeds: one upcasts, one crashes, one fits two tasks only."""
    rows = []
    for i, task in enumerate(TASKS):
        for seed in range(3):
            here = {"task": task, "seed": seed}
            rows.append(solved(40 + 5 * seed, **here))
            rows.append(
                solved(20 + 20 * i + seed, optimizer="rsgd[lr=0.1]", state_bytes=2048.0, upcast="eigh in fp32", **here)
            )
            if i < 2:
                rows.append(
                    trial({1e-1: 60}, optimizer="fragile_one", status="failed", error="ValueError: a|b\nmore", **here)
                )
    return table(*rows)


@pytest.fixture
def skips() -> list[Skip]:
    """One reason twice."""
    reason = "fragile_one needs second_order, which valley does not offer"
    return [Skip(task=TASKS[2], optimizer="fragile_one", precision=p, reason=reason) for p in ("fp64", "fp32")]
