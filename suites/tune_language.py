"""Tune every method of the suite `language`: five learning rates each, half a decade apart, on one tuning seed.

    python -m suites.tune_language    # about two hours on two idle cores; interrupted, it goes on where it was
    rmobench run language             # the winners, which stand in suites/language.toml

Other hyperparameters keep their defaults, but that whoever has a learning rate of its own for the parameters outside
the low-rank layers takes 0.005 there, where that of LoRA by AdamW lies. Full matrices take smaller steps, and plain
gradients larger ones. asv imports every module of this folder, so this one imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

FULL = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
FINE = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
ADAM = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
MANIFOLD = (1e-2, 3e-2, 1e-1, 3e-1, 1.0)
MOMENTUM = (3e-2, 1e-1, 3e-1, 1.0, 3.0)
PLAIN = (1e-1, 3e-1, 1.0, 3.0, 10.0)

GRIDS = {
    "lora_adamw": ("factor_adam", "", ADAM),
    "lora_plus": ("factor_adam", "lr_ratio=16.0", FINE),
    "lora_sgd": ("factor_sgd", "", PLAIN),
    "lora_heavy_ball": ("factor_heavy_ball", "", MOMENTUM),
    "usv_adamw": ("factor_adam", "factors=three", ADAM),
    "lr_heavy_ball": ("lr_heavy_ball", "", MOMENTUM),
    "lr_adam_core": ("lr_adam_core", "", FINE),
    "lr_adam_tangent": ("lr_adam_tangent", "companion_lr=0.005", MANIFOLD),
    "geolora": ("geolora", "core_lr=0.005", MOMENTUM),
    "dlrt": ("dlrt", "", PLAIN),
    "scaled_heavy_ball": ("scaled_gd", "momentum=0.9", MOMENTUM),
    "scaled_adamw": ("scaled_adamw", "", ADAM),
    "stiefel_adamw": ("stiefel_adamw", "", ADAM),
    "lora_rite": ("lora_rite", "", ADAM),
    "lora_muon": ("lora_muon", "companion_lr=0.005", ADAM),
    "full_adamw": ("full_adamw", "", FULL),
    "galore": ("galore", "", FINE),
    "dora": ("peft_adamw", "variant=dora", ADAM),
    "rslora": ("peft_adamw", "variant=rslora", ADAM),
    "pissa": ("peft_adamw", "variant=pissa", FINE),
    "adalora": ("peft_adamw", "variant=adalora,n_steps=80", ADAM),
}
"""By the label in the suite: optimizer, what is held, learning rates."""

N_RATES = 5


def tuned() -> Iterator[str]:
    """Yield what `rmobench tune --optimizer` takes."""
    for label, (name, held, rates) in GRIDS.items():
        yield f"{label} = {name}[{held + ',' if held else ''}lr={rates}]"


def main(
    out: Annotated[Path, typer.Option(help="Suite of the winners.")] = Path("results/tuned/language.toml"),
    store: Annotated[Path, typer.Option(help="Folder of tuning records.")] = Path("results/tuning"),
    jobs: Annotated[int, typer.Option("-j", help="Worker processes.")] = 2,
) -> None:
    """Run the settings that have not run yet, and write and print the winners."""
    from rmobench.cli.tune import tune
    from rmobench.harness.suite import read_suite

    out.parent.mkdir(parents=True, exist_ok=True)
    tune("language", list(tuned()), points=N_RATES, seeds=1, jobs=jobs, out=out, store=store)
    for run in read_suite(str(out)).runs:
        won = [text.replace("_tuned = ", " = ") for text in run.optimizers if "_tuned = " in text]
        print("\n".join((*run.tasks, *(f'  "{text}",' for text in won))) if won else "")


if __name__ == "__main__":
    typer.run(main)
