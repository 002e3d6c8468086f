"""The adapter against geotorch's own way: the parametrization inside the model."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("geotorch", reason="geotorch is not installed (extra `peers`)")

import geotorch

from rmobench.errors import ArgumentError
from rmobench.geometry import Grassmann, Stiefel
from rmobench.optimizers.riemannian.geotorch_adam import geotorch_adam
from rmobench.tasks.orthogonal.pca_digits import pca_digits
from rmobench.types import RESIDUAL_MAX, Manifold, Problem
from tests.optimizers.frames import bowl, error, frame, on, walk
from tests.optimizers.plain_oracle import PlainOracle, drive, normal

pytestmark = pytest.mark.golden

ROUNDING = 1e-10
"""Of exponentials, over some steps: torch's is off by 3e-11 at worst."""


class Layer(nn.Module):
    """A matrix, and a vector that is free."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.bias = nn.Parameter(normal(4))

    def loss(self) -> Tensor:
        return bowl(self.weight) + (self.bias.sin() * self.bias).sum()


def problem(model: nn.Module, manifold: Manifold | None = None) -> Problem:
    return Problem(
        model=model,
        loss=lambda model, batch: model.loss(),
        batches=itertools.repeat(None),
        judge=lambda model: {},
        manifolds={"weight": manifold or Stiefel()},
    )


@pytest.mark.parametrize("shape", [(6, 3), (5, 5), (2, 6, 3)], ids=str)
def test_steps_are_those_of_the_parametrization(shape: tuple[int, ...]) -> None:
    """`geotorch.orthogonal` on the layer, assigned the same start, under torch.optim.Adam.

    Its random completion of the frame is fixed to the adapter's: the iterates depend on it.
    """
    start = frame(*shape)
    p = problem(Layer(start))
    ours = geotorch_adam(p, lr=0.05, beta1=0.8)
    theirs = Layer(start)
    geotorch.orthogonal(theirs, "weight")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        geotorch.Stiefel(torch.Size(shape))  # draws what the adapter's drew
        theirs.weight = start
    adam = torch.optim.Adam(theirs.parameters(), lr=0.05, betas=(0.8, 0.999))
    oracle = PlainOracle(p)
    for _ in range(25):
        drive(ours, oracle, n_steps=1)
        adam.zero_grad()
        theirs.loss().backward()
        adam.step()
        torch.testing.assert_close(p.params["weight"].detach(), theirs.weight.detach(), rtol=0, atol=ROUNDING)
        torch.testing.assert_close(p.params["bias"].detach(), theirs.bias.detach(), rtol=0, atol=ROUNDING)
    assert (p.params["weight"] - start).norm() > 0.1
    assert error(p.params["weight"].detach()).max() < ROUNDING


def test_finds_the_principal_components() -> None:
    p = pca_digits(0, torch.device("cpu"), torch.float64, rank=8)
    drive(geotorch_adam(p, lr=0.03), PlainOracle(p), n_steps=150)
    metrics = p.judge(p.model)
    assert metrics["gap"] < 1e-6
    assert metrics["residual"] < RESIDUAL_MAX["fp64"]


def test_the_model_keeps_its_parameters_and_its_start() -> None:
    p = problem(Layer(frame(6, 3)))
    before = dict(p.model.named_parameters())
    optimizer = geotorch_adam(p)
    assert torch.equal(before["weight"], frame(6, 3))
    drive(optimizer, PlainOracle(p), n_steps=3)
    after = dict(p.model.named_parameters())
    assert list(after) == ["weight", "bias"]
    assert all(after[name] is before[name] for name in after)
    assert sum(t.numel() for t in optimizer.state()) >= 36 + 3 * 18 + 2 * 4  # base, coordinates, Adam's means


def test_the_random_completion_is_the_adapters_own() -> None:
    """Whatever the global stream: it is not used, and not moved."""
    traces = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            traces.append(walk(geotorch_adam, on(Stiefel(), bowl, frame(6, 3)), 5))
            assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*traces)


def test_a_matrix_without_a_gradient_stays() -> None:
    x = frame(6, 3)
    assert torch.equal(
        walk(geotorch_adam, on(Stiefel(), lambda x: torch.ones((), requires_grad=True), x), 2)[-1], x.flatten()
    )


def test_narrow_storage_is_computed_wide() -> None:
    p = on(Stiefel(), bowl, frame(6, 3, dtype=torch.bfloat16))
    drive(optimizer := geotorch_adam(p), PlainOracle(p), n_steps=20)
    assert p.params["a"].dtype == torch.bfloat16
    assert {t.dtype for t in optimizer.state()} == {torch.float32}
    assert error(p.params["a"].detach().double()) < RESIDUAL_MAX["bf16"]


def test_a_manifold_without_counterpart_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"geotorch_adam: got the manifold 'grassmann', expected stiefel\."):
        geotorch_adam(problem(Layer(frame(6, 3)), Grassmann()))
    with pytest.raises(ArgumentError, match=r"geotorch_adam: x has shape \[3, 6\], expected \[\.\.\., n, p\]"):
        geotorch_adam(problem(Layer(normal(3, 6))))
