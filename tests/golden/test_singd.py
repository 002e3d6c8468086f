"""Structured inverse-free steps against the package of the method's authors, step for step in float64."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from rmobench.optimizers.natural.ikfac import ikfac
from rmobench.optimizers.natural.singd import singd
from rmobench.types import Problem

package = pytest.importorskip("singd.optim.optimizer")
N_STEPS = 8
NEAR = 1e-10

HOW = {"lr": 0.05, "momentum": 0.9, "damping": 1e-2, "weight_decay": 1e-3}


def network() -> nn.Module:
    model = nn.Sequential(
        nn.Conv2d(2, 5, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(45, 6), nn.Tanh(), nn.Linear(6, 3)
    ).double()
    generator = torch.Generator().manual_seed(0)
    for p in model.parameters():
        nn.init.normal_(p, std=0.3, generator=generator)
    return model


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(7, 2, 6, 6, generator=generator, dtype=torch.float64),
            torch.randint(3, (7,), generator=generator),
        )
        for _ in range(N_STEPS)
    ]


def loss(model: nn.Module, batch) -> torch.Tensor:
    return cross_entropy(model(batch[0]), batch[1])


@pytest.mark.parametrize("sharing", ["expand", "reduce"])
@pytest.mark.parametrize("period", [1, 3])
@pytest.mark.parametrize("structure", ["dense", "diagonal"])
@pytest.mark.parametrize("ours", [singd, ikfac])
def test_steps_agree(ours, structure: str, period: int, sharing: str) -> None:
    model, data = network(), batches()
    twin = copy.deepcopy(model)
    theirs = package.SINGD(
        twin,
        **HOW,
        T=period,
        alpha1=0.5 if ours is singd else 0.0,
        lr_cov=0.05,
        structures=(structure, structure),
        kfac_approx=sharing,
        kfac_like=ours is ikfac,
    )
    problem = Problem(model=model, loss=loss, batches=itertools.cycle(data), judge=lambda m: {})
    optimizer = ours(problem, **HOW, lr_cov=0.05, structure=structure, period=period, sharing=sharing, warm_up=False)

    def oracle() -> torch.Tensor:
        model.zero_grad()
        value = loss(model, next(problem.batches))
        value.backward()
        return value.detach()

    for batch in data:
        twin.zero_grad()
        loss(twin, batch).backward()
        theirs.step()
        optimizer.step(oracle)
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=NEAR)
    assert torch.dist(next(model.parameters()), next(network().parameters())) > 0.01
    optimizer.close()
