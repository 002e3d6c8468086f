"""Factors of matrices and retractions of frames: equal to their definitions, at their cost, for any input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rmobench.geometry import (
    RETRACTIONS,
    Stiefel,
    cayley,
    cholesky_qr,
    cholesky_qr_factor,
    newton_schulz,
    polar,
    polar_factor,
    qr,
    qr_factor,
)
from rmobench.geometry.frames import off_by_rounding
from tests.geometry.cases import ROUNDING, normal, point, unit_tangent

EPS = {dtype: torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64)}

FACTORS = {"qr": qr_factor, "cholesky_qr": cholesky_qr_factor, "polar": polar_factor}

factors = pytest.mark.parametrize("factor", FACTORS.values(), ids=FACTORS)


class Watch(TorchDispatchMode):
    """Notes every operation and the size of the largest result."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations.append(func.__name__.split(".")[0])
        outputs = result if isinstance(result, tuple | list) else (result,)
        self.largest = max([self.largest, *(r.numel() for r in outputs if isinstance(r, Tensor))])
        return result


def tall(condition: float, shape: tuple[int, ...] = (12, 4), dtype: torch.dtype = torch.float64) -> Tensor:
    """Return a matrix with log-spaced singular values from 1 down to 1 / condition."""
    p = shape[-1]
    U, V = Stiefel().random(shape, torch.Generator().manual_seed(0)), qr_factor(normal((p, p), 1))
    values = torch.logspace(0, -math.log10(condition), p, dtype=torch.float64)
    return ((U * values) @ V.mT).to(dtype)


