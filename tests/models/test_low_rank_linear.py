"""Low-rank layers: what they compute, how they hold fewer or more columns, and how they come into a network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.models.low_rank_linear import (
    LOW_RANK_STARTS,
    LowRankLinear,
    insert_low_rank,
    low_rank_layers,
    merge_low_rank,
)
from tests.optimizers.plain_oracle import normal

ROUNDING = 1e-12
F64 = torch.float64


def layer(*, base: nn.Linear | None = None, scale: float = 1.0) -> LowRankLinear:
    return LowRankLinear(normal(6, 2), normal(2, 2, seed=1), normal(4, 2, seed=2), base=base, scale=scale)


def linear(n: int, m: int, seed: int = 3) -> nn.Linear:
    made = nn.Linear(n, m, dtype=F64)
    made.weight.data, made.bias.data = normal(m, n, seed=seed), normal(m, seed=seed + 1)
    return made


def network() -> nn.Sequential:
    return nn.Sequential(linear(5, 4, 0), nn.Tanh(), nn.Sequential(linear(4, 6, 2), nn.Tanh()), linear(6, 3, 4))


def dense(held: LowRankLinear) -> Tensor:
    core = held.V.mT if held.S is None else held.S @ held.V.mT
    return (held.scale * held.U @ core).detach()


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize("with_base", [True, False])
@pytest.mark.parametrize("factors", [2, 3])
def test_it_multiplies_by_the_base_plus_the_product(shape, scale: float, with_base: bool, factors: int) -> None:
    base, x = linear(4, 6), normal(*shape, seed=9)
    held = layer(base=base if with_base else None, scale=scale)
    if factors == 2:
        held.S = None
    expected = x @ dense(held).mT + (base(x) if with_base else 0.0)
    torch.testing.assert_close(held(x), expected, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(held.matrix(F64), dense(held), rtol=0, atol=ROUNDING)


def test_fewer_and_more_columns_are_zeros() -> None:
    held = layer()
    before = held.matrix(F64)
    held.reserve(4)
    assert [list(p.shape) for p in held.parameters()] == [[6, 4], [4, 4], [4, 4]]
    assert (held.rank, held.n_used) == (2, 2)
    torch.testing.assert_close(held.matrix(F64), before, rtol=0, atol=ROUNDING)
    held.put(normal(6, 3), normal(3, 3, seed=1), normal(4, 3, seed=2))
    assert held.n_used == 3
    held.put(normal(6, 1), normal(1, 1, seed=1), normal(4, 1, seed=2))
    assert held.n_used == 1
    expected = normal(6, 1) @ normal(1, 1, seed=1) @ normal(4, 1, seed=2).mT
    torch.testing.assert_close(held.matrix(F64), expected, rtol=0, atol=ROUNDING)


def test_no_more_columns_than_the_matrix_has() -> None:
    held = layer()
    held.reserve(100)
    assert list(held.U.shape) == [6, 4]


@pytest.mark.parametrize("start", sorted(LOW_RANK_STARTS))
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_start_leaves_the_network_as_it_was(start: str, scale: float) -> None:
    model, x = network(), normal(7, 5, seed=8)
    before = model(x)
    layers = insert_low_rank(
        model, r"0|2\.0", rank=3, start=start, scale=scale, generator=torch.Generator().manual_seed(0)
    )
    assert list(layers) == ["0", "2.0"] == list(low_rank_layers(model))
    torch.testing.assert_close(model(x), before, rtol=0, atol=ROUNDING)
    free = {name for name, p in model.named_parameters() if p.requires_grad}
    assert free == {f"{name}.{factor}" for name in ("0", "2.0") for factor in "USV"}


def test_the_start_of_the_largest_singular_values() -> None:
    model = nn.Sequential(linear(5, 4))
    weight = model[0].weight.detach().clone()
    (held,) = insert_low_rank(
        model, "0", rank=2, start="pissa", scale=0.5, generator=torch.Generator().manual_seed(0)
    ).values()
    U, d, Vh = torch.linalg.svd(weight, full_matrices=False)
    torch.testing.assert_close(held.matrix(F64), (U[:, :2] * d[:2]) @ Vh[:2], rtol=0, atol=ROUNDING)
    assert held.base is not None
    torch.testing.assert_close(torch.linalg.svdvals(held.base.weight)[:2], d[2:], rtol=0, atol=ROUNDING)


def test_the_bases_of_the_orthonormal_start() -> None:
    model = nn.Sequential(linear(5, 4))
    (held,) = insert_low_rank(
        model, "0", rank=2, start="orthonormal", generator=torch.Generator().manual_seed(0)
    ).values()
    for factor in (held.U, held.V):
        torch.testing.assert_close(factor.mT @ factor, torch.eye(2, dtype=F64), rtol=0, atol=ROUNDING)
    assert held.n_used == 0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"pattern": "nowhere", "rank": 2}, r"no linear layer matches 'nowhere'; the model has 0, 2\.0, 3"),
        ({"pattern": "0", "rank": 5}, r"got rank=5, expected 1 to 4 at 0"),
        ({"pattern": "0", "rank": 0}, r"got rank=0, expected 1 to 4 at 0"),
        (
            {"pattern": "0", "rank": 2, "start": "best"},
            r"got start='best', expected one of gaussian, orthonormal, pissa",
        ),
    ],
)
def test_what_cannot_be_inserted_is_refused(how, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        insert_low_rank(network(), generator=torch.Generator().manual_seed(0), **how)


@pytest.mark.parametrize(
    ("shapes", "base", "message"),
    [
        (((6, 2), (3, 3), (4, 2)), None, r"got factors \[\[6, 2\], \[3, 3\], \[4, 2\]\]"),
        (((6, 5), (5, 5), (4, 5)), None, r"expected \[m, r\], \[r, r\], \[n, r\], 1 <= r <= m, n"),
        (((6, 2), (2, 2), (4, 2)), (6, 4), r"got a base \[4, 6\], expected \[6, 4\]"),
    ],
)
def test_factors_that_do_not_fit_are_refused(shapes, base, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        LowRankLinear(*(normal(*shape) for shape in shapes), base=None if base is None else linear(*base))


@pytest.mark.parametrize("factors", [2, 3])
def test_merging_keeps_the_function_and_frees_the_weights(factors: int) -> None:
    model = network()
    layers = insert_low_rank(model, "0|2.0", rank=2, scale=0.5, generator=torch.Generator().manual_seed(0))
    for seed, held in enumerate(layers.values()):
        held.S = nn.Parameter(normal(2, 2, seed=seed)) if factors == 3 else None
    x = normal(7, 5, seed=9)
    before = model(x)
    assert list(merge_low_rank(model)) == ["0", "2.0"]
    torch.testing.assert_close(model(x), before, rtol=0, atol=ROUNDING)
    assert not low_rank_layers(model)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["0.weight", "2.0.weight"]


def test_what_is_frozen_or_stands_alone_is_not_merged() -> None:
    alone, frozen = layer(), layer(base=linear(4, 6))
    frozen.requires_grad_(False)
    model = nn.Sequential(alone, nn.Linear(6, 4), frozen)
    assert merge_low_rank(model) == {}
    assert list(low_rank_layers(model)) == ["0", "2"]
    assert merge_low_rank(layer(base=linear(4, 6))) == {}  # nowhere to put it
