"""Meta-training on poses: the problems are those of the task, and nothing held out is trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch

from rmobench.data import SOURCES
from rmobench.errors import RecipeError
from rmobench.metatrain.pose_recipe import PoseRecipe
from rmobench.metatrain.recipe import Recipe, read_recipe
from rmobench.metatrain.train import fresh, train
from rmobench.optimizers.learned.weights import load_weights
from tests.metatrain.sameness import assert_same, facts

NAMES = ("pose_optimus", "pose_adafactor_mlp")
PRESENT = pytest.mark.skipif(
    SOURCES["deepmimic"].where() is None, reason="no clips on this machine: `rmobench data fetch deepmimic`"
)


def file_of(name: str = "pose_optimus") -> PoseRecipe:
    file = read_recipe(name).file
    assert isinstance(file, PoseRecipe)
    return file


@pytest.mark.parametrize("name", NAMES)
def test_training_begins_with_the_weights_for_functions(name: str) -> None:
    recipe = read_recipe(name)
    weights = load_weights(str(file_of(name).begin_with), recipe.file.architecture)
    theta = fresh(recipe).theta
    assert list(theta) == sorted(weights.theta)  # an order that is always the same: perturbations are drawn in it
    assert all(torch.equal(theta[key], weights.theta[key].double()) for key in theta)


@pytest.mark.parametrize("name", NAMES)
def test_the_lists_are_those_of_the_data(name: str) -> None:
    from rmobench.data.deepmimic import HELD_OUT, IN_DOMAIN

    assert (file_of(name).clips, file_of(name).held_out) == (IN_DOMAIN, HELD_OUT)


EDITS = {
    "trained on and held out": ({"held_out": ("walk",)}, "walk: held out and trained on"),
    "twice": ({"clips": ("walk", "walk")}, "walk is in clips more than once"),
    "half of a beginning": ({"begin_with_sha256": None}, "begin_with and begin_with_sha256 come together"),
    "frames": ({"architecture": "subspace", "settings": {}}, "got architecture 'subspace', expected one of"),
}


@pytest.mark.parametrize(("edit", "said"), EDITS.values(), ids=EDITS.keys())
def test_a_recipe_that_makes_no_sense_is_refused(edit: dict, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        msgspec.structs.replace(file_of(), **edit).check()


def test_numbers_of_a_stage_are_checked() -> None:
    (stage,) = file_of().stages
    for edit, said in (
        ({"n_steps": (3, 20)}, "n_steps up to 20, expected at most 15"),
        ({"clips_per_batch": 11}, "clips_per_batch = 11, there are 10"),
        ({"sigma": 0.0}, "sigma"),
    ):
        with pytest.raises(RecipeError, match=said):
            msgspec.structs.replace(file_of(), stages=(msgspec.structs.replace(stage, **edit),)).check()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"begin_with_sha256": "0" * 64}, "begin_with: optimus has sha256 f8fab61"),
        ({"settings": {"step_scale": 0.1, "exponent_scale": 0.1, "head_width": 32}}, "begin_with: optimus was trained"),
    ],
)
def test_other_weights_than_meant_are_refused(edit: dict, said: str) -> None:
    recipe = replace(read_recipe("pose_optimus"), file=msgspec.structs.replace(file_of(), **edit))
    with pytest.raises(RecipeError, match=said):
        fresh(recipe)


def small() -> Recipe:
    """Return a recipe of a few seconds."""
    file = file_of("pose_adafactor_mlp")
    (stage,) = file.stages
    stage = msgspec.structs.replace(
        stage, n_outer=4, window=2, horizon=(4, 4), n_steps=(2, 3), clips_per_batch=1, each=1, workers=2
    )
    validation = msgspec.structs.replace(file.validation, n_steps=(2,), horizon=3, every=2)
    edited = msgspec.structs.replace(file, clips=("walk",), stages=(stage,), validation=validation)
    return replace(read_recipe("pose_adafactor_mlp"), file=edited, sha256="small")


@PRESENT
def test_a_gap_is_the_loss_of_the_task_over_that_at_the_start() -> None:
    """And its slope that of central differences."""
    pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")
    from rmobench.metatrain.pose_distribution import draw_poses

    batch = draw_poses(["walk"], data="deepmimic", n_steps=2, each=2, generator=torch.Generator().manual_seed(0))
    gap, slope = batch.slope(batch.start)
    torch.testing.assert_close(gap, torch.ones(2, dtype=torch.float64))
    v = torch.randn(batch.start.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rise = (batch.gap(batch.start + 1e-6 * v) - batch.gap(batch.start - 1e-6 * v)) / 2e-6
    torch.testing.assert_close((slope * v).sum(-1), rise, rtol=1e-5, atol=0)
    twice = batch.repeat(2)
    torch.testing.assert_close(twice.gap(twice.start), torch.ones(4, dtype=torch.float64))
    with pytest.raises(RecipeError, match="estimator pes or nres"):
        batch.slope(batch.start, differentiable=True)


@PRESENT
def test_interrupted_and_resumed_is_uninterrupted(tmp_path: Path) -> None:
    """And so is begun again: whatever order the weights that it begins with were read in."""
    pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")
    whole = [training for _, training in train(small(), tmp_path / "whole")][-1]
    for progress, _ in train(small(), tmp_path / "parts", checkpoint_s=0.0):
        if progress.outer == 2:
            break
    resumed = [training for _, training in train(small(), tmp_path / "parts")][-1]
    assert whole.outer == 4
    assert_same(facts(resumed), facts(whole))
