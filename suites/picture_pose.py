"""Draw BFGS's fits of a walk, a run and a jump as stick figures.

    python -m suites.picture_pose                   # results/reference/figures/pose_fit.png, about a minute

asv imports every module of this folder, so this one imports no torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from suites.freeze_pose import windows_of

OUT = Path("results/reference/figures/pose_fit.png")


def main(
    calls: Annotated[int, typer.Option(help="Gradients of a fit.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the starts.")] = 0,
    out: Annotated[Path, typer.Option(help="The picture; the motions go beside it, as JSON.")] = OUT,
) -> None:
    """Fit the windows of the first table of suites/pose.toml, and draw them."""
    import torch

    from rmobench.tasks.pose.picture import stick_figures
    from rmobench.tasks.pose.reference import long_runs, motions_of

    torch.set_num_threads(1)
    chosen = windows_of("pose")["0"]
    found = long_runs(chosen, [seed], n_calls=calls, say=lambda text: print(text, flush=True))
    drawn: dict[str, dict[str, Any]] = {}
    for run in found:
        error, deep = run.mpjpe_g[-1], run.deepest_mm[-1]
        print(
            f"{run.window['clip']}: {run.mpjpe_g[0]:.1f} mm, after {run.n_iterations} iterations {error:.1f} mm, "
            f"{deep:.1f} mm deep; 30 mm after {run.iterations_below(30.0)} iterations"
        )
        drawn[f"{run.window['clip']}: {error:.0f} mm"] = motions_of(run)
    out.parent.mkdir(parents=True, exist_ok=True)
    stick_figures(drawn).savefig(out, dpi=150, format="png")
    beside = out.with_suffix(".json")
    rounded = {n: {k: (m * 1000).round().int().tolist() for k, m in fit.items()} for n, fit in drawn.items()}
    beside.write_text(json.dumps({"unit": "mm", "rate_hz": 30, "joints": rounded}) + "\n", encoding="utf-8")
    print(out, beside)


if __name__ == "__main__":
    typer.run(main)
