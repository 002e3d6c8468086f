"""Shampoo and SOAP of pytorch-optimizer against the published formulas, written out on their own."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

pytest.importorskip("pytorch_optimizer", reason="pytorch-optimizer is not installed (extra `peers`)")

from rmobench.errors import ArgumentError
from rmobench.optimizers.natural.shampoo import shampoo
from rmobench.optimizers.natural.soap import soap
from tests.optimizers.plain_oracle import PlainOracle, drive, normal, problem

pytestmark = pytest.mark.golden

ROUNDING = 1e-9
"""Of roots of sums of squares, whose condition number is some 1e5, over some steps in float64."""

SINGLE = 1e-5
"""Of bases that are orthogonal to float32, over some steps of length 0.1."""

SHAPES = [(), (4,), (5, 3), (2, 6), (4, 3, 2), (3, 2, 2, 2)]

FULL = [(), (4,), (4, 4), (4, 3, 2), (3, 2, 2, 2)]
"""Shapes whose squares have full rank along every axis from the first step on, so that no basis is left to chance."""


def bowl(x: Tensor) -> Tensor:
    """Return a loss whose gradients turn: no axis of x is one of its own."""
    A = normal(x.numel(), x.numel(), seed=5).to(x)
    return (A @ x.flatten()).cosh().log().sum() + 0.1 * x.square().sum()


def slope(x: Tensor) -> Tensor:
    y = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(bowl(y), y)
    return g


def walk(build, start: Tensor, n_steps: int, **hyper: float) -> Tensor:
    """Return the iterates, [n_steps, d]."""
    p = problem(bowl, start)
    oracle = PlainOracle(p)
    drive(build(p, **hyper), oracle, n_steps=n_steps)
    return torch.stack(oracle.iterates)


def along(M: Tensor, x: Tensor, axis: int) -> Tensor:
    """Multiply every vector of x along an axis by M."""
    return torch.movedim(torch.tensordot(M, x, dims=([1], [axis])), 0, axis)


def squares(g: Tensor, axis: int) -> Tensor:
    """Return the product of g with itself over all axes but one."""
    others = [i for i in range(g.ndim) if i != axis]
    return torch.tensordot(g, g, dims=(others, others))


def shampoo_written_out(x: Tensor, n_steps: int, *, lr: float, epsilon: float) -> Tensor:
    """Algorithm 2 of Gupta, Koren, Singer 2018: H_i <- H_i + g g^T over all axes but i, x -= lr g x_i H_i^(-1/2k)."""
    H = [epsilon * torch.eye(n, dtype=x.dtype) for n in x.shape]
    iterates = []
    for _ in range(n_steps):
        g = direction = slope(x)
        for axis in range(x.ndim):
            H[axis] = H[axis] + squares(g, axis)
            values, U = torch.linalg.eigh(H[axis])
            direction = along(U @ torch.diag(values ** (-0.5 / x.ndim)) @ U.mT, direction, axis)
        x = x - lr * direction
        iterates.append(x.flatten())
    return torch.stack(iterates)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shampoo_follows_the_published_algorithm(shape: tuple[int, ...]) -> None:
    hyper = {"lr": 0.1, "epsilon": 1e-3}
    start = normal(*shape)
    got = walk(shampoo, start, 12, **hyper)
    torch.testing.assert_close(got, shampoo_written_out(start, 12, **hyper), rtol=0, atol=ROUNDING)
    assert torch.dist(got[-1], start.flatten()) > 0.1


def test_shampoo_moves_nothing_before_its_first_root() -> None:
    iterates = walk(shampoo, normal(5, 3), 4, lr=0.1, period=3)
    assert torch.equal(iterates[1], normal(5, 3).flatten())
    assert torch.dist(iterates[2], iterates[1]) > 0.01


@pytest.mark.parametrize(("epsilon", "lost"), [(1e-6, True), (1e-3, False)])
def test_sums_lose_a_small_epsilon_in_float32(epsilon: float, lost: bool) -> None:
    """Why the default is not the package's 1e-6; the gradients of x^2 / 2 all lie on a line.

    Beside it the sum is epsilon times the unit matrix, if it is not rounded away. Where it is, the root ends in
    infinity on some processors, and in a matrix that is not positive on others.
    """
    p = problem(lambda x: 0.5 * x.square().sum(), normal(3, seed=1, dtype=torch.float32))
    optimizer = shampoo(p, epsilon=epsilon)
    try:
        drive(optimizer, PlainOracle(p), n_steps=100)
    except RuntimeError as error:
        assert lost and re.search(r"linalg\.svd: .*non-finite values", str(error))
    sums = next(t for t in optimizer.state() if t.shape == (3, 3))
    small = torch.linalg.eigvalsh(sums.double())[:2]
    off = (small / epsilon - 1.0).abs().max().item()
    assert off > 0.2 if lost else off < 0.01
    assert lost or all(x.isfinite().all() for x in p.params.values())


def soap_written_out(x: Tensor, n_steps: int, *, lr: float, period: int, weight_decay: float = 0.0) -> Tensor:
    """Algorithm 3 of Vyas et al. 2024; bases come in the order of their eigenvalues' estimates, largest first."""
    b, epsilon = 0.95, 1e-8
    axes = range(x.ndim) if x.ndim > 1 else ()
    g = slope(x)
    L = [(1.0 - b) * squares(g, axis) for axis in axes]
    Q = [torch.linalg.eigh(P).eigenvectors.flip(1) for P in L]
    m, v = torch.zeros_like(x), torch.zeros_like(x)
    iterates = [x.flatten()]
    for t in range(1, n_steps):
        g = slope(x)
        m, turned = b * m + (1.0 - b) * g, g
        for axis in axes:
            turned = along(Q[axis].mT, turned, axis)
        v = b * v + (1.0 - b) * turned**2
        step = m
        for axis in axes:
            step = along(Q[axis].mT, step, axis)
        step = step / (v.sqrt() + epsilon)
        for axis in axes:
            step = along(Q[axis], step, axis)
        x = (1.0 - lr * weight_decay) * (x - lr * (1.0 - b**t) ** 0.5 / (1.0 - b**t) * step)
        L = [b * P + (1.0 - b) * squares(g, axis) for axis, P in zip(axes, L, strict=True)]
        if t % period == 0:
            for axis in axes:
                order = (Q[axis] * (L[axis] @ Q[axis])).sum(0).argsort(descending=True)
                v = v.index_select(axis, order)
                Q[axis] = torch.linalg.qr((L[axis] @ Q[axis])[:, order]).Q
        iterates.append(x.flatten())
    return torch.stack(iterates)


