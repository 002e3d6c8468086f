"""Classical optimizers against recursions written here from the papers, and against torch and scipy themselves."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.optimize
import torch
from numpy.typing import NDArray

from rmobench.optimizers.classical.adafactor import adafactor
from rmobench.optimizers.classical.adam import adam
from rmobench.optimizers.classical.adamw import adamw
from rmobench.optimizers.classical.gradient_descent import gradient_descent
from rmobench.optimizers.classical.heavy_ball import heavy_ball
from rmobench.optimizers.classical.lbfgs import lbfgs
from rmobench.optimizers.classical.muon import muon
from rmobench.optimizers.classical.nesterov import nesterov
from rmobench.optimizers.classical.rmsprop import rmsprop
from rmobench.registry import load, optimizers
from rmobench.types import Optimizer, Problem
from tests.optimizers.plain_oracle import PlainOracle, drive, hessian, normal, problem, quadratic, rosenbrock

Array = NDArray[np.float64]

ROUNDING = 1e-12
"""Some thousand roundings of O(1) numbers in float64."""

N_STEPS = 60
H = hessian(6).numpy()
X0 = normal(6).numpy()

# --- first-order rules on x H x / 2: each yields its iterates ------------------------------------------------


def descent(lr: float) -> Iterator[Array]:
    """x_k = (I - lr H)^k x_0."""
    for k in range(1, N_STEPS + 1):
        yield np.linalg.matrix_power(np.eye(6) - lr * H, k) @ X0


def polyak(lr: float, momentum: float) -> Iterator[Array]:
    """x_{k+1} = x_k - lr g(x_k) + momentum (x_k - x_{k-1}), Polyak 1964."""
    before, x = X0, X0
    for _ in range(N_STEPS):
        before, x = x, x - lr * H @ x + momentum * (x - before)
        yield x


def accelerated(lr: float, momentum: float) -> Iterator[Array]:
    """x_{k+1} = y_k - lr g(y_k), y_{k+1} = x_{k+1} + momentum (x_{k+1} - x_k): yields y."""
    x, y = X0, X0
    for _ in range(N_STEPS):
        before, x = x, y - lr * H @ y
        y = x + momentum * (x - before)
        yield y


def adaptive(
    lr: float, beta1: float, beta2: float, epsilon: float, weight_decay: float = 0.0, x: Array = X0
) -> Iterator[Array]:
    """Algorithm 1 of Kingma, Ba 2015; with the decay of algorithm 2 of Loshchilov, Hutter 2019 (schedule 1)."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, N_STEPS + 1):
        g = H @ x
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        x = x - lr * m_hat / (np.sqrt(v_hat) + epsilon) - lr * weight_decay * x
        yield x


def root_mean_square(lr: float, decay: float, epsilon: float, momentum: float) -> Iterator[Array]:
    """Divide by the running root mean square; momentum over the divided gradient, Hinton 2012."""
    x, v, b = X0, np.zeros(6), np.zeros(6)
    for _ in range(N_STEPS):
        g = H @ x
        v = decay * v + (1 - decay) * g**2
        b = momentum * b + g / (np.sqrt(v) + epsilon)
        x = x - lr * b
        yield x


