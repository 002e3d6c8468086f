"""How good a rule is on instances that it was not trained on."""

from __future__ import annotations

import torch

from rmobench.metatrain.distribution import draw_batch
from rmobench.metatrain.recipe import Recipe
from rmobench.metatrain.unroll import Unroll
from rmobench.optimizers.learned.rule import Theta
from rmobench.tasks.streams import stream


def validation_set(recipe: Recipe, stage: int) -> tuple[Unroll, ...]:
    """Draw the validation instances, one batch per dimension; the same for every recipe with the same lists."""
    plan = recipe.file.validation
    return tuple(
        Unroll(
            architecture=recipe.architecture,
            settings=recipe.settings_of(stage),
            batch=draw_batch(recipe.file.functions, dim, plan.each, stream(0, f"metatrain/validation/{dim}")),
        )
        for dim in plan.dims
    )


@torch.no_grad()
def validate(theta: Theta, batches: tuple[Unroll, ...], horizon: int) -> float:
    """Return the mean over dimensions, instances and steps of log10 of the clipped gap."""
    means = [unroll.window(theta, unroll.begin(theta), horizon)[0].mean() for unroll in batches]
    return torch.stack(means).mean().item()
