"""Where the memory of low-rank training goes: closed forms in m, n and r against what the harness measures."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from rmobench.harness.accounting import MemoryWatch
from rmobench.harness.memory import StorageTracker, bytes_of
from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.models.low_rank_linear import LowRankLinear
from rmobench.registry import choose_optimizers, choose_tasks
from rmobench.types import Problem, Record
from tests.optimizers.low_rank import LOWRANK, build
from tests.optimizers.plain_oracle import normal

N_ROWS = 8
WIDTH = 8
"""Bytes of a number in float64."""
TORCH_COUNT = 4
"""Torch counts the steps of every parameter in a float32 of its own."""


@dataclass(frozen=True)
class Sizes:
    """A layer [m, n] of rank r."""

    m: int
    n: int
    r: int

    @property
    def sides(self) -> int:
        return (self.m + self.n) * self.r

    @property
    def core(self) -> int:
        return self.r**2

    @property
    def full(self) -> int:
        return self.m * self.n


@dataclass(frozen=True)
class Formula:
    """Numbers of float64 of a method, as functions of the sizes."""

    trained: Callable[[Sizes], int]
    kept: Callable[[Sizes], int]
    thin: Callable[[Sizes], int]  # per row of a batch, what the layer saves for the backward pass
    passing: float  # what a step holds beside what stays, over (m + n) r
    n_counts: int = 0  # that torch keeps


def two(kept: Callable[[Sizes], int], passing: float, n_counts: int = 0) -> Formula:
    return Formula(lambda s: s.sides, kept, lambda s: s.r, passing, n_counts)


def three(kept: Callable[[Sizes], int], passing: float, n_counts: int = 0) -> Formula:
    return Formula(lambda s: s.sides + s.core, kept, lambda s: 2 * s.r, passing, n_counts)


def wide(kept: Callable[[Sizes], int], passing: float) -> Formula:
    """Three factors with twice the columns."""
    return Formula(lambda s: 2 * s.sides + 4 * s.core, kept, lambda s: 4 * s.r, passing)


METHODS = {
    "dlrt": wide(lambda s: 0, 7.6),
    "factor_adam": two(lambda s: 2 * s.sides, 1.2, n_counts=2),
    "factor_adam[factors=three]": three(lambda s: 2 * s.sides + 2 * s.core, 1.2, n_counts=3),
    "factor_heavy_ball": two(lambda s: s.sides, 0.0),
    "factor_heavy_ball[factors=three]": three(lambda s: s.sides + s.core, 0.0),
    "factor_sgd": two(lambda s: 0, 0.0),
    "geolora": three(lambda s: 0, 7.2),  # steps of the bases only
    "geolora[period=2]": three(lambda s: 2 * s.core, 7.2),  # between two of them
    "lora_muon": two(lambda s: s.sides, 0.9),
    "lora_rite": two(lambda s: 2 * s.sides + 2 * s.core + 2, 5.5),
    "lr_adam_core": wide(lambda s: 2 * s.core, 7.6),
    "lr_adam_core[fresh=False]": three(lambda s: 2 * s.core, 6.6),
    "lr_adam_tangent": three(lambda s: s.sides + s.core + 1, 7.3),
    "lr_heavy_ball": three(lambda s: s.sides + s.core, 6.3),
    "lr_heavy_ball[momentum=0.0]": three(lambda s: 0, 5.3),
    "scaled_adamw": two(lambda s: 2 * s.sides, 4.8),
    "scaled_gd": two(lambda s: 0, 2.6),
    "scaled_gd[momentum=0.9]": two(lambda s: s.sides, 2.6),
    "stiefel_adamw": three(lambda s: 2 * s.sides + 2 * s.core, 7.0),
}
GALORE = Formula(lambda s: s.full, lambda s: (s.m + 2 * s.n) * 3, lambda s: 0, 0.0)
"""At rank 3."""

SMALL, LARGE = Sizes(300, 400, 3), Sizes(500, 700, 6)
SLACK = 0.15
"""Share of what passes by that may go to cores and single numbers; it is less at larger sizes."""


class Asked:
    """An oracle of one batch whose memory counts as the oracle's."""

    def __init__(self, problem: Problem, tracker: StorageTracker) -> None:
        self._problem, self._tracker = problem, tracker

    def __call__(self) -> Tensor:
        for p in self._problem.model.parameters():
            p.grad = None
        with self._tracker.asking(), torch.enable_grad():
            loss = self._problem.loss(self._problem.model, next(self._problem.batches))
            loss.backward()
        return loss.detach()

    def tick(self) -> None:
        pass


