"""Full fine-tuning and peft's adapters in the place of low-rank layers."""

from __future__ import annotations

import warnings
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError, UnfitError
from rmobench.models import low_rank_layers
from rmobench.types import Problem
from tests.optimizers.low_rank import F64, build, low_rank, network, oracle_of
from tests.optimizers.plain_oracle import normal

VARIANTS = (("lora", F64), ("rslora", F64), ("dora", F64), ("pissa", torch.float32), ("adalora", F64))
"""peft starts PiSSA in float32 or narrower only."""


def inputs(dtype: torch.dtype = F64) -> Tensor:
    return normal(4, 5, seed=40).to(dtype)


def with_weight(dtype: torch.dtype = F64) -> Problem:
    """Return the network, what its adapters add not zero."""
    problem, layers = network(dtype=dtype)
    for seed, layer in enumerate(layers.values()):
        layer.S.data = normal(2, 2, seed=50 + seed).to(dtype)
    return problem


def test_the_whole_matrix_takes_over_what_the_adapter_added() -> None:
    problem = with_weight()
    expected = problem.model(inputs())
    build("full_adamw", problem)
    torch.testing.assert_close(problem.model(inputs()), expected, rtol=0, atol=1e-6)
    assert not low_rank_layers(problem.model)


def test_an_adapter_at_zero_leaves_the_weight_to_the_bit() -> None:
    problem, layers = network(dtype=torch.bfloat16)
    weights = [layer.base.weight.clone() for layer in layers.values()]
    build("full_adamw", problem)
    assert all(torch.equal(w, problem.model[k].weight) for k, w in zip((0, 2), weights, strict=True))


@pytest.mark.parametrize(
    ("scope", "free"),
    [
        ("all", {"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"}),
        ("layers", {"0.weight", "2.weight", "4.weight", "4.bias"}),
    ],
)
def test_what_is_free_in_a_scope(scope: str, free: set[str]) -> None:
    problem, _ = network()
    build("full_adamw", problem, scope=scope)
    assert set(problem.params) == free


def test_it_steps_as_torchs_adamw_does_on_the_plain_network() -> None:
    problem, _ = network()
    twin, _ = network()
    optimizer, oracle = build("full_adamw", problem, lr=0.05, weight_decay=0.1), oracle_of(problem)
    plain = nn.Sequential(*(layer.base if k in (0, 2) else layer for k, layer in enumerate(twin.model)))
    plain.requires_grad_(True)
    theirs = torch.optim.AdamW(plain.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(5):
        optimizer.step(oracle)
        theirs.zero_grad()
        twin.loss(plain, next(twin.batches)).backward()
        theirs.step()
    for ours, expected in zip(problem.model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["full_adamw", "peft_adamw"])
def test_a_layer_on_nothing_is_refused(name: str) -> None:
    if name == "peft_adamw":
        package("peft")
    with pytest.raises(
        ArgumentError, match=rf"{name}: got a low-rank layer '' on nothing, expected one on a linear layer in a"
    ):
        build(name, low_rank())


def test_no_such_scope() -> None:
    with pytest.raises(ArgumentError, match=r"got scope='most', expected one of all, layers"):
        build("full_adamw", network()[0], scope="most")


def package(name: str) -> ModuleType:
    with warnings.catch_warnings():  # what others' imports warn of is theirs
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


@pytest.mark.parametrize(("variant", "dtype"), VARIANTS)
def test_peft_begins_with_what_the_network_computes(variant: str, dtype: torch.dtype) -> None:
    """And leaves the global random stream alone, and frees the head."""
    package("peft")
    problem = with_weight(dtype)
    expected = problem.model(inputs(dtype))
    before = torch.get_rng_state()
    build("peft_adamw", problem, variant=variant)
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(problem.model(inputs(dtype)), expected, rtol=0, atol=1e-5)
    assert {"4.weight", "4.bias"} < set(problem.params)
    assert {p.dtype for p in problem.params.values()} == {dtype}


@pytest.mark.parametrize(("variant", "dtype"), VARIANTS)
def test_peft_learns_and_leaves_the_gradients_as_they_were_asked_for(variant: str, dtype: torch.dtype) -> None:
    package("peft")
    problem, _ = network(dtype=dtype)
    optimizer, plain = build("peft_adamw", problem, variant=variant, lr=0.03, n_steps=60), oracle_of(problem)
    asked: dict[str, Tensor] = {}

    def oracle() -> Tensor:
        loss = plain()
        asked.update({name: p.grad.clone() for name, p in problem.params.items() if p.grad is not None})
        return loss

    before = problem.judge(problem.model)["objective"]
    for _ in range(60):
        optimizer.step(oracle)
        assert all(torch.equal(p.grad, asked[name]) for name, p in problem.params.items() if p.grad is not None)
    assert problem.judge(problem.model)["objective"] < 0.5 * before


def test_lora_of_peft_moves_as_our_factors_do() -> None:
    """Equal starts and equal steps: AdamW on B and A."""
    package("peft")
    theirs, ours = network()[0], network()[0]
    pairs = (
        (theirs, build("peft_adamw", theirs, variant="lora", lr=0.02)),
        (ours, build("factor_adam", ours, lr=0.02)),
    )
    for problem, optimizer in pairs:
        oracle = oracle_of(problem)
        for _ in range(8):
            optimizer.step(oracle)
    torch.testing.assert_close(theirs.model(inputs()), ours.model(inputs()), rtol=0, atol=1e-10)


def test_adalora_cuts_back_to_the_rank_on_average() -> None:
    package("peft")
    problem, _ = network(rank=4)
    optimizer, oracle = build("peft_adamw", problem, variant="adalora", lr=0.03, n_steps=20), oracle_of(problem)
    for _ in range(20):
        optimizer.step(oracle)
    values = [p for name, p in problem.model.named_parameters() if "lora_E" in name]
    assert [len(p) for p in values] == [6, 6]
    assert sum(int((p != 0.0).sum()) for p in values) <= 2 * 4


def test_peft_starts_no_pissa_in_float64() -> None:
    package("peft")
    with pytest.raises(UnfitError, match="peft starts PiSSA in float32 or narrower only"):
        build("peft_adamw", network()[0], variant="pissa")


WRONG = {
    "variant": (
        {"variant": "vera"},
        r"got variant='vera', n_steps=100, expected one of lora, rslora, dora, pissa, adal",
    ),
    "n_steps": ({"n_steps": 5}, r"n_steps=5, expected"),
    "lr": ({"lr": -1.0}, r"lr"),
}


@pytest.mark.parametrize(("hyper", "said"), WRONG.values(), ids=WRONG.keys())
def test_an_option_out_of_range_is_told(hyper: dict, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        build("peft_adamw", network()[0], **hyper)
