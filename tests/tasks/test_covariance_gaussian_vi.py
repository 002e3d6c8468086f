"""Gaussian variational inference: moments against quadrature, known minima against closed forms and a fresh search."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError, UnknownNameError
from rmobench.geometry import Spd
from rmobench.tasks.analytic import rosenbrock
from rmobench.tasks.covariance.gaussian_vi import gaussian_vi
from rmobench.tasks.covariance.structured_gaussian_vi import WHOLE, structured_gaussian_vi, support_in
from rmobench.tasks.covariance.structured_support import SUPPORTS, support_of
from rmobench.tasks.covariance.valley import VALLEYS, expected, value
from rmobench.tasks.covariance.variational import BEST_KNOWN, DENSE, lowest_known, negative_elbo
from rmobench.tasks.covariance.variational_reference import ends
from tests.optimizers.manifold_problems import point
from tests.optimizers.plain_oracle import normal
from tests.tasks.frame_cases import build

QUADRATURE = 1e-10
"""Relative; five nodes in each direction are exact for the polynomials, up to rounding."""

FOUND = 1e-12
"""Relative difference of two searches' values: rounding only, as both end with Newton steps."""

NO_SLOPE = 1e-12
"""Largest entry of a gradient at a frozen minimum."""

DIMS, TEMPERATURES = (2, 5, 10), (0.1, 1.0, 10.0)
KNOWN = (DENSE, *(name for name in SUPPORTS if name not in WHOLE))
NESTED = ((DENSE, "arrow"), (DENSE, "block_diagonal"), (DENSE, "hierarchical"))
"""Wider families before narrower ones; every family has the diagonal precisions."""
VALUES = json.loads(BEST_KNOWN.read_text(encoding="utf-8"))["values"]


def l_of(function: str, w: Tensor) -> Tensor:
    valley = VALLEYS[function](w.shape[-1])
    return value(w, valley.weights, valley.centres, walls=valley.walls)


def slope_of(function: str):
    """Return w -> the gradient of l, [d]."""
    return torch.func.grad(lambda w: l_of(function, w))


def hessian_of(function: str):
    """Return w -> the Hessian of l, [d, d]."""
    return torch.func.jacrev(slope_of(function))


def average(f, mean: Tensor, covariance: Tensor) -> Tensor:
    """Return the mean of f over N(mean, covariance) by Gauss-Hermite quadrature, five nodes in each direction."""
    nodes, weights = (torch.tensor(a) for a in np.polynomial.hermite_e.hermegauss(5))
    points = torch.cartesian_prod(*[nodes] * len(mean)) @ torch.linalg.cholesky(covariance).T + mean
    shares = torch.cartesian_prod(*[weights / weights.sum()] * len(mean)).prod(1)
    return torch.tensordot(shares, torch.func.vmap(f)(points), 1)


# --- functions and moments ---------------------------------------------------------------------------------


def test_rosenbrock_is_the_analytic_one() -> None:
    w = normal(7, 5)
    torch.testing.assert_close(l_of("rosenbrock", w), rosenbrock.value(w), rtol=1e-14, atol=0.0)


