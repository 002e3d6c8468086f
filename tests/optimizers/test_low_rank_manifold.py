"""The methods on the manifold against their dense twins, which see and keep matrices [m, n]."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rmobench.geometry import EUCLIDEAN, FixedRank, Stiefel, qr_factor
from rmobench.optimizers.lowrank.lr_adam_core import roots, squares, turned
from rmobench.optimizers.riemannian.radam import radam_update
from rmobench.optimizers.riemannian.rsgd import rsgd_update
from tests.optimizers.low_rank import (
    F64,
    LOWRANK,
    R,
    best_rank,
    bowl,
    build,
    certified,
    low_rank,
    matrices,
    network,
    oracle_of,
    slope,
    steps_to,
)
from tests.optimizers.plain_oracle import normal

NEAR = 1e-9
"""Ten steps of a nonlinear function pass roundings of 1e-15 on, and singular values near each other turn bases."""

MANIFOLD = FixedRank(R)


def dense_walk(rule, W: Tensor, n_steps: int, **hyper: float) -> list[Tensor]:
    """The iterates of a rule for dense points on the manifold."""
    state: dict = {}
    found = []
    for _ in range(n_steps):
        W, state = rule(MANIFOLD, W, slope(W), state, **hyper)
        found.append(W)
    return found


def together(ours: list[Tensor], theirs: list[Tensor], near: float = NEAR) -> None:
    for step, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        torch.testing.assert_close(a, b, rtol=0, atol=near, msg=lambda m, step=step: f"step {step}: {m}")


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_the_heavy_ball_is_the_dense_one(momentum: float) -> None:
    W = low_rank().model.matrix(F64)
    ours = matrices("lr_heavy_ball", low_rank(), 10, lr=0.02, momentum=momentum)
    together(ours, dense_walk(rsgd_update, W, 10, lr=0.02, momentum=momentum))


def test_adam_with_a_tangent_mean_is_the_dense_one() -> None:
    W = low_rank().model.matrix(F64)
    how = {"lr": 0.1, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-8}
    together(matrices("lr_adam_tangent", low_rank(), 10, **how), dense_walk(radam_update, W, 10, **how))


@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_the_heavy_ball_takes_as_many_steps_as_the_dense_one_on_a_certified_problem(momentum: float) -> None:
    """Reduced-rank regression to a gap of 1e-8: equal counts, and gaps to 1e-7 of each other on the way."""
    how, manifold = {"lr": {0.9: 0.3, 0.5: 1.0}[momentum], "momentum": momentum}, FixedRank(5)
    problem, twin = certified("reduced_rank_regression"), certified("reduced_rank_regression")
    (X, Y), W, state = next(twin.batches), twin.model.matrix(F64), {}
    optimizer, oracle, gaps = build("lr_heavy_ball", problem, **how), oracle_of(problem), [(1.0, 1.0)]
    while min(gaps[-1]) > 1e-8 and len(gaps) < 300:
        optimizer.step(oracle)
        W, state = rsgd_update(manifold, W, (W @ X.mT - Y.mT) @ X, state, **how)
        twin.model.put(*factored(W, 5))
        gaps.append((problem.judge(problem.model)["gap"], twin.judge(twin.model)["gap"]))
    assert max(gaps[-1]) <= 1e-8  # both in the same step
    assert max(abs(ours - theirs) for ours, theirs in gaps) < 1e-7


def factored(W: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    U, d, Vh = torch.linalg.svd(W, full_matrices=False)
    return U[:, :k], torch.diag(d[:k]), Vh[:k].mT


def test_a_step_of_the_bases_in_geolora_is_the_truncated_projected_gradient() -> None:
    """[U U~] S_aug [V V~]^T is W - lr P(G), whatever the completion of the bases."""
    W = low_rank().model.matrix(F64)
    ours = matrices("geolora", low_rank(), 6, lr=0.02, period=1)
    together(ours, dense_walk(rsgd_update, W, 6, lr=0.02, momentum=0.0))


def test_between_the_steps_of_the_bases_geolora_is_adam_on_the_core() -> None:
    problem = low_rank()
    first, *rest = matrices("geolora", problem, 4, lr=0.02, core_lr=0.05, period=4)
    U, S, V = factored(first, R)
    S = S.clone().requires_grad_()
    adam = torch.optim.Adam([S], lr=0.05)
    for step in range(3):
        S.grad = U.mT @ slope((U @ S @ V.mT).detach()) @ V
        adam.step()
        # the signs of singular vectors are free, and Adam's step turns with them as an odd function does
        torch.testing.assert_close(rest[step], (U @ S @ V.mT).detach(), rtol=0, atol=NEAR)


def span(a: Tensor) -> Tensor:
    """The orthogonal projection onto the columns."""
    return a @ torch.linalg.pinv(a)


@pytest.mark.parametrize("n_iterations", [1, 3])
def test_dlrt_is_a_projected_descent_cut_back(n_iterations: int) -> None:
    W, found = low_rank().model.matrix(F64), []
    for _ in range(5):
        U, _, V = factored(W, R)
        G = slope(W)
        left, right = span(torch.cat([U, G @ V], 1)), span(torch.cat([V, G.mT @ U], 1))
        for _ in range(n_iterations):
            W = W - 0.05 * left @ slope(W) @ right
        W = best_rank(W, R)
        found.append(W)
    together(matrices("dlrt", low_rank(), 5, lr=0.05, n_iterations=n_iterations), found)


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("carried", [roots, squares])
def test_adam_on_the_core_step_by_step(carried, fresh: bool) -> None:
    """Written out with dense gradients, in the bases that the method itself has; from one gradient its tangent part.

    epsilon is large: entries of the gradient that are zero in these bases but for rounding must not be divided by it.
    """
    how = {"lr": 0.02, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3, "carried": carried.__name__, "fresh": fresh}
    ours = matrices("lr_adam_core", low_rank(), 4, **how)
    model = low_rank().model
    (U, R_u), (V, R_v) = ((q, q.mT @ a) for a in (model.U.detach(), model.V.detach()) for q in [qr_factor(a)])
    S, m, v, found = R_u @ model.S.detach() @ R_v.mT, None, None, []
    for k in range(1, 5):
        G = slope(U @ S @ V.mT)
        U1, V1 = qr_factor(torch.cat([U, G @ V], 1)), qr_factor(torch.cat([V, G.mT @ U], 1))
        M, N = U1.mT @ U, V.mT @ V1
        g = U1.mT @ (G if fresh else MANIFOLD.tangent(U @ S @ V.mT, G)) @ V1
        m = 0.2 * g if m is None else 0.8 * M @ m @ N + 0.2 * g
        v = 0.1 * g**2 if v is None else 0.9 * carried(M, v, N) + 0.1 * g**2
        S1 = M @ S @ N - 0.02 * m / (1 - 0.8**k) / ((v / (1 - 0.9**k)).sqrt() + 1e-3)
        P, d, Qh = torch.linalg.svd(S1)
        P, Q = P[:, :R], Qh[:R].mT
        U, V, S = U1 @ P, V1 @ Q, torch.diag(d[:R])
        m, v = P.mT @ m @ Q, carried(P.mT, v, Q)
        found.append(U @ S @ V.mT)
    together(ours, found)


@pytest.mark.parametrize("carry", [roots, squares])
def test_moments_follow_a_permutation_with_signs_exactly(carry) -> None:
    state = {"mean": normal(3, 3), "square": normal(3, 3, seed=1).square(), "n_steps": 2}
    M = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=F64)
    after = turned(state, M, M.mT, carry=carry)
    torch.testing.assert_close(after["mean"], M @ state["mean"] @ M.mT, rtol=0, atol=0)
    torch.testing.assert_close(after["square"], M.abs() @ state["square"] @ M.abs().mT, rtol=1e-15, atol=0)


def test_frames_under_adam_step_by_step() -> None:
    """With autograd's gradients of the factors, the plain formulas of the tangent projection and the polar factor."""
    problem = low_rank()
    ours = matrices("stiefel_adamw", problem, 6, lr=0.02, weight_decay=0.1)
    model = low_rank().model
    Q_u, Q_v = qr_factor(model.U.detach()), qr_factor(model.V.detach())
    x = {"U": Q_u, "S": Q_u.mT @ model.matrix(F64) @ Q_v, "V": Q_v}
    m, v, found = dict.fromkeys(x, 0.0), dict.fromkeys(x, 0.0), []
    for k in range(1, 7):
        leaves = {name: a.clone().requires_grad_() for name, a in x.items()}
        bowl(leaves["U"] @ leaves["S"] @ leaves["V"].mT).backward()
        for name, leaf in leaves.items():
            frame, g = name != "S", leaf.grad
            tangent = (lambda a, y=x[name]: a - y @ (y.mT @ a + a.mT @ y) / 2) if frame else (lambda a: a)
            g = tangent(g)
            m[name], v[name] = 0.9 * m[name] + 0.1 * g, 0.999 * v[name] + 0.001 * g**2
            step = tangent(m[name] / (1 - 0.9**k) / ((v[name] / (1 - 0.999**k)).sqrt() + 1e-8))
            moved = x[name] * (1.0 if frame else 1 - 0.02 * 0.1) - 0.02 * step
            A, _, Bh = torch.linalg.svd(moved, full_matrices=False)
            x[name] = A @ Bh if frame else moved
        found.append(x["U"] @ x["S"] @ x["V"].mT)
    together(ours, found)
    assert Stiefel().residual(problem.model.U.detach()) < 1e-12


