"""From finished meta-training to weights that others can load and trace back."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import torch

from rmobench.errors import RecipeError
from rmobench.metatrain.recipe import Recipe
from rmobench.metatrain.train import Training
from rmobench.optimizers.learned.weights import Provenance, write_weights


def export(recipe: Recipe, training: Training, path: Path, *, commit: str | None) -> Provenance:
    """Write the best meta-parameters in float32, and where they come from beside them.

    Args:
        recipe: What was trained.
        training: How far it went.
        path: The .safetensors file.
        commit: Of the checkout that trained, None outside one.

    Raises:
        RecipeError: Nothing was learned: no validation was finite and better than that of the fresh weights.
    """
    if training.best_outer == 0 or not training.best_validation < 0.0:
        values = [value for _, _, value in training.curve]
        raise RecipeError(
            f"{recipe.name}: validations from {values[0]:.3g} to at best {min(values):.3g} after {training.outer} "
            f"outer steps, "
            f"{training.n_bad} inner steps and {training.n_skipped} outer gradients not finite: nothing was learned. "
            "No weights are written; lower lr or the scales."
        )
    return write_weights(
        path,
        {name: t.float() for name, t in training.best.items()},
        architecture=recipe.file.architecture,
        settings=recipe.settings_of(recipe.stage_at(max(0, training.best_outer - 1))[0]),
        recipe=recipe.name,
        recipe_sha256=recipe.sha256,
        seed=recipe.file.seed,
        commit=commit,
        wall_s=round(training.wall_s, 1),
        n_outer=training.outer,
        best_outer=training.best_outer,
        validation=training.best_validation,
        curve=tuple(training.curve),
        device=platform.processor() or platform.machine(),
        torch=str(torch.__version__),
    )


def add_curve(recipe: Recipe, training: Training, path: Path) -> None:
    """Put the validation curve into a JSON list of curves, in place of one of the same recipe and seed."""
    curves = json.loads(path.read_bytes()) if path.is_file() else []
    seed = recipe.file.seed
    others = [c for c in curves if (c["recipe"], c["seed"]) != (recipe.name, seed)]
    mine = {
        "architecture": recipe.file.architecture,
        "recipe": recipe.name,
        "recipe_sha256": recipe.sha256,
        "seed": seed,
        "curve": training.curve,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([*others, mine]) + "\n", encoding="utf-8")