@pytest.mark.parametrize("shape", FULL, ids=str)
@pytest.mark.parametrize(("period", "near"), [(100, ROUNDING), (3, SINGLE)], ids=["first bases", "power iterations"])
def test_soap_follows_the_published_algorithm(shape: tuple[int, ...], period: int, near: float) -> None:
    hyper = {"lr": 0.1, "period": period, "weight_decay": 0.1}
    start = normal(*shape)
    got = walk(soap, start, 12, **hyper)
    torch.testing.assert_close(got, soap_written_out(start, 12, **hyper), rtol=0, atol=near)
    assert torch.equal(got[0], start.flatten())
    assert torch.dist(got[-1], start.flatten()) > 0.1


def test_soaps_later_bases_are_of_float32_in_float64() -> None:
    p = problem(bowl, normal(5, 3))
    optimizer = soap(p, period=1)
    drive(optimizer, PlainOracle(p), n_steps=3)
    bases = [t for t in optimizer.state() if t.shape in ((5, 5), (3, 3)) and not torch.equal(t, t.mT)]
    errors = [torch.dist(Q.mT @ Q, torch.eye(len(Q), dtype=Q.dtype)).item() for Q in bases]
    assert len(errors) == 2
    assert all(1e-9 < error < 1e-5 for error in errors)


@pytest.mark.parametrize(("build", "option"), [(shampoo, "epsilon"), (soap, "beta1"), (soap, "weight_decay")])
def test_options_out_of_range_are_refused(build, option: str) -> None:
    p = problem(bowl, normal(4))
    with pytest.raises(ArgumentError, match=rf"^{build.__name__}: got {option}=-1\.0, expected"):
        build(p, **{option: -1.0})
    with pytest.raises(ArgumentError, match=rf"^{build.__name__}: got period=0, expected a whole number of steps"):
        build(p, period=0)
