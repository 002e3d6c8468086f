"""The classical functions in the unit box: the same function behind an affine change of variables."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError, UnknownNameError
from rmobench.tasks.analytic.instances import FUNCTIONS, SHIFT_MAX, Instance, draw_instance, function_named
from rmobench.tasks.analytic.unit_box import unit_box
from rmobench.tasks.streams import stream
from rmobench.types import Problem

CPU = torch.device("cpu")
FREE = [name for name in FUNCTIONS if not function_named(name, 4).only_inside]
KINDS = {
    "plain": {},
    "shifted": {"shifted": True},
    "rotated": {"rotated": True},
    "moved": {"shifted": True, "rotated": True},
}
CASES = [
    pytest.param(name, kind, id=f"{name}-{word}")
    for name in FUNCTIONS
    for word, kind in KINDS.items()
    if name in FREE or not kind
]
every = pytest.mark.parametrize(("name", "kind"), CASES)


def build(name: str, dim: int = 4, seed: int = 1, dtype: torch.dtype = torch.float64, **kind: bool) -> Problem:
    return unit_box(seed, CPU, dtype, function=name, dim=dim, **kind)


def instance_of(name: str, dim: int = 4, seed: int = 1, **kind: bool) -> Instance:
    kind = {"shifted": False, "rotated": False, **kind}
    return draw_instance(function_named(name, dim), stream(seed, "instance"), **kind)


def loss_at(problem: Problem, x: Tensor) -> Tensor:
    with torch.no_grad():
        problem.params["x"].copy_(x)
        return problem.loss(problem.model, next(problem.batches))


@every
@pytest.mark.parametrize("dim", [4, 8])
def test_the_gap_is_one_at_the_start_and_zero_at_the_minimum(name: str, kind: dict[str, bool], dim: int) -> None:
    problem = build(name, dim, **kind)
    x = problem.params["x"].detach()
    assert x.abs().max() <= 1.0
    assert problem.judge(problem.model)["gap"] == pytest.approx(1.0, rel=1e-12)
    centre = instance_of(name, dim, **kind).centre
    loss_at(problem, centre)
    metrics = problem.judge(problem.model)
    assert metrics["gap"] == pytest.approx(0.0, abs=1e-10)
    assert metrics["residual"] == 0.0
    assert centre.abs().max() <= 1.0
    if "shifted" in kind:
        assert centre.abs().max() <= SHIFT_MAX


@every
def test_the_value_is_the_functions_own_at_the_mapped_point(name: str, kind: dict[str, bool]) -> None:
    """Divided by the height of the start; shifted and rotated about the minimiser by what the instance says."""
    problem, instance, own = build(name, **kind), instance_of(name, **kind), function_named(name, 4)
    half, middle = 0.5 * (own.high - own.low), 0.5 * (own.high + own.low)
    rotation = instance.rotation if "rotated" in kind else torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(4, dtype=torch.float64), rtol=0.0, atol=1e-14)

    def mapped(x: Tensor) -> Tensor:
        if not kind:
            return middle + half * x  # the domain is the box
        return own.minimiser + half * (rotation @ (x - instance.centre))

    start = problem.params["x"].detach().clone()
    height = own.value(mapped(start)) - own.optimum
    for x in 2.0 * torch.rand(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1.0:
        expected = own.value(mapped(x)) / height
        torch.testing.assert_close(loss_at(problem, x), expected, rtol=1e-11, atol=1e-11)
        gap = problem.judge(problem.model)["gap"]
        assert gap == pytest.approx(((own.value(mapped(x)) - own.optimum) / height).item(), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_corners_of_the_box_are_the_corners_of_the_domain(name: str) -> None:
    own, instance = function_named(name, 4), instance_of(name)
    ones = torch.ones(4, dtype=torch.float64)
    torch.testing.assert_close(instance.own(ones), own.high * ones, rtol=1e-14, atol=1e-13)
    torch.testing.assert_close(instance.own(-ones), own.low * ones, rtol=1e-14, atol=1e-13)


@pytest.mark.parametrize("kind", [{}, {"shifted": True, "rotated": True}], ids=["plain", "moved"])
def test_seeds_draw_the_start_and_the_instance(kind: dict[str, bool]) -> None:
    x = torch.full((4,), 0.3, dtype=torch.float64)
    first, again, other = (build("levy", seed=seed, **kind) for seed in (1, 1, 2))
    assert torch.equal(first.params["x"], again.params["x"])
    assert not torch.equal(first.params["x"], other.params["x"])
    assert torch.equal(loss_at(first, x), loss_at(again, x))
    assert not torch.equal(loss_at(first, x), loss_at(other, x))
    assert torch.equal(build("levy", **kind).params["x"], build("levy", shifted=True).params["x"])  # one start for all
    rounded = build("levy", dtype=torch.float32, **kind)
    assert rounded.params["x"].dtype == torch.float32
    assert loss_at(rounded, x).item() == pytest.approx(loss_at(first, x).item(), rel=1e-5)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - set(FREE)))
@pytest.mark.parametrize("kind", [{"shifted": True}, {"rotated": True}], ids=["shifted", "rotated"])
def test_functions_that_hold_inside_only_are_not_moved(name: str, kind: dict[str, bool]) -> None:
    with pytest.raises(ArgumentError, match=f"unit_box: {name} has its minimum inside its domain only"):
        build(name, **kind)
    problem = build(name)
    loss_at(problem, torch.full((4,), 1.25, dtype=torch.float64))
    assert problem.judge(problem.model)["residual"] == pytest.approx(0.25)  # in units of the box


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="rosenbrok"):
        build("rosenbrok")
    with pytest.raises(ArgumentError, match=r"powell: got dim=6, expected .* multiple of 4"):
        build("powell", 6)
