"""What rules are trained on: gaps and slopes of the instances, and that none of them is an evaluation instance."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from rmobench.metatrain.distribution import COND_MAX, QUADRATIC, ZOOM, Batch, draw_batch
from rmobench.tasks.analytic.instances import FUNCTIONS, SHIFT_MAX, draw_instance, function_named
from rmobench.tasks.streams import stream

FREE = [name for name in FUNCTIONS if not function_named(name, 4).only_inside]
EACH = 6


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def minimisers(batch: Batch) -> Tensor:
    return torch.cat([part.centre for part in batch.parts])


@pytest.mark.parametrize("name", [*FUNCTIONS, QUADRATIC])
@pytest.mark.parametrize("dim", [4, 12])
def test_the_gap_is_one_at_the_start_and_zero_at_the_minimum(name: str, dim: int) -> None:
    """To the rounding of the minimum: some functions add terms that cancel there."""
    batch = draw_batch([name], dim, EACH, seeded())
    assert batch.start.shape == (EACH, dim)
    assert batch.start.abs().max() <= 1.0
    torch.testing.assert_close(batch.gap(batch.start), torch.ones(EACH, dtype=torch.float64), rtol=1e-12, atol=0.0)
    assert batch.gap(minimisers(batch)).abs().max() < 1e-8
    assert minimisers(batch).abs().max() <= SHIFT_MAX


@pytest.mark.parametrize("name", [*FREE, QUADRATIC])
def test_the_minimum_is_the_lowest_point(name: str) -> None:
    batch = draw_batch([name], 4, EACH, seeded(1))
    generator = seeded(2)
    for size in (1e-3, 0.1, 1.0, 5.0):
        for _ in range(20):
            offset = size * torch.randn(EACH, 4, generator=generator, dtype=torch.float64)
            assert batch.gap(minimisers(batch) + offset).min() > -1e-12


@pytest.mark.parametrize("name", [*FUNCTIONS, QUADRATIC])
def test_the_slope_is_that_of_finite_differences(name: str) -> None:
    batch = draw_batch([name], 4, EACH, seeded(3))
    x = batch.start + 0.01
    gap, slope = batch.slope(x)
    assert torch.equal(gap, batch.gap(x))
    assert not gap.requires_grad
    assert not slope.requires_grad
    h = 1e-6
    for i in range(4):
        e = torch.zeros(4, dtype=torch.float64)
        e[i] = h
        difference = (batch.gap(x + e) - batch.gap(x - e)) / (2.0 * h)
        size = slope.norm(dim=1).max().item()
        torch.testing.assert_close(slope[:, i], difference, rtol=1e-5, atol=1e-6 * size)  # h^2, and rounding over h


def test_a_batch_is_its_parts_one_after_the_other() -> None:
    names = ["rosenbrock", QUADRATIC, "levy"]
    batch = draw_batch(names, 3, EACH, seeded(4))
    x = batch.start * 0.7
    pieces = zip(batch.parts, batch.start.split(EACH), x.split(EACH), strict=True)
    apart = [Batch(parts=(part,), start=start).slope(piece) for part, start, piece in pieces]
    gap, slope = batch.slope(x)
    assert torch.equal(gap, torch.cat([g for g, _ in apart]))
    assert torch.equal(slope, torch.cat([s for _, s in apart]))
    twice = batch.repeat(2)
    assert torch.equal(twice.start, torch.cat([batch.start] * 2))
    assert torch.equal(twice.gap(torch.cat([x, x + 0.1])), torch.cat([gap, batch.gap(x + 0.1)]))


def test_a_value_is_the_functions_own_at_the_mapped_point() -> None:
    """The map is zoom half R, R a rotation for every second instance and the identity for the others."""
    function = function_named("rosenbrock", 5)
    (part,) = (batch := draw_batch(["rosenbrock"], 5, EACH, seeded(5))).parts
    x = torch.rand(EACH, 5, generator=seeded(6), dtype=torch.float64)
    zooms = []
    for k in range(EACH):
        linear = part.map[k] / (0.5 * (function.high - function.low))
        zoom = torch.linalg.det(linear).abs() ** (1 / 5)
        assert ZOOM[0] <= zoom <= ZOOM[1]
        zooms.append(zoom.item())
        eye = torch.eye(5, dtype=torch.float64)
        torch.testing.assert_close(linear.T @ linear, zoom**2 * eye)
        assert torch.allclose(linear, zoom * eye) == (k % 2 == 0)
        y, y0 = (function.minimiser + part.map[k] @ (z[k] - part.centre[k]) for z in (x, batch.start))
        expected = (function.value(y) - function.optimum) / (function.value(y0) - function.optimum)
        torch.testing.assert_close(batch.gap(x)[k], expected, rtol=1e-12, atol=0.0)
    assert max(zooms) - min(zooms) > 0.2


def test_quadratics_have_condition_numbers_up_to_the_largest() -> None:
    (part,) = draw_batch([QUADRATIC], 8, 50, seeded(7)).parts
    condition = torch.linalg.cond(part.map) ** 2  # of the Hessian
    assert condition.max() <= COND_MAX
    assert condition.max() > 100.0
    assert condition.min() < 10.0


def test_lower_precision_rounds_the_same_batch() -> None:
    exact, rounded = (draw_batch(["levy"], 4, 3, seeded(8), dtype) for dtype in (torch.float64, torch.float32))
    assert torch.equal(rounded.start, exact.start.float())
    gap, slope = rounded.slope(rounded.start)
    assert {gap.dtype, slope.dtype} == {torch.float32}
    torch.testing.assert_close(gap.double(), torch.ones(3, dtype=torch.float64), rtol=1e-5, atol=0.0)


def test_no_training_instance_is_a_validation_or_an_evaluation_instance() -> None:
    """They come from streams of other names: the same seeds give other minimisers, rotations and starts."""
    function = function_named("sphere", 3)
    drawn: dict[str, set[tuple[float, ...]]] = {"training": set(), "validation": set(), "evaluation": set()}
    for seed in range(4):
        for episode in range(3):
            for index in range(3):
                for stage in range(2):
                    generator = stream(seed, f"metatrain/{stage}/{index}/{episode}")
                    batch = draw_batch(["sphere"], 3, 4, generator)
                    drawn["training"] |= numbers(batch.start) | numbers(minimisers(batch))
        batch = draw_batch(["sphere"], 3, 4, stream(0, f"metatrain/validation/{seed + 2}"))
        drawn["validation"] |= numbers(batch.start) | numbers(minimisers(batch))
    for seed in range(50):
        instance = draw_instance(function, stream(seed, "instance"), shifted=True, rotated=True)
        start = 2.0 * torch.rand(3, generator=stream(seed, "init"), dtype=torch.float64) - 1.0
        drawn["evaluation"] |= numbers(torch.stack([instance.centre, start]))
    assert len(set.union(*drawn.values())) == sum(map(len, drawn.values())) == 2 * (4 * 3 * 3 * 2 * 4 + 4 * 4 + 50)


def numbers(points: Tensor) -> set[tuple[float, ...]]:
    return {tuple(p) for p in points.tolist()}
