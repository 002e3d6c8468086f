"""The analytic functions against their publications, scipy, finite differences and dense searches."""

import importlib
import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch

from rmobench.registry import load, tasks
from rmobench.tasks.analytic import dixon_price, michalewicz, saddle_escape, schwefel, styblinski_tang
from rmobench.tasks.analytic.heavy_tailed_noise import student_t
from rmobench.tasks.analytic.quadratic import eigenvalues
from tests.golden import plain_formulas

pytestmark = pytest.mark.golden

CPU = torch.device("cpu")
ROUNDING = 1e-11  # relative: some ten thousand roundings in float64, for sums of up to a hundred terms
STATIONARY = 1e-9  # gradient at a minimiser that is rounded to float64, relative to the Hessian's scale
PRINTED = 5e-6  # values that a publication prints with five digits after the point

ARGS = {
    "quadratic": {"cond": 100.0, "spectrum": "log", "seed": 0},
    "saddle_escape": {"curvature": 0.01, "seed": 0},
    "bad_scaling": {"decades": 8.0},
}
SMOOTH = (
    *("ackley", "bad_scaling", "curved_valley", "dixon_price", "griewank", "heavy_tailed_noise", "levy"),
    *("michalewicz", "perm_0_d_beta", "perm_d_beta", "plateau", "powell", "quadratic", "rastrigin", "rosenbrock"),
    *("rotated_hyper_ellipsoid", "saddle_escape", "schwefel", "sphere", "styblinski_tang"),
    *("sum_of_different_powers", "sum_squares", "trid", "zakharov"),
)
NAMES = (*SMOOTH, "kink")
DIMS = {"powell": (4, 8, 12)}
CASES = [(name, dim) for name in NAMES for dim in DIMS.get(name, (2, 5, 10))]
SMOOTH_CASES = [(name, dim) for name, dim in CASES if name in SMOOTH]


def describe(name, dim):
    module = importlib.import_module(f"rmobench.tasks.analytic.{name}")
    return module.function(dim, **ARGS.get(name, {}))


def inside(function, shape, seed=0):
    """Draw points [*shape, d] uniformly in the domain."""
    generator = torch.Generator().manual_seed(seed)
    unit = torch.rand(*shape, len(function.minimiser), generator=generator, dtype=torch.float64)
    return function.low + (function.high - function.low) * unit


def gradient(function, x):
    """Differentiate one value per row: x [n, d] -> [n, d]."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function.value(x).sum(), x)[0]


def hessian(function, x):
    """Differentiate twice by autograd, column by column as an oracle's hvp does: x [d] -> [d, d]."""
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(function.value(x), x, create_graph=True)
    return torch.stack([torch.autograd.grad(g, x, retain_graph=True)[0] for g in slope])


def plain(name, dim):
    """Return the plain formula of one argument."""
    formula = getattr(plain_formulas, name)
    if name == "quadratic":
        function = describe(name, dim)
        curvature = hessian(function, function.minimiser).tolist()
        return lambda x: formula(x, curvature, function.minimiser.tolist())
    if name == "saddle_escape":
        way_out = saddle_escape.direction(dim, ARGS[name]["seed"]).tolist()
        return lambda x: formula(x, way_out)
    return formula


