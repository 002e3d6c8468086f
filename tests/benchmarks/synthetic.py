"""Synthetic records, as the store would give them, of any size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

LADDER = [1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8]


def runs(*, n_tasks: int, n_optimizers: int, n_seeds: int, budget: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Return one row per (task, optimizer, seed): optimizers grow slower with their number, and some trials fail."""
    rng = np.random.default_rng(seed)
    shape = (n_tasks, n_optimizers, n_seeds)
    task, optimizer, trial_seed = (index.ravel() for index in np.indices(shape))
    n = task.size
    difficulty = rng.lognormal(3.0, 0.7, n_tasks)[task] * (1.0 + 0.3 * optimizer)
    cost = np.ceil(difficulty * rng.lognormal(0.0, 0.3, n))[:, None] * np.arange(1, len(LADDER) + 1)  # [n, rungs]
    n_hits = np.where(rng.random(n) < 0.03, 0, (cost <= budget).sum(1))
    n_calls = np.where(n_hits == len(LADDER), cost[:, -1], budget)
    pace = 1e-4 * rng.lognormal(0.0, 0.1, n)
    solved, failed = n_hits == len(LADDER), n_hits == 0
    status = np.where(solved, "solved", np.where(failed, "failed", "budget"))
    return pd.DataFrame(
        {
            "id": [f"{i:064x}" for i in range(n)],
            "task": np.array([f"task{i}[dim=10]" for i in range(n_tasks)])[task],
            "task_name": np.array([f"task{i}" for i in range(n_tasks)])[task],
            "family": "synthetic",
            "optimizer": np.array(["adam", *(f"method{i}" for i in range(1, n_optimizers))])[optimizer],
            "optimizer_name": np.array(["adam", *(f"method{i}" for i in range(1, n_optimizers))])[optimizer],
            "precision": "fp64",
            "device": "cpu",
            "seed": trial_seed,
            "status": status,
            "error": np.where(failed, "ValueError: synthetic failure", None),
            "metric": "gap",
            "mode": "min",
            "headline": 1e-4,
            "rungs": list(_repeat(LADDER, n)),
            "budget_calls": budget,
            "budget_s": 60.0,
            "step": n_calls / 2,
            "n_calls": n_calls,
            "time_s": n_calls * pace,
            "final": 1e-9,
            "residual": 0.0,
            "accuracy": float("nan"),
            "hit_rung": [LADDER[:k] for k in n_hits],
            "hit_step": [row[:k] for row, k in zip((cost / 2).tolist(), n_hits, strict=True)],
            "hit_n_grad": [row[:k] for row, k in zip(cost.tolist(), n_hits, strict=True)],
            "hit_time_s": [row[:k] for row, k in zip((cost * pace[:, None]).tolist(), n_hits, strict=True)],
            "setup_s": 0.01,
            "compile_s": 0.0,
            "judge_s": 0.02,
            "n_params": 10,
            "model_bytes": 0,
            "state_bytes": 160 * (1 + optimizer),
            "peak_bytes": 1000 * (1 + optimizer),
            "upcast": None,
            "machine": "a machine",
            "env_device": "a processor",
            "threads": 1,
            "jobs": 2,
            "torch": "2.13.0",
            "commit": "0" * 40,
            "commit_at": 1.7e9,
            "started_at": 1.7e9 + np.arange(n),
        }
    )


def _repeat(ladder: list[float], n: int) -> Iterator[list[float]]:
    for _ in range(n):
        yield list(ladder)
