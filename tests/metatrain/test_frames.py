"""Problems on frames, networks, and implicit differentiation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rmobench.errors import RecipeError
from rmobench.geometry import Stiefel
from rmobench.metatrain.estimator import Inner
from rmobench.metatrain.frame_distribution import PROBLEMS, FrameBatch, draw_frames
from rmobench.metatrain.frame_unroll import FrameUnroll
from rmobench.metatrain.implicit import Implicit
from rmobench.metatrain.network_unroll import NetworkUnroll, draw_networks
from rmobench.metatrain.recipe import read_recipe, recipes
from rmobench.metatrain.truncated import Truncated
from rmobench.metatrain.unroll import log_gap
from rmobench.models import small_cnn
from rmobench.optimizers.learned import subspace
from rmobench.optimizers.learned.architectures import RIEMANNIAN
from rmobench.optimizers.learned.riemannian_lift import advance
from rmobench.optimizers.learned.rule import Architecture, Rule, State, Theta

F64 = torch.float64
ONE_RATE = (1.0, 1.0)
every = pytest.mark.parametrize("problem", PROBLEMS)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def frames_of(problem: str, *, each: int = 3, seed: int = 0) -> FrameBatch:
    return draw_frames(problem, rank=4, each=each, rates=ONE_RATE, generator=seeded(seed))


def unrolled(batch: FrameBatch) -> FrameUnroll:
    return FrameUnroll(architecture=subspace.ARCHITECTURE, settings={}, batch=batch)


def lively() -> Theta:
    """Return weights whose heads say something."""
    theta = {name: t.double() for name, t in subspace.fresh(seeded(0)).items()}
    return {name: 20.0 * t if name.startswith(("rows", "columns")) else t for name, t in theta.items()}


DAMPED = Architecture(fresh=lambda generator: {}, rule=lambda theta: damped(theta), settings={})


def flat(theta: Theta) -> Tensor:
    return torch.cat([t.flatten() for t in theta.values()])


# --- problems ----------------------------------------------------------------------------------------------


@every
def test_a_gap_is_one_at_the_start_and_never_below_zero(problem: str) -> None:
    batch = frames_of(problem)
    torch.testing.assert_close(batch.gap(batch.start), torch.ones(3, dtype=F64))
    x, past = batch.start, torch.zeros_like(batch.start)
    for _ in range(1500):
        _, g = batch.slope(x)
        past = 0.9 * batch.manifold.tangent(x, past) + batch.manifold.gradient(x, batch.rate.view(-1, 1, 1) * g)
        x = batch.manifold.retract(x, -past)
    gap = batch.gap(x)
    assert (gap > -1e-10).all()
    assert gap.median() < 1e-5  # Brockett's cost has saddles, where one of three may stay


@every
def test_slopes_are_those_of_the_objective(problem: str) -> None:
    batch = frames_of(problem)
    v = torch.randn(batch.start.shape, generator=seeded(1), dtype=F64)
    _, g = batch.slope(batch.start)
    rise = (batch.value(batch.start + 1e-6 * v) - batch.value(batch.start - 1e-6 * v)) / 2e-6
    torch.testing.assert_close((g * v).sum((-2, -1)), rise, rtol=1e-6, atol=1e-8)


@every
def test_equal_generators_draw_equal_problems_and_others_do_not(problem: str) -> None:
    one, same, other = frames_of(problem), frames_of(problem), frames_of(problem, seed=1)
    x = one.start
    assert torch.equal(x, same.start)
    assert torch.equal(one.value(x), same.value(x))
    assert x.shape != other.start.shape or not torch.equal(one.value(x), other.value(x))


# --- unrolling ---------------------------------------------------------------------------------------------


@every
def test_the_unrolled_rule_is_the_lifted_one(problem: str) -> None:
    batch, theta = frames_of(problem, each=2), lively()
    _, state = unrolled(batch).window(theta, unrolled(batch).begin(theta), 5)
    rule = subspace.rule(theta)
    x, kept = batch.start, None
    for _ in range(5):
        _, g = batch.slope(x)
        x, kept = advance(rule, batch.manifold, x, batch.rate.view(-1, 1, 1) * g, kept, lr=1.0)
    torch.testing.assert_close(state["x"], x, rtol=0, atol=1e-12)


def test_the_unrolled_network_is_the_trained_one() -> None:
    """Against a plain training loop with the formulas of a step spelled out."""
    nets, theta = draw_networks(each=2, rates=(0.5, 2.0), generator=seeded(0)), lively()
    unroll = NetworkUnroll(architecture=subspace.ARCHITECTURE, settings={}, batch=nets)
    losses, state = unroll.window(theta, unroll.begin(theta), 4)
    rule, manifold = subspace.rule({name: t.float() for name, t in theta.items()}), Stiefel()
    for i in range(2):
        model = small_cnn(10)
        model.load_state_dict({name: start[i] for name, start in nets.start.items()}, strict=False)
        kept = {name: rule.init(x.detach()) for name, x in model.named_parameters() if name in nets.frames}
        logs = []
        for t in range(5):
            first = t * 64 % 192
            model.zero_grad()
            loss = cross_entropy(model(nets.images[i, first : first + 64]), nets.labels[i, first : first + 64])
            loss.backward()
            logs.append(loss.log10().item())
            if t == 4:
                break
            with torch.no_grad():
                for name, x in model.named_parameters():
                    if name in nets.frames:
                        G = manifold.gradient(x, nets.rate[i] * x.grad)
                        P, kept[name] = rule.update(kept[name], x, G)
                        x.copy_(manifold.retract(x, manifold.tangent(x, P)))
                    else:
                        x -= 0.1 * x.grad
        assert losses[i].item() == pytest.approx(sum(logs[1:]) / 4, abs=1e-5)
        for name, x in model.named_parameters():
            torch.testing.assert_close(state[f"x {name}"][i], x.detach(), rtol=0, atol=2e-5)


def damped(theta: Theta) -> Rule:
    """Step along a damped mean: every state depends on theta, and nothing is detached."""

    def update(state: State, x: Tensor, g: Tensor) -> tuple[Tensor, State]:
        mean = theta["decay"].sigmoid() * state["mean"] + g
        return -theta["size"].exp() * mean, {"mean": mean}

    return Rule(lambda x: {"mean": torch.zeros_like(x)}, update)


@pytest.mark.parametrize("kind", [*PROBLEMS, "networks"])
def test_the_exact_meta_gradient_is_that_of_finite_differences(kind: str) -> None:
    theta = {"size": torch.tensor(-1.0, dtype=F64), "decay": torch.tensor(0.3, dtype=F64)}
    inner: Inner
    if kind == "networks":  # in float32
        nets = draw_networks(each=1, rates=ONE_RATE, generator=seeded(0))
        inner, rtol, h = NetworkUnroll(architecture=DAMPED, settings={}, batch=nets), 0.02, 0.03
    else:
        inner, rtol, h = FrameUnroll(architecture=DAMPED, settings={}, batch=frames_of(kind, each=2)), 1e-6, 1e-5
    gradient, _, _ = Truncated(2).gradient(theta, inner, inner.begin(theta), 4, seeded(0))
    for name in theta:
        ends = []
        for sign in (1.0, -1.0):
            moved = theta | {name: theta[name] + sign * h}
            with torch.no_grad():
                ends.append(inner.window(moved, inner.begin(moved), 4)[0].mean())
        assert gradient[name].item() == pytest.approx(((ends[0] - ends[1]) / (2.0 * h)).item(), rel=rtol)


def test_a_problem_that_is_not_finite_is_counted_and_spoils_nothing() -> None:
    batch, theta = frames_of("pca"), lively()
    broken = replace(batch, rate=torch.tensor([float("nan"), 1.0, 1.0], dtype=F64) * batch.rate)
    _, state = unrolled(broken).window(theta, unrolled(broken).begin(theta), 3)
    _, whole = unrolled(batch).window(theta, unrolled(batch).begin(theta), 3)
    assert state["n_bad"].tolist() == [3.0, 0.0, 0.0]
    torch.testing.assert_close(state["x"][1:], whole["x"][1:], rtol=0, atol=1e-12)


# --- implicit differentiation ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settling:
    """x <- x - s (H x - theta): its fixed point is H^-1 theta, wherever it begins; the loss is a function of x."""

    H: Tensor
    size: float = 0.3

    def begin(self, theta: Theta) -> State:
        return {"x": torch.zeros(1, len(self.H), dtype=F64)}

    def window(
        self, theta: Theta, state: State, n_steps: int, *, own: bool = False, order: int = 2
    ) -> tuple[Tensor, State]:
        x = state["x"]
        for _ in range(n_steps):
            x = x - self.size * (x @ self.H - theta["b"])
        weights = torch.arange(1, len(self.H) + 1, dtype=F64)
        return log_gap(x, (x.sin() * weights).sum(-1).detach() + 50.0, (x.cos() * weights).detach()), {"x": x}


def settling() -> tuple[Settling, Theta]:
    V = Stiefel().random((4, 4), seeded(0))
    H = V @ torch.diag(torch.tensor([0.8, 1.0, 1.5, 2.0], dtype=F64)) @ V.T
    return Settling(H), {"b": torch.randn(4, generator=seeded(1), dtype=F64)}


def test_implicit_differentiation_agrees_with_long_unrolling_and_finite_differences() -> None:
    inner, theta = settling()
    implicit, _, _ = Implicit(400, 0.5).gradient(theta, inner, inner.begin(theta), 200, seeded(0))
    unrolling, _, _ = Truncated(2).gradient(theta, inner, inner.begin(theta), 200, seeded(0))
    torch.testing.assert_close(implicit["b"], unrolling["b"], rtol=1e-10, atol=1e-14)
    for i in range(4):
        ends = []
        for sign in (1.0, -1.0):
            b = theta["b"].clone()
            b[i] += sign * 1e-6
            x = torch.linalg.solve(inner.H, b)
            weights = torch.arange(1, 5, dtype=F64)
            ends.append(((x.sin() * weights).sum() + 50.0).log10())
        expected = (ends[0] - ends[1]) / 2e-6
        torch.testing.assert_close(implicit["b"][i], expected, rtol=1e-6, atol=1e-10)


def test_more_terms_of_the_series_come_closer() -> None:
    inner, theta = settling()
    exact, _, _ = Implicit(400, 0.5).gradient(theta, inner, inner.begin(theta), 200, seeded(0))
    errors = []
    for n_terms in (0, 2, 5, 10, 20):
        got, _, _ = Implicit(n_terms, 0.5).gradient(theta, inner, inner.begin(theta), 200, seeded(0))
        errors.append((got["b"] - exact["b"]).norm().item())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * errors[0]


def leaning(theta: Theta) -> Rule:
    """Step along the gradient leant towards a matrix of theta: the point where it settles depends on theta."""
    return Rule(lambda x: {}, lambda state, x, g: (-(g + 0.1 * theta["lean"]), {}))


def test_implicit_differentiation_on_frames_agrees_with_long_unrolling() -> None:
    architecture = Architecture(fresh=lambda generator: {}, rule=leaning, settings={})
    inner = FrameUnroll(architecture=architecture, settings={}, batch=frames_of("brockett", each=1))
    shape = inner.batch.start.shape[-2:]
    theta = {"lean": torch.randn(shape, generator=seeded(2), dtype=F64)}
    with torch.no_grad():
        _, settled = inner.window(theta, inner.begin(theta), 4000)
    implicit, _, after = Implicit(3000, 0.5).gradient(theta, inner, settled, 1, seeded(0))
    torch.testing.assert_close(after["x"], settled["x"], rtol=0, atol=1e-11)  # a fixed point
    leaf = {"lean": theta["lean"].clone().requires_grad_()}
    state = settled
    for _ in range(2000):  # one by one: the loss of the last step alone
        last, state = inner.window(leaf, state, 1)
    (expected,) = torch.autograd.grad(last.mean(), leaf["lean"])
    torch.testing.assert_close(implicit["lean"], expected, rtol=1e-5, atol=1e-9)
    assert expected.norm() > 1e-3


def test_implicit_differentiation_of_the_rule_takes_the_window() -> None:
    theta, inner = lively(), unrolled(frames_of("pca"))
    gradient, losses, memory = Implicit(5, 0.1).gradient(theta, inner, inner.begin(theta), 10, seeded(0))
    expected, state = inner.window(theta, inner.begin(theta), 10)
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(memory["x"], state["x"].detach())
    assert not memory["x"].requires_grad
    assert 0.0 < flat(gradient).norm() < float("inf")


# --- recipes -----------------------------------------------------------------------------------------------


def edited(tmp_path, old: str, new: str) -> str:
    content = recipes()["subspace"].read_text()
    assert old in content
    (tmp_path / "edited.toml").write_text(content.replace(old, new))
    return str(tmp_path / "edited.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"pca", ', '"pcb", ', r"got problems \['pcb'"),
        ("ranks = [2, 16]", "ranks = [2, 33]", "expected ranks up to 32"),
        ("ranks = [2, 16]", "ranks = [3, 2]", r"got ranks = \[3, 2\], expected 1 <= low <= high"),
        ("ranks = [2, 8]", "ranks = []", "expected some from 1 to 32"),
        ('estimator = "truncated"', 'estimator = "implicit"', "networks are trained by truncated back-propagation"),
        ('estimator = "truncated"', 'estimator = "pes"', "Invalid enum value 'pes'"),
        ("each = 8", "each = 8\nrates = [2.0, 1.0]", r"got rates = \[2.0, 1.0\], expected low <= high"),
        ("each = 8", "each = 8\nalpha = 0.0", "got alpha = 0.0, expected a positive number"),
    ],
)
def test_recipes_without_a_meaning_are_refused(tmp_path, old: str, new: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_recipe(edited(tmp_path, old, new))


@pytest.mark.parametrize("name", [name for name in recipes() if read_recipe(name).file.architecture in RIEMANNIAN])
def test_packaged_recipes_draw_their_problems(name: str) -> None:
    recipe = read_recipe(name)
    inner, horizon = recipe.draw(0, seeded(0))
    low, high = recipe.stages[0].horizon
    assert low <= horizon <= high
    again, _ = recipe.draw(0, seeded(0))
    theta = {key: t.double() for key, t in recipe.architecture.fresh(seeded(0), **recipe.settings).items()}
    with torch.no_grad():
        losses = [i.window(theta, i.begin(theta), 2)[0] for i in (inner, again)]
    assert torch.equal(*losses)
