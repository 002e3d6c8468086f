"""`rmobench metatrain`: a recipe -> weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmobench.cli.console import console
from rmobench.cli.options import check_writable

if TYPE_CHECKING:
    from rmobench.metatrain.recipe import Recipe
    from rmobench.metatrain.train import Training


def metatrain(
    recipe: Annotated[str, typer.Argument(help="A packaged recipe, or a .toml file.")],
    out: Annotated[
        Path | None, typer.Option(help="Weights to write; default: results/metatrain/RECIPE.safetensors.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's own.")] = None,
    curves: Annotated[
        Path | None, typer.Option(help="JSON list that receives the validation curve too, for `rmobench claims`.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew instead of from the checkpoint.")] = False,
) -> None:
    """Train a learned optimizer and write its weights with their provenance. Interrupted, it goes on where it was."""
    import torch

    from rmobench.harness.environment import environment
    from rmobench.metatrain.export import add_curve, export
    from rmobench.metatrain.recipe import read_recipe, recipes

    torch.set_num_threads(1)  # small tensors: contended threads are ten times slower
    chosen = read_recipe(recipe, seed=seed)
    stem = chosen.name if recipe in recipes() else f"{chosen.name}-{chosen.sha256[:8]}"  # two files can share a name
    stem = stem if seed is None else f"{stem}-seed{seed}"
    commit = environment().commit
    folder = Path("results/metatrain")
    checkpoint = folder / f"{stem}.checkpoint"
    if fresh:
        checkpoint.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    path = out or folder / f"{stem}.safetensors"
    check_writable(path, ".safetensors")
    training = _metatrain(chosen, checkpoint)
    if curves is not None:
        add_curve(chosen, training, curves)
    written = export(chosen, training, path, commit=commit)
    print(
        f"wrote {path}: validation {written.validation:.4f} at outer step {written.best_outer}, "
        f"{written.wall_s:.0f} s; {training.n_bad} inner steps and {training.n_skipped} outer gradients "
        "were not finite and left out"
    )


def _metatrain(recipe: Recipe, checkpoint: Path) -> Training:
    """Train with a progress bar; Ctrl-C leaves the checkpoint."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from rmobench.metatrain.train import load_checkpoint, save_checkpoint, train

    training = None
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    try:
        with Progress(*columns, console=console(stderr=True)) as progress:
            bar = progress.add_task("", total=recipe.n_outer)
            for now, training in train(recipe, checkpoint):  # noqa: B007  # the last one is what is returned
                said = f"loss {now.loss:.3f}, validation {now.validation:.3f} (best {now.best:.3f})"
                odd = f", {now.n_bad} inner steps not finite" if now.n_bad else ""
                progress.update(bar, completed=now.outer, description=said + odd)
    except KeyboardInterrupt:
        if training is not None:
            save_checkpoint(recipe, training, checkpoint)
            said = f"interrupted after outer step {training.outer}; the same command goes on from {checkpoint}."
            typer.secho(said, err=True)
        raise typer.Exit(130) from None
    return training or load_checkpoint(recipe, checkpoint)  # which was complete already
