"""Records by hand, as rows of the table that the store gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

BLANK: dict[str, Any] = {
    "task": "valley[dim=2]",
    "task_name": "valley",
    "family": "analytic",
    "optimizer": "adam",
    "optimizer_name": "adam",
    "precision": "fp64",
    "device": "cpu",
    "seed": 0,
    "status": "budget",
    "error": None,
    "metric": "gap",
    "mode": "min",
    "headline": 1e-2,
    "rungs": (1e-1, 1e-2),
    "budget_calls": 100,
    "budget_s": 10.0,
    "step": 50.0,
    "n_calls": 100.0,
    "time_s": 1.0,
    "final": 0.5,
    "residual": 0.0,
    "accuracy": float("nan"),
    "setup_s": 0.0,
    "compile_s": 0.0,
    "judge_s": 0.0,
    "n_params": 2,
    "model_bytes": 0.0,
    "state_bytes": 32.0,
    "peak_bytes": 4096.0,
    "upcast": None,
    "machine": "a processor, 2 cores",
    "env_device": "a processor, 2 cores",
    "threads": 1,
    "jobs": 1,
    "torch": "2.13.0",
    "commit": None,
    "commit_at": None,
    "started_at": 0.0,
}


def trial(hits: Mapping[float, float] | None = None, **changes: Any) -> dict[str, Any]:
    """Make one record that reached each rung after so many calls, at two calls a step and 10 ms a call."""
    calls = list((hits or {}).values())
    return {
        **BLANK,
        "hit_rung": list(hits or {}),
        "hit_step": [c / 2 for c in calls],
        "hit_n_grad": calls,
        "hit_time_s": [c / 100 for c in calls],
        **changes,
    }


def solved(calls: float, **changes: Any) -> dict[str, Any]:
    """Make a record that reached the first rung halfway and the headline after `calls`."""
    return trial(
        {1e-1: calls / 2, 1e-2: calls}, **({"status": "solved", "n_calls": calls, "time_s": calls / 100} | changes)
    )


def table(*trials: dict[str, Any]) -> pd.DataFrame:
    """Join records; ids tell repeated trials apart."""
    return pd.DataFrame([{"id": f"{i:064x}", **row} for i, row in enumerate(trials)])


def traced(
    record: dict[str, Any],
    metrics: Mapping[int, float],
    *,
    residuals: Mapping[int, float] | None = None,
    stagnation: float | None = None,
) -> dict[str, Any]:
    """Give a record its judged points, metric and residual (0 unless given) by step, and what its rehearsal saw."""
    kept = residuals or {}
    return {
        **record,
        "trace_step": list(metrics),
        "trace_metric": list(metrics.values()),
        "trace_residual": [kept.get(step, 0.0) for step in metrics],
        "diagnostics": {} if stagnation is None else {"stagnation": stagnation},
    }