def test_the_banana_is_a_twisted_normal_distribution() -> None:
    """Undone by w_2 + b w_1^2 - 100 b, its coordinates are normal of variances 100, 1, 1, ..."""
    w = normal(7, 4)
    straight = w.clone()
    straight[:, 1] += 0.1 * w[:, 0] ** 2 - 10.0
    variances = torch.tensor([100.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(l_of("banana", w), 0.5 * (straight**2 / variances).sum(1), rtol=1e-14, atol=0.0)


@pytest.mark.parametrize("function", VALLEYS)
@pytest.mark.parametrize(("dim", "seed"), [(2, 0), (2, 1), (3, 2), (4, 3)])
def test_the_mean_and_its_gradients_are_those_of_quadrature(function: str, dim: int, seed: int) -> None:
    """The gradient in the mean is the mean gradient, that in the covariance half of the mean Hessian."""
    mean, covariance = normal(dim, seed=seed), point(Spd(), dim, dim, seed=seed)
    valley = VALLEYS[function](dim)

    def closed(mean: Tensor, covariance: Tensor) -> Tensor:
        root = torch.linalg.cholesky(covariance).mT
        return expected(mean, root, valley.weights, valley.centres, walls=valley.walls)

    slopes = torch.func.grad(closed, argnums=(0, 1))(mean, covariance)
    exact = (
        average(lambda w: l_of(function, w), mean, covariance),
        average(slope_of(function), mean, covariance),
        0.5 * average(hessian_of(function), mean, covariance),
    )
    for got, by_quadrature in zip((closed(mean, covariance), *slopes), exact, strict=True):
        scale = by_quadrature.abs().max().item()
        torch.testing.assert_close(got, by_quadrature, rtol=0.0, atol=QUADRATURE * scale)


def test_the_entropy_is_that_of_the_distribution() -> None:
    mean, x = normal(4), point(Spd(), 4, 4)
    valley = VALLEYS["banana"](4)
    how = {"weights": valley.weights, "centres": valley.centres, "walls": valley.walls}
    values = [negative_elbo(mean, torch.linalg.cholesky(x), temperature=t, **how) for t in (0.0, 2.0)]
    entropy = torch.distributions.MultivariateNormal(mean, precision_matrix=x).entropy()
    assert (values[0] - values[1]).item() == pytest.approx(2.0 * entropy.item(), rel=1e-12)


@pytest.mark.parametrize("function", VALLEYS)
def test_a_precision_and_its_factor_have_one_value(function: str) -> None:
    whole, structured = build(gaussian_vi, function=function), build(structured_gaussian_vi, function=function)
    with torch.no_grad():
        B = structured.params["B"]
        whole.params["x"].copy_(B @ B.mT)
        whole.params["mean"].copy_(structured.params["mean"])
    values = [p.loss(p.model, None).item() for p in (whole, structured)]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


# --- the minima --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", VALLEYS)
@pytest.mark.parametrize("temperature", [0.5])
def test_where_it_ends_the_mean_gradient_is_zero_and_the_mean_hessian_the_precision(
    function: str, temperature: float
) -> None:
    """By quadrature; the last only on the diagonal where the precision is diagonal."""
    for structure in ("lower_triangular", "diagonal"):
        support = support_of(structure, dim=3, dense_columns=0)
        best = ends(VALLEYS[function](3), support, temperature=temperature, n_starts=1)[0]
        S = best.factor @ best.factor.T
        covariance = torch.linalg.inv(S)
        g = average(slope_of(function), best.mean, covariance)
        H = average(hessian_of(function), best.mean, covariance)
        torch.testing.assert_close(g, torch.zeros_like(g), rtol=0.0, atol=1e-9)
        mask = support * support.T if structure == "diagonal" else torch.ones_like(S)
        torch.testing.assert_close(mask * H, temperature * S, rtol=0.0, atol=1e-9 * S.abs().max().item())


def best_banana(dim: int, temperature: float) -> float:
    """Return the lowest value: independent coordinates of variances p and temperature t, 4 b^2 p^2 + p / 100 = t.

    At the mean (0, 100 b - b p, 0, ...), that of w_2 + b w_1^2 - 100 b is 0 and its variance t + 2 b^2 p^2.
    """
    b, t = 0.1, temperature
    p = (-0.01 + math.sqrt(0.01**2 + 16.0 * b**2 * t)) / (8.0 * b**2)
    energy = p / 200.0 + b**2 * p**2 + 0.5 * (dim - 1) * t
    log_det = math.log(p) + (dim - 1) * math.log(t)
    return energy - t * 0.5 * (dim * (1.0 + math.log(2.0 * math.pi)) + log_det)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_best_normal_distribution_of_the_banana(dim: int, temperature: float) -> None:
    for support in KNOWN:
        known = lowest_known("test", "banana", dim, temperature, support)
        assert known == pytest.approx(best_banana(dim, temperature), rel=FOUND, abs=FOUND)


def test_there_is_a_minimum_for_all_arguments() -> None:
    """Frozen without a slope, at a minimum in all directions; a wider family reaches lower."""
    keys = [(v["function"], v["dim"], v["temperature"], v["support"]) for v in VALUES]
    assert sorted(keys) == sorted(itertools.product(VALLEYS, DIMS, TEMPERATURES, KNOWN))
    for v in VALUES:
        assert v["provenance"]["largest_slope"] <= NO_SLOPE
        assert v["provenance"]["lowest_curvature"] > 0.0
    for function, dim, temperature in itertools.product(VALLEYS, DIMS, TEMPERATURES):
        lowest = {support: lowest_known("test", function, dim, temperature, support) for support in KNOWN}
        for wider, narrower in (*NESTED, *((name, "diagonal") for name in KNOWN)):
            assert lowest[wider] - FOUND <= lowest[narrower]


@pytest.mark.parametrize(
    ("dim", "structure", "temperature"),
    [
        (2, "lower_triangular", 0.1),
        (2, "diagonal", 10.0),
        (5, "lower_triangular", 1.0),
        (5, "arrow", 10.0),
        (5, "block_diagonal", 10.0),
        (5, "hierarchical", 10.0),
    ],
)
def test_a_search_finds_the_frozen_minimum_again(dim: int, structure: str, temperature: float) -> None:
    support = support_in(structure, dim)
    found = ends(VALLEYS["rosenbrock"](dim), support, temperature=temperature, n_starts=2)[0].value
    known = lowest_known("test", "rosenbrock", dim, temperature, DENSE if structure in WHOLE else structure)
    assert found == pytest.approx(known, rel=FOUND)


@pytest.mark.parametrize(
    ("function", "dim", "evidence"),
    [("rosenbrock", 2, math.pi / 10.0), *(("banana", d, 10.0 * (2.0 * math.pi) ** (d / 2)) for d in DIMS)],
)
def test_at_temperature_one_it_is_a_bound_of_the_evidence(function: str, dim: int, evidence: float) -> None:
    """The integral of exp(-l), which is known."""
    assert lowest_known("test", function, dim, 1.0, DENSE) > -math.log(evidence)


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [gaussian_vi, structured_gaussian_vi])
def test_arguments_without_a_known_minimum_are_refused(task) -> None:
    with pytest.raises(UnknownNameError, match="donut"):
        build(task, function="donut")
    for wrong in ({"dim": 3}, {"dim": 1}, {"temperature": 2.0}):
        with pytest.raises(ArgumentError, match=r"dim one of 2, 5, 10, temperature one of 0\.1, 1\.0, 10\.0"):
            build(task, **wrong)


def test_an_unknown_structure_is_refused() -> None:
    with pytest.raises(
        ArgumentError, match="expected one of diagonal, arrow, lower_triangular, upper_triangular, block_diagonal"
    ):
        build(structured_gaussian_vi, structure="toeplitz")
