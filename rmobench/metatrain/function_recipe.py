"""Recipes for rules that step in flat space: trained on instances of the classical functions."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator

from rmobench.errors import RecipeError
from rmobench.metatrain.distribution import QUADRATIC, draw_batch
from rmobench.metatrain.estimator import Estimator, Inner
from rmobench.metatrain.nres import NRES
from rmobench.metatrain.pes import PES
from rmobench.metatrain.plan import (
    Drawn,
    RecipeFile,
    Settings,
    Stage,
    Validation,
    check_positive,
    check_range,
    log_uniform,
)
from rmobench.metatrain.truncated import Truncated
from rmobench.metatrain.unroll import Unroll
from rmobench.optimizers.learned.rule import Architecture
from rmobench.tasks.analytic.instances import FUNCTIONS
from rmobench.tasks.streams import stream

UNSHIFTABLE = {
    "michalewicz": "its minimum holds inside its domain only, and training instances are shifted",
    "schwefel": "its minimum holds inside its domain only, and training instances are shifted",
    "powell": "it exists in multiples of four dimensions only",
}


class FunctionStage(Stage, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stage over dimensions and horizons."""

    estimator: Literal["truncated", "pes", "nres"]
    dims: tuple[int, int]  # dimension of an episode: log-uniform between
    functions_per_batch: int = 4
    sigma: float = 0.01  # deviation of the perturbations of PES and NRES

    @property
    def estimate(self) -> Estimator:
        """Return the estimator of the outer gradient."""
        match self.estimator:
            case "pes":
                return PES(self.sigma)
            case "nres":
                return NRES(self.sigma)
        return Truncated(self.order)

    def check(self) -> None:
        """Raise RecipeError where a number makes no sense."""
        super().check()
        check_range("dims", self.dims, 2)
        check_positive("sigma", self.sigma)


class FunctionValidation(Validation, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Instances of the training functions that are never trained on."""

    dims: tuple[int, ...] = (3, 10, 30)

    def check(self) -> None:
        """Raise RecipeError where a number makes no sense."""
        if min(self.dims, default=0) < 2 or min(self.each, self.horizon, self.every, self.patience) < 1:
            raise RecipeError(
                "validation: expected dims of at least 2; each, horizon, every and patience of at least 1."
            )


class FunctionRecipe(RecipeFile, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Shifted, rotated, zoomed instances of functions; some functions are held out."""

    functions: tuple[str, ...]  # trained on
    held_out: tuple[str, ...]  # functions that no instance comes from
    stages: tuple[FunctionStage, ...]
    validation: FunctionValidation = FunctionValidation()

    @property
    def plans(self) -> tuple[Stage, ...]:
        """Return the stages."""
        return self.stages

    @property
    def validating(self) -> Validation:
        """Return how it is validated."""
        return self.validation

    def draw(self, stage: int, architecture: Architecture, settings: Settings, generator: Generator) -> Drawn:
        """Draw a dimension, a horizon, some functions, and instances of them."""
        plan = self.stages[stage]
        dim = log_uniform(*plan.dims, generator)
        horizon = log_uniform(*plan.horizon, generator)
        order = torch.randperm(len(self.functions), generator=generator).tolist()
        functions = [self.functions[i] for i in order[: plan.functions_per_batch]]
        batch = draw_batch(functions, dim, plan.each, generator).repeat(plan.estimate.copies)
        return Unroll(architecture=architecture, settings=settings, batch=batch), horizon

    def validation_set(self, architecture: Architecture, settings: Settings) -> tuple[Inner, ...]:
        """Draw one batch per dimension."""
        each = self.validation.each
        batches = (
            draw_batch(self.functions, dim, each, stream(0, f"metatrain/validation/{dim}"))
            for dim in self.validation.dims
        )
        return tuple(Unroll(architecture=architecture, settings=settings, batch=batch) for batch in batches)

    def check(self) -> None:
        """Raise RecipeError where the recipe makes no sense, or trains on what it holds out."""
        if unknown := [name for name in self.functions if name not in (*FUNCTIONS, QUADRATIC)]:
            raise RecipeError(f"got function {unknown[0]!r}, expected some of {', '.join((*FUNCTIONS, QUADRATIC))}.")
        if unknown := [name for name in self.held_out if name not in FUNCTIONS]:
            raise RecipeError(f"got held-out function {unknown[0]!r}, expected some of {', '.join(FUNCTIONS)}.")
        if twice := [name for name in self.functions if self.functions.count(name) > 1]:
            raise RecipeError(f"{twice[0]} is in functions more than once.")
        if unfit := [name for name in self.functions if name in UNSHIFTABLE]:
            raise RecipeError(f"{unfit[0]} cannot be trained on: {UNSHIFTABLE[unfit[0]]}.")
        if trained := [name for name in self.functions if name in self.held_out]:
            raise RecipeError(f"{', '.join(trained)}: held out and trained on; take it out of one of the lists.")
        if missing := [name for name in FUNCTIONS if name not in (*self.functions, *self.held_out)]:
            raise RecipeError(f"{missing[0]} is neither in functions nor in held_out; say which.")
        if not self.functions:
            raise RecipeError("got no functions, expected at least one.")
        super().check()
        for stage in self.stages:
            if not 1 <= stage.functions_per_batch <= len(self.functions):
                raise RecipeError(
                    f"got functions_per_batch = {stage.functions_per_batch}, there are {len(self.functions)}."
                )