RULES: list[tuple[Callable[[Problem], Optimizer], Iterator[Array]]] = [
    (lambda p: gradient_descent(p, lr=0.3), descent(0.3)),
    (lambda p: heavy_ball(p, lr=0.1, momentum=0.8), polyak(0.1, 0.8)),
    (lambda p: heavy_ball(p, lr=0.1, momentum=0.0), descent(0.1)),
    (lambda p: nesterov(p, lr=0.1, momentum=0.8), accelerated(0.1, 0.8)),
    (lambda p: nesterov(p, lr=0.1, momentum=0.0), descent(0.1)),
    (lambda p: adam(p), adaptive(0.01, 0.9, 0.999, 1e-8)),
    (lambda p: adam(p, lr=0.1, beta1=0.7, beta2=0.9, epsilon=1e-3), adaptive(0.1, 0.7, 0.9, 1e-3)),
    (lambda p: adamw(p), adaptive(0.01, 0.9, 0.999, 1e-8, 0.01)),
    (lambda p: adamw(p, lr=0.1, weight_decay=0.5), adaptive(0.1, 0.9, 0.999, 1e-8, 0.5)),
    (lambda p: adamw(p, weight_decay=0.0), adaptive(0.01, 0.9, 0.999, 1e-8)),
    (lambda p: rmsprop(p), root_mean_square(0.01, 0.99, 1e-8, 0.0)),
    (lambda p: rmsprop(p, lr=0.02, decay=0.9, momentum=0.5), root_mean_square(0.02, 0.9, 1e-8, 0.5)),
]


@pytest.mark.parametrize(("build", "expected"), RULES)
def test_follows_its_recursion(build: Callable[[Problem], Optimizer], expected: Iterator[Array]) -> None:
    p = quadratic(torch.from_numpy(H), torch.from_numpy(X0))
    oracle = PlainOracle(p)
    drive(build(p), oracle, n_steps=N_STEPS)
    np.testing.assert_allclose(torch.stack(oracle.iterates).numpy(), list(expected), rtol=0, atol=ROUNDING)
    assert oracle.asked == ["grad"] * N_STEPS


def test_decay_is_decoupled_from_the_gradient() -> None:
    """Where the gradient is zero, the parameters shrink by 1 - lr weight_decay per step and Adam's part is silent."""
    p = problem(lambda x: 0.0 * x.sum(), normal(5))
    oracle = PlainOracle(p)
    drive(adamw(p, lr=0.1, weight_decay=0.2), oracle, n_steps=10)
    torch.testing.assert_close(oracle.iterates[-1], normal(5) * (1 - 0.1 * 0.2) ** 10, rtol=0, atol=ROUNDING)


# --- Adafactor ---------------------------------------------------------------------------------------------


def rms(x: Array) -> float:
    return float(np.sqrt(np.mean(x**2)))


def factored(x: Array, gradient: Callable[[Array], Array], *, lr: float, tau: float, d: float) -> Iterator[Array]:
    """Algorithms 4 and 5 of Shazeer, Stern 2018 with lr for their 0.01: rows R and columns C of the mean square."""
    r = c = v = 0.0
    for t in range(1, N_STEPS + 1):
        g = gradient(x)
        beta = 1 - t**tau
        alpha = max(1e-3, rms(x)) * min(lr, 1 / np.sqrt(t))
        if x.ndim == 2:
            r = beta * r + (1 - beta) * (g**2).sum(axis=1)
            c = beta * c + (1 - beta) * (g**2).sum(axis=0)
            v = np.outer(r, c) / r.sum()
        else:
            v = beta * v + (1 - beta) * g**2
        u = g / np.sqrt(v)
        x = x - alpha * u / max(1.0, rms(u) / d)
        yield x


@pytest.mark.parametrize("shape", [(4, 3), (5,)])
@pytest.mark.parametrize(("lr", "tau", "d"), [(0.01, -0.8, 1.0), (0.3, -0.6, 2.0)])
def test_adafactor_follows_its_recursion(shape: tuple[int, ...], lr: float, tau: float, d: float) -> None:
    """With lr = 0.3 the step 1 / sqrt(t) takes over after 11 steps."""
    target, x0 = normal(*shape, seed=5), normal(*shape)
    p = problem(lambda x: ((x - target) ** 4).sum() / 4, x0)
    oracle = PlainOracle(p)
    drive(adafactor(p, lr=lr, decay_power=tau, clip=d), oracle, n_steps=N_STEPS)
    steps = factored(x0.numpy(), lambda x: (x - target.numpy()) ** 3, lr=lr, tau=tau, d=d)
    expected = np.stack([x.ravel() for x in steps])
    # torch keeps the step count, and so t ** tau and 1 / sqrt(t), exactly: Python floats
    np.testing.assert_allclose(torch.stack(oracle.iterates).numpy(), expected, rtol=0, atol=1e-10)


