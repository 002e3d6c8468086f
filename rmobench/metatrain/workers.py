"""Episodes in flight: which problems a worker sees, how long, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Generator

from rmobench.metatrain.estimator import Inner
from rmobench.metatrain.recipe import Recipe
from rmobench.optimizers.learned.rule import State, Theta
from rmobench.tasks.streams import stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One episode: its problems follow from its numbers, so a checkpoint holds only them and the memory."""

    stage: int
    index: int
    episode: int
    length: int  # windows
    done: int  # windows
    inner: Inner
    memory: State

    @property
    def finished(self) -> bool:
        """Return whether the episode has reached its horizon."""
        return self.done >= self.length

    def advanced(self, memory: State) -> Worker:
        """Return the worker one window later."""
        return replace(self, memory=memory, done=self.done + 1)

    def numbers(self) -> dict[str, int]:
        """Return what names the episode."""
        return {"stage": self.stage, "index": self.index, "episode": self.episode, "done": self.done}


def begin(recipe: Recipe, theta: Theta, *, stage: int, index: int, episode: int) -> Worker:
    """Start an episode; the first ones of a stage are cut to different lengths, so that workers are out of step."""
    inner, length = _episode(recipe, stage, index, episode)
    memory = recipe.stages[stage].estimate.begin(theta, inner)
    return Worker(stage=stage, index=index, episode=episode, length=length, done=0, inner=inner, memory=memory)


def restore(recipe: Recipe, numbers: Mapping[str, int], memory: State) -> Worker:
    """Rebuild a worker from a checkpoint."""
    inner, length = _episode(recipe, numbers["stage"], numbers["index"], numbers["episode"])
    return Worker(**numbers, length=length, inner=inner, memory=memory)


def _episode(recipe: Recipe, stage: int, index: int, episode: int) -> tuple[Inner, int]:
    plan = recipe.stages[stage]
    inner, horizon = recipe.draw(stage, stream(recipe.file.seed, f"metatrain/{stage}/{index}/{episode}"))
    length = max(1, round(horizon / plan.window))
    if episode == 0:
        length = max(1, length * (index + 1) // plan.workers)
    return inner, length


def perturbations(recipe: Recipe, stage: int, step: int) -> Generator:
    """Return the generator of the perturbations of one outer step of a stage."""
    return stream(recipe.file.seed, f"metatrain/perturbation/{stage}/{step}")
