"""The natural-gradient step of normal distributions: its fixed points, its flow, its formulas in dense matrices."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial

import pytest
import torch
from torch import Tensor

from rmobench.curvature import SIZED, Structure, structure_named
from rmobench.curvature import STRUCTURES as GROUPS
from rmobench.errors import ArgumentError
from rmobench.geometry import Spd, Sphere
from rmobench.harness.kernels import Kernels
from rmobench.models import MatrixGroup
from rmobench.optimizers.natural.cholesky_adam import cholesky_adam
from rmobench.optimizers.natural.gnc import gnc
from rmobench.optimizers.natural.gnc_vi import gnc_vi
from rmobench.optimizers.riemannian.radam import radam
from rmobench.optimizers.riemannian.rcg import rcg
from rmobench.optimizers.riemannian.rsgd import rsgd
from rmobench.optimizers.riemannian.rtr import rtr
from rmobench.tasks.covariance.gaussian_vi import gaussian_vi, of_precision
from rmobench.tasks.covariance.spd_problem import Point
from rmobench.tasks.covariance.structured_gaussian_vi import of_factor, structured_gaussian_vi
from rmobench.tasks.covariance.structured_support import SUPPORTS, drawn, support_of
from rmobench.tasks.covariance.valley import Walls
from rmobench.types import Manifold, Problem
from tests.optimizers.manifold_problems import point
from tests.optimizers.plain_oracle import PlainOracle, drive, normal
from tests.tasks.frame_cases import build

N = 4
FACTORED = tuple(f"{name} factor" if name == "dense" else name for name in SUPPORTS)
"""Groups of factors; "dense" alone is the precision itself."""
EXACT = 1e-11
"""Relative to the largest entry: products and inverses of small matrices, some ten times in a row."""


def over(f, params: Mapping[str, Tensor], buffers: Mapping[str, Tensor], *curved: str, on: Manifold | None = None):
    """Return the problem of minimising f(**params, **buffers)."""

    def loss(model, batch) -> Tensor:
        return f(**dict(model.named_parameters()), **dict(model.named_buffers()))

    model = Point({name: p.clone() for name, p in params.items()}, buffers)
    manifolds = dict.fromkeys(curved, on or Spd())
    return Problem(model=model, loss=loss, batches=itertools.repeat(None), judge=lambda m: {}, manifolds=manifolds)


def supporting(structure: str) -> Tensor:
    """Return the support of a group of factors [N, N]."""
    return support_of(structure.removesuffix(" factor"), dim=N, dense_columns=1 if structure == "hierarchical" else 2)


def start(structure: str) -> dict[str, Tensor]:
    """Return a mean and a factor, or with "dense" a precision."""
    if structure == "dense":
        return {"mean": normal(N), "x": point(Spd(), N, N, seed=1)}
    return {"mean": normal(N), "B": 2.0 * drawn(supporting(structure), torch.Generator().manual_seed(3))}


WALLS = Walls(links=N - 1, stiffness=0.3, bend=0.4, shift=0.2)


def quartic(structure: str) -> Problem:
    """Return the problem of a mild valley, at temperature 1/2."""
    how = {"walls": WALLS, "temperature": 0.5}
    bowl = {"weights": torch.ones(N, dtype=torch.float64), "centres": normal(N, seed=5)}
    if structure == "dense":
        return over(partial(of_precision, **how), start(structure), bowl, "x")
    return over(partial(of_factor, **how), start(structure), bowl | {"support": supporting(structure)})


H, CENTRE = point(Spd(), N, N, seed=7), normal(N, seed=8)


def quadratic(structure: str, temperature: float) -> Problem:
    """Return E l - temperature * entropy, up to a constant, of l = (w - c)^T H (w - c) / 2."""

    def value(mean: Tensor, support: Tensor, x: Tensor | None = None, B: Tensor | None = None) -> Tensor:
        S = x if B is None else (B * support) @ (B * support).mT
        away = mean - CENTRE
        return 0.5 * (away @ H @ away + (H * torch.linalg.inv(S)).sum() + temperature * torch.logdet(S))

    params = start(structure)
    support = torch.ones_like(H) if structure == "dense" else supporting(structure)
    return over(value, params, {"support": support}, *(["x"] if structure == "dense" else []))


def precision(problem: Problem) -> Tensor:
    """Return S [n, n]."""
    params = problem.params
    return (params["x"] if "x" in params else params["B"] @ params["B"].mT).detach().clone()


def value_of(problem: Problem) -> float:
    return problem.loss(problem.model, None).item()


# --- where it ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("structure", ["dense", "lower_triangular", "diagonal"])
def test_on_a_quadratic_it_ends_at_the_closed_form(structure: str, temperature: float) -> None:
    """The mean at the minimiser, the precision at the Hessian over the temperature, or its diagonal."""
    p = quadratic(structure, temperature)
    drive(gnc_vi(p, lr=0.4 / temperature), PlainOracle(p, n_calls=350))
    expected = (H.diagonal().diag() if structure == "diagonal" else H) / temperature
    torch.testing.assert_close(p.params["mean"].detach(), CENTRE, rtol=0.0, atol=1e-10)
    torch.testing.assert_close(precision(p), expected, rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("structure", ["dense", *FACTORED])
def test_it_ends_without_a_slope(structure: str, momentum: float) -> None:
    p = quartic(structure)
    drive(gnc_vi(p, lr=0.4, momentum=momentum), PlainOracle(p, n_calls=300))
    PlainOracle(p)()
    assert all(x.grad.abs().max() < 1e-8 for x in p.params.values())


# --- the step ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", ["dense", *FACTORED])
def test_a_small_step_is_along_the_natural_gradient(structure: str) -> None:
    """The Fisher matrix in all free coordinates, pseudo-inverted: the corner of an arrow has more than it needs."""
    p, lr = quartic(structure), 1e-6
    (name,) = p.params.keys() - {"mean"}
    free = torch.ones(N, N) if name == "x" else p.model.get_buffer("support")
    where = (free.tril() if name == "x" else free).nonzero(as_tuple=True)

    def to_precision(z: Tensor) -> Tensor:
        M = torch.zeros(N, N, dtype=torch.float64).index_put(where, z)
        return M + M.tril(-1).mT if name == "x" else M @ M.mT

    z, mean, S = p.params[name].detach()[where], p.params["mean"].detach().clone(), precision(p)
    P = torch.linalg.inv(S)
    J = torch.func.jacrev(to_precision)(z)  # [n, n, free]
    white = torch.einsum("ij,jkf->fik", P, J)
    fisher = 0.5 * torch.einsum("fik,gki->fg", white, white)
    PlainOracle(p)()
    g = p.params[name].grad
    g = (g + g.mT - g.diagonal().diag())[where] if name == "x" else g[where]
    flow = J @ (torch.linalg.pinv(fisher, hermitian=True) @ g)
    mean_flow = P @ p.params["mean"].grad
    drive(gnc_vi(p, lr=lr), PlainOracle(p, n_calls=1))
    torch.testing.assert_close((S - precision(p)) / lr, flow, rtol=0.0, atol=1e-4 * flow.abs().max().item())
    moved = (mean - p.params["mean"].detach()) / lr
    torch.testing.assert_close(moved, mean_flow, rtol=0.0, atol=1e-4 * mean_flow.abs().max().item())


def test_the_precision_follows_the_mean_hessian() -> None:
    """Signs and factors: dS/dt = E Hess l - temperature * S, here of a quadratic, to first order in the step."""
    p, lr = quadratic("dense", 0.5), 1e-6
    S = precision(p)
    drive(gnc_vi(p, lr=lr), PlainOracle(p, n_calls=1))
    torch.testing.assert_close((precision(p) - S) / lr, H - 0.5 * S, rtol=0.0, atol=1e-4 * H.abs().max().item())


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("structure", ["dense", *FACTORED])
def test_it_is_the_projection_of_the_step_in_dense_matrices(structure: str, momentum: float) -> None:
    """Entries of the group; those whose mirror image is none count twice."""
    p, lr, n_steps = quartic(structure), 0.1, 12
    support = torch.ones(N, N) if structure == "dense" else p.model.get_buffer("support")
    weights = support * (2.0 - support.T)
    mean = p.params["mean"].detach().clone()
    B = torch.linalg.cholesky(precision(p)) if structure == "dense" else p.params["B"].detach().clone()
    how = {"weights": p.model.get_buffer("weights"), "centres": p.model.get_buffer("centres")}
    f = partial(of_precision, **how, walls=WALLS, temperature=0.5)
    m, u = torch.zeros_like(B), torch.zeros_like(mean)
    for _ in range(n_steps):
        g, G = torch.func.grad(f, argnums=(0, 1))(mean, B @ B.T)
        m = momentum * m + weights * (B.T @ (0.5 * (G + G.T)) @ B)
        B = B - lr * B @ m + 0.5 * lr**2 * B @ m @ m
        u = momentum * u + torch.linalg.inv(B) @ g
        mean = mean - lr * torch.linalg.inv(B).T @ u
    drive(gnc_vi(p, lr=lr, momentum=momentum), PlainOracle(p, n_calls=n_steps))
    torch.testing.assert_close(precision(p), B @ B.T, rtol=0.0, atol=EXACT * (B @ B.T).abs().max().item())
    torch.testing.assert_close(p.params["mean"].detach(), mean, rtol=0.0, atol=EXACT * mean.abs().max().item())


def test_a_factor_without_zeros_moves_as_the_precision_does() -> None:
    whole, factored = quartic("dense"), quartic("lower_triangular")
    with torch.no_grad():
        factored.params["B"].copy_(torch.linalg.cholesky(whole.params["x"]))
        factored.model.get_buffer("support").fill_(1.0)
    for p in (whole, factored):
        drive(gnc_vi(p, lr=0.1, momentum=0.5), PlainOracle(p, n_calls=20))
    torch.testing.assert_close(precision(whole), precision(factored), rtol=0.0, atol=1e-11)
    torch.testing.assert_close(whole.params["mean"], factored.params["mean"], rtol=0.0, atol=1e-11)


def test_it_does_not_depend_on_coordinates() -> None:
    """From v = A^-1 (w - b) the same distributions of w, at every step."""
    A, b = normal(N, N, seed=11) + 3.0 * torch.eye(N, dtype=torch.float64), normal(N, seed=12)
    inverse = torch.linalg.inv(A)

    def seen(mean: Tensor, x: Tensor, **bowl: Tensor) -> Tensor:
        return of_precision(A @ mean + b, inverse.T @ x @ inverse, **bowl, walls=WALLS, temperature=0.5)

    p = quartic("dense")
    params = {"mean": inverse @ (p.params["mean"].detach() - b), "x": A.T @ precision(p) @ A}
    q = over(seen, params, dict(p.model.named_buffers()), "x")
    for problem in (p, q):
        drive(gnc_vi(problem, lr=0.1, momentum=0.5), PlainOracle(problem, n_calls=20))
    torch.testing.assert_close(inverse.T @ precision(q) @ inverse, precision(p), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(A @ q.params["mean"] + b, p.params["mean"].detach(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("lr", [0.1, 0.5, 1.0])
def test_the_new_precision_is_at_least_the_old_one_and_a_share_of_the_hessian(lr: float) -> None:
    """So that the mean, which waits for it, never moves beyond Newton's step, however wide the distribution is."""
    p = quadratic("dense", 0.5)
    with torch.no_grad():
        p.params["x"].mul_(1e-4)
    S, mean = precision(p), p.params["mean"].detach().clone()
    drive(gnc_vi(p, lr=lr), PlainOracle(p, n_calls=1))
    assert torch.linalg.eigvalsh(precision(p) - (1.0 - 0.5 * lr) * S - lr * H).min() > -1e-10
    away, left = mean - CENTRE, p.params["mean"].detach() - CENTRE
    assert away @ H @ away > left @ H @ left


