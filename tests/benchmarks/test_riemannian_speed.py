"""A step of ours against geoopt's, and of the learned rule against plain descent; interleaved in one run.

Run: pytest tests/benchmarks/test_riemannian_speed.py --benchmark-only -s
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rmobench.geometry import Stiefel
from rmobench.optimizers.learned.subspace import subspace
from rmobench.optimizers.riemannian.radam import radam
from rmobench.optimizers.riemannian.rsgd import rsgd
from rmobench.tasks.orthogonal.orthogonal_layers import shapes
from rmobench.types import Optimizer, Problem
from tests.benchmarks.interleaved import compared

geoopt_parameters = pytest.importorskip("rmobench.optimizers.riemannian.geoopt_parameters")
N_STEPS = 20
SHAPE = (576, 128)


class Frames(nn.Module):
    """Frames and fixed gradients of the length that a network's have."""

    def __init__(self, layers: list[tuple[int, int]]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        points = [Stiefel().random(shape, generator).float() for shape in layers]
        self.points = nn.ParameterList(points)
        self.gradients = [torch.randn(shape, generator=generator) / shape[0] for shape in layers]


def problem(layers: list[tuple[int, int]]) -> Problem:
    model = Frames(layers)
    manifolds = {name: Stiefel() for name, _ in model.named_parameters()}
    return Problem(model=model, loss=nothing, batches=iter(()), judge=nothing, manifolds=manifolds)


def nothing(*_: object) -> None:
    raise AssertionError("what is timed is the optimizer's own part")


class Ready:
    """An oracle whose gradients are there already."""

    def __init__(self, p: Problem) -> None:
        self._pairs = list(zip(p.params.values(), p.model.gradients, strict=True))
        self.calls = 0

    def __call__(self) -> Tensor:
        self.calls += 1
        for x, g in self._pairs:
            x.grad = g
        return torch.zeros(())


def ours(build: Callable[..., Optimizer], p: Problem, **hyper: float) -> tuple[Callable[[], object], Ready]:
    optimizer, oracle = build(p, **hyper), Ready(p)
    return (lambda: optimizer.step(oracle)), oracle


def geoopts(name: str, p: Problem, **hyper: float) -> Callable[[], object]:
    points = geoopt_parameters.attach_manifolds(p)
    inner = getattr(geoopt_parameters.geoopt.optim, name)(points, **hyper)

    def step() -> None:
        for x, g in zip(p.params.values(), p.model.gradients, strict=True):
            x.grad = g
        inner.step()

    return step


@pytest.mark.parametrize(
    ("build", "theirs", "hyper", "their_hyper"),
    [
        (rsgd, "RiemannianSGD", {"lr": 0.1}, {"lr": 0.1}),
        (rsgd, "RiemannianSGD", {"lr": 0.1, "momentum": 0.9}, {"lr": 0.1, "momentum": 0.9}),
        (radam, "RiemannianAdam", {"lr": 0.01}, {"lr": 0.01}),
    ],
    ids=["rsgd", "rsgd with momentum", "radam"],
)
def test_a_step_against_geoopts(benchmark, build, theirs, hyper, their_hyper):
    """One frame 576 x 128 in float32.

    The first steps end at the same point, but where geoopt seeds its momentum with the Euclidean gradient.
    """
    p, q = problem([SHAPE]), problem([SHAPE])
    (a, oracle), b = ours(build, p, **hyper), geoopts(theirs, q, **their_hyper)
    a(), b()
    for x, y in zip(p.params.values(), q.params.values(), strict=True):
        assert oracle.calls == 1
        if "momentum" not in hyper:
            torch.testing.assert_close(x, y, rtol=0, atol=2e-5)
    assert compared(benchmark, a, b, N_STEPS, f"{build.__name__} / geoopt {theirs}") <= 0.7


def test_the_learned_rule_against_plain_descent_on_all_layers_of_resnet50(benchmark):
    layers = [(shape[0], shape[1]) for shape in shapes("resnet50").values()]
    p, q = problem(layers), problem(layers)
    (a, _), (b, _) = ours(subspace, p, lr=0.1), ours(rsgd, q, lr=0.1)
    assert compared(benchmark, a, b, 1, "subspace / rsgd, 33 layers") <= 1.3
    moved = [torch.dist(x, y).item() for x, y in zip(p.params.values(), q.params.values(), strict=True)]
    assert min(moved) > 0.0
