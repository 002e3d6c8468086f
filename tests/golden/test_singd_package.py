"""The adapter of the package `singd`: what it moves, what it refuses, and what it leaves behind."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

pytest.importorskip("singd", reason="singd is not installed (extra `peers`)")

from singd.optim.optimizer import SINGD

from rmobench.errors import ArgumentError, UnfitError
from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.optimizers.natural.singd import singd
from rmobench.optimizers.natural.singd_package import IN_FLOAT64, singd_package
from rmobench.registry import choose_optimizers, choose_tasks
from rmobench.types import Optimizer, Problem, Status
from tests.optimizers.networks import small

pytestmark = [
    pytest.mark.golden,
    # said by the package of its own Toeplitz structures
    pytest.mark.filterwarnings("ignore:Calling naive implementation of Tri.ToeplitzMatrix:UserWarning"),
]

NEAR = 1e-10
"""Of two implementations of the same steps in float64."""

HOW = {"lr": 0.05, "damping": 1e-2, "lr_cov": 0.05, "weight_decay": 1e-3}
COMPANIONS = ("norm.weight", "norm.bias", "shift")
"""Parameters of the small network that belong to no layer."""


def steps(optimizer: Optimizer, problem: Problem, n: int) -> list[float]:
    """Step some times as the harness would, and return the losses."""
    losses: list[float] = []

    def oracle() -> torch.Tensor:
        problem.model.zero_grad()
        value = problem.loss(problem.model, next(problem.batches))
        value.backward()
        losses.append(value.item())
        return value.detach()

    for _ in range(n):
        optimizer.step(oracle)
    return losses


@pytest.mark.parametrize("sharing", ["expand", "reduce"])
@pytest.mark.parametrize("structure", IN_FLOAT64)
def test_steps_are_ours(structure: str, sharing: str) -> None:
    """On every parameter: those of no layer take the same companion."""
    p, q = small(), small()
    how = {**HOW, "structure": structure, "sharing": sharing, "period": 3}
    steps(singd_package(p, **how), p, 8)
    steps(singd(q, warm_up=False, **how), q, 8)
    for name, x in p.params.items():
        torch.testing.assert_close(x, q.params[name], rtol=0, atol=NEAR, msg=lambda m, name=name: f"{name}: {m}")
        assert torch.dist(x, small().params[name]) > 1e-3


@pytest.mark.parametrize("structure", SINGD.SUPPORTED_STRUCTURES)
@pytest.mark.parametrize("normalise", [False, True])
def test_steps_are_the_packages(structure: str, normalise: bool) -> None:
    p = small(torch.float32)
    twin = copy.deepcopy(p.model)
    steps(singd_package(p, **HOW, structure=structure, momentum_cov=0.3, period=2, normalise=normalise), p, 5)
    theirs = SINGD(
        twin,
        **HOW,
        structures=(structure, structure),
        alpha1=0.3,
        T=2,
        normalize_lr_cov=normalise,
        warn_unsupported=False,
    )
    companions = torch.optim.SGD(
        [x for name, x in twin.named_parameters() if name in COMPANIONS],
        lr=HOW["lr"],
        momentum=0.9,
        weight_decay=HOW["weight_decay"],
    )
    for batch in itertools.islice(small(torch.float32).batches, 5):
        twin.zero_grad()
        cross_entropy(twin(batch[0]), batch[1]).backward()
        theirs.step()
        companions.step()
    for x, y in zip(p.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-5)


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._backward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_hooks_are_there_until_it_is_closed() -> None:
    p = small()
    optimizer = singd_package(p)
    assert hooks(p.model) == 3  # a convolution, two linear layers
    steps(optimizer, p, 2)
    optimizer.close()
    assert hooks(p.model) == 0


def test_a_refusal_leaves_no_hooks() -> None:
    p = small()
    with pytest.raises(UnfitError, match="triltoeplitz"):
        singd_package(p, structure="triltoeplitz")
    assert hooks(p.model) == 0


def test_gradients_stay_and_the_state_is_what_is_kept() -> None:
    p = small()
    optimizer = singd_package(p, period=1, weight_decay=0.1)
    seen: dict[str, torch.Tensor] = {}

    def oracle() -> torch.Tensor:
        p.model.zero_grad()
        value = p.loss(p.model, next(p.batches))
        value.backward()
        seen.update({name: x.grad.clone() for name, x in p.params.items()})
        return value.detach()

    for _ in range(2):
        optimizer.step(oracle)
        assert all(torch.equal(x.grad, seen[name]) for name, x in p.params.items())
    squares = sum(n**2 for n in (2 * 9 + 1, 8, 8 + 1, 10, 10, 4))  # K and C of each layer
    momenta = sum(x.numel() for x in p.params.values())
    assert sum(t.numel() for t in optimizer.state()) == 2 * squares + momenta
    assert all(t.dtype == torch.float64 for t in optimizer.state())


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"structure": "lower_toeplitz"}, r"got structure='lower_toeplitz', expected one of dense, diagonal, "),
        ({"sharing": "both"}, r"got sharing='both', expected 'expand' or 'reduce'"),
        ({"period": 0}, r"got period=0, expected a whole number of steps"),
        ({"momentum_cov": 1.0}, r"got momentum_cov=1\.0, expected a number in \[0, 1\)"),
        ({"lr_cov": -1.0}, r"got lr_cov=-1\.0, expected a number in \[0, 1\]"),
    ],
)
def test_options_it_does_not_take_are_refused(option: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^singd_package: {message}"):
        singd_package(small(), **option)


@pytest.mark.parametrize("structure", [s for s in SINGD.SUPPORTED_STRUCTURES if s not in IN_FLOAT64])
def test_a_structure_that_the_package_lacks_in_float64_is_a_skip(structure: str) -> None:
    with pytest.raises(UnfitError, match=rf"no structure '{structure}' in float64, only dense and diagonal; take one"):
        singd_package(small(), structure=structure)


class Idle(nn.Module):
    """A layer that is never called, or whose output is thrown away."""

    def __init__(self, *, called: bool) -> None:
        super().__init__()
        self.used, self.idle, self.called = nn.Linear(3, 2), nn.Linear(3, 2), called

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.used(x)
        return y + 0.0 * self.idle(x).detach() if self.called else y


@pytest.mark.parametrize("called", [False, True])
def test_a_layer_that_a_step_passes_by_is_named(called: bool) -> None:
    p = Problem(
        model=Idle(called=called),
        loss=lambda model, batch: model(batch).square().mean(),
        batches=itertools.repeat(torch.ones(4, 3)),
        judge=lambda model: {},
    )
    with pytest.raises(UnfitError, match=r"singd_package: idle had no call or no gradient in step 0; .* Take singd"):
        steps(singd_package(p), p, 1)


@pytest.mark.parametrize(
    ("task", "structure", "precision"),
    [
        ("digits_cnn", "dense", "fp64"),
        ("digits_mlp", "diagonal", "bf16"),
        ("digits_mlp", "hierarchical15_15", "bf16-amp"),
    ],
)
def test_it_runs_through_the_harness(task: str, structure: str, precision: str) -> None:
    """With nothing wider than the precision."""
    chosen = choose_optimizers(f"singd_package[structure={structure},lr=0.01]")
    (only,) = plan(choose_tasks(task), chosen, seeds=[0], precisions=[precision], n_calls=8).trials
    record = run_trial(only)
    assert record.status == Status.budget, record.error
    assert record.upcast is None
    assert record.trace[-1].metrics["objective"] < record.trace[0].metrics["objective"]
