"""Synthetic records, valid in every field, of any number."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterator
from dataclasses import replace

from rmobench.types import LADDER, Budget, Environment, Hit, Point, Record, Status, Target, Trial

BUDGET = Budget(n_calls=1000, time_s=60.0)

ENVIRONMENT = Environment(
    machine="a processor, 8 cores",
    device="a processor",
    memory_bytes=2**34,
    system="Linux x86_64",
    python="3.11.9",
    torch="2.13.0",
    numpy="2.4.0",
    rmobench="0.1.0",
    commit="c0ffee" + "0" * 34,
    commit_at=1.7e9,
    jobs=2,
)


def trial(task: str = "rosenbrock", optimizer: str = "adam", seed: int = 0, **changes: object) -> Trial:
    """Return a plan; `changes` are fields of Trial."""
    plan = Trial(
        task=task,
        args={"dim": 2},
        task_version=1,
        optimizer=optimizer,
        hyper={"lr": 0.01, "nesterov": False, "rule": "a b", "cap": None},
        optimizer_version=1,
        seed=seed,
        budget=BUDGET,
        label=f"{optimizer}[lr=0.01]",
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def record(
    plan: Trial | None = None, *, n_points: int = 40, calls_to_target: int | None = None, **changes: object
) -> Record:
    """Return what a trial might have done: a noisy descent, or one that takes `calls_to_target` to the headline rung.

    Args:
        plan: The trial; default: `trial()`.
        n_points: Points of the trace, at most: where the logarithmic grid is finer than a call, fewer.
        calls_to_target: Gradients to the default headline rung, which the rate of the descent is made for.
        changes: Fields of Record.
    """
    plan = plan or trial()
    rng = random.Random(plan.id)
    calls = sorted({0, *(round(plan.budget.n_calls ** (i / max(1, n_points - 2))) for i in range(n_points - 1))})
    calls = calls[:n_points]
    decades = (
        -_exponent(Target().headline) / calls_to_target if calls_to_target else rng.uniform(0.002, 0.01)
    )  # per call
    trace = tuple(_point(n, 10.0 ** (-decades * n), rng) for n in calls)
    needed = [(rung, max(1, round(-_exponent(rung) / decades))) for rung in LADDER]
    hits = tuple(
        Hit(rung=rung, point=_point(n, rung * rng.uniform(0.5, 1.0), rng))
        for rung, n in needed
        if n <= plan.budget.n_calls
    )
    made = Record(
        id=plan.id,
        trial=plan,
        family="analytic",
        target=Target(),
        status=Status.solved if len(hits) == len(LADDER) else Status.budget,
        trace=trace,
        trace_sha256=hashlib.sha256(plan.id.encode()).hexdigest(),
        hits=hits,
        spent=trace[-1] if trace else None,
        setup_s=rng.random(),
        compile_s=rng.random(),
        judge_s=rng.random(),
        n_params=2,
        model_bytes=0,
        state_bytes=48,
        peak_bytes=1000 + rng.randrange(1000),
        environment=ENVIRONMENT,
        started_at=1.7e9 + rng.random() * 1e6,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def _exponent(rung: float) -> float:
    return math.log10(rung)


def _point(n: int, gap: float, rng: random.Random) -> Point:
    noisy = gap * rng.uniform(0.8, 1.2)
    metrics = {"objective": 3.0 + 7.0 * noisy, "gap": noisy, "residual": 0.0}
    return Point(step=n, n_loss=0, n_grad=n, n_hvp=0, time_s=n * 1e-4 * rng.uniform(0.9, 1.1), metrics=metrics)


def records(n: int, *, n_points: int = 40) -> Iterator[Record]:
    """Yield n different records: 20 tasks, 10 optimizers, and as many seeds as that needs."""
    for i in range(n):
        plan = trial(f"task{i % 20}", f"method{i // 20 % 10}", seed=i // 200)
        yield record(plan, n_points=n_points)
