"""Recipes for rules that step on manifolds: trained on problems on frames."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator

from rmobench.errors import RecipeError
from rmobench.metatrain.estimator import Estimator, Inner
from rmobench.metatrain.frame_distribution import PROBLEMS, draw_frames
from rmobench.metatrain.frame_unroll import FrameUnroll
from rmobench.metatrain.implicit import Implicit
from rmobench.metatrain.network_unroll import NetworkUnroll, draw_networks
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
from rmobench.optimizers.learned.rule import Architecture
from rmobench.tasks.streams import stream


class FrameStage(Stage, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stage over ranks and horizons; every episode is of one problem."""

    estimator: Literal["truncated", "implicit"]
    ranks: tuple[int, int]  # columns of the frames: log-uniform between
    rates: tuple[float, float] = (0.5, 2.0)  # learning rates in units of one over the curvature: log-uniform between
    networks: int = 2  # networks in a batch of them
    n_terms: int = 5  # of the Neumann series
    alpha: float = 0.1  # its step

    @property
    def estimate(self) -> Estimator:
        """Return the estimator of the outer gradient."""
        return Truncated(self.order) if self.estimator == "truncated" else Implicit(self.n_terms, self.alpha)

    def check(self) -> None:
        """Raise RecipeError where a number makes no sense."""
        super().check()
        check_range("ranks", self.ranks, 1)
        check_positive("alpha", self.alpha)
        check_positive("rates", self.rates[0])
        if not self.rates[0] <= self.rates[1]:
            raise RecipeError(f"got rates = {list(self.rates)}, expected low <= high.")
        if self.ranks[1] > RANK_MAX or self.n_terms < 0:
            raise RecipeError(
                f"got ranks up to {self.ranks[1]} and {self.n_terms} terms; expected ranks up to {RANK_MAX} and at "
                "least 0 terms."
            )


NETWORKS = "networks"
"""The problem of training small orthogonal networks."""

RANK_MAX = 32
"""Half of the rows of a problem on digits."""


class FrameValidation(Validation, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Instances of the problems that are never trained on."""

    ranks: tuple[int, ...] = (2, 8)
    rates: tuple[float, float] = (0.5, 2.0)

    def check(self) -> None:
        """Raise RecipeError where a number makes no sense."""
        super().check()
        if not 1 <= min(self.ranks, default=0) <= max(self.ranks, default=0) <= RANK_MAX:
            raise RecipeError(f"validation: got ranks = {list(self.ranks)}, expected some from 1 to {RANK_MAX}.")


class FrameRecipe(RecipeFile, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Random instances of problems on frames, from the training half of the data where there is any."""

    problems: tuple[str, ...]
    stages: tuple[FrameStage, ...]
    validation: FrameValidation = FrameValidation()

    @property
    def plans(self) -> tuple[Stage, ...]:
        """Return the stages."""
        return self.stages

    @property
    def validating(self) -> Validation:
        """Return how it is validated."""
        return self.validation

    def draw(self, stage: int, architecture: Architecture, settings: Settings, generator: Generator) -> Drawn:
        """Draw a problem, a rank, a horizon, and instances."""
        plan = self.stages[stage]
        problem = self.problems[int(torch.randint(len(self.problems), (), generator=generator))]
        if problem == NETWORKS:
            horizon = log_uniform(*plan.horizon, generator)
            nets = draw_networks(each=plan.networks, rates=plan.rates, generator=generator)
            return NetworkUnroll(architecture=architecture, settings=settings, batch=nets), horizon
        rank = log_uniform(*plan.ranks, generator)
        horizon = log_uniform(*plan.horizon, generator)
        batch = draw_frames(problem, rank=rank, each=plan.each, rates=plan.rates, generator=generator)
        return FrameUnroll(architecture=architecture, settings=settings, batch=batch), horizon

    def validation_set(self, architecture: Architecture, settings: Settings) -> tuple[Inner, ...]:
        """Draw one batch per problem and rank."""
        plan = self.validation
        batches = (
            draw_frames(
                problem,
                rank=rank,
                each=plan.each,
                rates=plan.rates,
                generator=stream(0, f"metatrain/validation/{problem}/{rank}"),
                validating=True,
            )
            for problem in self.problems
            if problem != NETWORKS
            for rank in plan.ranks
        )
        drawn: list[Inner] = [FrameUnroll(architecture=architecture, settings=settings, batch=b) for b in batches]
        if NETWORKS in self.problems:
            generator = stream(0, f"metatrain/validation/{NETWORKS}")
            nets = draw_networks(each=plan.each, rates=plan.rates, generator=generator, validating=True)
            drawn.append(NetworkUnroll(architecture=architecture, settings=settings, batch=nets))
        return tuple(drawn)

    def check(self) -> None:
        """Raise RecipeError where the recipe makes no sense."""
        known = (*PROBLEMS, NETWORKS)
        if not self.problems or any(name not in known for name in self.problems):
            raise RecipeError(f"got problems {list(self.problems)}, expected some of {', '.join(known)}.")
        if NETWORKS in self.problems and any(stage.estimator == "implicit" for stage in self.stages):
            raise RecipeError(f"{NETWORKS} are trained by truncated back-propagation only; take them out of problems.")
        super().check()
        if self.architecture == "gmlstm":
            self._check_shape()

    def _check_shape(self) -> None:
        """Refuse problems of other shapes than the one that these weights are for."""
        n, p = (({"n": 64, "p": 8} | self.settings)[name] for name in ("n", "p"))
        ranks = {rank for stage in self.stages for rank in stage.ranks} | set(self.validation.ranks)
        if self.problems != ("pca",) or n != 64 or ranks != {p}:
            raise RecipeError(
                f"gmlstm: got problems {list(self.problems)} and ranks {sorted(ranks)} for weights of {n} x {p}; "
                f"expected problems ['pca'], n = 64 and ranks of {p} alone."
            )
