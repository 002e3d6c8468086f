"""Meta-training: it learns, it survives kills to the bit, and recipes are read strictly."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rmobench.errors import RecipeError, UnknownNameError
from rmobench.metatrain import workers as episodes
from rmobench.metatrain.export import export
from rmobench.metatrain.recipe import Recipe, read_recipe
from rmobench.metatrain.train import Progress, Training, fresh, train
from rmobench.metatrain.validate import validate
from tests.metatrain.sameness import assert_same, facts

HERE = Path(__file__).parent
ESTIMATORS = ("truncated", "pes", "nres")
each = pytest.mark.parametrize("estimator", ESTIMATORS)


def recipe_of(estimator: str) -> Recipe:
    return read_recipe(str(HERE / f"{estimator}.toml"))


def edited(tmp_path: Path, *edits: tuple[str, str], estimator: str = "truncated") -> str:
    """Write a recipe with some text replaced, wherever it occurs; return its path."""
    content = (HERE / f"{estimator}.toml").read_text()
    for old, new in edits:
        assert old in content
        content = content.replace(old, new)
    (tmp_path / "edited.toml").write_text(content)
    return str(tmp_path / "edited.toml")


def run(
    recipe: Recipe, checkpoint: Path, *, n_outer: int | None = None, **how: float
) -> tuple[list[Progress], Training]:
    """Meta-train to the end, or walk away after some outer steps."""
    seen = []
    for progress, training in train(recipe, checkpoint, **how):
        seen.append((progress, training))
        if progress.outer == n_outer:
            break
    return [progress for progress, _ in seen], seen[-1][1]


@each
def test_the_meta_loss_falls(tmp_path: Path, estimator: str) -> None:
    """By more than a tenth of a decade, on instances that were not trained on."""
    recipe = recipe_of(estimator)
    before = validate(fresh(recipe).theta, recipe.validation_set(0), 20)
    seen, training = run(recipe, tmp_path / "checkpoint")
    assert [p.outer for p in seen] == list(range(1, recipe.n_outer + 1))
    assert training.best_validation == min(value for _, _, value in training.curve)
    assert training.best_validation < before - 0.1
    assert validate(training.best, recipe.validation_set(0), 20) == training.best_validation
    assert (training.n_bad, training.n_skipped) == (0, 0)
    assert [outer for outer, _, _ in training.curve] == list(range(0, recipe.n_outer + 1, 10))
    assert all(math.isfinite(p.loss) for p in seen)


# --- interruption ------------------------------------------------------------------------------------------


@each
@pytest.mark.slow
def test_killed_and_resumed_is_uninterrupted_bit_for_bit(tmp_path: Path, estimator: str) -> None:
    """SIGKILL lands anywhere in a step or a write; a checkpoint follows every step."""
    recipe, checkpoint = recipe_of(estimator), tmp_path / "checkpoint"
    words = [sys.executable, "-m", "tests.metatrain.killable", str(HERE / f"{estimator}.toml"), str(checkpoint)]
    reached = 0
    for least in (7, 31):
        process = subprocess.Popen(
            words, cwd=HERE.parents[1], stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True
        )
        for line in process.stdout:
            if int(line) >= least:
                process.send_signal(signal.SIGKILL)
                break
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert reached < int(line) < recipe.n_outer
        reached = int(line)
    seen, killed = run(recipe, checkpoint)
    assert reached <= seen[0].outer <= recipe.n_outer  # it went on, and did not begin anew
    _, whole = run(recipe, tmp_path / "whole")
    assert_same(facts(killed), facts(whole))


@each
def test_resumed_from_an_old_checkpoint_is_uninterrupted_bit_for_bit(tmp_path: Path, estimator: str) -> None:
    """What was done since the checkpoint is done again: between episodes, in the middle of them, between stages."""
    recipe = recipe_of(estimator)
    _, whole = run(recipe, tmp_path / "whole")
    boundary = recipe.file.stages[0].n_outer
    for n_outer in (5, boundary, boundary + 3):
        checkpoint = tmp_path / f"at_{n_outer}"
        run(recipe, checkpoint, n_outer=n_outer, checkpoint_s=0.0)
        run(recipe, checkpoint, n_outer=n_outer + 4, checkpoint_s=1e9)
        seen, resumed = run(recipe, checkpoint)
        assert seen[0].outer == n_outer + 1
        assert_same(facts(resumed), facts(whole))


def test_a_finished_training_has_nothing_left_to_do(tmp_path: Path) -> None:
    recipe = recipe_of("truncated")
    run(recipe, tmp_path / "checkpoint")
    assert list(train(recipe, tmp_path / "checkpoint")) == []


def test_the_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    run(recipe_of("truncated"), tmp_path / "checkpoint", n_outer=1, checkpoint_s=0.0)
    other = read_recipe(edited(tmp_path, ("seed = 3", "seed = 4")))
    with pytest.raises(
        RecipeError, match=r"checkpoint belongs to another recipe than edited; remove it or start anew with --fresh"
    ):
        next(train(other, tmp_path / "checkpoint"))


# --- what may go wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(("output_gain = 100.0", "output_gain = 1e300"), id="steps of 1e300"),
        pytest.param(("output_gain = 100.0", "output_gain = 1e9"), id="an exponent that overflows"),
        pytest.param(("lr = ", "lr_end = 1e30\nlr = 1e30 # "), id="a learning rate of 1e30"),
    ],
)
@each
def test_inner_steps_that_are_not_finite_are_counted_and_survived(
    tmp_path: Path, estimator: str, edit: tuple[str, str]
) -> None:
    recipe = read_recipe(edited(tmp_path, edit, estimator=estimator))
    seen, training = run(recipe, tmp_path / "checkpoint", n_outer=20)
    assert training.n_bad > 0
    assert seen[-1].n_bad == training.n_bad
    assert all(t.isfinite().all() for t in (*training.theta.values(), *training.best.values()))
    assert all(math.isfinite(p.loss) for p in seen)
    assert all(math.isfinite(value) for _, _, value in training.curve)


@each
def test_patience_ends_the_last_stage_early(tmp_path: Path, estimator: str) -> None:
    """A learning rate that changes nothing: nothing is better than the start, and no weights are written."""
    still = [
        ("lr = ", "lr_end = 1e-300\nlr = 1e-300 # "),
        ("workers = 2", "workers = 2\nlr_end = 1e-300\nlr = 1e-300"),
        ("every = 10", "every = 2\npatience = 3"),
    ]
    recipe = read_recipe(edited(tmp_path, *still, estimator=estimator))
    seen, training = run(recipe, tmp_path / "checkpoint")
    assert (seen[-1].outer, training.best_outer, training.since_best) == (recipe.file.stages[0].n_outer + 6, 0, 3)
    assert list(train(recipe, tmp_path / "checkpoint")) == []
    with pytest.raises(RecipeError, match="nothing was learned"):
        export(recipe, training, tmp_path / "weights.safetensors", commit=None)
    assert not (tmp_path / "weights.safetensors").exists()


# --- workers -----------------------------------------------------------------------------------------------


@each
def test_the_workers_of_a_stage_begin_out_of_step(tmp_path: Path, estimator: str) -> None:
    """First episodes are cut to i / n of their length, so that at every time windows of all ages are in flight."""
    path = edited(
        tmp_path, ("horizon = [10, 20]", "horizon = [60, 60]"), ("workers = 3", "workers = 6"), estimator=estimator
    )
    recipe = read_recipe(path)
    theta = fresh(recipe).theta
    first = [episodes.begin(recipe, theta, stage=0, index=i, episode=0).length for i in range(6)]
    assert first == [2, 4, 6, 8, 10, 12]  # windows of 5 steps
    assert [episodes.begin(recipe, theta, stage=0, index=i, episode=1).length for i in range(6)] == [12] * 6


@each
def test_episodes_differ_from_each_other_and_repeat_from_their_numbers(estimator: str) -> None:
    recipe = recipe_of(estimator)
    theta = fresh(recipe).theta
    starts = set()
    for stage, index, episode in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]:
        worker = episodes.begin(recipe, theta, stage=stage, index=index, episode=episode)
        again = episodes.restore(recipe, worker.numbers(), worker.memory)
        assert torch.equal(again.inner.batch.start, worker.inner.batch.start)
        assert (again.length, again.done) == (worker.length, 0)
        start = worker.inner.batch.start
        assert start.abs().max() <= 1.0
        plan = recipe.file.stages[stage]
        assert len(start) == plan.functions_per_batch * plan.each * plan.estimate.copies
        assert plan.dims[0] <= start.shape[1] <= plan.dims[1]
        half = start.chunk(plan.estimate.copies)
        assert torch.equal(half[0], half[-1])  # both of a pair start equally
        starts.add(tuple(start[0].tolist()))
    assert len(starts) == 4


# --- recipes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"ackley",', '"ackley", "sphere",', "sphere: held out and trained on; take it out of one of the lists"),
        ('  "ackley",\n', "", "ackley is neither in functions nor in held_out; say which"),
        ('"quadratic"]', '"cubic"]', "got function 'cubic', expected some of ackley, "),
        ('"adafactor_mlp"', '"adafactor"', "got architecture 'adafactor', expected one of adafactor_mlp, mlp_lopt"),
        ("output_gain", "output_gian", "got setting 'output_gian'; adafactor_mlp has output_gain"),
        ('estimator = "truncated"', 'estimator = "es"', "Invalid enum value 'es'"),
        ("seed = 3", "seed = 3\nsede = 4", "unknown field `sede`"),
        ("workers = 3", "worker = 3", "unknown field `worker`"),
        ("seed = 3\n", "", "missing required field `seed`"),
        ("seed = 3", "seed = three", "Invalid value (at line 3, column 8)"),
        ("seed = 3", "seed = 3.5", "Expected `int`, got `float`"),
        ("n_outer = 40", "n_outer = 0", "got n_outer = 0, expected at least 1"),
        ("n_outer = 40", "n_outer = -1", "got n_outer = -1, expected at least 1"),
        ("window = 5", "window = -5", "got window = -5, expected at least 1"),
        ("each = 8", "each = 0", "got each = 0, expected at least 1"),
        ("workers = 3", "workers = -3", "got workers = -3, expected at least 1"),
        ("window = 5", "window = 11", "got horizon = [10, 20], expected 11 <= low <= high"),
        ("[10, 20]", "[20, 10]", "got horizon = [20, 10], expected 5 <= low <= high"),
        ("dims = [2, 4]", "dims = [1, 4]", "got dims = [1, 4], expected 2 <= low <= high"),
        ("dims = [2, 4]", "dims = [-4, -2]", "got dims = [-4, -2], expected 2 <= low <= high"),
        ("lr = 1e-2", "lr = -1e-2", "got lr = -0.01, expected a positive number"),
        ("lr = 1e-2", "lr = nan", "got lr = nan, expected a positive number"),
        ("lr = 1e-2", "lr_end = 0.0", "got lr_end = 0.0, expected a positive number"),
        ("lr = 1e-2", "clip = -1.0", "got clip = -1.0, expected a positive number"),
        ("lr = 1e-2", "clip = inf", "got clip = inf, expected a positive number"),
        ("lr = 1e-2", "sigma = -0.1", "got sigma = -0.1, expected a positive number"),
        ("functions_per_batch = 2", "functions_per_batch = 4", "got functions_per_batch = 4, there are 3"),
        ("functions_per_batch = 2", "functions_per_batch = 0", "got functions_per_batch = 0, there are 3"),
        ('["sphere", "sum_squares", "quadratic"]', "[]", "sphere is neither in functions nor in held_out"),
        ("output_gain = 100.0", "output_gain = nan", "got output_gain = nan, expected a float"),
        ("output_gain = 100.0", "output_gain = true", "got output_gain = True, expected a float"),
        ("lr = 1e-2", "order = 3", "got order = 3, expected 1 or 2"),
        ("lr = 1e-2", "average = 1.0", "got average = 1.0, expected a decay in [0, 1)"),
        ('"ackley",', '"ackli",', "got held-out function 'ackli', expected some of ackley, "),
        ('["sphere", "sum', '["sphere", "sphere", "sum', "sphere is in functions more than once"),
        ('["sphere", "sum', '["powell", "sum', "powell cannot be trained on: it exists in multiples of four"),
        ('["sphere", "sum', '["schwefel", "sum', "schwefel cannot be trained on: its minimum holds inside"),
        ("dims = [2, 3]", "dims = []", "validation: expected dims of at least 2"),
        ("dims = [2, 3]", "dims = [1, 3]", "validation: expected dims of at least 2"),
        (
            "every = 10",
            "every = 0",
            "validation: expected dims of at least 2; each, horizon, every and patience of at least 1",
        ),
        (
            "horizon = 20",
            "horizon = -20",
            "validation: expected dims of at least 2; each, horizon, every and patience of at",
        ),
    ],
)
def test_recipes_without_a_meaning_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = edited(tmp_path, (old, new))
    with pytest.raises(RecipeError, match=r"edited\.toml: .*" + re.escape(message)):
        read_recipe(path)


def test_stages_of_other_widths_are_refused(tmp_path: Path) -> None:
    path = edited(tmp_path, ("adafactor_mlp", "optimus"), ("output_gain", "floor_B"), ("100.0", "0.1"))
    (tmp_path / "edited.toml").write_text(Path(path).read_text() + "settings = { width = 16 }\n")
    with pytest.raises(RecipeError, match=r"stages whose settings change the shape of the weights"):
        read_recipe(path)


def test_a_recipe_without_stages_is_refused(tmp_path: Path) -> None:
    content = (HERE / "truncated.toml").read_text().split("[[stages]]")[0]
    (tmp_path / "edited.toml").write_text("stages = []\n" + content)
    with pytest.raises(RecipeError, match=r"got no stages, expected at least one"):
        read_recipe(str(tmp_path / "edited.toml"))


def test_recipes_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.toml: no such file"):
        read_recipe(str(tmp_path / "nowhere.toml"))
    with pytest.raises(UnknownNameError, match="nowhere"):
        read_recipe("nowhere")
