"""The methods on two or three factors: published formulas, invariances, and LoRA's start in closed form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.models.low_rank_linear import LowRankLinear
from rmobench.optimizers.lowrank.layerwise import into_two
from rmobench.registry import optimizers
from rmobench.types import Linear, Log
from tests.optimizers.low_rank import (
    F64,
    FAMILY,
    M,
    N,
    R,
    bowl,
    build,
    certified,
    low_rank,
    matrices,
    oracle_of,
)
from tests.optimizers.plain_oracle import normal

NEAR = 1e-10
BF16 = 0.35
"""Muon's polynomial brings singular values to 0.7 .. 1.2, in bfloat16."""


def pair() -> tuple[Tensor, Tensor]:
    """B and A of the problem's start, as two factors hold it."""
    layer = low_rank().model
    into_two(layer)
    return layer.U.detach(), layer.V.detach().mT


def slopes(B: Tensor, A: Tensor) -> tuple[Tensor, Tensor]:
    B, A = B.clone().requires_grad_(), A.clone().requires_grad_()
    return torch.autograd.grad(bowl(B @ A), (B, A))


def over(g: Tensor, gram: Tensor, damping: float) -> Tensor:
    return g @ torch.linalg.inv(gram + damping * torch.eye(len(gram), dtype=F64))


