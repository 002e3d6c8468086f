"""A recipe: everything that decides which weights come out, as a TOML file that is read strictly."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import torch

from rmobench.errors import RecipeError, UnknownNameError
from rmobench.metatrain.distribution import QUADRATIC
from rmobench.metatrain.estimator import Estimator
from rmobench.metatrain.nres import NRES
from rmobench.metatrain.pes import PES
from rmobench.metatrain.truncated import Truncated
from rmobench.optimizers.learned.architectures import ARCHITECTURES
from rmobench.optimizers.learned.rule import Architecture
from rmobench.tasks.analytic.instances import FUNCTIONS

UNSHIFTABLE = {
    "michalewicz": "its minimum holds inside its domain only, and training instances are shifted",
    "schwefel": "its minimum holds inside its domain only, and training instances are shifted",
    "powell": "it exists in multiples of four dimensions only",
}
PACKAGED = Path(__file__).parent / "recipes"


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of meta-training; stages follow each other as the curriculum over dimension and horizon."""

    estimator: Literal["truncated", "pes", "nres"]
    n_outer: int  # outer steps
    window: int  # inner steps per outer step
    horizon: tuple[int, int]  # inner steps per episode: log-uniform between
    dims: tuple[int, int]  # dimension of an episode: log-uniform between
    functions_per_batch: int = 4
    each: int = 16  # instances per function
    workers: int = 6  # episodes in flight, each at another time of its own; one is advanced per outer step
    lr: float = 1e-3  # of the outer Adam, at the beginning
    lr_end: float = 1e-4  # and at the end: it falls exponentially
    clip: float = 1.0  # largest norm of the outer gradient
    order: int = 2  # of truncated back-propagation
    average: float = 0.0  # decay of the running mean of theta that is validated and written, per outer step
    settings: dict[str, bool | int | float] = {}  # of the architecture, for this stage instead of the recipe's
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


class Validation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Instances of the training functions that are never trained on."""

    dims: tuple[int, ...] = (3, 10, 30)
    each: int = 4
    horizon: int = 200
    every: int = 100  # outer steps
    patience: int = 1000  # stop after so many validations of the last stage without a better one


class RecipeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    description: str
    architecture: str
    seed: int
    functions: tuple[str, ...]  # trained on: shifted, rotated, zoomed instances
    held_out: tuple[str, ...]  # functions that no instance comes from
    stages: tuple[Stage, ...]
    settings: dict[str, bool | int | float] = {}
    validation: Validation = Validation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe under its name."""

    name: str
    sha256: str
    file: RecipeFile

    @property
    def architecture(self) -> Architecture:
        """Return what is trained."""
        return ARCHITECTURES[self.file.architecture]

    @property
    def settings(self) -> dict[str, bool | int | float]:
        """Return the architecture's settings at the beginning, defaults included."""
        return self.settings_of(0)

    def stage_at(self, outer: int) -> tuple[int, int]:
        """Return the stage that the outer step (counted from 0) belongs to, and its number within the stage."""
        stage = 0
        while stage < len(self.file.stages) - 1 and outer >= self.file.stages[stage].n_outer:
            outer -= self.file.stages[stage].n_outer
            stage += 1
        return stage, outer

    def settings_of(self, stage: int) -> dict[str, bool | int | float]:
        """Return the architecture's settings of a stage, defaults included."""
        return {**self.architecture.settings, **self.file.settings, **self.file.stages[stage].settings}

    @property
    def n_outer(self) -> int:
        """Return the number of outer steps of all stages."""
        return sum(stage.n_outer for stage in self.file.stages)


def recipes() -> dict[str, Path]:
    """Return the packaged recipes by name."""
    return {path.stem: path for path in sorted(PACKAGED.glob("*.toml"))}


def read_recipe(name: str, *, seed: int | None = None) -> Recipe:
    """Read a recipe by its packaged name, or by the path of a .toml file.

    Args:
        name: Of the recipe.
        seed: Instead of the recipe's own; another seed is another recipe.

    Raises:
        UnknownNameError: No packaged recipe of that name.
        RecipeError: The file is no recipe, or trains on a function that it holds out.
    """
    path = Path(name) if name.endswith(".toml") else recipes().get(name)
    if path is None:
        raise UnknownNameError("recipe", name, recipes())
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=RecipeFile)
        _check(file)
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, OSError, RecipeError) as error:
        raise RecipeError(f"{path}: {error}") from None
    if seed is not None:
        file = msgspec.structs.replace(file, seed=seed)
    return Recipe(name=path.stem, sha256=_sha256(file), file=file)


def _sha256(file: RecipeFile) -> str:
    """Hash what decides the weights: all but the description, defaults filled in."""
    decisive = msgspec.to_builtins(file)
    del decisive["description"]
    return hashlib.sha256(msgspec.json.encode(decisive, order="sorted")).hexdigest()