@pytest.mark.parametrize("function", ["rosenbrock", "banana"])
@pytest.mark.parametrize("structure", ["dense", *FACTORED])
def test_small_steps_descend_one_by_one(function: str, structure: str) -> None:
    how = {"function": function, "dim": 5}
    group = structure.removesuffix(" factor")
    p = build(gaussian_vi, **how) if structure == "dense" else build(structured_gaussian_vi, structure=group, **how)
    optimizer, oracle, values = gnc_vi(p, lr=0.003), PlainOracle(p), [value_of(p)]
    for _ in range(120):
        drive(optimizer, oracle, n_steps=1)
        values.append(value_of(p))
    assert all(after < before for before, after in itertools.pairwise(values))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_only_factorisations_are_the_solves_of_the_mean(dtype: torch.dtype) -> None:
    params = {name: p.to(dtype) for name, p in start("dense").items()}
    p = over(lambda mean, x: mean.square().sum() + 0.1 * (x * x.mT).sum(), params, {}, "x")
    optimizer = gnc_vi(p, lr=0.01, momentum=0.5)
    with Kernels() as seen:
        drive(optimizer, PlainOracle(p, n_calls=3))
    assert seen.factorisations == ("_linalg_solve_ex",)
    assert seen.dtypes == {dtype, torch.promote_types(dtype, torch.float32)}
    assert all(x.dtype == dtype and x.isfinite().all() for x in p.params.values())


