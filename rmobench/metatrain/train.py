"""Meta-training: outer Adam on estimated gradients, validated, checkpointed, and resumed to the bit."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from rmobench.errors import RecipeError
from rmobench.metatrain import workers as episodes
from rmobench.metatrain.plan import Stage
from rmobench.metatrain.recipe import Recipe
from rmobench.metatrain.validate import validate
from rmobench.metatrain.workers import Worker
from rmobench.optimizers.learned.rule import Theta
from rmobench.tasks.streams import stream

CHECKPOINT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where meta-training stands after an outer step."""

    outer: int
    n_outer: int
    loss: float
    validation: float
    best: float
    n_bad: int  # inner steps that were not finite, so far
    n_skipped: int  # outer steps whose gradient was not finite, so far


@dataclass(slots=True, kw_only=True)
class Training:
    """The state of meta-training: all that a checkpoint holds."""

    theta: Theta
    adam: torch.optim.Adam
    average: Theta  # running mean of theta: what is validated
    best: Theta
    outer: int = 0
    best_outer: int = 0
    best_validation: float = float("inf")
    validation: float = float("inf")
    n_bad: int = 0
    n_skipped: int = 0
    since_best: int = 0  # validations
    wall_s: float = 0.0
    curve: list[tuple[int, float, float]] = field(default_factory=list)  # outer step, seconds, validation
    workers: list[Worker] = field(default_factory=list)


def train(
    recipe: Recipe, checkpoint: Path, *, checkpoint_s: float = CHECKPOINT_S
) -> Iterator[tuple[Progress, Training]]:
    """Meta-train to the end of the recipe, from the checkpoint if there is one; yield after every outer step.

    Args:
        recipe: What to train, on what.
        checkpoint: File that is written every `checkpoint_s` seconds and at the end.
        checkpoint_s: Seconds between checkpoints.

    Raises:
        RecipeError: The checkpoint belongs to another recipe.
    """
    training = load_checkpoint(recipe, checkpoint) if checkpoint.is_file() else fresh(recipe)
    instances = [recipe.validation_set(stage) for stage in range(len(recipe.stages))]
    saved_at = began = time.monotonic()
    before = training.wall_s
    plan = recipe.file.validating
    if not training.curve:  # what training has to beat
        _validate(training, validate(training.average, instances[0], plan.horizon))
    while training.outer < recipe.n_outer and not _out_of_patience(recipe, training):
        stage, step = recipe.stage_at(training.outer)
        loss = _outer_step(recipe, training, stage, step)
        training.wall_s = before + time.monotonic() - began
        if training.outer % plan.every == 0 or training.outer == recipe.n_outer:
            _validate(training, validate(training.average, instances[stage], plan.horizon))
        over = training.outer == recipe.n_outer or _out_of_patience(recipe, training)
        if over or time.monotonic() - saved_at > checkpoint_s:
            save_checkpoint(recipe, training, checkpoint)
            saved_at = time.monotonic()
        yield _progress(recipe, training, loss), training


def _out_of_patience(recipe: Recipe, training: Training) -> bool:
    """Return whether the last stage has stopped improving; earlier ones always run to their end."""
    stage, _ = recipe.stage_at(max(0, training.outer - 1))
    return stage == len(recipe.stages) - 1 and training.since_best >= recipe.file.validating.patience


def fresh(recipe: Recipe) -> Training:
    """Return meta-training before the first outer step."""
    generator = stream(recipe.file.seed, "metatrain/theta")
    beginning = recipe.file.beginning(recipe.architecture, recipe.settings, generator)
    theta = {name: t.double() for name, t in beginning.items()}
    average, best = ({name: t.clone() for name, t in theta.items()} for _ in range(2))
    return Training(theta=theta, adam=torch.optim.Adam(theta.values()), average=average, best=best)


