"""A recipe: everything that decides which weights come out, as a TOML file that is read strictly."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
from torch import Generator

from rmobench.errors import RecipeError, UnknownNameError
from rmobench.metatrain.estimator import Inner
from rmobench.metatrain.frame_recipe import FrameRecipe
from rmobench.metatrain.function_recipe import FunctionRecipe
from rmobench.metatrain.plan import Drawn, Settings, Stage
from rmobench.metatrain.pose_recipe import PoseRecipe
from rmobench.optimizers.learned.architectures import ARCHITECTURES, RIEMANNIAN
from rmobench.optimizers.learned.rule import Architecture

PACKAGED = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe under its name."""

    name: str
    sha256: str
    file: FunctionRecipe | FrameRecipe | PoseRecipe

    @property
    def architecture(self) -> Architecture:
        """Return what is trained."""
        return ARCHITECTURES[self.file.architecture]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of the outer loop."""
        return self.file.plans

    @property
    def settings(self) -> Settings:
        """Return the architecture's settings at the beginning, defaults included."""
        return self.settings_of(0)

    @property
    def n_outer(self) -> int:
        """Return the number of outer steps of all stages."""
        return sum(stage.n_outer for stage in self.stages)

    def stage_at(self, outer: int) -> tuple[int, int]:
        """Return the stage that the outer step (counted from 0) belongs to, and its number within the stage."""
        stage = 0
        while stage < len(self.stages) - 1 and outer >= self.stages[stage].n_outer:
            outer -= self.stages[stage].n_outer
            stage += 1
        return stage, outer

    def settings_of(self, stage: int) -> Settings:
        """Return the architecture's settings of a stage, defaults included."""
        return {**self.architecture.settings, **self.file.settings, **self.stages[stage].settings}

    def draw(self, stage: int, generator: Generator) -> Drawn:
        """Draw the problems of an episode and its inner steps."""
        return self.file.draw(stage, self.architecture, self.settings_of(stage), generator)

    def validation_set(self, stage: int) -> tuple[Inner, ...]:
        """Draw the validation instances, under the settings of a stage."""
        return self.file.validation_set(self.architecture, self.settings_of(stage))


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
        file = _decoded(path.read_bytes())
        file.check()
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, OSError, RecipeError) as error:
        raise RecipeError(f"{path}: {error}") from None
    if seed is not None:
        file = msgspec.structs.replace(file, seed=seed)
    return Recipe(name=path.stem, sha256=_sha256(file), file=file)


class _Head(msgspec.Struct, frozen=True):
    architecture: str
    clips: tuple[str, ...] = ()


def _decoded(content: bytes) -> FunctionRecipe | FrameRecipe | PoseRecipe:
    """Read a file as what it trains on: clips of motion, problems on frames, or functions in flat space."""
    head = msgspec.toml.decode(content, type=_Head)
    name = head.architecture
    if name not in ARCHITECTURES:
        raise RecipeError(f"got architecture {name!r}, expected one of {', '.join(ARCHITECTURES)}.")
    if head.clips:
        return msgspec.toml.decode(content, type=PoseRecipe)
    if name in RIEMANNIAN:
        return msgspec.toml.decode(content, type=FrameRecipe)
    return msgspec.toml.decode(content, type=FunctionRecipe)


def _sha256(file: FunctionRecipe | FrameRecipe | PoseRecipe) -> str:
    """Hash what decides the weights: all but the description, defaults filled in."""
    decisive = msgspec.to_builtins(file)
    del decisive["description"]
    return hashlib.sha256(msgspec.json.encode(decisive, order="sorted")).hexdigest()