# --- factors in their storage ------------------------------------------------------------------------------


def stored(name: str) -> tuple[Problem, Structure]:
    """Return the mild valley with a factor in the storage of a structure, and the structure."""
    structure = structure_named(name, 2 if name in SIZED else None)
    unit = structure.identity(N, dtype=torch.float64, device="cpu")
    free = {"lower_triangular": torch.tril, "upper_triangular": torch.triu}.get(name, Tensor.clone)
    parts = {f"part{i}": free(2.0 * a + 0.5 * normal(*a.shape, seed=9 + i)) for i, a in enumerate(unit)}
    how = {"walls": WALLS, "temperature": 0.5, "support": torch.ones(N, N, dtype=torch.float64)}

    def value(mean: Tensor, weights: Tensor, centres: Tensor, **parts: Tensor) -> Tensor:
        return of_factor(mean, structure.dense(tuple(parts.values())), weights, centres, **how)

    bowl = {"weights": torch.ones(N, dtype=torch.float64), "centres": normal(N, seed=5)}
    p = over(value, {"mean": normal(N), **parts}, bowl)
    p.model.add_module("group", MatrixGroup(name, *parts, n=N, size=2 if name in SIZED else None))
    return p, structure


def parts_of(p: Problem) -> tuple[Tensor, ...]:
    return tuple(x for name, x in p.params.items() if name != "mean")