def together(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for step, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        torch.testing.assert_close(a, b, rtol=0, atol=NEAR, msg=lambda m, step=step: f"step {step}: {m}")


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_scaled_gradient_descent_step_by_step(momentum: float) -> None:
    (B, A), v_B, v_A, found = pair(), 0.0, 0.0, []
    for _ in range(8):
        g_B, g_A = slopes(B, A)
        v_B = momentum * v_B + over(g_B, A @ A.mT, 1e-3)
        v_A = momentum * v_A + over(g_A.mT, B.mT @ B, 1e-3).mT
        B, A = B - 0.01 * v_B, A - 0.01 * v_A
        found.append(B @ A)
    together(matrices("scaled_gd", low_rank(), 8, lr=0.01, momentum=momentum, damping=1e-3), found)


@pytest.mark.parametrize("order", ["jacobi", "gauss_seidel"])
def test_scaled_adamw_step_by_step(order: str) -> None:
    B, A = (x.clone() for x in pair())
    left, right = (torch.optim.AdamW([x], lr=0.02, weight_decay=0.1) for x in (B, A))
    found = []
    for _ in range(8):
        g_B, g_A = slopes(B, A)
        gram = A @ A.mT
        A.grad = over(g_A.mT, B.mT @ B, 1e-2).mT
        right.step()
        B.grad = over(g_B, A @ A.mT if order == "gauss_seidel" else gram, 1e-2)
        left.step()
        found.append((B @ A).clone())
    ours = matrices("scaled_adamw", low_rank(), 8, lr=0.02, weight_decay=0.1, damping=1e-2, order=order)
    together(ours, found)


def resplit(problem, T: Tensor) -> None:
    """W = (B T) (T^-1 A): a two-factor layer, split in another way."""
    layer: LowRankLinear = problem.model
    into_two(layer)
    layer.U.data, layer.V.data = layer.U.data @ T, layer.V.data @ torch.linalg.inv(T).mT


@pytest.mark.parametrize(
    ("name", "hyper", "invariant"),
    [
        ("scaled_gd", {"lr": 0.01, "damping": 0.0, "momentum": 0.5}, True),
        ("lora_rite", {"lr": 0.02, "epsilon": 1e-12}, True),
        ("lora_rite", {"lr": 0.02, "epsilon": 1e-12, "escape": False}, True),
        ("factor_heavy_ball", {"lr": 0.001}, False),
        ("factor_adam", {"lr": 0.01}, False),
        ("scaled_adamw", {"lr": 0.01}, False),
    ],
)
def test_who_depends_on_how_w_is_split(name: str, hyper: dict, invariant: bool) -> None:
    """The third of the table is what makes the first two worth their price."""
    T = torch.eye(R, dtype=F64) * torch.tensor([10.0, 0.5, 2.0], dtype=F64) + 0.3 * normal(R, R, seed=5)
    straight, turned = low_rank(), low_rank()
    resplit(turned, T)
    ours, again = matrices(name, straight, 6, **hyper), matrices(name, turned, 6, **hyper)
    apart = max((a - b).abs().max().item() for a, b in zip(ours, again, strict=True))
    assert (apart < 1e-8) == invariant, apart


def test_lora_rite_step_by_step() -> None:
    """The published recursion, with its means freed of the bias of their start; A = U_A R_A in the paper's letters."""
    (A, Bt), found, lr, b1, b2 = pair(), [], 0.02, 0.9, 0.99
    x = {"A": A, "B": Bt.mT}  # W = A B^T
    eye, eps = torch.eye(R, dtype=F64), 1e-6
    past: dict = {}
    for t in range(6):
        g_A, g_Bt = slopes(x["A"], x["B"].mT)
        new = {}
        for name, other, g in (("A", "B", g_A), ("B", "A", g_Bt.mT)):
            U, Rot = torch.linalg.qr(x[other])
            g = g @ torch.linalg.inv(Rot)
            k1, k2 = b1 * (1 - b1**t) / (1 - b1 ** (t + 1)), b2 * (1 - b2**t) / (1 - b2 ** (t + 1))
            V, m, rho, P = torch.zeros(R, R, dtype=F64), torch.zeros_like(g), 0.0, eye
            if name in past:
                U_old, V_old, m, rho = past[name]
                P = U.mT @ U_old
                V = P @ V_old @ P.mT
                apart = (torch.linalg.eigvalsh(V_old) - torch.linalg.eigvalsh(V)).max()
                rho = k2 * (rho + max(0.0, min(apart.item(), (V_old.trace() - V.trace()).item())))
            V = k2 * V + (1 - k2) * g.mT @ g / len(g)
            values, vectors = torch.linalg.eigh(V)
            s = g @ vectors @ torch.diag(1 / ((values.clamp_min(0) + rho).sqrt() + eps)) @ vectors.mT
            m = k1 * m @ P.mT + (1 - k1) * s
            past[name] = (U, V, m, rho)
            new[name] = x[name] - lr * m @ torch.linalg.inv(Rot).mT
        x = new
        found.append(x["A"] @ x["B"].mT)
    ours = matrices("lora_rite", low_rank(), 6, lr=lr, beta1=b1, beta2=b2, epsilon=eps)
    for a, b in zip(ours, found, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)  # inverse roots of nearly singular moments


def test_muon_moves_a_factor_by_a_matrix_with_singular_values_near_one() -> None:
    problem = low_rank()
    into_two(problem.model)
    before = problem.model.U.detach().clone(), problem.model.V.detach().clone()
    matrices("lora_muon", problem, 1, lr=0.1)
    for old, new, rows in zip(before, (problem.model.U, problem.model.V), (M, N), strict=True):
        lengths = torch.linalg.svdvals(new.detach() - old) / (0.2 * 0.1 * rows**0.5)
        assert ((lengths - 1.0).abs() < BF16).all(), lengths


@pytest.mark.parametrize("factors", ["two", "three"])
@pytest.mark.parametrize("lr_ratio", [1.0, 16.0])
@pytest.mark.parametrize(
    ("name", "how", "plain"),
    [
        ("factor_sgd", {}, torch.optim.SGD),
        ("factor_heavy_ball", {"momentum": 0.9}, torch.optim.SGD),
        ("factor_adam", {"weight_decay": 0.1}, torch.optim.AdamW),
    ],
)
def test_factorwise_methods_are_torchs_with_two_step_lengths(factors, lr_ratio, name, how, plain) -> None:
    lr, layer = 1e-3, low_rank().model
    if factors == "two":
        into_two(layer)
    leaves = [p.detach().clone().requires_grad_() for p in (layer.U, layer.V, layer.S) if p is not None]
    theirs = plain([{"params": leaves[:1], "lr": lr_ratio * lr}, {"params": leaves[1:]}], lr=lr, **how)
    found = []
    for _ in range(5):
        theirs.zero_grad()
        U, V, S = (*leaves, None)[:3]
        (value := bowl(U @ V.mT if S is None else U @ S @ V.mT)).backward()
        assert value.isfinite()
        theirs.step()
        found.append((U @ V.mT if S is None else U @ S @ V.mT).detach())
    together(matrices(name, low_rank(), 5, lr=lr, lr_ratio=lr_ratio, factors=factors, **how), found)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("kappa", [1.0, 10.0])
def test_loras_start_follows_its_recursion(alpha: float, kappa: float) -> None:
    """Gradient descent with lr 0.4 keeps singular vectors: every pair (b, s) goes by itself."""
    s, b, lr = torch.logspace(0.0, -1.0, 5, base=kappa, dtype=F64), torch.zeros(5, dtype=F64), 0.4
    for W in matrices("factor_sgd", certified("lora_start", alpha=alpha, kappa=kappa), 20, lr=lr):
        error = b * s - alpha
        b, s = b - lr * s * error, s - lr * b * error
        torch.testing.assert_close(
            torch.linalg.svdvals(W)[:5], (b * s).abs().sort(descending=True).values, rtol=0, atol=NEAR
        )


@pytest.mark.parametrize(("alpha", "diverges"), [(0.25, True), (0.32, True), (0.35, False), (0.5, False)])
def test_loras_start_diverges_where_it_must(alpha: float, diverges: bool) -> None:
    """At lr = 1 / alpha the singular values go to s (2 - lr s^2): from s = 1 out of bounds where lr > 3."""
    lr, s = 1.0 / alpha, 1.0
    walk = matrices("factor_sgd", certified("lora_start", alpha=alpha, kappa=1.0), 12, lr=lr)
    for W in walk[1:6]:
        s = s * (2.0 - lr * s * s)
        largest = torch.linalg.svdvals(W)[0].item()
        assert largest == pytest.approx(s * s, rel=1e-6)
    last = walk[-1].abs().max().item()  # NaN is out of bounds too
    assert (not last < 1e3) == diverges


REFUSED = [
    ("lr_heavy_ball", {"lr": -1.0}, r"lr_heavy_ball: got lr=-1\.0"),
    ("lr_heavy_ball", {"momentum": 1.0}, r"lr_heavy_ball: got momentum=1\.0, expected a number in \[0, 1\)"),
    ("lr_heavy_ball", {"theta": -0.1}, r"lr_heavy_ball: got theta=-0\.1"),
    ("lr_adam_tangent", {"beta2": 1.0}, r"lr_adam_tangent: got beta2=1\.0"),
    ("lr_adam_tangent", {"companion_lr": -1.0}, r"lr_adam_tangent: got companion_lr=-1\.0"),
    ("lr_adam_core", {"n_iterations": 0}, r"lr_adam_core: got n_iterations=0, expected a whole number >= 1"),
    ("lr_adam_core", {"carried": "both"}, r"lr_adam_core: got carried='both', expected one of roots, squares"),
    ("lr_adam_core", {"fresh": "no"}, r"lr_adam_core: got fresh='no', expected True or False"),
    ("lr_adam_core", {"fresh": False, "n_iterations": 2}, r"got n_iterations=2 without fresh gradients, expected 1"),
    ("lora_rite", {"escape": 1}, r"lora_rite: got escape=1, expected True or False"),
    ("lora_muon", {"momentum": 1.0}, r"lora_muon: got momentum=1\.0"),
    ("geolora", {"period": 0}, r"geolora: got period=0, expected a whole number of steps"),
    ("geolora", {"core_lr": float("nan")}, r"geolora: got core_lr=nan"),
    ("dlrt", {"tau": -1.0}, r"dlrt: got tau=-1\.0"),
    ("stiefel_adamw", {"beta1": 1.0}, r"stiefel_adamw: got beta1=1\.0"),
    ("scaled_gd", {"damping": -1.0}, r"scaled_gd: got damping=-1\.0"),
    ("scaled_adamw", {"order": "both"}, r"scaled_adamw: got order='both', expected one of jacobi, gauss_seidel"),
    ("lora_rite", {"lr": float("inf")}, r"lora_rite: got lr=inf"),
    ("factor_sgd", {"lr_ratio": -1.0}, r"factor_sgd: got lr_ratio=-1\.0"),
    ("factor_heavy_ball", {"factors": "four"}, r"factor_heavy_ball: got factors='four', expected one of two, three"),
    ("factor_adam", {"beta1": 1.0}, r"factor_adam: got beta1=1\.0"),
]


@pytest.mark.parametrize(("name", "hyper", "message"), REFUSED)
def test_options_out_of_range_are_refused(name: str, hyper: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        build(name, low_rank(), **hyper)


@pytest.mark.parametrize("name", FAMILY)
def test_step_lengths_are_searched_over_five_decades_by_everybody(name: str) -> None:
    """Tuning with as many settings finds as dense a grid for all."""
    found = {key: span for key, span in optimizers()[name].search.items() if key.endswith("lr")}
    assert "lr" in found
    for key, span in found.items():
        assert isinstance(span, Log)
        assert span.high / span.low == pytest.approx(1e5), key


@pytest.mark.parametrize("name", FAMILY)
def test_decays_are_searched_alike_by_everybody(name: str) -> None:
    search = optimizers()[name].search
    alike = {"beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999), "momentum": Linear(0.0, 0.99)}
    assert all(search[key] == alike[key] for key in alike if key in search)
    adaptive = {"beta1", "beta2"} <= set(optimizers()[name].defaults)
    assert ({"beta1", "beta2"} <= set(search)) == (adaptive and name != "geolora")  # Adam is its smaller part


def test_an_untouched_layer_stays() -> None:
    """A layer that a batch does not go through has no gradient and does not move."""
    for name in ("lr_heavy_ball", "dlrt", "scaled_gd", "lora_rite"):
        problem = low_rank()
        optimizer = build(name, problem)
        before = problem.model.matrix(F64)
        oracle = oracle_of(problem)

        def idle(problem=problem) -> Tensor:
            for p in problem.model.parameters():
                p.grad = None
            return torch.zeros(())

        optimizer.step(idle)
        torch.testing.assert_close(problem.model.matrix(F64), before, rtol=0, atol=NEAR)
        optimizer.step(oracle)
        assert not torch.allclose(problem.model.matrix(F64), before)