@pytest.mark.parametrize("name", ["lr_heavy_ball", "lr_adam_tangent", "geolora", "dlrt", "lr_adam_core"])
def test_a_start_at_zero_leaves_it(name: str) -> None:
    """Where dU and dV are zero and S has no inverse; the first step lowers the function."""
    problem = low_rank(zero=True)
    before = problem.loss(problem.model, None).item()
    (W,) = matrices(name, problem, 1, lr=1e-3)
    assert torch.linalg.matrix_rank(W) == R
    assert problem.loss(problem.model, None).item() < before


@pytest.mark.parametrize(
    ("name", "hyper"),
    [
        ("lr_heavy_ball", {"lr": 0.5, "momentum": 0.3, "theta": 1e-3}),
        ("lr_adam_tangent", {"lr": 0.05, "theta": 1e-2}),
        ("geolora", {"lr": 0.5, "tau": 1e-3}),
        ("dlrt", {"lr": 0.5, "tau": 1e-3}),
    ],
)
def test_the_rank_adapts_to_the_target_and_is_at_most_the_budget(name: str, hyper: dict) -> None:
    """A target of rank 5 under a budget of 8 is found with 5 columns; shapes stay."""
    target = certified("low_rank_approximation", tail=0.0, rank=5, size=1.0, kappa=3.0)
    problem = replace(target, model=certified("lora_start", kappa=1.0, rank=8).model)
    shapes = [p.shape for p in problem.model.parameters()]
    optimizer = build(name, problem, **hyper)
    if name != "dlrt":
        assert [p.shape for p in problem.model.parameters()] == shapes
    steps_to(problem, optimizer, gap=0.0, most=60)
    metrics = problem.judge(problem.model)
    assert problem.model.n_used == 5, metrics
    assert metrics["gap"] < 1e-2


