"""Tyler's scatter: the value, its scale, its fixed point, samples that have none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rmobench.errors import ArgumentError
from rmobench.tasks.covariance.instances import conditioned
from rmobench.tasks.covariance.tyler import scatter, tyler
from rmobench.tasks.streams import stream
from tests.tasks.covariance_cases import ROUNDING, constant, put
from tests.tasks.frame_cases import build


def test_the_value_by_its_definition() -> None:
    problem = build(tyler, dim=4, count=30)
    z, x = constant(problem, "rows").numpy(), problem.params["x"].detach().numpy()
    forms = np.einsum("mi,ij,mj->m", z, np.linalg.inv(x), z)
    expected = np.linalg.slogdet(x)[1] + 4.0 * np.log(forms).mean()
    assert problem.loss(problem.model, None).item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_scale_has_no_effect(scale: float) -> None:
    problem = build(tyler)
    start = problem.params["x"].detach().clone()
    assert start.trace().item() == pytest.approx(10.0, abs=ROUNDING)
    assert put(problem, {"x": scale * start})["gap"] == pytest.approx(1.0, abs=ROUNDING)
    best = scatter("test", constant(problem, "rows"))
    assert put(problem, {"x": scale * best})["gap"] == pytest.approx(0.0, abs=ROUNDING)


def test_the_gradient_leaves_the_determinant_alone() -> None:
    """The derivative of log det along the Riemannian gradient x g x is tr(g x)."""
    problem = build(tyler)
    problem.loss(problem.model, None).backward()
    x = problem.params["x"]
    assert abs((x.grad * x).sum().item()) < ROUNDING * len(x)


@pytest.mark.parametrize("data", ["synthetic", "wine", "breast_cancer"])
def test_the_scatter_is_a_fixed_point_of_trace_n(data: str) -> None:
    z = constant(build(tyler, data=data), "rows").numpy()
    x = scatter("test", torch.tensor(z)).numpy()
    n = len(x)
    forms = np.einsum("mi,ij,mj->m", z, np.linalg.inv(x), z)
    np.testing.assert_allclose(n * (z.T / forms) @ z / len(z), x, rtol=0.0, atol=1e-10)
    assert np.trace(x) == pytest.approx(n, abs=1e-10)


def test_of_many_samples_it_is_the_shape_that_they_were_drawn_with() -> None:
    problem = build(tyler, dim=3, count=20000, cond=10.0)
    shape = conditioned("tyler", dim=3, cond=10.0, generator=stream(0, "instance"))
    x = scatter("test", constant(problem, "rows"))
    torch.testing.assert_close(x / x.trace(), shape / shape.trace(), rtol=0.0, atol=0.02)


def test_the_lengths_of_samples_do_not_count() -> None:
    rows = constant(build(tyler), "rows")
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(200, dtype=torch.float64), rtol=0.0, atol=ROUNDING)


def test_digits_have_no_scatter() -> None:
    """Pixels that are black on nearly all images put nearly all rows into a subspace."""
    with pytest.raises(ArgumentError, match=r"^tyler: the reference iteration ends .* from its fixed point, expected"):
        build(tyler, data="digits")


def test_too_few_samples_have_no_scatter() -> None:
    with pytest.raises(ArgumentError, match=r"^tyler: got count=10, expected more samples than dim=10\."):
        build(tyler, count=10)
