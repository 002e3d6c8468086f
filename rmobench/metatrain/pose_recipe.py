"""Recipes for rules that fit poses: trained on windows of real motion, by evolution strategies."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator

from rmobench.errors import RecipeError
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
from rmobench.metatrain.pose_distribution import draw_poses
from rmobench.metatrain.unroll import Unroll
from rmobench.optimizers.learned.architectures import EUCLIDEAN
from rmobench.optimizers.learned.rule import Architecture, Theta
from rmobench.optimizers.learned.weights import load_weights
from rmobench.tasks.pose.clips import N_STEPS
from rmobench.tasks.streams import stream


class PoseStage(Stage, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stage over lengths of windows and horizons.

    Contact makes the derivatives of long unrolls useless, so that only evolution strategies are offered.
    Source: Metz, Freeman, Schoenholz, Kachman 2021, arXiv 2111.05803.
    """

    estimator: Literal["pes", "nres"]
    n_steps: tuple[int, int]  # control steps of the windows of an episode: log-uniform between
    clips_per_batch: int = 4
    sigma: float = 0.01  # deviation of the perturbations

    @property
    def estimate(self) -> Estimator:
        """Return the estimator of the outer gradient."""
        return PES(self.sigma) if self.estimator == "pes" else NRES(self.sigma)

    def check(self) -> None:
        """Raise RecipeError where a number makes no sense."""
        super().check()
        check_range("n_steps", self.n_steps, 2)
        check_positive("sigma", self.sigma)
        if self.n_steps[1] > N_STEPS:
            raise RecipeError(f"got n_steps up to {self.n_steps[1]}, expected at most {N_STEPS}.")


class PoseValidation(Validation, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Windows of the same clips with starts that are never trained on."""

    n_steps: tuple[int, ...] = (5, 15)

    def check(self) -> None:
        """Raise RecipeError where a number makes no sense."""
        super().check()
        if not 2 <= min(self.n_steps, default=0) <= max(self.n_steps, default=0) <= N_STEPS:
            raise RecipeError(f"validation: got n_steps = {list(self.n_steps)}, expected some from 2 to {N_STEPS}.")


class PoseRecipe(RecipeFile, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Random windows of some clips; other clips are held out."""

    data: str
    clips: tuple[str, ...]  # trained on
    held_out: tuple[str, ...]  # clips that no window comes from
    stages: tuple[PoseStage, ...]
    begin_with: str | None = None  # weights to start from, with the settings of the recipe; None: drawn anew
    begin_with_sha256: str | None = None
    validation: PoseValidation = PoseValidation()

    @property
    def plans(self) -> tuple[Stage, ...]:
        """Return the stages."""
        return self.stages

    @property
    def validating(self) -> Validation:
        """Return how it is validated."""
        return self.validation

    def beginning(self, architecture: Architecture, settings: Settings, generator: Generator) -> Theta:
        """Return the meta-parameters before the first outer step: drawn anew, or those of some weights.

        Raises:
            WeightsError: The weights are missing or damaged.
            RecipeError: They are not those that the recipe means.
        """
        if self.begin_with is None:
            return super().beginning(architecture, settings, generator)
        weights = load_weights(self.begin_with, self.architecture)
        if weights.sha256 != self.begin_with_sha256:
            raise RecipeError(
                f"begin_with: {self.begin_with} has sha256 {weights.sha256}, expected {self.begin_with_sha256}."
            )
        if {**architecture.settings, **weights.settings} != settings:
            raise RecipeError(
                f"begin_with: {self.begin_with} was trained with {dict(weights.settings)}, the recipe says {settings}."
            )
        return dict(weights.theta)

    def draw(self, stage: int, architecture: Architecture, settings: Settings, generator: Generator) -> Drawn:
        """Draw a length, a horizon, some clips, and windows of them."""
        plan = self.stages[stage]
        n_steps = log_uniform(*plan.n_steps, generator)
        horizon = log_uniform(*plan.horizon, generator)
        order = torch.randperm(len(self.clips), generator=generator).tolist()
        clips = [self.clips[i] for i in order[: plan.clips_per_batch]]
        batch = draw_poses(clips, data=self.data, n_steps=n_steps, each=plan.each, generator=generator)
        return Unroll(architecture=architecture, settings=settings, batch=batch.repeat(plan.estimate.copies)), horizon

    def validation_set(self, architecture: Architecture, settings: Settings) -> tuple[Inner, ...]:
        """Draw one batch per length."""
        batches = (
            draw_poses(
                self.clips,
                data=self.data,
                n_steps=n_steps,
                each=self.validation.each,
                generator=stream(0, f"metatrain/validation/pose/{n_steps}"),
            )
            for n_steps in self.validation.n_steps
        )
        return tuple(Unroll(architecture=architecture, settings=settings, batch=batch) for batch in batches)

    def check(self) -> None:
        """Raise RecipeError where the recipe makes no sense, or trains on what it holds out."""
        if self.architecture not in EUCLIDEAN:
            raise RecipeError(f"got architecture {self.architecture!r}, expected one of {', '.join(EUCLIDEAN)}.")
        if twice := [clip for clip in self.clips if self.clips.count(clip) > 1]:
            raise RecipeError(f"{twice[0]} is in clips more than once.")
        if trained := [clip for clip in self.clips if clip in self.held_out]:
            raise RecipeError(f"{', '.join(trained)}: held out and trained on; take it out of one of the lists.")
        if (self.begin_with is None) is not (self.begin_with_sha256 is None):
            raise RecipeError("begin_with and begin_with_sha256 come together.")
        super().check()
        for stage in self.stages:
            if not 1 <= stage.clips_per_batch <= len(self.clips):
                raise RecipeError(f"got clips_per_batch = {stage.clips_per_batch}, there are {len(self.clips)}.")
