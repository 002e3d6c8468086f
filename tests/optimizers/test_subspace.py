"""Subspace adaptation: counts, invariants of the rule, and what it costs."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from rmobench.geometry import Grassmann, Stiefel
from rmobench.harness.memory import StorageTracker
from rmobench.optimizers.learned import gmlstm, subspace
from rmobench.optimizers.learned.architectures import RIEMANNIAN
from rmobench.optimizers.learned.lstm import fresh_lstm, lstm
from rmobench.optimizers.learned.riemannian_lift import advance
from rmobench.optimizers.learned.rule import Rule, State, Theta, count
from rmobench.types import Manifold

F64 = torch.float64
ROUNDING = 1e-12
MANIFOLDS = [Stiefel(), Grassmann()]
SHAPES = [(30, 5), (100, 7), (8, 8), (2, 12, 3)]
each_scale = pytest.mark.parametrize("scale_free", [False, True])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=F64)


def lively(seed: int = 0) -> Theta:
    """Return weights whose heads say something."""
    theta = {name: t.double() for name, t in subspace.fresh(seeded(seed)).items()}
    return {name: 20.0 * t if name.startswith(("rows", "columns")) else t for name, t in theta.items()}


def walk(
    rule: Rule, manifold: Manifold, x: Tensor, n_steps: int, *, size: float = 0.1
) -> tuple[list[Tensor], list[State]]:
    """Follow random gradients."""
    points, states, state = [x], [], None
    for k in range(n_steps):
        x, state = advance(rule, manifold, x, size * normal(tuple(x.shape), 100 + k).to(x.dtype), state, lr=1.0)
        points.append(x)
        states.append(state)
    return points, states


def rsgd_walk(manifold: Manifold, x: Tensor, n_steps: int, *, size: float = 0.1) -> list[Tensor]:
    """Follow the same gradients by plain steps; projected once more, as every move of a rule is."""
    points = [x]
    for k in range(n_steps):
        v = manifold.gradient(x, size * normal(tuple(x.shape), 100 + k))
        x = manifold.retract(x, manifold.tangent(x, -v))
        points.append(x)
    return points


# --- what it is made of ------------------------------------------------------------------------------------


def test_it_has_5242_weights_whatever_the_shape() -> None:
    theta = subspace.fresh(seeded(0))
    layers = [sum(t.numel() for name, t in theta.items() if name.startswith(f"lstm.{k}")) for k in (0, 1)]
    heads = sum(t.numel() for name, t in theta.items() if name.startswith(("rows", "columns")))
    assert (*layers, heads) == (1840, 3360, 42)
    assert count(theta) == 5242


def test_the_lstm_is_torchs() -> None:
    theta = {name: t.double() for name, t in fresh_lstm("lstm", 3, 5, 2, seeded(0)).items()}
    theirs = torch.nn.LSTM(3, 5, 2, dtype=F64)
    for layer in (0, 1):
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            theirs.get_parameter(f"{part}_l{layer}").data.copy_(theta[f"lstm.{layer}.{part}"])
    x = normal((6, 4, 3), 1)  # six times, a batch of four
    expected, (h_last, c_last) = theirs(x)
    h, c = normal((2, 4, 5), 2) * 0.0, torch.zeros(2, 4, 5, dtype=F64)
    for k in range(6):
        h, c = lstm(theta, "lstm", x[k], h, c)
        torch.testing.assert_close(h[-1], expected[k], rtol=0, atol=ROUNDING)
    torch.testing.assert_close(h, h_last, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(c, c_last, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(("n", "p", "head"), [(64, 8, 1024), (147, 64, 1024), (4608, 512, 1024), (10, 3, 7)])
def test_the_predecessor_has_a_pair_of_nets_for_every_shape(n: int, p: int, head: int) -> None:
    """34 n^2 + head n p + 2 head + 1, counted on the weights themselves, which on the meta device take no memory."""
    assert gmlstm.weights_of(n, p, head=head) == 34 * n**2 + head * n * p + 2 * head + 1


def test_the_predecessors_matrix_lstm_is_a_plain_loop() -> None:
    n, p = 5, 3
    theta = {name: t.double() for name, t in gmlstm.fresh(seeded(0), n=n, p=p, head=4).items()}
    rule = gmlstm.rule(theta, n=n, p=p, head=4)
    x = Stiefel().random((n, p), seeded(1))
    state = rule.init(x)
    h = {net: [torch.zeros(n, p, dtype=F64)] * 2 for net in ("direction", "size")}
    c = {net: [torch.zeros(n, p, dtype=F64)] * 2 for net in ("direction", "size")}
    for k in range(4):
        g = normal((n, p), k)
        move, state = rule.update(state, x, g)
        length = g.square().mean().sqrt()
        out = {}
        for net in ("direction", "size"):
            seen = g / length
            for layer in (0, 1):
                gates = [
                    theta[f"{net}.{layer}.x"][q] @ seen + theta[f"{net}.{layer}.h"][q] @ h[net][layer] for q in range(4)
                ]
                c[net][layer] = gates[1].sigmoid() * c[net][layer] + gates[0].sigmoid() * gates[2].tanh()
                h[net][layer] = seen = gates[3].sigmoid() * c[net][layer].tanh()
            out[net] = theta[f"{net}.readout"] @ seen
        flat = torch.relu(theta["size.flat.weight"] @ out["size"].reshape(-1) + theta["size.flat.bias"])
        size = (theta["size.head.weight"] @ flat + theta["size.head.bias"]).exp()
        torch.testing.assert_close(move, -size * (g + length * out["direction"]), rtol=0, atol=ROUNDING)


# --- invariants --------------------------------------------------------------------------------------------


@each_scale
@pytest.mark.parametrize("manifold", MANIFOLDS, ids=lambda m: m.name)
def test_one_rule_steps_every_shape_and_stays_on_the_manifold(manifold: Manifold, scale_free: bool) -> None:
    rule = subspace.rule(lively(), scale_free=scale_free)
    for seed, shape in enumerate(SHAPES):
        points, _ = walk(rule, manifold, manifold.random(shape, seeded(seed)), 20)
        assert points[-1].shape == shape
        assert manifold.residual(points[-1]).max() < ROUNDING
        square = manifold.name == "grassmann" and shape[-2] == shape[-1]  # one point in all
        assert torch.allclose(points[-1], points[-2]) is square


@each_scale
@pytest.mark.parametrize("manifold", MANIFOLDS, ids=lambda m: m.name)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_with_heads_at_zero_it_is_riemannian_gradient_descent(
    manifold: Manifold, shape: tuple[int, ...], scale_free: bool
) -> None:
    """Bit for bit: all scales are 1."""
    theta = {name: t * (0.0 if name.startswith(("rows", "columns")) else 1.0) for name, t in lively().items()}
    x = manifold.random(shape, seeded(0))
    points, _ = walk(subspace.rule(theta, scale_free=scale_free), manifold, x, 10)
    assert all(map(torch.equal, points, rsgd_walk(manifold, x, 10)))


def test_saturated_it_is_riemannian_gradient_descent() -> None:
    """Norms below exp(-5) all give the feature -1: all rows and all columns are scaled alike, by one to rounding."""
    manifold = Stiefel()
    x = manifold.random((30, 5), seeded(0))
    size = math.exp(-5.0) / 60.0
    points, states = walk(subspace.rule(lively()), manifold, x, 10, size=size)
    for got, expected in zip(points, rsgd_walk(manifold, x, 10, size=size), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=ROUNDING)
    assert subspace.saturation(states[-1:]) == {"saturated": 1.0}


def test_the_scale_free_feature_does_not_saturate() -> None:
    manifold = Stiefel()
    x = manifold.random((30, 5), seeded(0))
    size = math.exp(-5.0) / 60.0
    _, states = walk(subspace.rule(lively(), scale_free=True), manifold, x, 10, size=size)
    assert subspace.saturation(states[-1:])["saturated"] < 0.05
    a = normal((4, 30), 3).square()
    torch.testing.assert_close(
        subspace.feature(a, scale_free=True), subspace.feature(1e-9 * a, scale_free=True), rtol=0, atol=ROUNDING
    )


@pytest.mark.parametrize(("above", "share"), [(0, 1.0), (1, 0.75), (3, 0.25), (4, 0.0)])
def test_a_feature_is_saturated_where_the_norm_is_below_exp_minus_5(above: int, share: float) -> None:
    """Four rows and columns of norms a millionth above and below it."""
    rule = subspace.rule(lively())
    norms = math.exp(-5.0) * torch.tensor([1.0 + 1e-6] * above + [1.0 - 1e-6] * (4 - above), dtype=F64)
    g = norms.diag()
    _, state = rule.update(rule.init(g), g, g)
    assert subspace.saturation([state]) == {"saturated": share}


def test_saturation_is_the_mean_share_over_steps_and_parameters() -> None:
    rule, manifold = subspace.rule(lively()), Stiefel()
    x = manifold.random((6, 4), seeded(0))
    state = rule.init(x)
    for size in (1.0, 1.0, 1e-9, 1.0):
        _, state = rule.update(state, x, size * torch.ones_like(x))
    assert subspace.saturation([state]) == {"saturated": 0.25}
    assert subspace.saturation([state, {"t": torch.ones(()), "saturated": torch.zeros(())}]) == {"saturated": 0.125}
    assert subspace.saturation([]) == {}


@each_scale
def test_permuting_rows_and_columns_permutes_the_step(scale_free: bool) -> None:
    rule, (n, p) = subspace.rule(lively(), scale_free=scale_free), (12, 5)
    rows, columns = torch.randperm(n, generator=seeded(1)), torch.randperm(p, generator=seeded(2))
    x = Stiefel().random((n, p), seeded(0))
    state, permuted = rule.init(x), rule.init(x)
    for k in range(5):
        g = normal((n, p), k)
        move, state = rule.update(state, x, g)
        other, permuted = rule.update(permuted, x[rows][:, columns], g[rows][:, columns])
        torch.testing.assert_close(other, move[rows][:, columns], rtol=0, atol=ROUNDING)
        assert not torch.allclose(other, move)


@each_scale
@pytest.mark.parametrize("manifold", MANIFOLDS, ids=lambda m: m.name)
def test_the_step_descends(manifold: Manifold, scale_free: bool) -> None:
    """The scales l and r are never negative, so <P, G> = sum l_i r_j G_ij^2 >= 0; it is less than zero for -l."""
    for seed in range(20):
        rule = subspace.rule(lively(seed), scale_free=scale_free)
        x = manifold.random((12, 4), seeded(seed))
        state = rule.init(x)
        for k in range(5):
            G = manifold.gradient(x, normal((12, 4), 50 * seed + k))
            move, state = rule.update(state, x, G)
            assert -manifold.inner(x, manifold.tangent(x, move), G) >= 0.0
            assert min(state["l"].min(), state["r"].min()) >= 0.0


def test_the_scales_never_fall_and_their_mean_begins_at_one() -> None:
    """The running maximum begins at zero: a negative scale is cut there, which lifts the mean above one."""
    _, states = walk(subspace.rule(lively()), Stiefel(), Stiefel().random((12, 4), seeded(0)), 30, size=1.0)
    for side in "lr":
        assert states[0][side].mean() >= 1.0 - ROUNDING
        for before, after in pairwise(states):
            assert (after[side] >= before[side]).all()
        assert states[-1][side].mean() > states[0][side].mean()


@pytest.mark.parametrize("name", ["subspace", "subspace_scalefree"])
def test_a_batch_is_its_matrices_one_by_one(name: str) -> None:
    rule, manifold = RIEMANNIAN[name].rule(lively()), Stiefel()
    x = manifold.random((3, 10, 4), seeded(0))
    state, alone = rule.init(x), [rule.init(x[i]) for i in range(3)]
    for k in range(3):
        g = normal((3, 10, 4), k)
        move, state = rule.update(state, x, g)
        for i in range(3):
            expected, alone[i] = rule.update(alone[i], x[i], g[i])
            torch.testing.assert_close(move[i], expected, rtol=0, atol=ROUNDING)


DRIFT = 2e-3
"""A thousand steps of rounding in float32, entries of order one, random directions."""


def test_float32_stays_near_float64_for_a_thousand_steps() -> None:
    manifold, theta = Stiefel(), lively()
    x = manifold.random((20, 5), seeded(0))
    wide, _ = walk(subspace.rule(theta), manifold, x, 1000, size=0.01)
    narrow, _ = walk(subspace.rule({k: t.float() for k, t in theta.items()}), manifold, x.float(), 1000, size=0.01)
    assert manifold.residual(narrow[-1]) < 1e-5
    assert (narrow[-1].double() - wide[-1]).abs().max() < DRIFT


# --- cost --------------------------------------------------------------------------------------------------


def test_row_sums_are_taken_without_the_square_of_the_rows() -> None:
    """On the largest layer of ResNet-50, 4608 x 512, a step's passing values stay below five times the layer."""
    n, p = 4608, 512
    manifold = Stiefel()
    rule = subspace.rule({name: t.float() for name, t in lively().items()})
    x = torch.zeros(n, p)
    x[:p] = torch.eye(p)
    g = torch.randn(n, p, generator=seeded(1))
    _, state = advance(rule, manifold, x, g, None, lr=1e-3)
    tracker = StorageTracker(widest=torch.float32)
    with torch.no_grad(), tracker:
        advance(rule, manifold, x, g, state, lr=1e-3)
    assert 2 * n * p * 4 < tracker.peak < 5 * n * p * 4
