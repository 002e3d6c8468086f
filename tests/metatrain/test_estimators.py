"""The outer gradients against what they estimate: full unrolls by autograd, smoothed objectives by quadrature."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from rmobench.metatrain.distribution import draw_batch
from rmobench.metatrain.estimator import Estimator, Inner
from rmobench.metatrain.nres import NRES
from rmobench.metatrain.pes import PES
from rmobench.metatrain.truncated import Truncated
from rmobench.metatrain.unroll import CEILING, FLOOR, SLOPE_MAX, Unroll, log_gap
from rmobench.optimizers.learned.architectures import EUCLIDEAN
from rmobench.optimizers.learned.rule import State, Theta

SIGMA = 0.1
WINDOW, N_WINDOWS = 2, 3
THETA = {"a": torch.tensor(0.9, dtype=torch.float64), "b": torch.tensor(0.2, dtype=torch.float64)}
N_PAIRS, N_GROUPS = 20_000, 100  # groups of pairs give the standard error
QUADRATURE = 5e-5  # error of the quadrature with 5 nodes per dimension


class Recursion:
    """n copies of h <- tanh(a h + b), each step's loss (h - 1)^2: the state remembers theta."""

    def __init__(self, n: int = 1) -> None:
        self.n = n

    def begin(self, theta: Theta) -> State:
        return {"h": torch.full((self.n,), -0.7, dtype=torch.float64)}

    def window(
        self, theta: Theta, state: State, n_steps: int, *, own: bool = False, order: int = 2
    ) -> tuple[Tensor, State]:
        assert all(t.shape == ((self.n,) if own else ()) for t in theta.values())
        h, losses = state["h"], []
        for _ in range(n_steps):
            h = torch.tanh(theta["a"] * h + theta["b"])
            losses.append((h - 1.0) ** 2)
        return torch.stack(losses).mean(0), {"h": h}


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def episode(estimator: Estimator, inner: Inner, generator: Generator, theta: Theta = THETA) -> Tensor:
    """Return the gradient estimate of every window, [windows, meta-parameters]."""
    memory, rows = estimator.begin(theta, inner), []
    for _ in range(N_WINDOWS):
        gradient, losses, memory = estimator.gradient(theta, inner, memory, WINDOW, generator)
        assert losses.shape == (len(memory["h"]),)
        rows.append(torch.stack([gradient["a"], gradient["b"]]))
    return torch.stack(rows)


def gradients_of_windows(noise: Tensor, weights: Tensor, *, truncated: bool = False) -> Tensor:
    """Differentiate sum_i weights_i loss(theta + noise_i) of every window; noise [windows, 2, n] -> [windows, 2]."""
    leaves = {name: t.clone().requires_grad_() for name, t in THETA.items()}
    inner = Recursion(noise.shape[-1])
    state, rows = inner.begin(leaves), []
    for w in range(N_WINDOWS):
        theta = {"a": leaves["a"] + noise[w, 0], "b": leaves["b"] + noise[w, 1]}
        losses, state = inner.window(theta, state, WINDOW, own=True)
        rows.append(torch.autograd.grad(losses @ weights, list(leaves.values()), retain_graph=True))
        state = {name: t.detach() for name, t in state.items()} if truncated else state
    return torch.tensor(rows, dtype=torch.float64)


def hermite(dims: int, nodes: int) -> tuple[Tensor, Tensor]:
    """Return nodes [dims, n] and weights [n] for the mean over N(0, sigma^2 I)."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    grid = torch.tensor(list(itertools.product(z, repeat=dims)), dtype=torch.float64).T
    weights = torch.tensor(list(itertools.product(w, repeat=dims)), dtype=torch.float64).prod(1)
    return SIGMA * grid, weights / weights.sum()


def smoothed(estimator: Estimator, nodes: int, *, truncated: bool = False) -> Tensor:
    """Return the gradient of every window's smoothed loss; PES has one perturbation per window, NRES one in all."""
    if isinstance(estimator, PES):
        grid, weights = hermite(2 * N_WINDOWS, nodes)
        return gradients_of_windows(grid.reshape(N_WINDOWS, 2, -1), weights, truncated=truncated)
    grid, weights = hermite(2, nodes**2)
    return gradients_of_windows(grid.expand(N_WINDOWS, -1, -1), weights, truncated=truncated)


