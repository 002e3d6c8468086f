"""Low-rank layers and methods against the packages that others use, step for step in float64 at equal settings."""

from __future__ import annotations

import itertools
import warnings
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from rmobench.models.low_rank_linear import LowRankLinear, insert_low_rank, low_rank_layers
from rmobench.optimizers.lowrank.layerwise import into_two
from rmobench.types import Problem
from tests.optimizers.low_rank import F64, build, oracle_of
from tests.optimizers.plain_oracle import normal

pytestmark = pytest.mark.golden

N_STEPS = 8
NEAR = 1e-10
SCALE = 0.5
RANK = 3


def package(name: str) -> ModuleType:
    with warnings.catch_warnings():  # what others' imports warn of is theirs
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def network() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    for seed, p in enumerate(model.parameters()):
        p.data = 0.5 * normal(*p.shape, seed=seed)
    return model


def ours() -> nn.Module:
    """Two layers with two factors, B not zero."""
    model = network()
    generator = torch.Generator().manual_seed(0)
    for seed, layer in enumerate(
        insert_low_rank(model, "0|2", rank=RANK, start="orthonormal", scale=SCALE, generator=generator).values()
    ):
        assert layer.S is not None
        layer.S.data = normal(RANK, RANK, seed=30 + seed)
        into_two(layer)
    return model


X, Y = normal(16, 7, seed=40), normal(16, 2, seed=41)


def loss(model: nn.Module, batch: object) -> Tensor:
    return (model(X) - Y).square().mean()


def problem(model: nn.Module) -> Problem:
    return Problem(model=model, loss=loss, batches=itertools.repeat(None), judge=lambda m: {})


