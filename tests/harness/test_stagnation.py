"""Which share of the entries a step leaves as they were: against the spacing of the numbers, and in records."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from rmobench.harness.plan import plan
from rmobench.harness.stagnation import StagnationWatch
from rmobench.harness.trial import run_trial
from rmobench.optimizers.classical.adamw import adamw
from rmobench.registry import choose_optimizers, choose_tasks
from tests.optimizers.plain_oracle import PlainOracle, drive, problem


def watched(made, optimizer, n_steps=2):
    watch = StagnationWatch(PlainOracle(made), made, aside=nullcontext)
    drive(optimizer, watch, n_steps=n_steps)
    return watch


def weights(dtype, n=4096, scale=0.1):
    """Draw weights as layers have them."""
    return (scale * torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).to(dtype)


def too_coarse(x, lr):
    """Return the share of entries whose half spacing is above lr: in [2^e, 2^(e + 1)) numbers are 2^(e - 7) apart."""
    exponent = torch.frexp(x.double()).exponent - 1.0
    return (torch.exp2(exponent - 7.0) / 2.0 > lr).double().mean().item()


@pytest.mark.parametrize(("lr", "least", "most"), [(1e-3, 0.0, 0.05), (1e-4, 0.7, 0.8), (1e-5, 0.95, 0.99)])
def test_bfloat16_stands_still_where_its_numbers_are_too_far_apart(lr, least, most):
    """The gradient is constant, so AdamW steps by lr everywhere, and rounding drops what is below half a spacing.

    The step itself is rounded, so entries whose half spacing is within some per cent of it may fall on either side.
    """
    x = weights(torch.bfloat16)
    made = problem(lambda a: a.float().sum(), x)
    share = watched(made, adamw(made, lr=lr, weight_decay=0.0)).share
    assert share == pytest.approx(too_coarse(x, lr), abs=0.02)
    assert least <= share <= most


@pytest.mark.parametrize("lr", [1e-3, 1e-5])
def test_double_moves_every_entry(lr):
    made = problem(lambda a: a.sum(), weights(torch.float64))
    assert watched(made, adamw(made, lr=lr)).share == 0.0


def test_entries_without_a_gradient_do_not_count():
    """Half of the entries have none and stay; of the others, one in four is held back."""
    made = problem(lambda a: a[:8].sum(), torch.ones(16, dtype=torch.float64))
    (x,) = made.params.values()
    oracle = PlainOracle(made)
    watch = StagnationWatch(oracle, made, aside=nullcontext)
    for _ in range(3):
        watch()
        with torch.no_grad():
            x[:6] -= 0.1
        watch.tick()
    assert watch.share == 0.25
    assert (oracle.asked, len(oracle.iterates)) == (["grad"] * 3, 3), "everything is passed on"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_gradients_that_are_not_finite_do_not_count(bad):
    made = problem(lambda a: (a * torch.tensor([bad, 1.0], dtype=torch.float64)).sum(), torch.ones(2).double())
    watch = StagnationWatch(PlainOracle(made), made, aside=nullcontext)
    watch()
    watch.tick()
    assert watch.share == 1.0, "the only entry with a finite gradient was not moved"


def test_without_any_gradient_nothing_is_said():
    made = problem(lambda a: a.sum(), torch.ones(2))
    watch = StagnationWatch(PlainOracle(made), made, aside=nullcontext)
    watch.loss()
    watch.tick()
    assert watch.share is None


def recorded(task, optimizer, precision, n_calls=30):
    (only,) = plan(
        choose_tasks(task), choose_optimizers(optimizer), seeds=[0], n_calls=n_calls, precisions=[precision]
    ).trials
    return run_trial(only)


@pytest.mark.parametrize(
    ("optimizer", "precision", "least", "most"),
    [
        ("adamw[lr=1e-4,weight_decay=0.0]", "bf16", 0.9, 1.0),
        ("adamw[lr=1e-3,weight_decay=0.0]", "bf16", 0.4, 0.8),
        ("adamw[lr=1e-4,weight_decay=0.0]", "fp64", 0.0, 0.0),
        ("bfgs", "fp64", 0.0, 0.0),  # a solver that owns its loop and judges new points first
        ("lbfgs", "fp64", 0.0, 0.0),  # one that remembers what it asked
    ],
)
def test_the_rehearsal_writes_it_to_the_record(optimizer, precision, least, most):
    assert least <= recorded("quadratic[dim=100]", optimizer, precision).diagnostics["stagnation"] <= most


def test_watching_costs_the_trial_no_memory():
    """Gradient descent holds x, its gradient and the loss's own values: five times x at most."""
    assert recorded("sphere[dim=1000]", "gradient_descent", "fp64").peak_bytes < 5 * 8000
