"""A task's argument `manifold` takes the place of its constraint, if it is one."""

from __future__ import annotations

from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.registry import choose_optimizers, choose_tasks, optimizers, tasks, why_not


def test_an_optimizer_must_keep_the_manifold_that_is_asked_for():
    args = {**tasks()["pca"].args, "data": "digits", "manifold": "grassmann"}
    assert why_not(optimizers()["svb"], tasks()["pca"], args=args) == (
        "the task is constrained to grassmann, which the optimizer does not keep"
    )
    assert why_not(optimizers()["rsgd"], tasks()["pca"], args=args) is None


def test_a_misspelt_manifold_is_refused_by_the_task():
    chosen = choose_tasks("pca[data=digits,manifold=grasmann]"), choose_optimizers("rsgd")
    (only,) = plan(*chosen, seeds=[0], precisions=["fp64"], n_calls=3).trials
    refused = run_trial(only)
    assert refused.wrong_input
    assert "grasmann" in refused.reason
