"""What a low-rank layer sees of its gradient is G V and G^T U, and its tangent space is that of the dense manifold."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rmobench.geometry import FixedRank, qr_factor
from rmobench.models.low_rank_linear import LowRankLinear
from rmobench.optimizers.lowrank.factors import Factors, Sides, truncated
from rmobench.optimizers.lowrank.layerwise import into_three, into_two
from rmobench.optimizers.lowrank.tangent import Tangent, gradient, move
from rmobench.optimizers.lowrank.watching import watch
from rmobench.types import Problem
from tests.optimizers.low_rank import best_rank
from tests.optimizers.plain_oracle import normal

ROUNDING = 1e-12
BF16 = 3e-2
F64 = torch.float64
M, N, R = 9, 7, 3


class Twice(nn.Module):
    """Calls one layer at two inputs, once through a checkpoint."""

    def __init__(self, layer: LowRankLinear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        again = checkpoint(self.layer, torch.sin(x), use_reentrant=False)
        return torch.tanh(self.layer(x)) + again.square()


def made(core: str, *, scale: float = 0.5, dtype: torch.dtype = F64) -> LowRankLinear:
    cores = {"zero": torch.zeros(R, R), "singular": torch.diag(torch.tensor([1.0, 1e-300, 0.0])), "full": normal(R, R)}
    base = nn.Linear(N, M, dtype=dtype)
    base.weight.data, base.bias.data = normal(M, N, seed=5).to(dtype), normal(M, seed=6).to(dtype)
    factors = (normal(M, R, seed=1), cores[core].double(), normal(N, R, seed=2))
    return LowRankLinear(*(t.to(dtype) for t in factors), base=base, scale=scale)


def seen_by(layer: LowRankLinear, x: Tensor, *, amp: bool = False) -> tuple[Sides, Tensor]:
    """The two products, and the dense gradient G of the low-rank part's unscaled matrix."""
    model = Twice(layer)
    problem = Problem(model=model, loss=lambda m, b: m(b).sum(), batches=itertools.repeat(x), judge=lambda m: {})
    seen = watch(problem)
    with torch.autocast("cpu", torch.bfloat16, enabled=amp):
        model(x).sum().backward()
    sides = seen.layers["layer"].sides(R)
    seen.close()
    assert not layer._forward_hooks
    W = (layer.matrix(x.dtype) / layer.scale).requires_grad_()
    assert layer.base is not None
    base = layer.base

    def dense(z: Tensor) -> Tensor:
        return base(z) + layer.scale * z @ W.mT

    (torch.tanh(dense(x)) + dense(torch.sin(x)).square()).sum().backward()
    assert sides is not None and W.grad is not None
    return sides, W.grad


@pytest.mark.parametrize("core", ["zero", "singular", "full"])
@pytest.mark.parametrize("shape", [(N,), (4, N), (2, 4, N)])
def test_both_products_are_those_of_the_dense_gradient(core: str, shape: tuple[int, ...]) -> None:
    """Whatever the core is, summed over two calls of the layer, one of them under a checkpoint."""
    layer = made(core)
    sides, G = seen_by(layer, normal(*shape, seed=3))
    torch.testing.assert_close(sides.left, G @ layer.V.detach(), rtol=ROUNDING, atol=ROUNDING)
    torch.testing.assert_close(sides.right, G.mT @ layer.U.detach(), rtol=ROUNDING, atol=ROUNDING)
    assert layer.S is not None and layer.U.grad is not None and layer.S.grad is not None
    torch.testing.assert_close(layer.U.grad, sides.left @ layer.S.detach().mT, rtol=ROUNDING, atol=ROUNDING)
    torch.testing.assert_close(layer.S.grad, layer.U.detach().mT @ sides.left, rtol=ROUNDING, atol=ROUNDING)


def test_under_autocast_the_products_are_those_to_the_rounding_of_bfloat16() -> None:
    layer = made("full", dtype=torch.float32)
    sides, G = seen_by(layer, normal(16, N, seed=3).float(), amp=True)
    assert sides.left.dtype == torch.float32
    for got, expected in ((sides.left, G @ layer.V), (sides.right, G.mT @ layer.U)):
        assert (got - expected).norm() < BF16 * expected.norm()


def test_calls_without_a_gradient_and_those_not_looked_at_leave_nothing() -> None:
    layer, x = made("full"), normal(4, N)
    problem = Problem(model=layer, loss=lambda m, b: m(b).sum(), batches=itertools.repeat(x), judge=lambda m: {})
    seen = watch(problem)
    with torch.no_grad():
        layer(x)
    assert seen.layers[""].sides(R) is None
    seen.look(False)
    layer(x).sum().backward()
    assert seen.layers[""].sides(R) is None
    seen.look(True)
    layer(x).sum().backward()
    assert seen.layers[""].sides(R) is not None