@pytest.mark.parametrize("name", GROUPS)
def test_a_small_step_in_storage_is_along_the_natural_gradient(name: str) -> None:
    """The Fisher matrix in the numbers of the storage, pseudo-inverted: those that turn the factor alone do nothing."""
    (p, structure), lr = stored(name), 1e-6
    parts, mean = tuple(x.detach().clone() for x in parts_of(p)), p.params["mean"].detach().clone()

    def to_precision(*parts: Tensor) -> Tensor:
        B = structure.dense(parts)
        return B @ B.mT

    S = to_precision(*parts)
    slopes = torch.func.jacrev(to_precision, argnums=tuple(range(len(parts))))(*parts)
    J = torch.cat([j.reshape(N, N, -1) for j in slopes], dim=2)
    white = torch.einsum("ij,jkf->fik", torch.linalg.inv(S), J)
    fisher = 0.5 * torch.einsum("fik,gki->fg", white, white)
    PlainOracle(p)()
    g = torch.cat([x.grad.reshape(-1) for x in parts_of(p)])
    flow = J @ (torch.linalg.pinv(fisher, hermitian=True, rtol=1e-12) @ g)
    drive(gnc_vi(p, lr=lr), PlainOracle(p, n_calls=1))
    moved = (S - to_precision(*parts_of(p)).detach()) / lr
    torch.testing.assert_close(moved, flow, rtol=0.0, atol=1e-4 * flow.abs().max().item())
    shift = (mean - p.params["mean"].detach()) / lr
    assert (shift - torch.linalg.inv(S) @ p.params["mean"].grad).abs().max() < 1e-4 * shift.abs().max()


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("name", GROUPS)
def test_in_storage_it_ends_without_a_slope(name: str, momentum: float) -> None:
    p, structure = stored(name)
    drive(gnc_vi(p, lr=0.3, momentum=momentum), PlainOracle(p, n_calls=500))
    PlainOracle(p)()
    factor, g = (tuple(x.detach() for x in parts_of(p)), tuple(x.grad for x in parts_of(p)))
    assert p.params["mean"].grad.abs().max() < 1e-7
    assert all(m.abs().max() < 1e-7 for m in structure.slope(factor, g) if m.numel())