def _outer_step(recipe: Recipe, training: Training, stage: int, step: int) -> float:
    """Advance one worker by a window and theta by one Adam step; return the window's mean loss."""
    plan = recipe.stages[stage]
    if step == 0:
        training.workers = [
            episodes.begin(recipe, training.theta, stage=stage, index=i, episode=0) for i in range(plan.workers)
        ]
        training.since_best = 0
        if stage > 0 and recipe.settings_of(stage) != recipe.settings_of(stage - 1):
            training.best_validation = float("inf")  # of other settings
    turn = step % plan.workers
    worker = training.workers[turn]
    if worker.finished:
        worker = episodes.begin(recipe, training.theta, stage=stage, index=turn, episode=worker.episode + 1)
    bad_before = worker.memory["n_bad"].sum()
    gradient, losses, memory = plan.estimate.gradient(
        training.theta, worker.inner, worker.memory, plan.window, episodes.perturbations(recipe, stage, step)
    )
    training.n_bad += int((memory["n_bad"].sum() - bad_before).item())
    training.workers[turn] = worker.advanced(memory)
    training.outer += 1
    _descend(training, gradient, plan, step)
    return losses.mean().item()


def _descend(training: Training, gradient: Theta, plan: Stage, step: int) -> None:
    """Take one Adam step along the clipped gradient, and theta into the running mean.

    A gradient that is not finite is counted and left out.
    """
    for name, t in training.theta.items():
        t.grad = gradient[name]
    norm = torch.nn.utils.clip_grad_norm_(training.theta.values(), plan.clip)
    if not norm.isfinite():
        training.n_skipped += 1
        return
    for group in training.adam.param_groups:
        group["lr"] = plan.lr * (plan.lr_end / plan.lr) ** (step / plan.n_outer)
    training.adam.step()
    for name, mean in training.average.items():
        mean.lerp_(training.theta[name], 1.0 - plan.average)


def _validate(training: Training, value: float) -> None:
    training.validation = value
    training.curve.append((training.outer, round(training.wall_s, 1), value))
    training.since_best += 1
    if value < training.best_validation:
        training.since_best = 0
        training.best_validation, training.best_outer = value, training.outer
        training.best = {name: t.clone() for name, t in training.average.items()}


def _progress(recipe: Recipe, training: Training, loss: float) -> Progress:
    return Progress(
        outer=training.outer,
        n_outer=recipe.n_outer,
        loss=loss,
        validation=training.validation,
        best=training.best_validation,
        n_bad=training.n_bad,
        n_skipped=training.n_skipped,
    )


# --- checkpoints -------------------------------------------------------------------------------------------

_NUMBERS = (
    "outer",
    "best_outer",
    "best_validation",
    "validation",
    "n_bad",
    "n_skipped",
    "since_best",
    "wall_s",
    "curve",
)


def save_checkpoint(recipe: Recipe, training: Training, path: Path) -> None:
    """Write the state atomically."""
    content: dict[str, Any] = {name: getattr(training, name) for name in _NUMBERS} | {
        "recipe_sha256": recipe.sha256,
        "theta": {name: t.detach() for name, t in training.theta.items()},
        "average": training.average,
        "best": training.best,
        "adam": training.adam.state_dict(),
        "workers": [(w.numbers(), w.memory) for w in training.workers],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    torch.save(content, beside)
    beside.replace(path)


def load_checkpoint(recipe: Recipe, path: Path) -> Training:
    """Read the state; tensors and plain values only (the restricted loader).

    Raises:
        RecipeError: The file is damaged, or belongs to another recipe.
    """
    try:
        content = torch.load(path, weights_only=True)
        sha256 = content["recipe_sha256"]
    except (RuntimeError, EOFError, KeyError, TypeError, OSError, pickle.UnpicklingError) as error:
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise RecipeError(f"{path} is no checkpoint ({reason}); remove it or start anew with --fresh.") from None
    if sha256 != recipe.sha256:
        raise RecipeError(f"{path} belongs to another recipe than {recipe.name}; remove it or start anew with --fresh.")
    theta: Theta = content["theta"]
    adam = torch.optim.Adam(theta.values())
    adam.load_state_dict(content["adam"])
    return Training(
        theta=theta,
        adam=adam,
        average=content["average"],
        best=content["best"],
        workers=[episodes.restore(recipe, numbers, memory) for numbers, memory in content["workers"]],
        **{name: content[name] for name in _NUMBERS},
    )