def test_adafactor_keeps_rows_and_columns() -> None:
    p = problem(lambda a, b: a.square().sum() + b.square().sum(), normal(40, 30), normal(7))
    optimizer = adafactor(p)
    drive(optimizer, PlainOracle(p), n_steps=2)
    assert sorted(t.numel() for t in optimizer.state()) == [1, 1, 7, 30, 40]


# --- Muon --------------------------------------------------------------------------------------------------


def newton_schulz(g: Array) -> Array:
    """Five steps of X <- a X + (b A + c A^2) X with A = X X^T, Jordan 2024, in float64."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (g.T if g.shape[0] > g.shape[1] else g) / np.linalg.norm(g)
    for _ in range(5):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x.T if g.shape[0] > g.shape[1] else x


@pytest.mark.parametrize("shape", [(8, 8), (12, 5), (5, 12)])
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_muon_steps_along_a_nearly_orthogonal_matrix(shape: tuple[int, int], size: float) -> None:
    """Whatever the gradient's size, the step is lr sqrt(max(1, n / p)) long in every singular direction."""
    g = size * normal(*shape, seed=4)
    p = problem(lambda x: (g * x).sum(), normal(*shape))
    drive(muon(p, lr=0.1), PlainOracle(p), n_steps=1)
    step = (normal(*shape) - p.params["a"].detach()) / (0.1 * max(1.0, shape[0] / shape[1]) ** 0.5)
    singular = torch.linalg.svdvals(step)
    assert 0.5 < singular.min() < singular.max() < 1.3  # 0.68 to 1.13 in exact arithmetic for directions above 0.01
    u, _, vh = torch.linalg.svd(g, full_matrices=False)
    assert (step - u @ vh).norm() / (u @ vh).norm() < 0.4
    # three digits of bfloat16 through five steps whose slope is up to 3.4
    np.testing.assert_allclose(step.numpy(), newton_schulz(g.numpy()), rtol=0, atol=0.1)


def test_muon_orthogonalises_its_nesterov_momentum() -> None:
    """After two gradients g1, g2: B = mu (1 - mu) g1 + (1 - mu) g2, direction mu B + (1 - mu) g2."""
    g1, g2, mu = normal(6, 4, seed=1), normal(6, 4, seed=2), 0.7
    gradients = iter((g1, g2))
    p = problem(lambda x: (next(gradients) * x).sum(), torch.zeros(6, 4, dtype=torch.float64))
    optimizer = muon(p, lr=1.0, momentum=mu)
    oracle = PlainOracle(p)
    drive(optimizer, oracle, n_steps=1)
    before = p.params["a"].detach().clone()
    drive(optimizer, oracle, n_steps=1)
    step = (before - p.params["a"].detach()) / (6 / 4) ** 0.5
    buffer = mu * (1 - mu) * g1 + (1 - mu) * g2
    expected = newton_schulz((mu * buffer + (1 - mu) * g2).numpy())
    np.testing.assert_allclose(step.numpy(), expected, rtol=0, atol=0.1)