# --- its relatives, and refusals ---------------------------------------------------------------------------

RELATIVES = {
    "gnc_vi": (gnc_vi, {"lr": 0.1}),
    "gnc": (gnc, {"lr": 0.1}),
    "cholesky_adam": (cholesky_adam, {"lr": 0.2}),
    "rsgd": (rsgd, {"lr": 0.1, "momentum": 0.9}),
    "radam": (radam, {"lr": 0.2}),
    "rcg": (rcg, {}),
    "rtr": (rtr, {}),
}


@pytest.mark.parametrize(("optimizer", "how"), RELATIVES.values(), ids=RELATIVES)
def test_methods_for_mean_and_precision_solve_the_same_task(optimizer, how) -> None:
    p = build(gaussian_vi, function="banana", dim=2)
    drive(optimizer(p, **how), PlainOracle(p, n_calls=200))
    assert p.judge(p.model)["gap"] < 1e-2
    assert p.judge(p.model)["residual"] < 1e-12


@pytest.mark.parametrize("structure", SUPPORTS)
def test_structured_distributions_end_at_the_known_minimum(structure: str) -> None:
    p = build(structured_gaussian_vi, function="rosenbrock", structure=structure, temperature=10.0)
    drive(gnc_vi(p, lr=0.05), PlainOracle(p, n_calls=300))
    assert 0.0 <= p.judge(p.model)["gap"] + 1e-12 < 1e-6


def test_a_manifold_that_is_of_no_normal_distribution_is_refused() -> None:
    unit, x = point(Sphere(), N), point(Spd(), N, N)
    for params, manifold in (({"mean": unit}, Sphere()), ({"x": x}, Spd()), ({"mean": normal(3), "x": x}, Spd())):
        p = over(lambda **params: params, params, {}, list(params)[-1], on=manifold)
        with pytest.raises(ArgumentError, match="expected at most one"):
            gnc_vi(p)


def test_a_start_that_is_not_positive_definite_is_refused() -> None:
    p = over(lambda **params: params, {"mean": normal(N), "x": -point(Spd(), N, N)}, {}, "x")
    with pytest.raises(ArgumentError, match="gnc_vi: x is not positive definite at the start"):
        gnc_vi(p)


def test_other_parameters_take_the_heavy_ball() -> None:
    p = over(lambda other: 0.5 * other.square().sum(), {"other": normal(3)}, {})
    drive(gnc_vi(p, lr=0.1, momentum=0.9), PlainOracle(p, n_calls=2))
    torch.testing.assert_close(p.params["other"].detach(), normal(3) * (0.9 - 0.1 * (0.9 + 0.9)), rtol=1e-12, atol=0.0)
