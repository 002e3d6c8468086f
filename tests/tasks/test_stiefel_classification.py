"""Softmax regression on frames: the loss, the reference minimum, the instances."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rmobench.data import load
from rmobench.errors import ArgumentError
from rmobench.tasks.orthogonal.stiefel_classification import lowest, stiefel_classification
from rmobench.tasks.samples import Samples
from rmobench.types import Problem
from tests.tasks.frame_cases import ROUNDING, build, frame, place

SAME = 1e-10
"""Minima from other starts agree to this, relative to losses near 1: two digits below the hardest rung."""

FROZEN = {"all": 0.288991093959, "held_out": 0.253194961936}
"""Minimum on the digits at the default scale, to twelve digits."""


def chosen(problem: Problem) -> Samples:
    labels = problem.model.get_buffer("labels")
    return Samples(rows=problem.model.get_buffer("rows"), labels=labels, n_kinds=int(labels.max()) + 1)


def reached(problem: Problem) -> float:
    """Return the objective's minimum as the judge has it: where the gap is 0."""
    first, second = (place(problem, frame(*problem.params["x"].shape, seed=k)) for k in (0, 1))
    slope = (first["objective"] - second["objective"]) / (first["gap"] - second["gap"])
    return first["objective"] - slope * first["gap"]


def test_the_loss_by_its_definition() -> None:
    problem = build(stiefel_classification)
    data = load("digits")
    centred = data.inputs - data.inputs.mean(axis=0)
    z = centred / np.sqrt((centred**2).sum(axis=1).mean())
    logits = 8.0 * z @ problem.params["x"].detach().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(shares[np.arange(len(z)), data.labels]).mean()
    assert problem.loss(problem.model, None).item() == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize("split", FROZEN)
def test_the_reference_minimum_is_the_frozen_one(split: str) -> None:
    assert reached(build(stiefel_classification, split=split)) == pytest.approx(FROZEN[split], abs=1e-11)


@pytest.mark.parametrize("args", [{}, {"instance": 1}, {"split": "train", "instance": 2}, {"scale": 2.0}])
def test_every_start_of_the_solver_ends_in_one_minimum(args: dict[str, object]) -> None:
    problem = build(stiefel_classification, **args)
    scale = float(args.get("scale", 8.0))
    minima = [lowest(chosen(problem), scale=scale, seed=seed) for seed in range(4)]
    assert max(minima) - min(minima) < SAME
    assert reached(problem) == pytest.approx(minima[0], abs=SAME)


def test_descent_on_the_manifold_ends_there_too() -> None:
    """Gradient steps with the polar factor, written out: no lower value, and the gap falls to 1e-8."""
    problem = build(stiefel_classification, instance=1, scale=4.0)
    x = problem.params["x"]
    for _ in range(600):
        (g,) = torch.autograd.grad(problem.loss(problem.model, None), x)
        with torch.no_grad():
            symmetric = 0.5 * (x.T @ g + g.T @ x)
            U, _, Vh = torch.linalg.svd(x - 2.0 * (g - x @ symmetric), full_matrices=False)
            x.copy_(U @ Vh)
    gap = problem.judge(problem.model)["gap"]
    assert -SAME < gap < 1e-8


def test_leaving_the_manifold_gains_nothing() -> None:
    """Longer columns lower the loss, but not the judged objective."""
    problem = build(stiefel_classification)
    x = problem.params["x"].detach().clone()
    on = place(problem, x)
    off = place(problem, 3.0 * x)
    assert off["objective"] == pytest.approx(on["objective"], abs=ROUNDING)
    assert off["residual"] > 1.0


def test_an_instance_has_five_kinds() -> None:
    problem = build(stiefel_classification, instance=1)
    assert tuple(problem.params["x"].shape) == (64, 5)
    assert problem.model.get_buffer("labels").unique().tolist() == [0, 1, 2, 3, 4]


def test_the_seed_draws_the_start_and_nothing_else() -> None:
    first, again, other = (build(stiefel_classification, seed=s) for s in (0, 0, 1))
    assert torch.equal(first.params["x"], again.params["x"])
    assert not torch.equal(first.params["x"], other.params["x"])
    assert torch.equal(first.model.get_buffer("rows"), other.model.get_buffer("rows"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_samples_are_stored_as_the_parameter_and_labels_stay_numbers(dtype: torch.dtype) -> None:
    problem = build(stiefel_classification, dtype=dtype)
    assert problem.model.get_buffer("rows").dtype == dtype
    assert problem.model.get_buffer("labels").dtype == torch.int64


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf")])
def test_a_scale_that_does_not_exist(scale: float) -> None:
    with pytest.raises(ArgumentError, match=rf"^stiefel_classification: got scale={scale}, expected a finite positive"):
        build(stiefel_classification, scale=scale)