@pytest.mark.parametrize("name", LOWRANK)
def test_a_parameter_outside_the_layers_takes_the_companion(name: str) -> None:
    """Every method trains a network with two low-rank layers and a free head on mini-batches; the bases stay."""
    problem, layers = network()
    frozen = {n: p.detach().clone() for n, p in problem.model.named_parameters() if not p.requires_grad}
    head = problem.model[4].weight.detach().clone()
    before = problem.judge(problem.model)["objective"]
    lr = {"lr_adam_core": 3e-3, "lora_muon": 0.05, "lora_rite": 0.01, "lr_adam_tangent": 0.02}.get(name, 0.03)
    optimizer, oracle = build(name, problem, lr=lr), oracle_of(problem)
    for _ in range(60):
        optimizer.step(oracle)
    optimizer.close()
    assert problem.judge(problem.model)["objective"] < 0.7 * before
    assert all(torch.equal(p, frozen[n]) for n, p in problem.model.named_parameters() if n in frozen)
    assert not torch.equal(problem.model[4].weight, head)
    assert all(layer.n_used == 2 for layer in layers.values())


def test_the_companion_of_the_heavy_ball_is_the_heavy_ball() -> None:
    problem, _ = network()
    optimizer, oracle = build("lr_heavy_ball", problem, lr=0.05, momentum=0.8), oracle_of(problem)
    x, state = problem.model[4].weight.detach().clone(), {}
    for _ in range(3):
        optimizer.step(oracle)
        g = problem.model[4].weight.grad
        x, state = rsgd_update(EUCLIDEAN, x, g, state, lr=0.05, momentum=0.8)
    torch.testing.assert_close(problem.model[4].weight.detach(), x, rtol=0, atol=1e-14)
