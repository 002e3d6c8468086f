"""A training step with our SINGD against the package's, and a GNC step against its products; interleaved in one run.

Run: pytest tests/benchmarks/test_singd_speed.py --benchmark-only -s
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rmobench.geometry import Spd
from rmobench.optimizers.natural.gnc import gnc
from rmobench.optimizers.natural.singd import singd
from rmobench.tasks.vision.digits_cnn import digits_cnn
from rmobench.types import Problem
from tests.benchmarks.interleaved import compared

HOW = {"lr": 1e-3, "momentum": 0.9, "damping": 1e-3, "lr_cov": 1e-2}

AGREE = 1e-5
"""After a step from the same start, in float32."""


def asked(p: Problem) -> Callable[[], Tensor]:
    """Return the oracle of one batch: the loss, and fresh gradients."""
    batch = next(p.batches)

    def oracle() -> Tensor:
        p.model.zero_grad()
        loss = p.loss(p.model, batch)
        loss.backward()
        return loss.detach()

    return oracle


def ours(p: Problem, structure: str) -> Callable[[], object]:
    oracle = asked(p)
    optimizer = singd(p, **HOW, structure=structure, period=1, warm_up=False)
    return lambda: optimizer.step(oracle)


def theirs(p: Problem, structure: str) -> Callable[[], object]:
    package = pytest.importorskip("singd.optim.optimizer", reason="singd is not installed (extra `peers`)")
    oracle = asked(p)
    optimizer = package.SINGD(p.model, **HOW, structures=(structure, structure), T=1)

    def step() -> None:
        oracle()
        optimizer.step()

    return step


@pytest.mark.filterwarnings("ignore:Calling naive implementation of Tri.ToeplitzMatrix:UserWarning")
@pytest.mark.parametrize(
    ("structure", "their_structure", "n_steps", "bound"),
    [
        ("dense", "dense", 5, 0.7),
        ("lower_toeplitz", "triltoeplitz", 1, 0.3),
        ("upper_toeplitz", "triutoeplitz", 1, 0.3),
    ],
)
def test_a_training_step_against_the_packages(
    benchmark, structure: str, their_structure: str, n_steps: int, bound: float
) -> None:
    """Forward, backward and the optimizer's own part, factors moved in every step; 64 images in float32."""
    p, q = (digits_cnn(0, torch.device("cpu"), torch.float32) for _ in range(2))
    a, b = ours(p, structure), theirs(q, their_structure)
    a(), b()
    for name, x in p.params.items():
        torch.testing.assert_close(x, q.params[name], rtol=0, atol=AGREE)
    ratio = compared(benchmark, a, b, n_steps, f"singd {structure} / the package's {their_structure}")
    assert all(x.isfinite().all() for problem in (p, q) for x in problem.params.values())
    assert ratio <= bound


class Matrix(nn.Module):
    """A positive definite matrix."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.x = nn.Parameter(Spd().random((n, n), torch.Generator().manual_seed(0)))


def nothing(*_: object) -> None:
    raise AssertionError("what is timed is the optimizer's own part")


@pytest.mark.parametrize(("n", "n_steps"), [(64, 100), (256, 10)])
def test_a_gnc_step_against_its_products(benchmark, n: int, n_steps: int) -> None:
    """In float64, with the map h2: A^T (G A), A N, (A N) N and A A^T. The gradient is there already."""
    p = Problem(model=Matrix(n), loss=nothing, batches=itertools.repeat(None), judge=nothing, manifolds={"x": Spd()})
    x = p.params["x"]
    A = torch.linalg.cholesky(x.detach())
    G = torch.randn(n, n, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    N = 1e-3 * (G + G.mT)
    optimizer = gnc(p, lr=1e-6, momentum=0.9, map="h2")

    def oracle() -> Tensor:
        x.grad = G
        return torch.zeros(())

    @torch.no_grad()
    def products() -> tuple[Tensor, Tensor, Tensor]:
        return A.mT @ (G @ A), (A @ N) @ N, A @ A.mT

    ratio = compared(benchmark, lambda: optimizer.step(oracle), products, n_steps, f"gnc, n = {n} / its products")
    assert x.isfinite().all()
    assert ratio <= 1.2
