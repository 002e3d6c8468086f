"""A small case that shows everything."""

from __future__ import annotations

import pandas as pd
import pytest

from rmobench.types import Skip
from tests.statistics.records import solved, table, traced, trial

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


@pytest.fixture
def precisions() -> pd.DataFrame:
    """Adam takes twice the steps in bfloat16, and upcasts; frail never arrives, and is lost at once in bfloat16."""
    rows = []
    for task in TASKS[:2]:
        for seed in range(3):
            for precision, factor in (("fp64", 1), ("bf16", 2)):
                here = {"task": task, "seed": seed, "precision": precision}
                rows.append(solved(20 * factor, upcast="mul in float32" if factor == 2 else None, **here))
                lost = task == TASKS[0] and factor == 2
                rows.append(trial(optimizer="frail", status="nonfinite" if lost else "budget", **here))
    return table(*(traced(row, {0: 1.0, 10: 0.5, 40: 0.3}, stagnation=0.25) for row in rows))
