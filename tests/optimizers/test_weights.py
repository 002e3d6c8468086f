"""Weights: found by name or path, verified, and part of a trial's id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from rmobench.errors import WeightsError
from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.metatrain.recipe import read_recipe, recipes
from rmobench.optimizers.learned import adafactor_mlp
from rmobench.optimizers.learned.weights import PACKAGED, load_weights, read_provenance, write_weights
from rmobench.registry import choose_optimizers, choose_tasks, optimizers, unavailable
from rmobench.types import Status

FACTS = {
    "architecture": "adafactor_mlp",
    "settings": {"output_gain": 1.0},
    "recipe": "none",
    "recipe_sha256": "",
    "seed": 0,
    "commit": None,
    "wall_s": 0.0,
    "n_outer": 0,
    "best_outer": 0,
    "validation": 0.0,
    "curve": (),
    "device": "cpu",
    "torch": "",
}


def written(folder: Path, seed: int = 0) -> Path:
    path = folder / f"some{seed}.safetensors"
    write_weights(path, adafactor_mlp.fresh(torch.Generator().manual_seed(seed)), **FACTS)
    return path


def planned(optimizer: str, task: str = "sphere[dim=2]"):
    return plan(choose_tasks(task), choose_optimizers(optimizer), seeds=[0], n_calls=5)


GAIN = {"subspace": 0.05, "subspace_scalefree": 0.05}
"""How much better than at its first validation a rule must be: fresh, these are gradient descent already."""


@pytest.mark.parametrize("name", sorted(path.stem for path in PACKAGED.glob("*.safetensors")))
def test_packaged_weights_say_where_they_come_from(name):
    """The recipe is packaged too and has the hash that the weights name; the curve ends at the best or later."""
    weights, provenance = load_weights(name, name), read_provenance(PACKAGED / f"{name}.safetensors")
    recipe = read_recipe(provenance.recipe)
    assert provenance.recipe in recipes()
    assert (provenance.recipe_sha256, provenance.seed) == (recipe.sha256, recipe.file.seed)
    assert provenance.commit is not None
    assert provenance.validation in {v for _, _, v in provenance.curve}
    assert provenance.validation < provenance.curve[0][2] - GAIN.get(name, 0.5)  # it was trained
    fresh = recipe.architecture.fresh(torch.Generator(), **recipe.settings)
    assert {k: t.shape for k, t in weights.theta.items()} == {k: t.shape for k, t in fresh.items()}


def test_weights_are_refused_when_damaged_missing_or_of_another_kind(tmp_path):
    path = written(tmp_path)
    with pytest.raises(WeightsError, match="trained as adafactor_mlp, expected optimus"):
        load_weights(str(path), "optimus")
    with pytest.raises(WeightsError, match="no weights named 'nothing'"):
        load_weights("nothing", "optimus")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsError, match="one was changed"):
        load_weights(str(path), "adafactor_mlp")
    path.with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match="without provenance are not used"):
        load_weights(str(path), "adafactor_mlp")


def test_weights_are_read_in_the_same_order_every_time(tmp_path):
    """safetensors gives them in any: what draws a number for each of them has to know which comes first."""
    path = written(tmp_path)
    orders = {tuple(load_weights(str(path), "adafactor_mlp").theta) for _ in range(10)}
    assert orders == {tuple(sorted(adafactor_mlp.fresh(torch.Generator())))}


def test_provenance_is_read_strictly(tmp_path):
    path = written(tmp_path)
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"more": 1}))
    with pytest.raises(WeightsError, match="unknown field `more`"):
        load_weights(str(path), "adafactor_mlp")


def test_the_hash_of_the_weights_is_part_of_the_trial_whatever_the_files_are_called(tmp_path):
    ids = []
    for seed in (0, 1):
        path = written(tmp_path, seed)
        path = path.replace(tmp_path / "same.safetensors")
        ((only,),) = [planned(f"adafactor_mlp[weights='{path}']").trials]
        assert only.trial.weights_sha256 is not None
        ids.append(only.trial.id)
    assert ids[0] != ids[1]
    ((classical,),) = [planned("adam").trials]
    assert classical.trial.weights_sha256 is None


def test_velo_is_a_skip_until_the_user_brings_weights_and_an_implementation(tmp_path):
    assert unavailable(optimizers()["velo"]) == "no weights 'velo': give velo[weights='FILE.safetensors']"
    assert [s.reason for s in planned("velo").skips] == [unavailable(optimizers()["velo"])]
    path = written(tmp_path)
    ((only,),) = [planned(f"velo[weights='{path}']").trials]
    assert "expected package.module:Class" in run_trial(only).reason
    ((only,),) = [planned(f"velo[weights='{path}',implementation='tests.optimizers.test_weights:Brought']").trials]
    assert run_trial(only).status == Status.budget


class Brought(torch.optim.SGD):
    """Stands for a user's implementation: it is given the path of the weights."""

    def __init__(self, params, weights):
        assert Path(weights).is_file()
        super().__init__(params, lr=1e-3)


def test_optimus_refuses_a_problem_that_is_too_large_with_the_memory_it_would_need():
    ((only,),) = [planned("optimus[dim_max=5]", "sphere[dim=6]").trials]
    refused = run_trial(only)
    assert not refused.wrong_input
    assert "got 6 parameters as one vector, expected at most dim_max=5" in refused.reason
    assert "GB" in refused.reason