# --- evolution strategies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [PES(SIGMA), NRES(SIGMA)], ids=["pes", "nres"])
def test_evolution_strategies_are_unbiased(estimator: Estimator) -> None:
    """In every window within 3 standard errors of the truth, which truncation misses by more than 10 of them."""
    truth = smoothed(estimator, 6)
    torch.testing.assert_close(truth, smoothed(estimator, 5), rtol=0.0, atol=QUADRATURE)
    blind = smoothed(estimator, 6, truncated=True)
    generator = seeded()
    inner = Recursion(2 * N_PAIRS // N_GROUPS)
    estimates = torch.stack([episode(estimator, inner, generator) for _ in range(N_GROUPS)])  # [groups, windows, 2]
    error = estimates.std(0) / math.sqrt(N_GROUPS)
    assert error.min() > 10.0 * QUADRATURE
    assert ((estimates.mean(0) - truth).abs() < 3.0 * error).all()
    total, total_error = estimates.sum(1).mean(0), estimates.sum(1).std(0) / math.sqrt(N_GROUPS)
    assert ((total - truth.sum(0)).abs() < 3.0 * total_error).all()
    assert ((blind.sum(0) - truth.sum(0)).abs() > 10.0 * total_error).all()
    torch.testing.assert_close(blind[0], truth[0], rtol=1e-12, atol=0.0)  # the first window has no past


def test_pes_credits_the_sum_of_the_perturbations_and_nres_the_only_one() -> None:
    """Before their means: the estimates from the perturbations that the generator gives."""
    n_pairs = 3

    def draw(generator: Generator) -> Tensor:
        return SIGMA * torch.stack([torch.randn(n_pairs, generator=generator, dtype=torch.float64) for _ in THETA])

    for estimator in (PES(SIGMA), NRES(SIGMA)):
        estimates = episode(estimator, Recursion(2 * n_pairs), seeded(4))
        generator, inner = seeded(4), Recursion(n_pairs)
        plus = minus = inner.begin(THETA)
        credit = torch.zeros(2, n_pairs, dtype=torch.float64)
        for w in range(N_WINDOWS):
            if w == 0 or isinstance(estimator, PES):
                noise = draw(generator)
                credit = credit + noise
            above, below = ({k: t + s * e for (k, t), e in zip(THETA.items(), noise, strict=True)} for s in (1, -1))
            up, plus = inner.window(above, plus, WINDOW, own=True)
            down, minus = inner.window(below, minus, WINDOW, own=True)
            expected = (credit * (up - down)).mean(1) / (2.0 * SIGMA**2)
            torch.testing.assert_close(estimates[w], expected, rtol=1e-13, atol=1e-14)


# --- truncated back-propagation ----------------------------------------------------------------------------


def test_truncated_is_exact_where_its_window_covers_the_episode_and_biased_elsewhere() -> None:
    inner = Recursion()
    leaves = {name: t.clone().requires_grad_() for name, t in THETA.items()}
    losses, _ = inner.window(leaves, inner.begin(leaves), WINDOW * N_WINDOWS)
    full = torch.stack(torch.autograd.grad(losses.mean(), list(leaves.values())))
    estimator = Truncated()
    gradient, _, memory = estimator.gradient(THETA, inner, estimator.begin(THETA, inner), WINDOW * N_WINDOWS, seeded())
    torch.testing.assert_close(torch.stack([gradient["a"], gradient["b"]]), full, rtol=1e-12, atol=1e-12)
    assert not any(t.requires_grad for t in (*memory.values(), *gradient.values()))
    windows = episode(estimator, inner, seeded())
    silence, certain = torch.zeros(N_WINDOWS, 2, 1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    expected = gradients_of_windows(silence, certain, truncated=True)
    torch.testing.assert_close(windows, expected, rtol=1e-12, atol=1e-12)
    assert ((windows.mean(0) - full).abs() > 0.05 * full.abs()).all()


# --- the unroll that they see ------------------------------------------------------------------------------


def unroll_of(name: str, dim: int = 3) -> tuple[Unroll, Theta]:
    """Return a rule on four problems, and meta-parameters off the kinks: fresh biases are 0, where ReLU has its own."""
    settings = {"width": 8, "layers": 2, "heads": 2, "step_scale": 0.1} if name == "optimus" else {"output_gain": 100.0}
    architecture = EUCLIDEAN[name]
    batch = draw_batch(["rosenbrock", "quadratic"], dim, 2, seeded(1))
    theta = {key: t.double() for key, t in architecture.fresh(seeded(2), **settings).items()}
    theta = {key: t + 0.01 * towards(theta)[key] for key, t in theta.items()}
    return Unroll(architecture=architecture, settings={**architecture.settings, **settings}, batch=batch), theta


def towards(theta: Theta) -> Theta:
    """Draw a direction in the space of the meta-parameters."""
    generator = seeded(3)
    return {key: torch.randn(t.shape, generator=generator, dtype=torch.float64) for key, t in theta.items()}


@pytest.mark.parametrize("name", EUCLIDEAN)
@pytest.mark.parametrize(("order", "n_steps"), [(1, 1), (2, 1), (2, 6)])
def test_the_meta_gradient_is_that_of_finite_differences(name: str, order: int, n_steps: int) -> None:
    """In a first step the gradient that the rule sees is a constant: the first order is exact, too."""
    unroll, theta = unroll_of(name)
    gradient, _, _ = Truncated(order).gradient(theta, unroll, unroll.begin(theta), n_steps, seeded())
    direction = towards(theta)
    h = 1e-6

    def loss(sign: float) -> float:
        moved = {key: t + sign * h * direction[key] for key, t in theta.items()}
        return unroll.window(moved, unroll.begin(moved), n_steps)[0].mean().item()

    slope = sum((gradient[key] * direction[key]).sum().item() for key in theta)
    assert (loss(1.0) - loss(-1.0)) / (2.0 * h) == pytest.approx(slope, rel=1e-5)  # h^2, and rounding over h
    assert abs(slope) > 1e-3


@pytest.mark.parametrize("name", EUCLIDEAN)
@pytest.mark.parametrize("order", [1, 2])
def test_the_meta_gradient_is_that_of_a_plain_loop(name: str, order: int) -> None:
    """Problem by problem without vmap; the first order holds the gradients that the rule sees constant."""
    unroll, theta = unroll_of(name)
    gradient, losses, _ = Truncated(order).gradient(theta, unroll, unroll.begin(theta), 5, seeded())
    leaves = {key: t.clone().requires_grad_() for key, t in theta.items()}
    rule = unroll.architecture.rule(leaves, **unroll.settings)
    n = len(unroll.batch.start)
    means = []
    for k in range(n):
        x = unroll.batch.start[k].clone().requires_grad_()
        state, logs = rule.init(x.detach()), []
        for _ in range(5):
            (g,) = torch.autograd.grad(unroll.batch.gap(x.expand(n, -1))[k], x, create_graph=True)
            move, state = rule.update(state, x, g.detach() if order == 1 else g)
            x = x + move
            logs.append(unroll.batch.gap(x.expand(n, -1))[k].log10())
        means.append(torch.stack(logs).mean())
    torch.testing.assert_close(losses, torch.stack(means).detach(), rtol=1e-10, atol=1e-10)
    expected = torch.autograd.grad(torch.stack(means).mean(), list(leaves.values()), materialize_grads=True)
    for key, value in zip(leaves, expected, strict=True):
        torch.testing.assert_close(gradient[key], value, rtol=1e-8, atol=1e-10)


def test_the_orders_differ_from_the_second_step_on() -> None:
    unroll, theta = unroll_of("adafactor_mlp")
    for n_steps in (1, 2):
        first, second = (
            Truncated(order).gradient(theta, unroll, unroll.begin(theta), n_steps, seeded())[0]["mlp.2.bias"]
            for order in (1, 2)
        )
        assert torch.allclose(first, second, rtol=1e-9) == (n_steps == 1)


@pytest.mark.parametrize("name", EUCLIDEAN)
def test_meta_parameters_of_their_own_are_meta_parameters_one_at_a_time(name: str) -> None:
    unroll, theta = unroll_of(name)
    n = len(unroll.batch.start)
    direction = towards(theta)
    noisy = {key: torch.stack([t + 0.1 * k * direction[key] for k in range(n)]) for key, t in theta.items()}
    losses, state = unroll.window(noisy, unroll.begin(theta), 4, own=True)
    for k in range(n):
        alone = {key: t[k] for key, t in noisy.items()}
        expected, ends = unroll.window(alone, unroll.begin(alone), 4)
        torch.testing.assert_close(losses[k], expected[k], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(state["x"][k], ends["x"][k], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("gap", "g", "value", "slope"),
    [
        (0.01, [3.0, 4.0], -2.0, [300.0 / math.log(10.0), 400.0 / math.log(10.0)]),
        (FLOOR / 10.0, [3.0, 4.0], -8.0, [0.0, 0.0]),
        (-1.0, [3.0, 4.0], -8.0, [0.0, 0.0]),
        (CEILING * 10.0, [3.0, 4.0], 2.0, [0.0, 0.0]),
        (math.nan, [3.0, 4.0], 2.0, [0.0, 0.0]),
        (math.inf, [math.inf, math.nan], 2.0, [0.0, 0.0]),
        (1.0, [3e8, 4e8], 0.0, [0.6 * SLOPE_MAX, 0.8 * SLOPE_MAX]),
        (1.0, [math.nan, 1.0], 0.0, [0.0, 1.0 / math.log(10.0)]),
    ],
)
def test_the_log_gap_is_clipped_and_so_is_its_slope(
    gap: float, g: list[float], value: float, slope: list[float]
) -> None:
    x = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    loss = log_gap(x, torch.tensor([gap], dtype=torch.float64), torch.tensor([g], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    assert loss.item() == pytest.approx(value, abs=1e-12)
    assert gradient.tolist()[0] == pytest.approx(slope, rel=1e-12)
