"""What every recipe says: stages of an outer loop, validation, and how to draw inner problems."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import torch
from torch import Generator

from rmobench.errors import RecipeError
from rmobench.metatrain.estimator import Estimator, Inner
from rmobench.optimizers.learned.architectures import ARCHITECTURES
from rmobench.optimizers.learned.rule import Architecture, Theta

Settings = dict[str, bool | int | float]


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of meta-training; stages follow each other as the curriculum."""

    n_outer: int  # outer steps
    window: int  # inner steps per outer step
    horizon: tuple[int, int]  # inner steps per episode: log-uniform between
    each: int = 16  # instances of every kind in a batch
    workers: int = 6  # episodes in flight, each at another time of its own; one is advanced per outer step
    lr: float = 1e-3  # of the outer Adam, at the beginning
    lr_end: float = 1e-4  # and at the end: it falls exponentially
    clip: float = 1.0  # largest norm of the outer gradient
    order: int = 2  # of truncated back-propagation
    average: float = 0.0  # decay of the running mean of theta that is validated and written, per outer step
    settings: Settings = {}  # of the architecture, for this stage instead of the recipe's

    @property
    def estimate(self) -> Estimator:
        """Return the estimator of the outer gradient."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise RecipeError where a number makes no sense."""
        whole = {"n_outer": self.n_outer, "window": self.window, "each": self.each, "workers": self.workers}
        for name, value in whole.items():
            if value < 1:
                raise RecipeError(f"got {name} = {value}, expected at least 1.")
        check_range("horizon", self.horizon, self.window)
        for name, number in (("lr", self.lr), ("lr_end", self.lr_end), ("clip", self.clip)):
            check_positive(name, number)
        if self.order not in (1, 2):
            raise RecipeError(f"got order = {self.order}, expected 1 or 2.")
        if not 0.0 <= self.average < 1.0:
            raise RecipeError(f"got average = {self.average}, expected a decay in [0, 1).")


class Validation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Instances that are never trained on."""

    each: int = 4
    horizon: int = 200
    every: int = 100  # outer steps
    patience: int = 1000  # stop after so many validations of the last stage without a better one

    def check(self) -> None:
        """Raise RecipeError where a number makes no sense."""
        if min(self.each, self.horizon, self.every, self.patience) < 1:
            raise RecipeError("validation: expected each, horizon, every and patience of at least 1.")


class RecipeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole file."""

    description: str
    architecture: str
    seed: int
    settings: Settings = {}

    @property
    def plans(self) -> tuple[Stage, ...]:
        """Return the stages."""
        raise NotImplementedError

    @property
    def validating(self) -> Validation:
        """Return how it is validated."""
        raise NotImplementedError

    def beginning(self, architecture: Architecture, settings: Settings, generator: Generator) -> Theta:
        """Return the meta-parameters before the first outer step, drawn anew."""
        return architecture.fresh(generator, **settings)

    def draw(self, stage: int, architecture: Architecture, settings: Settings, generator: Generator) -> Drawn:
        """Draw the problems of an episode and its horizon."""
        raise NotImplementedError

    def validation_set(self, architecture: Architecture, settings: Settings) -> tuple[Inner, ...]:
        """Draw the validation instances; the same for every recipe with the same lists."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise RecipeError where the recipe makes no sense."""
        known = ARCHITECTURES[self.architecture].settings
        given = [*self.settings, *(name for stage in self.plans for name in stage.settings)]
        if unknown := [name for name in given if name not in known]:
            raise RecipeError(f"got setting {unknown[0]!r}; {self.architecture} has {', '.join(known) or 'none'}.")
        if not self.plans:
            raise RecipeError("got no stages, expected at least one.")
        chosen: list[Settings] = [{**known, **self.settings, **stage.settings} for stage in self.plans]
        for settings in chosen:
            _check_settings(dict(known), settings)
        for settings in chosen[1:]:
            if _shapes(self.architecture, settings) != _shapes(self.architecture, chosen[0]):
                raise RecipeError("got stages whose settings change the shape of the weights; set it for all of them.")
        for stage in self.plans:
            stage.check()
        self.validating.check()


Drawn = tuple[Inner, int]
"""The problems of an episode, and its inner steps."""


def check_range(name: str, given: tuple[int, int], least: int) -> None:
    """Raise RecipeError unless least <= low <= high."""
    low, high = given
    if not least <= low <= high:
        raise RecipeError(f"got {name} = [{low}, {high}], expected {least} <= low <= high.")


def check_positive(name: str, number: float) -> None:
    """Raise RecipeError unless the number is positive and finite."""
    if not 0.0 < number < math.inf:
        raise RecipeError(f"got {name} = {number}, expected a positive number.")


def log_uniform(low: int, high: int, generator: Generator) -> int:
    """Draw a whole number, log-uniform in [low, high]."""
    share = torch.rand((), generator=generator, dtype=torch.float64).item()
    return min(high, math.floor(math.exp(math.log(low) + share * (math.log(high + 1) - math.log(low)))))


def _check_settings(defaults: Settings, settings: Settings) -> None:
    for name, value in settings.items():
        kind = type(defaults[name])
        right = type(value) is kind or (kind is float and type(value) is int)
        if not right or not math.isfinite(value) or (kind is int and value < 1):
            least = " of at least 1" if kind is int else ""
            raise RecipeError(f"got {name} = {value}, expected a {kind.__name__}{least}.")
    if "heads" in settings and settings["width"] % settings["heads"]:
        raise RecipeError(f"got width = {settings['width']}, expected a multiple of heads = {settings['heads']}.")


def _shapes(architecture: str, settings: Settings) -> dict[str, Any]:
    with torch.device("meta"):
        theta = ARCHITECTURES[architecture].fresh(None, **settings)
    return {name: t.shape for name, t in theta.items()}