def problem(sizes: Sizes) -> Problem:
    m, n, r = sizes.m, sizes.n, sizes.r
    base = torch.nn.Linear(n, m, dtype=torch.float64)
    layer = LowRankLinear(normal(m, r), normal(r, r, seed=1), normal(n, r, seed=2), base=base)
    return Problem(
        model=torch.nn.Sequential(layer),
        loss=lambda model, batch: torch.tanh(model(batch)).square().mean(),
        batches=itertools.repeat(normal(N_ROWS, n, seed=3)),
        judge=lambda model: {},
    )


def measured(selector: str, sizes: Sizes, n_steps: int = 2) -> dict[str, float]:
    """The accounts of some steps, with the bytes of the state."""
    (chosen,) = choose_optimizers(selector)
    p, tracker = problem(sizes), StorageTracker(widest=torch.float64)
    optimizer = build(chosen.spec.name, p, **chosen.hyper)
    for tensor in (*p.params.values(), *optimizer.state()):
        tracker.hold(tensor)
    watch = MemoryWatch(Asked(p, tracker), tracker)
    with tracker:
        for _ in range(n_steps):
            optimizer.step(watch)
            watch.tick()
    found = watch.accounts(p) | {"state_bytes": bytes_of(optimizer.state())}
    optimizer.close()
    return found


def check(found: dict[str, float], formula: Formula, sizes: Sizes, *, frozen: int) -> None:
    assert found["trainable_bytes"] == found["gradient_bytes"] == WIDTH * formula.trained(sizes)
    assert found["frozen_bytes"] == WIDTH * frozen
    assert found["state_bytes"] == WIDTH * formula.kept(sizes) + TORCH_COUNT * formula.n_counts
    assert found["activation_bytes"] == WIDTH * N_ROWS * (sizes.m + formula.thin(sizes))  # with the layer's tanh


def test_every_method_has_a_formula() -> None:
    assert {name.partition("[")[0] for name in METHODS} == set(LOWRANK)


@pytest.mark.parametrize("sizes", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("selector", METHODS)
def test_what_a_method_trains_keeps_and_saves(selector: str, sizes: Sizes) -> None:
    """Parameters, gradients, state and activations to the byte; what passes by within some per cent."""
    found, formula = measured(selector, sizes), METHODS[selector]
    check(found, formula, sizes, frozen=sizes.full + sizes.m)
    passing = found["transient_bytes"] / WIDTH / sizes.sides
    assert (1.0 - SLACK) * formula.passing <= passing <= formula.passing
    assert found["transient_bytes"] < WIDTH * sizes.full


def test_galore_trains_full_matrices_and_keeps_thin_moments() -> None:
    pytest.importorskip("pytorch_optimizer", reason="pytorch-optimizer is not installed (extra `peers`)")
    found = measured("galore[rank=3]", SMALL)
    check(found, GALORE, SMALL, frozen=SMALL.m)
    assert found["transient_bytes"] > WIDTH * SMALL.full  # its step has the size of the matrix


KEYS = ("trainable_bytes", "frozen_bytes", "gradient_bytes", "activation_bytes", "transient_bytes")


def accounts(task: str, optimizer: str) -> tuple[Record, dict[str, float]]:
    (planned,) = plan(
        choose_tasks(task), choose_optimizers(optimizer), seeds=[0], precisions=["fp32"], n_calls=4
    ).trials
    record = run_trial(planned)
    assert isinstance(record, Record)
    return record, {key: record.diagnostics[key] for key in KEYS}


def test_records_hold_the_accounts() -> None:
    record, found = accounts("low_rank_approximation", "lr_heavy_ball")
    numbers = (60 + 60) * 5 + 25
    assert record.n_params == numbers
    assert found["trainable_bytes"] == found["gradient_bytes"] == record.state_bytes == 4 * numbers
    assert found["frozen_bytes"] == 0.0
    assert found["activation_bytes"] == 4 * (60 * 5 + 60 * 5 + 60 * 60)  # x V, x V S^T, errors
    assert found["transient_bytes"] > 0.0
    assert record.diagnostics["rank"] == 5.0


def test_the_accounts_of_a_network_in_an_ordinary_task() -> None:
    record, found = accounts("digits_mlp", "adamw")
    assert found["trainable_bytes"] == found["gradient_bytes"] == 4 * record.n_params
    assert 2 * 4 * record.n_params <= record.state_bytes
    parts = found["trainable_bytes"] + found["gradient_bytes"] + record.state_bytes
    assert parts < record.peak_bytes <= parts + 2 * found["activation_bytes"] + found["transient_bytes"]