@pytest.mark.parametrize("shape", [(6,), (1, 6, 1), (2, 3, 1, 1)])
def test_muon_leaves_what_is_no_matrix_to_adamw(shape: tuple[int, ...]) -> None:
    """The companion's recursion, beside a matrix and alone."""
    h, x0 = torch.from_numpy(H), torch.from_numpy(X0)
    expected = list(adaptive(3e-3, 0.9, 0.95, 1e-10, 0.1))

    def bowl(x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x.reshape(-1) @ (h @ x.reshape(-1))

    beside = problem(lambda a, b: a.square().sum() + bowl(b), normal(3, 2), x0.reshape(shape))
    alone = problem(bowl, x0.reshape(shape))
    for p, name in ((beside, "b"), (alone, "a")):
        drive(muon(p, companion_lr=3e-3, weight_decay=0.1), PlainOracle(p), n_steps=N_STEPS)
        x = p.params[name].detach().reshape(-1).numpy()
        np.testing.assert_allclose(x, expected[-1], rtol=0, atol=ROUNDING)


# --- L-BFGS and scipy's solvers against the originals --------------------------------------------------------


@pytest.mark.golden
@pytest.mark.parametrize("d", [2, 10])
def test_lbfgs_is_torchs_with_fewer_questions(d: int) -> None:
    """Every iterate is torch's, bit for bit; only evaluations at a point just evaluated are saved."""
    ours = PlainOracle(p := problem(rosenbrock, normal(d)))
    drive(lbfgs(p, history_size=5), ours, n_steps=40)
    theirs = PlainOracle(p := problem(rosenbrock, normal(d)))
    inner = torch.optim.LBFGS(
        p.params.values(),
        max_iter=1,
        max_eval=26,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        history_size=5,
        line_search_fn="strong_wolfe",
    )
    for _ in ours.iterates:
        inner.step(theirs)
        theirs.tick()
    assert torch.equal(torch.stack(ours.iterates), torch.stack(theirs.iterates))
    assert len(ours.asked) <= len(theirs.asked) - 0.7 * len(ours.iterates)


SOLVERS = {
    "bfgs": ("BFGS", {"gtol": 1e-150, "c1": 1e-4, "c2": 0.9}),
    "cg": ("CG", {"gtol": 1e-150, "c1": 1e-4, "c2": 0.4}),
    "newton_cg": ("Newton-CG", {"xtol": 0.0, "c1": 1e-4, "c2": 0.9}),
    "trust_ncg": ("trust-ncg", {"gtol": 1e-150, "initial_trust_radius": 1.0, "max_trust_radius": 1000.0, "eta": 0.15}),
}


def value_and_gradient(x: Array) -> tuple[float, Array]:
    point = torch.from_numpy(x).clone().requires_grad_()
    value = rosenbrock(point)
    (gradient,) = torch.autograd.grad(value, point)
    return value.item(), gradient.numpy()


def product(x: Array, v: Array) -> Array:
    point = torch.from_numpy(x).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(rosenbrock(point), point, create_graph=True)
    (hv,) = torch.autograd.grad((gradient * torch.from_numpy(v)).sum(), point)
    return hv.numpy()


@pytest.mark.golden
@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("d", [2, 5])
def test_scipys_solver_is_scipys(name: str, d: int) -> None:
    """Iterates, end, message and counts are those of a direct call with the same options, bit for bit."""
    method, options = SOLVERS[name]
    second_order = name in ("newton_cg", "trust_ncg")
    iterates: list[Array] = []
    products: list[Array] = []

    def counted(x: Array, v: Array) -> Array:
        products.append(product(x, v))
        return products[-1]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = scipy.optimize.minimize(
            value_and_gradient,
            normal(d).numpy(),
            method=method,
            jac=True,
            hessp=counted if second_order else None,
            callback=iterates.append,
            options={"maxiter": sys.maxsize, **options},
        )
    oracle = PlainOracle(p := problem(rosenbrock, normal(d)))
    message = drive(load(optimizers()[name].location)(p), oracle)
    assert message == theirs.message
    assert np.array_equal(p.params["a"].detach().numpy(), theirs.x)
    assert np.array_equal(torch.stack(oracle.iterates).numpy(), iterates)
    assert len(oracle.iterates) == theirs.nit
    assert oracle.asked.count("grad") == theirs.nfev
    assert oracle.asked.count("hvp") == len(products)
    if second_order:  # trust-ncg counts the Hessian that it was not given, too
        assert len(products) == theirs.nhev - (name == "trust_ncg")
    assert theirs.nit > 5
