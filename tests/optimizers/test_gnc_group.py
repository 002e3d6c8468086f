"""Momentum within matrix groups: the step in dense matrices, the certified minima, the room that a step takes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from rmobench.curvature import (
    SIZED,
    STRUCTURES,
    Arrow,
    BlockDiagonal,
    Dense,
    Diagonal,
    Factor,
    Hierarchical,
    LowerTriangular,
    Structure,
    UpperTriangular,
    structure_named,
)
from rmobench.errors import ArgumentError
from rmobench.geometry import Spd
from rmobench.geometry.exponential import expm
from rmobench.harness.kernels import Kernels
from rmobench.models import MatrixGroup
from rmobench.optimizers.natural.gnc import gnc
from rmobench.optimizers.natural.gnc_group import MOVES, gnc_group
from rmobench.optimizers.natural.group_factor import group_of, stored
from rmobench.tasks.covariance.spd_problem import Point
from rmobench.tasks.covariance.structured_precision import structured_precision
from rmobench.tasks.covariance.structured_support import SUPPORTS, support_of
from rmobench.types import Problem
from tests.curvature.cases import Case, steepest
from tests.optimizers.manifold_problems import point, problem
from tests.optimizers.plain_oracle import PlainOracle, drive, normal
from tests.tasks.frame_cases import build

N = 6
S = point(Spd(), N, N, seed=1)
HOW = {"lr": 0.1, "momentum": 0.8}
PARTS = {"lower_toeplitz": ("a",), "upper_toeplitz": ("a",)}


def sized(name: str) -> Structure:
    return structure_named(name, 2 if name in SIZED else None)


def case(name: str) -> Case:
    """Return how to read tangents, and the basis."""
    structure = sized(name)
    free = {"lower_triangular": torch.tril, "upper_triangular": torch.triu}.get(name, Tensor.clone)
    tangent = structure.dense_tangent if name == "kronecker" else None
    return Case(structure, tangent=tangent, free=free)


def start(name: str, n: int = N) -> Factor:
    """Return a factor near the identity that has all entries of the structure."""
    unit = sized(name).identity(n, dtype=torch.float64, device="cpu")
    return tuple(a + 0.2 * b for a, b in zip(unit, case(name).draw(n), strict=True))


def likelihood(B: Tensor) -> Tensor:
    return ((S @ B) * B).sum() - 2.0 * torch.linalg.slogdet(B).logabsdet


def in_storage(name: str, f=likelihood) -> Problem:
    """Return the problem of minimising f(B), B in the storage of a structure."""
    structure, factor = sized(name), start(name)
    names = [f"part{i}" for i in range(len(factor))]
    model = Point(dict(zip(names, (a.clone() for a in factor), strict=True)), {})
    model.add_module("group", MatrixGroup(name, *names, n=N, size=2 if name in SIZED else None))

    def loss(model: Point, batch: object) -> Tensor:
        return f(structure.dense(tuple(model.get_parameter(name) for name in names)))

    return Problem(model=model, loss=loss, batches=itertools.repeat(None), judge=lambda m: {})


def whole(name: str, f=likelihood) -> Problem:
    """Return the problem of minimising f(B), B the parameter, with its support."""
    support = support_of(name, dim=N, dense_columns=2)
    p = problem(lambda B: f(B * support), sized(name).dense(start(name)), manifolds={})
    p.model.register_buffer("support", support)
    return p


def factor_of(p: Problem, name: str) -> Tensor:
    """Return B [n, n]."""
    values = tuple(x.detach() for x in p.params.values())
    return values[0] if "support" in dict(p.model.named_buffers()) else sized(name).dense(values)


# --- the step ----------------------------------------------------------------------------------------------

DENSE_MOVES: Mapping[str, object] = {
    "h1": lambda M: torch.eye(N, dtype=torch.float64) + M,
    "h2": lambda M: torch.eye(N, dtype=torch.float64) + M + 0.5 * M @ M,
    "exp": expm,
}

# the two matrices of a Kronecker factor move by h each, which is h of the tangent for the exponential alone
MOVED = [(name, m) for name in STRUCTURES for m in MOVES if name != "kronecker" or m == "exp"]


def by_definition(name: str, map_: str, n_steps: int) -> Tensor:
    """Return B after steps in dense matrices, along the steepest tangents over a basis."""
    B = sized(name).dense(start(name))
    m = torch.zeros_like(B)
    for _ in range(n_steps):
        M = B.T @ S @ B - torch.eye(N, dtype=torch.float64)  # B^T (S - X^-1) B
        m = HOW["momentum"] * m + steepest(case(name), M)
        B = B @ DENSE_MOVES[map_](-0.5 * HOW["lr"] * m)
    return B


@pytest.mark.parametrize(("name", "map_"), MOVED)
def test_a_step_in_storage_is_the_one_in_dense_matrices(name: str, map_: str) -> None:
    p = in_storage(name)
    drive(gnc_group(p, map=map_, **HOW), PlainOracle(p, n_calls=20))
    expected = by_definition(name, map_, 20)
    torch.testing.assert_close(factor_of(p, name), expected, rtol=0.0, atol=1e-10 * expected.abs().max().item())


@pytest.mark.parametrize("map_", MOVES)
@pytest.mark.parametrize("name", SUPPORTS)
def test_a_whole_matrix_moves_as_its_storage_does(name: str, map_: str) -> None:
    first, second = whole(name), in_storage(name)
    for p in (first, second):
        drive(gnc_group(p, map=map_, **HOW), PlainOracle(p, n_calls=30))
    torch.testing.assert_close(factor_of(first, name), factor_of(second, name), rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("map_", MOVES)
def test_in_the_group_of_all_matrices_it_is_gnc(map_: str) -> None:
    X = point(Spd(), N, N, seed=2)
    dense = problem(lambda x: (S * x).sum() - torch.logdet(x), X, manifolds={"a": Spd()})
    group = problem(likelihood, torch.linalg.cholesky(X), manifolds={})
    group.model.register_buffer("support", torch.ones(N, N, dtype=torch.float64))
    drive(gnc(dense, map=map_, **HOW), PlainOracle(dense, n_calls=40))
    drive(gnc_group(group, map=map_, **HOW), PlainOracle(group, n_calls=40))
    (x,), (B,) = dense.params.values(), group.params.values()
    torch.testing.assert_close((B @ B.mT).detach(), x.detach(), rtol=0.0, atol=1e-12 * x.abs().max().item())


@pytest.mark.parametrize("map_", MOVES)
@pytest.mark.parametrize("name", STRUCTURES)
def test_small_steps_descend_one_by_one_and_stay_in_the_group(name: str, map_: str) -> None:
    p = in_storage(name)
    optimizer, oracle, values = gnc_group(p, lr=0.01, momentum=0.0, map=map_), PlainOracle(p), []
    for _ in range(60):
        values.append(p.loss(p.model, None).item())
        drive(optimizer, oracle, n_steps=1)
    assert all(after < before for before, after in itertools.pairwise(values))
    free = case(name).free
    assert all(torch.equal(free(x.detach()), x) for x in p.params.values())


# --- where it ends -----------------------------------------------------------------------------------------

LIKELIHOOD = {"diagonal": 30.000, "arrow": 7.2915, "lower_triangular": -40.6469}
"""The least values on the correlations of breast_cancer, 30 x 30."""


def reached(structure: str, n_calls: int, lr: float) -> tuple[float, float]:
    """Return the value and the gap after so many steps."""
    p = build(structured_precision, structure=structure)
    drive(gnc_group(p, lr=lr), PlainOracle(p, n_calls=n_calls))
    judged = p.judge(p.model)
    return judged["objective"], judged["gap"]


@pytest.mark.parametrize("structure", ["diagonal", "lower_triangular"])
def test_structured_precisions_end_at_the_closed_form(structure: str) -> None:
    value, gap = reached(structure, 400, 0.1)
    assert value == pytest.approx(LIKELIHOOD[structure], abs=1e-4)
    assert gap <= 1e-6


@pytest.mark.parametrize("structure", [name for name in STRUCTURES if name != "arrow"])
def test_every_group_but_the_arrow_ends_at_its_certificate(structure: str) -> None:
    """By half the default step: where dense and Kronecker factors begin, the whole one overflows."""
    _, gap = reached(structure, 300, 0.05)
    assert abs(gap) <= 1e-6


@pytest.mark.parametrize("structure", ["dense", "kronecker"])
def test_the_default_step_overflows_where_the_start_is_steep(structure: str) -> None:
    _, gap = reached(structure, 30, 0.1)
    assert not gap < 1.0


def test_the_arrow_is_hard() -> None:
    """Its factor is badly conditioned: a hundredth of the gap is left after 400 steps."""
    value, gap = reached("arrow", 400, 0.1)
    assert LIKELIHOOD["arrow"] < value
    assert 1e-3 < gap < 0.05


# --- room and kernels --------------------------------------------------------------------------------------

LARGE = 512
PADDING = {"lower_toeplitz": 2.5 * (LARGE + 1) / LARGE, "upper_toeplitz": 2.5 * (LARGE + 1) / LARGE}


def one_step(name: str, map_: str, dtype: torch.dtype) -> tuple[Kernels, int]:
    """Return what was called in two steps from given gradients, and the number of entries of the storage."""
    structure = STRUCTURES[name]
    unit = structure.identity(LARGE, dtype=dtype, device="cpu")
    names = [f"part{i}" for i in range(len(unit))]
    model = Point(dict(zip(names, unit, strict=True)), {})
    model.add_module("group", MatrixGroup(name, *names, n=LARGE))
    p = Problem(model=model, loss=lambda model, batch: 0.0, batches=itertools.repeat(None), judge=lambda m: {})
    for x in p.params.values():
        x.grad = 1e-2 * x.detach().clone()
    optimizer = gnc_group(p, map=map_)
    with Kernels() as seen:
        for _ in range(2):
            optimizer.step(lambda: None)
    assert all(x.isfinite().all() for x in p.params.values())
    return seen, sum(a.numel() for a in unit)


@pytest.mark.parametrize("map_", MOVES)
@pytest.mark.parametrize("name", STRUCTURES)
def test_no_tensor_of_a_step_is_larger_than_the_storage(name: str, map_: str) -> None:
    seen, room = one_step(name, map_, torch.float64)
    assert 0 < seen.largest <= PADDING.get(name, 1.0) * room
    assert seen.largest < LARGE**2 or name in ("dense", "lower_triangular", "upper_triangular")
    assert seen.factorisations == ()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", STRUCTURES)
def test_a_step_is_taken_in_the_type_of_the_factor(name: str, dtype: torch.dtype) -> None:
    """But for Fourier transforms, which there are none of."""
    seen, _ = one_step(name, "h2", dtype)
    assert seen.dtypes == ({dtype, torch.float32} if name in PARTS else {dtype})


# --- which group -------------------------------------------------------------------------------------------


def test_groups_are_read_off_their_support() -> None:
    sizes = {"arrow": Arrow, "block_diagonal": BlockDiagonal, "hierarchical": lambda k: Hierarchical(k, k)}
    for n, k in ((9, 2), (9, 3), (7, 1), (8, 4)):
        for name, structure in sizes.items():
            if (name, k) not in (("block_diagonal", 1), ("hierarchical", 4)):
                assert group_of(support_of(name, dim=n, dense_columns=k)) == structure(k)
    ones = torch.ones(5, 5, dtype=torch.float64)
    assert group_of(torch.eye(5)) == Diagonal()
    assert group_of(ones.tril()) == LowerTriangular()
    assert group_of(ones.triu()) == UpperTriangular()
    assert group_of(ones) == Dense()
    assert group_of(torch.ones(1, 1)) == Diagonal()


@pytest.mark.parametrize("name", SUPPORTS)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 12])
def test_every_support_is_that_of_some_structure(name: str, n: int) -> None:
    """Small matrices of one structure may be those of another."""
    support = support_of(name, dim=n, dense_columns=3)
    structure = group_of(support)
    B = normal(n, n) * support
    torch.testing.assert_close(structure.dense(stored(structure, B)), B, rtol=0, atol=0)


def test_a_support_of_no_group_is_refused() -> None:
    odd = torch.eye(5)
    odd[0, 3] = odd[2, 1] = 1.0
    with pytest.raises(ArgumentError, match="gnc_group: the support is that of no dense, diagonal"):
        group_of(odd)


def test_parameters_that_do_not_fit_their_structure_are_refused() -> None:
    p = in_storage("kronecker")
    p.model.add_module("group", MatrixGroup("kronecker", "part0", "part1", n=N, size=3))
    with pytest.raises(
        ArgumentError, match=r"part0, part1 have the shapes \[\[2, 2\], \[3, 3\]\], expected \[\[3, 3\]"
    ):
        gnc_group(p)


def test_an_unknown_map_is_refused() -> None:
    with pytest.raises(ArgumentError, match="gnc_group: got map='h3', expected one of h1, h2, exp"):
        gnc_group(in_storage("dense"), map="h3")


def test_other_parameters_take_the_heavy_ball() -> None:
    p = in_storage("diagonal")
    p.model.register_parameter("other", torch.nn.Parameter(normal(3)))
    before = p.loss
    p = Problem(
        model=p.model,
        loss=lambda m, b: before(m, b) + 0.5 * m.get_parameter("other").square().sum(),
        batches=p.batches,
        judge=p.judge,
    )
    drive(gnc_group(p, lr=0.1, momentum=0.9), PlainOracle(p, n_calls=2))
    torch.testing.assert_close(p.params["other"].detach(), normal(3) * (0.9 - 0.1 * (0.9 + 0.9)), rtol=1e-12, atol=0.0)