def adapted(peft: ModuleType, model: nn.Module) -> nn.Module:
    """peft's LoRA on the same layers, with our factors: alpha / r is our scale."""
    config = peft.LoraConfig(r=RANK, lora_alpha=SCALE * RANK, target_modules=["0", "2"], lora_dropout=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peft.get_peft_model(network(), config).double()
    for name, layer in low_rank_layers(model).items():
        for factor, value in (("lora_A", layer.V.detach().mT), ("lora_B", layer.U.detach())):
            theirs.get_parameter(f"base_model.model.{name}.{factor}.default.weight").data = value.clone()
    return theirs


def factors(theirs: nn.Module, name: str) -> tuple[Tensor, Tensor]:
    """B and A of peft's layer."""
    found = (
        theirs.get_parameter(f"base_model.model.{name}.{factor}.default.weight") for factor in ("lora_B", "lora_A")
    )
    B, A = found
    return B, A


def test_forward_and_gradient_are_those_of_peft() -> None:
    peft, model = package("peft"), ours()
    theirs = adapted(peft, model)
    torch.testing.assert_close(model(X), theirs(X), rtol=0, atol=1e-12)
    loss(model, None).backward()
    loss(theirs, None).backward()
    for name, layer in low_rank_layers(model).items():
        B, A = factors(theirs, name)
        torch.testing.assert_close(layer.U.grad, B.grad, rtol=0, atol=1e-12)
        torch.testing.assert_close(layer.V.grad, A.grad.mT, rtol=0, atol=1e-12)


@pytest.mark.parametrize("damping", [1e-2, 1e-6])
def test_scaled_adamw_is_that_of_peft(damping: float) -> None:
    package("peft")
    riemannian, model = package("peft.optimizers.riemannian"), ours()
    theirs = adapted(package("peft"), model)
    how = {"lr": 0.01, "weight_decay": 0.1}
    peer = riemannian.create_riemannian_optimizer(theirs, torch.optim.AdamW, reg=damping, **how)
    optimizer, oracle = build("scaled_adamw", problem(model), damping=damping, **how), oracle_of(problem(model))
    for _ in range(N_STEPS):
        peer.zero_grad()
        loss(theirs, None).backward()
        peer.step()
        optimizer.step(oracle)
        for name, layer in low_rank_layers(model).items():
            B, A = factors(theirs, name)
            torch.testing.assert_close(layer.U, B, rtol=0, atol=NEAR)
            torch.testing.assert_close(layer.V, A.mT, rtol=0, atol=NEAR)


@pytest.mark.parametrize("escape", [True, False])
def test_lora_rite_is_that_of_pytorch_optimizer(escape: bool) -> None:
    """Without clipping and skipping; the tiny epsilon stands inside the root there and outside here."""
    peer_class, model = package("pytorch_optimizer").LoRARite, ours()
    how = {"lr": 0.01, "weight_decay": 0.1}
    twin = network()
    pairs = {}
    for name, layer in low_rank_layers(model).items():
        base = twin.get_submodule(name)
        pairs[name] = (nn.Parameter(layer.U.detach().clone()), nn.Parameter(layer.V.detach().mT.clone()))
        twin.set_submodule(name, Two(base, *pairs[name]))
    peer = peer_class(
        [p for B, A in pairs.values() for p in (A, B)],
        betas=(0.9, 0.99),
        eps=1e-12,
        clip_unmagnified_grad=0.0,
        update_skipping=0.0,
        apply_escape=escape,
        lora_l_dim=0,
        lora_r_dim=-1,
        **how,
    )
    optimizer = build("lora_rite", problem(model), beta2=0.99, epsilon=1e-12, escape=escape, **how)
    oracle = oracle_of(problem(model))
    for _ in range(N_STEPS):
        peer.zero_grad()
        loss(twin, None).backward()
        peer.step()
        optimizer.step(oracle)
        for name, layer in low_rank_layers(model).items():
            B, A = pairs[name]
            # inverse roots of nearly singular moments amplify roundings
            torch.testing.assert_close(layer.matrix(F64), SCALE * (B @ A).detach(), rtol=0, atol=1e-8)


class Two(nn.Module):
    """A frozen layer plus B A, with B and A from outside."""

    def __init__(self, base: nn.Module, B: nn.Parameter, A: nn.Parameter) -> None:
        super().__init__()
        self.base, self.B, self.A = base.requires_grad_(False), B, A

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + SCALE * (x @ self.A.mT) @ self.B.mT


def test_the_gaussian_start_in_two_factors_is_loras() -> None:
    """peft's B is zero at the start too; its A has the same shape, and entries of its own distribution."""
    peft = package("peft")
    model = network()
    (layer, _) = insert_low_rank(model, "0|2", rank=RANK, generator=torch.Generator().manual_seed(0)).values()
    assert isinstance(layer, LowRankLinear)
    into_two(layer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peft.get_peft_model(network(), peft.LoraConfig(r=RANK, target_modules=["0", "2"]))
    B, A = factors(theirs, "0")
    assert not B.any() and not layer.U.any()
    assert layer.V.mT.shape == A.shape
    assert layer.V.all() and A.all()


@pytest.mark.parametrize("lr_ratio", [1.0, 16.0])
def test_lora_plus_is_that_of_peft(lr_ratio: float) -> None:
    """AdamW with a step length of its own for B; as published, 16 times that of A."""
    package("peft")
    loraplus, model = package("peft.optimizers"), ours()
    theirs = adapted(package("peft"), model)
    peer = loraplus.create_loraplus_optimizer(
        theirs, torch.optim.AdamW, lr=0.001, loraplus_lr_ratio=lr_ratio, weight_decay=0.0
    )
    optimizer = build("factor_adam", problem(model), lr=0.001, lr_ratio=lr_ratio)
    oracle = oracle_of(problem(model))
    for _ in range(N_STEPS):
        peer.zero_grad()
        loss(theirs, None).backward()
        peer.step()
        optimizer.step(oracle)
        for name, layer in low_rank_layers(model).items():
            B, A = factors(theirs, name)
            torch.testing.assert_close(layer.U, B, rtol=0, atol=NEAR)
            torch.testing.assert_close(layer.V, A.mT, rtol=0, atol=NEAR)