# --- values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dim"), CASES)
def test_values_are_the_published_formula_in_plain_python(name, dim):
    function, formula = describe(name, dim), plain(name, dim)
    points = inside(function, (20,))
    expected = [formula(x) for x in points.tolist()]
    np.testing.assert_allclose(function.value(points), expected, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize(("name", "dim"), CASES)
def test_the_minimiser_has_the_optimum_and_lies_in_the_domain(name, dim):
    function = describe(name, dim)
    tolerance = 1e-14 * dim * max(1.0, abs(function.high))  # one rounding of every coordinate's term
    assert function.value(function.minimiser).item() == pytest.approx(function.optimum, rel=1e-14, abs=tolerance)
    assert function.low <= function.minimiser.min() and function.minimiser.max() <= function.high
    assert function.minimiser.shape == (dim,) and function.minimiser.dtype == torch.float64


@pytest.mark.parametrize(("name", "dim"), CASES)
def test_no_point_in_the_domain_beats_the_optimum(name, dim):
    """Uniform points, and clouds around the minimiser of ever smaller radius."""
    function = describe(name, dim)
    generator = torch.Generator().manual_seed(1)
    radii = (function.high - function.low) * torch.logspace(-7, -1, 3000, dtype=torch.float64).unsqueeze(-1)
    cloud = function.minimiser + radii * torch.randn(3000, dim, generator=generator, dtype=torch.float64)
    if function.only_inside:
        cloud = cloud.clamp(function.low, function.high)
    values = function.value(torch.cat([inside(function, (5000,)), cloud]))
    assert values.min().item() >= function.optimum - 1e-13 * dim * max(1.0, abs(function.high))


@pytest.mark.parametrize(("name", "dim"), CASES)
def test_batches_equal_loops(name, dim):
    function = describe(name, dim)
    points = inside(function, (2, 3))
    looped = torch.stack([torch.stack([function.value(x) for x in row]) for row in points])
    torch.testing.assert_close(function.value(points), looped, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize(("name", "dim"), CASES)
def test_float32_values_are_float64_values_rounded(name, dim):
    """Relative to the larger of the value and the size of its terms, here the median value in the domain."""
    function = describe(name, dim)
    points = inside(function, (20,)).float()
    exact = function.value(points.double())
    rounded = function.value(points)
    assert rounded.dtype == torch.float32
    scale = exact.abs().median().item() + dim
    torch.testing.assert_close(rounded.double(), exact, rtol=1e-3, atol=1e-4 * scale)


# --- derivatives -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dim"), CASES)
def test_gradients_agree_with_central_differences(name, dim):
    """A step of 1e-6 relative to the coordinate; the tolerance adds what the value's rounding does over it."""
    function = describe(name, dim)
    points = inside(function, (5,))
    slopes = gradient(function, points)
    for k in range(dim):
        h = 1e-6 * (points[:, k].abs() + 1e-2)
        step = torch.zeros_like(points)
        step[:, k] = h
        measured = (function.value(points + step) - function.value(points - step)) / (2.0 * h)
        rounding = 1e-14 * dim * (function.value(points).abs() + abs(function.optimum) + 1.0) / h
        error = (measured - slopes[:, k]).abs()
        assert (error <= 1e-6 * slopes.abs().amax(-1) + rounding).all(), (k, error)


@pytest.mark.parametrize("where", ["inside", "minimiser"])
@pytest.mark.parametrize(("name", "dim"), SMOOTH_CASES)
def test_hessians_agree_with_central_differences_of_the_gradient(name, dim, where):
    if (name, where) == ("ackley", "minimiser"):
        pytest.skip("the gradient of ackley jumps at its minimiser")
    function = describe(name, dim)
    x = inside(function, ()) if where == "inside" else function.minimiser
    curvature = hessian(function, x)
    scale = curvature.abs().max().item()
    torch.testing.assert_close(curvature, curvature.mT, rtol=ROUNDING, atol=ROUNDING * scale)
    h = 1e-6 * (x.abs() + 1e-2)
    ahead, behind = gradient(function, x + torch.diag(h)), gradient(function, x - torch.diag(h))
    measured = (ahead - behind) / (2.0 * h).unsqueeze(-1)
    rounding = 1e-14 * dim * ahead.abs().max().item() / h.min().item()
    torch.testing.assert_close(measured, curvature, rtol=1e-5, atol=1e-5 * scale + rounding)


@pytest.mark.parametrize(("name", "dim"), CASES)
def test_the_gradient_vanishes_at_the_minimiser(name, dim):
    """Where it jumps (ackley, kink), autograd gives the subgradient 0."""
    function = describe(name, dim)
    slope = gradient(function, function.minimiser.unsqueeze(0))
    scale = max(1.0, hessian(function, function.minimiser).abs().max().item()) if name in SMOOTH else 1.0
    assert slope.abs().max().item() <= STATIONARY * scale


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("name", "dim"), SMOOTH_CASES)
def test_second_derivatives_are_finite_at_the_minimiser_and_at_the_origin(name, dim, dtype):
    function = describe(name, dim)
    for x in (function.minimiser.to(dtype), torch.zeros(dim, dtype=dtype)):
        assert torch.isfinite(hessian(function, x)).all()


@pytest.mark.parametrize("name", NAMES)
def test_functions_can_be_mapped_over_a_batch_of_tasks(name):
    """torch.func's vmap of grad gives the batched gradient: learned optimizers are trained so."""
    function = describe(name, 8)
    points = inside(function, (3,))
    mapped = torch.func.vmap(torch.func.grad(function.value))(points)
    torch.testing.assert_close(mapped, gradient(function, points), rtol=ROUNDING, atol=ROUNDING)


# --- other libraries and published numbers -------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 5, 10, 100])
def test_rosenbrock_is_scipys(dim):
    function = describe("rosenbrock", dim)
    x = inside(function, ())
    v = torch.randn(dim, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    curvature = hessian(function, x)
    assert function.value(x).item() == pytest.approx(scipy.optimize.rosen(x.numpy()), rel=ROUNDING)
    np.testing.assert_allclose(
        gradient(function, x.unsqueeze(0))[0], scipy.optimize.rosen_der(x.numpy()), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(curvature, scipy.optimize.rosen_hess(x.numpy()), rtol=ROUNDING, atol=1e-8)
    product = scipy.optimize.rosen_hess_prod(x.numpy(), v.numpy())
    np.testing.assert_allclose(curvature @ v, product, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize(("dim", "published"), [(2, -1.8013), (5, -4.687658), (10, -9.66015)])
def test_michalewicz_reaches_the_published_minima(dim, published):
    assert michalewicz.function(dim).optimum == pytest.approx(published, abs=10 * PRINTED)


@pytest.mark.parametrize("i", [*range(1, 31), 100, 333, 998, 999, 1000])
def test_michalewicz_minimises_every_coordinate(i):
    """A dense grid over [0, pi], then Brent's method around each of its minima that may be the deepest."""

    def one(x):
        return -np.sin(x) * np.sin(i * x**2 / np.pi) ** 20

    grid = np.linspace(0.0, np.pi, 100_001)
    values, width = one(grid), grid[1]
    lower = (values[1:-1] <= values[:-2]) & (values[1:-1] <= values[2:]) & (values[1:-1] < values.min() + 5e-3)
    found = min(
        scipy.optimize.minimize_scalar(one, bounds=(x - width, x + width), options={"xatol": 1e-12}).fun
        for x in grid[1:-1][lower]
    )
    ours = one(michalewicz.minimise(1000)[i - 1].item())
    assert found - 1e-10 <= ours <= found + 1e-14  # Newton's method on the slope is the more precise of the two


@pytest.mark.parametrize(("dim", "value"), [(2, -2.0), (6, -50.0), (10, -210.0)])
def test_trid_has_the_published_minima(dim, value):
    assert describe("trid", dim).optimum == value


def test_constants_are_stationary_and_as_published():
    x = schwefel.MINIMISER
    assert math.tan(math.sqrt(x)) == pytest.approx(-math.sqrt(x) / 2, rel=1e-12)
    assert x * math.sin(math.sqrt(x)) == pytest.approx(schwefel.HEIGHT, rel=1e-15)
    assert (x, schwefel.HEIGHT) == (pytest.approx(420.9687, abs=1e-4), pytest.approx(418.9829, abs=1e-4))
    y = styblinski_tang.MINIMISER
    assert 4 * y**3 - 32 * y + 5 == pytest.approx(0.0, abs=1e-13)
    assert (y, styblinski_tang.DEPTH) == (pytest.approx(-2.903534, abs=1e-6), pytest.approx(-39.16617, abs=PRINTED))


@pytest.mark.parametrize("dim", [2, 100, 1000])
def test_schwefel_is_zero_at_its_minimum(dim):
    function = schwefel.function(dim)
    assert abs(function.value(function.minimiser).item()) <= 1e-9 * dim


@pytest.mark.parametrize("dim", [3, 10])
def test_dixon_price_has_a_trap_of_two_thirds(dim):
    function = dixon_price.function(dim)
    trap = torch.zeros(1, dim, dtype=torch.float64)
    trap[0, 0] = 1.0 / 3.0
    assert function.value(trap).item() == pytest.approx(2.0 / 3.0, rel=1e-15)
    assert gradient(function, trap).abs().max().item() <= 1e-15


# --- what the pathologies promise ----------------------------------------------------------------------------


@pytest.mark.parametrize("spectrum", ["log", "linear", "one_outlier"])
@pytest.mark.parametrize(("dim", "cond"), [(2, 1.0), (10, 100.0), (30, 1e6)])
def test_quadratic_has_the_requested_eigenvalues(spectrum, dim, cond):
    module = importlib.import_module("rmobench.tasks.analytic.quadratic")
    function = module.function(dim, cond=cond, spectrum=spectrum, seed=3)
    measured = torch.linalg.eigvalsh(hessian(function, torch.zeros(dim, dtype=torch.float64)))
    wanted = eigenvalues(dim, cond=cond, spectrum=spectrum)
    torch.testing.assert_close(measured, wanted, rtol=0.0, atol=1e-14 * dim)
    assert (wanted.max() / wanted.min()).item() == pytest.approx(cond)


def test_the_spectra_are_what_their_names_say():
    log, linear, outlier = (
        eigenvalues(5, cond=16.0, spectrum=spectrum) for spectrum in ("log", "linear", "one_outlier")
    )
    torch.testing.assert_close(log, torch.tensor([1, 2, 4, 8, 16], dtype=torch.float64) / 16)
    torch.testing.assert_close(linear.diff(), torch.full((4,), 15 / 64, dtype=torch.float64))
    assert outlier.tolist() == [1 / 16] * 4 + [1.0]


def start_of(name, seed=0, dtype=torch.float64, **args):
    spec = tasks()[name]
    problem = load(spec.location)(seed, CPU, dtype, **{**spec.args, **args})
    return problem, problem.params["x"].detach()


@pytest.mark.parametrize("dim", [2, 10, 50])
def test_saddle_escape_starts_at_a_strict_saddle_with_one_faint_way_out(dim):
    _, x = start_of("saddle_escape", dim=dim)
    function = describe("saddle_escape", dim)
    values, vectors = torch.linalg.eigh(hessian(function, x))
    assert values[0].item() == pytest.approx(-0.01, abs=1e-5)
    torch.testing.assert_close(values[1:], torch.ones(dim - 1, dtype=torch.float64))
    assert abs(vectors[:, 0] @ saddle_escape.direction(dim, 0)).item() == pytest.approx(1.0)
    assert function.optimum == pytest.approx(-2.0 / 3.0, rel=0.02)
    assert function.value(-function.minimiser).item() == pytest.approx(function.optimum)


@pytest.mark.parametrize("dim", [2, 10, 1000])
def test_plateau_starts_where_the_slope_is_a_thousandth_of_the_steepest(dim):
    _, x = start_of("plateau", dim=dim)
    function = describe("plateau", dim)
    ray = (x - 1.0) / (x - 1.0).norm()
    along = 1.0 + torch.linspace(0.0, 3.0, 301, dtype=torch.float64).unsqueeze(-1) * math.sqrt(dim) * ray
    slopes = gradient(function, along).norm(dim=-1)
    assert slopes[-1] / slopes.max() == pytest.approx(1e-3, rel=0.2)


def test_bad_scaling_spans_eight_powers_of_ten_along_the_axes():
    curvature = hessian(describe("bad_scaling", 10), torch.zeros(10, dtype=torch.float64))
    torch.testing.assert_close(curvature, torch.diag(curvature.diagonal()))
    assert (curvature.diagonal()[0] / curvature.diagonal()[-1]).item() == pytest.approx(1e8)


def test_curved_valley_starts_on_the_floor_and_is_ill_conditioned_at_the_minimum():
    _, x = start_of("curved_valley")
    function = describe("curved_valley", 10)
    assert function.value(x).item() == pytest.approx(x[0].item() ** 2 / 2)
    values = torch.linalg.eigvalsh(hessian(function, function.minimiser))
    assert values[0] > 0.0
    assert values[-1] / values[0] > 1e5


@pytest.mark.parametrize("dim", [2, 10])
def test_kink_is_as_steep_near_the_minimum_as_far_away(dim):
    function = describe("kink", dim)
    ray = inside(function, (1,)) - function.minimiser
    near, far = (gradient(function, function.minimiser + t * ray) for t in (1e-6, 1.0))
    torch.testing.assert_close(near, far)


def test_the_noise_is_students_t_with_infinite_variance():
    """Median, tails and the whole law at 100 000 draws with a fixed seed."""
    noise = student_t((100_000,), torch.Generator().manual_seed(0)).numpy()
    law = scipy.stats.t(1.5)
    assert scipy.stats.kstest(noise, law.cdf).pvalue > 0.01
    assert abs(np.median(noise)) < 0.02
    for far in (10.0, 50.0):
        assert np.mean(abs(noise) > far) == pytest.approx(2 * law.sf(far), rel=0.2)


def test_the_noise_reaches_the_gradient_and_not_the_judge():
    problem, x = start_of("heavy_tailed_noise")
    function = describe("heavy_tailed_noise", 10)
    noise = next(problem.batches)
    loss = problem.loss(problem.model, noise)
    loss.backward()
    assert loss.item() == pytest.approx((function.value(x) + noise @ x).item())
    torch.testing.assert_close(problem.params["x"].grad - gradient(function, x.unsqueeze(0))[0], noise)
    assert problem.judge(problem.model)["objective"] == pytest.approx(function.value(x).item())


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_on_the_gpu_equal_those_on_the_cpu(name):
    function = describe(name, 8)
    points = inside(function, (3,))
    torch.testing.assert_close(function.value(points.cuda()).cpu(), function.value(points), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        gradient(function, points.cuda()).cpu(), gradient(function, points), rtol=1e-9, atol=1e-9
    )