def point(seed: int = 0, k: int = R) -> Factors:
    d = torch.diag(torch.linspace(1.0, 2.0, k, dtype=F64))
    return Factors(qr_factor(normal(M, k, seed=seed)), d, qr_factor(normal(N, k, seed=seed + 1)))


def full(W: Factors) -> Tensor:
    return W.U @ W.S @ W.V.mT


def ambient(W: Factors, Z: Tangent) -> Tensor:
    return W.U @ Z.M @ W.V.mT + Z.U_p @ W.V.mT + W.U @ Z.V_p.mT


def test_tangents_are_those_of_the_dense_manifold() -> None:
    manifold, W, G = FixedRank(R), point(), normal(M, N, seed=4)
    Z = gradient(W, Sides(G @ W.V, G.mT @ W.U))
    expected = manifold.tangent(full(W), G)
    torch.testing.assert_close(ambient(W, Z), expected, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(Z.square(), expected.square().sum(), rtol=ROUNDING, atol=0)
    torch.testing.assert_close(ambient(W, Z * 2.0 + Z), 3.0 * expected, rtol=0, atol=ROUNDING)
    step = move(W, Z, 0.7, tolerance=0.0, most=R)
    Y = step.Y
    torch.testing.assert_close(full(Y), manifold.retract(full(W), 0.7 * expected), rtol=0, atol=10 * ROUNDING)
    carried = step.carried()
    torch.testing.assert_close(
        ambient(Y, carried), manifold.transport(full(W), full(Y), expected), rtol=0, atol=10 * ROUNDING
    )
    for base, part in ((Y.U, carried.U_p), (Y.V, carried.V_p)):
        assert (base.mT @ part).abs().max() < 10 * ROUNDING


@pytest.mark.parametrize("kept", [1, 2])
def test_a_tangent_is_carried_to_a_matrix_of_smaller_rank(kept: int) -> None:
    W, G = point(), normal(M, N, seed=4)
    step = move(W, Z := gradient(W, Sides(G @ W.V, G.mT @ W.U)), -0.1, tolerance=0.0, most=kept)
    Y, dense = step.Y, ambient(W, Z)
    on_U, on_V = Y.U @ Y.U.mT, Y.V @ Y.V.mT
    expected = on_U @ dense + dense @ on_V - on_U @ dense @ on_V
    torch.testing.assert_close(ambient(Y, step.carried()), expected, rtol=0, atol=10 * ROUNDING)
    torch.testing.assert_close(full(Y), best_rank(full(W) - 0.1 * dense, kept), rtol=0, atol=10 * ROUNDING)


@pytest.mark.parametrize(
    ("tolerance", "most", "kept"),
    [(0.0, 9, 4), (0.0, 2, 2), (0.04, 9, 3), (0.06, 9, 2), (0.5, 9, 1), (2.0, 9, 1), (0.04, 1, 1)],
)
def test_as_many_singular_values_go_as_the_tolerance_says(tolerance: float, most: int, kept: int) -> None:
    """1, 0.1, 0.05, 0.01: the tails' shares of the norm 1.006 are 0.111, 0.051, 0.010."""
    d = torch.diag(torch.tensor([1.0, 0.1, 0.05, 0.01], dtype=F64))
    U, V = qr_factor(normal(M, 4)), qr_factor(normal(N, 4, seed=1))
    W, P, Q = truncated(U, d, V, tolerance=tolerance, most=most)
    assert W.rank == kept
    torch.testing.assert_close(full(W), U[:, :kept] @ d[:kept, :kept] @ V[:, :kept].mT, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(W.U, U @ P, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(W.V, V @ Q, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("core", ["zero", "singular", "full"])
def test_layers_change_their_form_and_not_their_matrix(core: str) -> None:
    layer = made(core)
    before, A = layer.matrix(F64), layer.V.detach().clone()
    into_two(layer)
    assert layer.S is None
    torch.testing.assert_close(layer.matrix(F64), before, rtol=0, atol=ROUNDING)
    if core == "zero":
        assert torch.equal(layer.V, A)
        assert not layer.U.any()
    else:
        torch.testing.assert_close(layer.U.mT @ layer.U, layer.V.mT @ layer.V, rtol=0, atol=ROUNDING)
    into_three(layer)
    torch.testing.assert_close(layer.matrix(F64), before, rtol=0, atol=ROUNDING)
    for factor in (layer.U, layer.V):
        torch.testing.assert_close(factor.mT @ factor, torch.eye(R, dtype=F64), rtol=0, atol=ROUNDING)
