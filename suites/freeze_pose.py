"""Freeze the targets of the poses: what long runs of BFGS reach, median over seeds, with their provenance.

    python -m suites.freeze_pose                    # the windows of suites/pose.toml, five seeds, 300 gradients each
    python -m suites.freeze_pose --calls 20 --seeds 1 --out /tmp/pose_window.json

The runs are those of the optimizer bfgs at its defaults, in float64, side by side: every window with every seed asks
for a gradient, then all of them are simulated as one batch. asv imports every module of this folder, so this one
imports no torch.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Annotated, Any

import typer

from suites.freeze_target import FREEZING_SEED, rounded_up

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""Of the calls, one rung each."""

HEADLINE = 1 / 2

OUT = Path("rmobench/tasks/pose/targets/pose_window.json")


def windows_of(suite: str) -> dict[str, list[dict[str, Any]]]:
    """Return the arguments of the suite's windows, by the number of its table."""
    from rmobench.harness.suite import read_suite
    from rmobench.registry import choose_tasks

    runs = read_suite(suite).runs
    return {str(k): [dict(t.args) for text in run.tasks for t in choose_tasks(text)] for k, run in enumerate(runs)}


def main(
    suite: Annotated[str, typer.Option(help="Whose windows.")] = "pose",
    calls: Annotated[int, typer.Option(help="Gradients of a run.")] = 300,
    seeds: Annotated[int, typer.Option(help="Runs of a window.")] = 5,
    out: Annotated[Path, typer.Option(help="The file to write.")] = OUT,
) -> None:
    """Run BFGS on every window and seed, and write what it reached."""
    import msgspec
    import torch

    from rmobench.harness.environment import environment
    from rmobench.tasks.pose.reference import long_runs

    torch.set_num_threads(1)
    chosen = [args for table in windows_of(suite).values() for args in table]
    numbers = range(FREEZING_SEED, FREEZING_SEED + seeds)
    found = long_runs(chosen, numbers, n_calls=calls, say=lambda text: print(text, flush=True))
    rungs = {f"{share:g}": _rung(found, max(1, round(share * calls))) for share in SHARES}
    said = {
        "task": "pose_window",
        "metric": "mpjpe_g",
        "mode": "min",
        "rungs": sorted(set(rungs.values()), reverse=True),
        "headline": rungs[f"{HEADLINE:g}"],
        "provenance": {
            "rule": "median over windows and seeds of the lowest MPJPE-G (mm) within a share of the calls among points "
            "that sink in less than 20 mm, rounded up to two digits",
            "rung_of_share": rungs,
            "headline_share": HEADLINE,
            "baseline": "bfgs",
            "n_calls": calls,
            "seeds": list(numbers),
            "precision": "fp64",
            "runs": [
                {
                    "window": run.window,
                    "seed": run.seed,
                    "iterations": run.n_iterations,
                    "calls_to_30_mm": run.first_below(30.0),
                    "iterations_to_30_mm": run.iterations_below(30.0),
                    "mpjpe_g": [round(value, 2) for value in run.mpjpe_g],
                    "deepest_mm": [round(value, 2) for value in run.deepest_mm],
                }
                for run in found
            ],
            "environment": msgspec.to_builtins(environment()),
        },
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    print(out)


def _rung(found: list[Any], n_calls: int) -> float:
    """Return the median over the runs of the lowest MPJPE-G within so many calls."""
    return rounded_up(statistics.median(run.lowest(n_calls) for run in found))


if __name__ == "__main__":
    typer.run(main)