def _check(file: RecipeFile) -> None:
    if file.architecture not in ARCHITECTURES:
        raise RecipeError(f"got architecture {file.architecture!r}, expected one of {', '.join(ARCHITECTURES)}.")
    known = ARCHITECTURES[file.architecture].settings
    given = [*file.settings, *(name for stage in file.stages for name in stage.settings)]
    if unknown := [name for name in given if name not in known]:
        raise RecipeError(f"got setting {unknown[0]!r}; {file.architecture} has {', '.join(known)}.")
    settings = [{**known, **file.settings, **stage.settings} for stage in file.stages]
    for chosen in settings:
        _check_settings(known, chosen)
    for chosen in settings[1:]:
        if _shapes(file.architecture, chosen) != _shapes(file.architecture, settings[0]):
            raise RecipeError("got stages whose settings change the shape of the weights; set it for all of them.")
    if unknown := [name for name in file.functions if name not in (*FUNCTIONS, QUADRATIC)]:
        raise RecipeError(f"got function {unknown[0]!r}, expected some of {', '.join((*FUNCTIONS, QUADRATIC))}.")
    if unknown := [name for name in file.held_out if name not in FUNCTIONS]:
        raise RecipeError(f"got held-out function {unknown[0]!r}, expected some of {', '.join(FUNCTIONS)}.")
    if twice := [name for name in file.functions if file.functions.count(name) > 1]:
        raise RecipeError(f"{twice[0]} is in functions more than once.")
    if unfit := [name for name in file.functions if name in UNSHIFTABLE]:
        raise RecipeError(f"{unfit[0]} cannot be trained on: {UNSHIFTABLE[unfit[0]]}.")
    if trained := [name for name in file.functions if name in file.held_out]:
        raise RecipeError(f"{', '.join(trained)}: held out and trained on; take it out of one of the lists.")
    if missing := [name for name in FUNCTIONS if name not in (*file.functions, *file.held_out)]:
        raise RecipeError(f"{missing[0]} is neither in functions nor in held_out; say which.")
    if not file.stages or not file.functions:
        raise RecipeError("got no stages or no functions, expected at least one of each.")
    for stage in file.stages:
        _check_stage(stage, file)
    plan = file.validation
    if min(plan.dims, default=0) < 2 or min(plan.each, plan.horizon, plan.every, plan.patience) < 1:
        raise RecipeError("validation: expected dims of at least 2; each, horizon, every and patience of at least 1.")


def _shapes(architecture: str, settings: Mapping[str, int | float | bool]) -> dict[str, torch.Size]:
    theta = ARCHITECTURES[architecture].fresh(torch.Generator(), **settings)
    return {name: t.shape for name, t in theta.items()}


def _check_settings(defaults: Mapping[str, int | float | bool], settings: Mapping[str, int | float | bool]) -> None:
    for name, value in settings.items():
        kind = type(defaults[name])
        right = type(value) is kind or (kind is float and type(value) is int)
        if not right or not math.isfinite(value) or (kind is int and value < 1):
            least = " of at least 1" if kind is int else ""
            raise RecipeError(f"got {name} = {value}, expected a {kind.__name__}{least}.")
    if "heads" in settings and settings["width"] % settings["heads"]:
        raise RecipeError(f"got width = {settings['width']}, expected a multiple of heads = {settings['heads']}.")


def _check_stage(stage: Stage, file: RecipeFile) -> None:
    whole = {"n_outer": stage.n_outer, "window": stage.window, "each": stage.each, "workers": stage.workers}
    for name, value in whole.items():
        if value < 1:
            raise RecipeError(f"got {name} = {value}, expected at least 1.")
    for name, (low, high), least in (("horizon", stage.horizon, stage.window), ("dims", stage.dims, 2)):
        if not least <= low <= high:
            raise RecipeError(f"got {name} = [{low}, {high}], expected {least} <= low <= high.")
    for name, number in (("lr", stage.lr), ("lr_end", stage.lr_end), ("clip", stage.clip), ("sigma", stage.sigma)):
        if not 0.0 < number < float("inf"):
            raise RecipeError(f"got {name} = {number}, expected a positive number.")
    if stage.order not in (1, 2):
        raise RecipeError(f"got order = {stage.order}, expected 1 or 2.")
    if not 0.0 <= stage.average < 1.0:
        raise RecipeError(f"got average = {stage.average}, expected a decay in [0, 1).")
    if not 1 <= stage.functions_per_batch <= len(file.functions):
        raise RecipeError(f"got functions_per_batch = {stage.functions_per_batch}, there are {len(file.functions)}.")