def step(shape: tuple[int, ...], length: float, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    x = point(Stiefel(), shape)
    return x.to(dtype), (length * unit_tangent(Stiefel(), x)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [0.0, 1e-6, 0.1, 10.0, 1e4])
@pytest.mark.parametrize("shape", [(5, 2), (4, 4), (6, 1), (2, 3, 6, 2), (200, 64)])
def test_cholesky_qr_is_qr(shape: tuple[int, ...], length: float, dtype: torch.dtype) -> None:
    """The same factor to rounding, and as orthonormal."""
    x, v = step(shape, length, dtype)
    got, expected = cholesky_qr(x, v), qr(x, v)
    torch.testing.assert_close(got, expected, rtol=0, atol=16 * EPS[dtype])
    assert Stiefel().residual(got).max() < 2 * (shape[-1] + 2) * EPS[dtype]


@pytest.mark.parametrize("length", [0.0, 1e-6, 0.1, 10.0, 1e4])
@pytest.mark.parametrize("shape", [(5, 2), (4, 4), (6, 1), (2, 3, 6, 2)])
def test_newton_schulz_is_polar(shape: tuple[int, ...], length: float) -> None:
    x, v = step(shape, length)
    torch.testing.assert_close(newton_schulz(x, v), polar(x, v), rtol=0, atol=ROUNDING)


def test_newton_schulz_takes_products_only() -> None:
    """At every step that is not absurd; a singular matrix takes the decomposition."""
    for length in (1e-6, 1.0, 1e6):
        x, v = step((20, 4), length)
        with Watch() as watch:
            newton_schulz(x, v)
        assert not {"_linalg_svd", "linalg_cholesky_ex", "linalg_qr"} & {*watch.operations}
    with Watch() as watch:
        newton_schulz(x, -x)
    assert "_linalg_svd" in watch.operations


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("retraction", RETRACTIONS.values(), ids=RETRACTIONS)
def test_large_frames_are_orthonormal_to_rounding(
    retraction: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype
) -> None:
    """Half a rounding per entry of x^T x, some more than the Householder reflections leave."""
    x, v = step((200, 128), 1.0, dtype)
    assert Stiefel().residual(retraction(x, v).double()) < 0.5 * 128 * EPS[dtype]


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6])
def test_polar_factor_is_that_of_the_decomposition(condition: float) -> None:
    """a = Q H with H symmetric positive definite."""
    a = tall(condition)
    Q = polar_factor(a)
    H = Q.mT @ a
    torch.testing.assert_close(Q @ H, a, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(H, H.mT, rtol=0, atol=ROUNDING)
    assert torch.linalg.eigvalsh(H).min() > 0.5 / condition


@factors
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("condition", [1e2, 1e5, 1e9, 1e14, 1e18])
def test_factors_are_orthonormal_at_every_condition(
    factor: Callable[[Tensor], Tensor], condition: float, dtype: torch.dtype
) -> None:
    Q = factor(tall(condition, dtype=dtype))
    assert Stiefel().residual(Q) < 32 * EPS[dtype]


@factors
@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1e20, 1e200])
def test_factors_do_not_depend_on_the_scale(factor: Callable[[Tensor], Tensor], scale: float) -> None:
    """Also where the squares of the entries overflow or vanish."""
    a = tall(10.0)
    torch.testing.assert_close(factor(scale * a), factor(a), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(
    ("condition", "passes", "householder"),
    [(1.0, 0, False), (1.1, 1, False), (1e5, 2, False), (1e9, 2, True), (1e18, 2, True)],
)
def test_cholesky_qr_takes_what_the_condition_needs(condition: float, passes: int, householder: bool) -> None:
    a = tall(condition)
    with Watch() as watch:
        cholesky_qr_factor(a)
    assert watch.operations.count("linalg_cholesky_ex") == passes
    assert ("linalg_qr" in watch.operations) == householder


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_short_steps_need_no_factorisation(share: float, dtype: torch.dtype) -> None:
    """Up to |a^T a - I|_F^2 = eps the series of L^-T is exact to rounding after its first term."""
    x = tall(1.0, dtype=torch.float64)
    v = Stiefel().tangent(x, torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    length = (share * EPS[dtype] ** 0.5 / torch.linalg.matrix_norm(v.mT @ v)).sqrt()
    a = (x + length * v).to(dtype)
    with Watch() as watch:
        Q = cholesky_qr_factor(a)
    assert "linalg_cholesky_ex" not in watch.operations
    assert Stiefel().residual(Q) < 8 * EPS[dtype]
    torch.testing.assert_close(Q, qr_factor(a), rtol=0, atol=8 * EPS[dtype])


def test_only_the_bad_matrices_take_householder() -> None:
    batch = torch.stack([tall(2.0), tall(1e12), tall(5.0), torch.full((12, 4), math.nan, dtype=torch.float64)])
    Q = cholesky_qr_factor(batch)
    assert torch.equal(Q[1], qr_factor(batch[1]))
    assert Q[3].isnan().all()
    for i in (0, 2):
        torch.testing.assert_close(Q[i], cholesky_qr_factor(batch[i]), rtol=0, atol=ROUNDING)
        assert Stiefel().residual(Q[i]) < ROUNDING


@pytest.mark.parametrize("retraction", RETRACTIONS.values(), ids=RETRACTIONS)
def test_retractions_never_form_what_is_larger_than_the_frame(retraction: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Their cost is O(n p^2): no [n, n] matrix, nothing beyond two frames side by side."""
    x, v = step((300, 3), 1.0)
    with Watch() as watch:
        retraction(x, v)
    assert watch.largest <= 2 * x.numel()


@pytest.mark.parametrize("retraction", RETRACTIONS.values(), ids=RETRACTIONS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_goes_through(retraction: Callable[[Tensor, Tensor], Tensor], value: float) -> None:
    """Without an exception, and one bad entry shows in the result."""
    x, v = step((6, 3), 1.0)
    v[2, 1] = value
    assert not retraction(x, v).isfinite().all()


@factors
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("n", "p"), [(1, 1), (4, 3), (4, 4), (3, 1)])
def test_a_matrix_that_is_not_finite_has_no_factor(
    factor: Callable[[Tensor], Tensor], n: int, p: int, value: float
) -> None:
    """Wherever the entry is, also where no reflection looks at it; the others of the batch have theirs."""
    good = torch.eye(n, p, dtype=torch.float64)
    batch = good.repeat(n * p, 2, 1, 1)
    for k in range(n * p):
        batch[k, 1, k // p, k % p] = value
    Q = factor(batch)
    assert Q[:, 1].isnan().all()
    torch.testing.assert_close(Q[:, 0], batch[:, 0], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("retraction", RETRACTIONS.values(), ids=RETRACTIONS)
@pytest.mark.parametrize("shape", [(4, 0), (0, 0), (0, 4, 2), (3, 4, 0)])
def test_frames_without_entries_go_through(
    retraction: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    x = torch.zeros(shape, dtype=torch.float64)
    assert retraction(x, x).shape == shape


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("shape", "share"), [((64, 64), 0.2), ((512, 512), 0.2), ((2048, 4), 0.0), ((3, 40, 20), 0.1)])
def test_a_stored_frame_is_off_by_no_more_than_its_roundings(
    shape: tuple[int, ...], share: float, dtype: torch.dtype
) -> None:
    """The bound holds, and a square frame comes near it: roundings that are independent make 0.3 of it."""
    stored = Stiefel().random(shape, torch.Generator().manual_seed(0)).to(dtype)
    bound = off_by_rounding(shape[-1], dtype)
    assert share * bound < Stiefel().residual(stored.double()).max() < bound


@pytest.mark.parametrize("retraction", [qr, cholesky_qr, polar, newton_schulz])
def test_a_step_to_a_singular_matrix_ends_on_the_manifold(retraction: Callable[[Tensor, Tensor], Tensor]) -> None:
    """No tangent vector leads there, a caller's mistake may."""
    x = point(Stiefel(), (5, 3))
    for v in (-x, torch.cat([-x[:, :1], torch.zeros_like(x[:, 1:])], -1)):
        assert Stiefel().residual(retraction(x, v)) < ROUNDING


@pytest.mark.parametrize("condition", [1.5, 1e4, 1e8])
def test_derivatives_of_cholesky_qr_are_those_of_qr(condition: float) -> None:
    """On each of its ways: one pass, two passes, Householder."""
    a, weights = tall(condition).requires_grad_(), normal((12, 4), 5)
    got, expected = (torch.autograd.grad((f(a) * weights).sum(), a)[0] for f in (cholesky_qr_factor, qr_factor))
    torch.testing.assert_close(got, expected, rtol=100 * condition * EPS[torch.float64], atol=ROUNDING)


@pytest.mark.parametrize("function", [cholesky_qr, cayley, newton_schulz])
def test_derivatives_of_retractions(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """First and second ones, against finite differences."""
    x, v = step((2, 4, 2), 0.7)
    torch.autograd.gradcheck(lambda v: function(x, v), v.requires_grad_())
    torch.autograd.gradgradcheck(lambda v: function(x, v), v)


@pytest.mark.parametrize("retraction", [qr, cholesky_qr, polar, cayley])
def test_retractions_go_under_vmap(retraction: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Along any dimension, twice, and with derivatives."""
    x, v = step((4, 5, 3, 2), 0.7)
    expected = retraction(x, v)
    twice = torch.vmap(torch.vmap(retraction, in_dims=(0, 1), out_dims=1), in_dims=(0, 1), out_dims=2)
    got = twice(x, v.permute(2, 0, 1, 3))
    torch.testing.assert_close(got.permute(2, 1, 0, 3), expected, rtol=0, atol=ROUNDING)

    def value(v: Tensor, x: Tensor) -> Tensor:
        return retraction(x, v).sin().sum()

    one_by_one = torch.vmap(torch.vmap(torch.func.grad(value)))(v, x)
    torch.testing.assert_close(one_by_one, torch.func.grad(value)(v, x), rtol=0, atol=ROUNDING)


def test_vmap_along_the_last_dimension() -> None:
    batch = normal((6, 5, 2), 0)
    got = torch.vmap(cholesky_qr_factor, in_dims=2, out_dims=2)(batch.movedim(0, 2))
    torch.testing.assert_close(got, cholesky_qr_factor(batch).movedim(0, 2), rtol=0, atol=ROUNDING)
