"""Learned rules against the published formulas in plain loops, and what the preconditioning rule promises."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from math import exp, log, sqrt, tanh

import pytest
import torch
from torch import Generator, Tensor, nn

from rmobench.metatrain.distribution import draw_batch
from rmobench.metatrain.unroll import Unroll
from rmobench.optimizers.learned import adafactor_mlp, encoder, features, mlp_lopt, optimus
from rmobench.optimizers.learned.architectures import EUCLIDEAN
from rmobench.optimizers.learned.lift import lift
from rmobench.optimizers.learned.rule import Architecture, Rule, Theta, count
from rmobench.optimizers.learned.weights import Weights
from tests.optimizers.plain_oracle import PlainOracle, drive, hessian, normal, problem

SHAPES = [(), (1,), (4,), (3, 5), (1, 4), (4, 1), (2, 3, 2, 2)]
TIGHT = {"rtol": 1e-12, "atol": 1e-12}  # some thousand roundings of float64
TIMESCALES = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000)
SMALL = {"width": 8, "layers": 2, "heads": 2}

each = pytest.mark.parametrize("name", EUCLIDEAN)


def seeded(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def random_theta(architecture: Architecture, seed: int = 0, **settings: float) -> Theta:
    """Draw meta-parameters in float64, none of them at its special initial value, e.g. zero."""
    generator = seeded(seed)
    theta = architecture.fresh(generator, **settings)
    spread = {name: 0.02 if name.startswith("decay.") else 0.1 for name in theta}
    return {
        name: t.double() + spread[name] * torch.randn(t.shape, generator=generator, dtype=torch.float64)
        for name, t in theta.items()
    }


def walk(rule: Rule, x: Tensor, gradients: list[Tensor]) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Apply a rule to given gradients; yield every step and the state after it."""
    state = rule.init(x)
    for g in gradients:
        move, state = rule.update(state, x, g)
        x = x + move
        yield move, state


def moves(rule: Rule, x: Tensor, gradients: list[Tensor]) -> Tensor:
    return torch.stack([move for move, _ in walk(rule, x, gradients)])


# --- the formulas once more, in loops over Python floats ---------------------------------------------------


class Plain:
    """What the two per-coordinate rules compute: index -> number for every tensor, one entry at a time."""

    def __init__(self, theta: Theta, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.entries = list(itertools.product(*map(range, shape)))
        self.layers = [(theta[f"mlp.{i}.weight"].tolist(), theta[f"mlp.{i}.bias"].tolist()) for i in range(3)]
        self.n_steps = 0

    def of(self, t: Tensor) -> dict[tuple[int, ...], float]:
        return {i: t[i].item() for i in self.entries}

    def mean(self, f: dict[tuple[int, ...], float]) -> float:
        return sum(f[i] for i in self.entries) / len(self.entries)

    def rows_of_features(self, tensors: list[dict[tuple[int, ...], float]]) -> dict[tuple[int, ...], list[float]]:
        """Scale every feature to mean square 1 and append the time."""
        scaled = []
        for f in tensors:
            factor = 1 / sqrt(1e-5 + self.mean({i: f[i] ** 2 for i in self.entries}))
            scaled.append({i: f[i] * factor for i in self.entries})
        time = [tanh(self.n_steps / tau - 1) for tau in TIMESCALES]
        self.n_steps += 1
        return {i: [f[i] for f in scaled] + time for i in self.entries}

    def output(self, row: list[float]) -> list[float]:
        for k, (weight, bias) in enumerate(self.layers):
            row = [sum(w * a for w, a in zip(ws, row, strict=True)) + b for ws, b in zip(weight, bias, strict=True)]
            row = [max(a, 0.0) for a in row] if k < 2 else row
        return row

    def step(self, x: Tensor, g: Tensor, gain: float) -> tuple[Tensor, Tensor]:
        """Return the features [*, n] and the step [*]."""
        rows = self.rows_of_features(self.features(self.of(x), self.of(g)))
        step = []
        for i in self.entries:
            d, a = (gain * o for o in self.output(rows[i]))
            step.append(-0.001 * d * exp(0.001 * a))
        stacked = torch.tensor([rows[i] for i in self.entries], dtype=torch.float64)
        return stacked.reshape(*self.shape, -1), torch.tensor(step, dtype=torch.float64).reshape(self.shape)


class PlainAdafactorMLP(Plain):
    """Metz et al. 2022: 28 features of the tensors."""

    def __init__(self, theta: Theta, shape: tuple[int, ...]) -> None:
        super().__init__(theta, shape)

        def decays(name: str, *initial: float) -> list[float]:
            offsets = theta[f"decay.{name}"].tolist()
            return [1 - exp(10 * (log(1 - b) / 10 + o)) for b, o in zip(initial, offsets, strict=True)]

        self.momentum = decays("momentum", 0.9, 0.99, 0.999)
        (self.rms,) = decays("rms", 0.999)
        self.factored = decays("factored", 0.9, 0.99, 0.999)
        self.m = [dict.fromkeys(self.entries, 0.0) for _ in range(3)]
        self.v = dict.fromkeys(self.entries, 0.0)
        self.row = [dict.fromkeys({i[:1] for i in self.entries}, 0.0) for _ in range(3)]
        self.column = [dict.fromkeys({i[1:] for i in self.entries}, 0.0) for _ in range(3)]
        self.diagonal = [dict.fromkeys(self.entries, 0.0) for _ in range(3)]

    def features(
        self, x: dict[tuple[int, ...], float], g: dict[tuple[int, ...], float]
    ) -> list[dict[tuple[int, ...], float]]:
        everywhere = self.entries
        self.v = {i: self.rms * self.v[i] + (1 - self.rms) * g[i] ** 2 for i in everywhere}
        for k in range(3):
            b = self.momentum[k]
            self.m[k] = {i: b * self.m[k][i] + (1 - b) * g[i] for i in everywhere}
        row, column, normaliser = zip(*(self.take(k, g) for k in range(3)), strict=True)
        return [
            g,
            x,
            *self.m,
            self.v,
            *({i: m[i] / sqrt(self.v[i] + 1e-6) for i in everywhere} for m in self.m),
            {i: 1 / sqrt(self.v[i] + 1e-6) for i in everywhere},
            *({i: g[i] * n[i] for i in everywhere} for n in normaliser),
            *row,
            *column,
            *({i: 1 / sqrt(r[i] + 1e-8) for i in everywhere} for r in row),
            *({i: 1 / sqrt(c[i] + 1e-8) for i in everywhere} for c in column),
            *({i: m[i] * n[i] for i in everywhere} for m, n in zip(self.m, normaliser, strict=True)),
        ]

    def take(self, k: int, g: dict[tuple[int, ...], float]) -> Iterator[dict[tuple[int, ...], float]]:
        """Update the k-th factored mean; return rows, columns and normaliser for every entry."""
        b = self.factored[k]
        square = {i: g[i] ** 2 + 1e-30 for i in self.entries}
        if len(self.shape) < 2:
            self.diagonal[k] = {i: b * self.diagonal[k][i] + (1 - b) * square[i] for i in self.entries}
            v = self.diagonal[k]
            return iter((v, v, {i: 1 / sqrt(v[i]) for i in self.entries}))
        for r in self.row[k]:
            seen = [square[i] for i in self.entries if i[:1] == r]
            self.row[k][r] = b * self.row[k][r] + (1 - b) * sum(seen) / len(seen)
        for c in self.column[k]:
            seen = [square[i] for i in self.entries if i[1:] == c]
            self.column[k][c] = b * self.column[k][c] + (1 - b) * sum(seen) / len(seen)
        row = {i: self.row[k][i[:1]] for i in self.entries}
        column = {i: self.column[k][i[1:]] for i in self.entries}
        mean_row = sum(self.row[k].values()) / len(self.row[k])
        return iter((row, column, {i: 1 / sqrt(row[i] * column[i] / mean_row) for i in self.entries}))


class PlainMLP(Plain):
    """Metz et al. 2019: gradient, parameter and six momenta."""

    def __init__(self, theta: Theta, shape: tuple[int, ...]) -> None:
        super().__init__(theta, shape)
        self.m = {b: dict.fromkeys(self.entries, 0.0) for b in (0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)}

    def features(
        self, x: dict[tuple[int, ...], float], g: dict[tuple[int, ...], float]
    ) -> list[dict[tuple[int, ...], float]]:
        for b in self.m:
            self.m[b] = {i: b * self.m[b][i] + (1 - b) * g[i] for i in self.entries}
        return [g, x, *self.m.values()]


# --- per-coordinate rules ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "reference", "see"),
    [
        pytest.param(adafactor_mlp, PlainAdafactorMLP, features.features, id="adafactor_mlp"),
        pytest.param(mlp_lopt, PlainMLP, mlp_lopt.features, id="mlp_lopt"),
    ],
)
@pytest.mark.parametrize("gain", [1.0, 30.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_features_and_steps_are_those_of_plain_loops(
    shape: tuple[int, ...],
    gain: float,
    module: object,
    reference: Callable[[Theta, tuple[int, ...]], Plain],
    see: Callable[[dict[str, Tensor], Tensor, Tensor], Tensor],
) -> None:
    theta = random_theta(module.ARCHITECTURE)
    plain = reference(theta, shape)
    rule = module.rule(theta, output_gain=gain)
    x = normal(*shape, seed=1)
    gradients = [normal(*shape, seed=10 + t) * 10.0 ** (t % 3 - 1) for t in range(6)]
    gradients[0] = gradients[0] * 1e-15  # its square is of the size of the 1e-30 that is added
    gradients[3] = gradients[3] * 0.0
    if len(shape) > 1:
        for g in gradients:
            g[0] = 0.0  # a row that never sees a gradient: 1e-30 alone keeps its normaliser finite
    for g, (move, state) in zip(gradients, walk(rule, x, gradients), strict=True):
        expected, step = plain.step(x, g, gain)
        torch.testing.assert_close(see(state, x, g), expected, **TIGHT)
        torch.testing.assert_close(1e3 * move, 1e3 * step, **TIGHT)  # in units of the step scale
        x = x + move


@pytest.mark.parametrize(
    ("module", "n_meta_parameters", "n_features"),
    [(adafactor_mlp, 197, 39), (mlp_lopt, 1762, 19)],
    ids=["adafactor_mlp", "mlp_lopt"],
)
def test_sizes_are_the_published_ones(module: object, n_meta_parameters: int, n_features: int) -> None:
    theta = module.fresh(seeded(0))
    assert count(theta) == n_meta_parameters
    assert theta["mlp.0.weight"].shape[1] == n_features
    assert {t.dtype for t in theta.values()} == {torch.float32}


def test_learned_decays_begin_at_the_published_ones() -> None:
    theta = {name: t.double() for name, t in features.fresh_decays().items()}
    decays = [features.decay(theta, name).tolist() for name in ("decay.momentum", "decay.rms", "decay.factored")]
    assert decays == [
        pytest.approx([0.9, 0.99, 0.999], abs=1e-15),
        pytest.approx([0.999], abs=1e-15),
        pytest.approx([0.9, 0.99, 0.999], abs=1e-15),
    ]


@pytest.mark.parametrize("module", [adafactor_mlp, mlp_lopt], ids=["adafactor_mlp", "mlp_lopt"])
def test_output_gain_is_a_factor_of_the_last_layer(module: object) -> None:
    theta = random_theta(module.ARCHITECTURE)
    multiplied = theta | {name: 7.0 * theta[name] for name in ("mlp.2.weight", "mlp.2.bias")}
    x, gradients = normal(2, 3), [normal(2, 3, seed=t) for t in range(5)]
    with_gain = moves(module.rule(theta, output_gain=7.0), x, gradients)
    torch.testing.assert_close(with_gain, moves(module.rule(multiplied), x, gradients), **TIGHT)
    assert not torch.allclose(with_gain, moves(module.rule(theta), x, gradients))


# --- Optimus -----------------------------------------------------------------------------------------------


def test_a_permutation_of_the_coordinates_permutes_the_steps() -> None:
    theta = random_theta(optimus.ARCHITECTURE, **SMALL)
    rule = optimus.rule(theta, **SMALL)
    order = torch.randperm(9, generator=seeded(3))
    x, gradients = normal(9), [normal(9, seed=1 + t) for t in range(8)]
    plain = moves(rule, x, gradients)
    permuted = moves(rule, x[order], [g[order] for g in gradients])
    torch.testing.assert_close(1e3 * permuted, 1e3 * plain[:, order], **TIGHT)
    assert plain.abs().min() > 1e-8  # it moves, and differently everywhere
    assert not torch.allclose(permuted, plain)


def test_one_theta_serves_every_dimension() -> None:
    theta = optimus.fresh(seeded(0))
    for dim in (1, 2, 10, 100):
        x, gradients = normal(dim).float(), [normal(dim, seed=t).float() for t in range(3)]
        steps = moves(optimus.rule(theta), x, gradients)
        assert steps.shape == (3, dim)
        assert steps.isfinite().all()
        assert all(dim not in t.shape for t in theta.values()) or dim in (1, 2)  # 2: the outputs d and a


def test_without_readouts_it_is_the_branch_which_is_adafactor_mlp() -> None:
    theta = random_theta(optimus.ARCHITECTURE, **SMALL)
    silent = theta | {name: torch.zeros_like(t) for name, t in theta.items() if name.startswith("readout.")}
    x, gradients = normal(6), [normal(6, seed=1 + t) for t in range(10)]
    branch = moves(optimus.rule(theta, **SMALL, use_B=False), x, gradients)
    assert torch.equal(moves(optimus.rule(silent, **SMALL), x, gradients), branch)
    assert torch.equal(moves(optimus.rule(silent, **SMALL, normalise_B=False), x, gradients), branch)
    head = {name: t for name, t in theta.items() if name.startswith(("mlp.", "decay."))}
    assert count(head) == 197
    torch.testing.assert_close(moves(adafactor_mlp.rule(head), x, gradients), branch, rtol=1e-14, atol=0.0)
    assert not torch.allclose(moves(optimus.rule(theta, **SMALL), x, gradients), branch, rtol=1e-3)


@pytest.mark.parametrize("normalise_B", [True, False])
def test_the_preconditioner_is_the_sum_of_the_rank_one_updates(normalise_B: bool) -> None:
    """Step by step from the readouts: B + mean of u u^T, divided by its mean eigenvalue; the step is -B s."""
    theta = random_theta(optimus.ARCHITECTURE, **SMALL)
    dim = 5
    x, gradients = normal(dim), [normal(dim, seed=1 + t) for t in range(5)]
    rule = optimus.rule(theta, **SMALL, normalise_B=normalise_B, step_scale=0.1, exponent_scale=0.2)
    B = torch.eye(dim, dtype=torch.float64)
    for g, (move, state) in zip(gradients, walk(rule, x, gradients), strict=True):
        z = features.features(state, x, g)
        h = z @ theta["embedding.weight"].T + theta["embedding.bias"]
        for layer in range(2):
            h = encoder.encode(theta, f"encoder.{layer}", h, heads=2)
            u = h @ theta[f"readout.{layer}"]
            B = B + torch.outer(u, u) / 2.0
        if normalise_B:
            B = (1.0 - 1e-4) * B / (torch.linalg.eigvalsh(B).sum() / dim) + 1e-4 * torch.eye(dim, dtype=B.dtype)
        h = (z @ theta["mlp.0.weight"].T + theta["mlp.0.bias"]).relu()
        h = (h @ theta["mlp.1.weight"].T + theta["mlp.1.bias"]).relu()
        d, a = (h @ theta["mlp.2.weight"].T + theta["mlp.2.bias"]).T
        torch.testing.assert_close(state["B"], B, **TIGHT)
        torch.testing.assert_close(move, -B @ (0.1 * d * (0.2 * a).exp()), **TIGHT)
        x = x + move


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["fp64", "fp32"])
@pytest.mark.parametrize(("dim", "normalise_B"), [(2, True), (10, True), (50, True), (10, False)])
def test_the_preconditioner_stays_positive_definite_over_1000_steps(
    dim: int, normalise_B: bool, dtype: torch.dtype, seed: int
) -> None:
    """No eigenvalue falls below the floor, less some rounding of the largest; and trace(B) = D."""
    theta = {name: t.to(dtype) for name, t in optimus.fresh(seeded(seed)).items()}
    h, x = hessian(dim).to(dtype), normal(dim, seed=seed).to(dtype)
    rule = optimus.rule(theta, normalise_B=normalise_B)
    state, eps = rule.init(x), torch.finfo(dtype).eps
    for t in range(1000):
        move, state = rule.update(state, x, h @ x)
        x, B = x + move, state["B"]
        assert torch.equal(B, B.mT)
        if normalise_B:
            assert B.trace().item() == pytest.approx(dim, rel=10 * eps)
        if t % 20 == 19:
            eigenvalues = torch.linalg.eigvalsh(B.double())
            assert eigenvalues[0].item() > 0.0
            assert eigenvalues[0].item() >= 1e-4 - dim * eps * eigenvalues[-1].item()


def test_without_the_floor_eigenvalues_are_lost_in_rounding() -> None:
    """In 50 dimensions and float32 the smallest eigenvalue leaves the reach of the largest within 1,000 steps."""
    theta, h, x = optimus.fresh(seeded(0)), hessian(50).float(), normal(50, seed=0).float()
    theta = {name: t * (3.0 if name.startswith("readout") else 1.0) for name, t in theta.items()}
    rule = optimus.rule(theta, floor_B=0.0)
    state, smallest = rule.init(x), []
    for t in range(1000):
        move, state = rule.update(state, x, h @ x)
        x = x + move
        if t % 20 == 19:
            smallest.append(torch.linalg.eigvalsh(state["B"].double())[0].item())
    assert min(smallest) < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_float32_and_float64_runs_agree(seed: int) -> None:
    """Of the distance moved in 20 steps, 1e-4: 6e-8 per rounding, some hundred in a row, ten-fold conditioning."""
    theta = optimus.fresh(seeded(seed))
    h, ends = hessian(10), []
    for dtype in (torch.float32, torch.float64):
        x = normal(10, seed=seed).to(dtype)
        rule = optimus.rule({name: t.to(dtype) for name, t in theta.items()}, step_scale=0.1)
        state = rule.init(x)
        for _ in range(20):
            move, state = rule.update(state, x, h.to(dtype) @ x)
            assert move.dtype == dtype
            x = x + move
        ends.append((x.double(), state["B"].double()))
    (x32, B32), (x64, B64) = ends
    assert (x32 - x64).norm() < 1e-4 * (x64 - normal(10, seed=seed)).norm()
    assert (B32 - B64).norm() < 1e-4 * B64.norm()


@pytest.mark.golden
@pytest.mark.parametrize(("width", "heads"), [(8, 2), (32, 4), (6, 1)])
def test_the_encoder_is_torchs_with_norms_first(width: int, heads: int) -> None:
    generator = seeded(0)
    theta = {
        name: t.double() + 0.1 * torch.randn(t.shape, generator=generator, dtype=torch.float64)
        for name, t in encoder.fresh_encoder("e", width, generator).items()
    }
    layer = nn.TransformerEncoderLayer(
        width, heads, 2 * width, dropout=0.0, activation="relu", norm_first=True, batch_first=True, dtype=torch.float64
    )
    names = {
        "self_attn.in_proj_": "qkv.",
        "self_attn.out_proj.": "out.",
        "linear1.": "up.",
        "linear2.": "down.",
        "norm1.": "norm1.",
        "norm2.": "norm2.",
    }
    layer.load_state_dict(
        {f"{theirs}{kind}": theta[f"e.{ours}{kind}"] for theirs, ours in names.items() for kind in ("weight", "bias")}
    )
    h = normal(7, width)
    torch.testing.assert_close(encoder.encode(theta, "e", h, heads=heads), layer(h.unsqueeze(0)).squeeze(0), **TIGHT)


# --- any shape, and the same rule in training and in use ---------------------------------------------------


def settings_of(name: str) -> dict[str, int | float | bool]:
    """Return settings with steps large enough to be seen."""
    own = {**SMALL, "step_scale": 0.1} if name == "optimus" else {"output_gain": 100.0}
    return {**EUCLIDEAN[name].settings, **own}


def weights_of(name: str) -> Weights:
    settings = settings_of(name)
    theta = {key: t.float() for key, t in random_theta(EUCLIDEAN[name], **settings).items()}
    return Weights(theta=theta, settings=settings, sha256="")


def bowl(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Return a coupled convex function of a number [], a vector [3], a matrix [2, 5] and a kernel [2, 3, 2, 2]."""
    return (a - b.sum()) ** 2 + (c - 1.0).square().sum() + (d.sum((0, 2, 3)) - b).square().sum() + 0.1 * d.pow(4).sum()


@each
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_lifted_rule_moves_parameters_of_any_shape_as_the_rule_says(name: str, dtype: torch.dtype) -> None:
    weights = weights_of(name)
    shapes = [(), (3,), (2, 5), (2, 3, 2, 2)]
    p = problem(bowl, *(normal(*s, seed=i, dtype=dtype) for i, s in enumerate(shapes)))
    working = torch.float64 if dtype == torch.float64 else torch.float32
    rule = EUCLIDEAN[name].rule({key: t.to(working) for key, t in weights.theta.items()}, **weights.settings)
    optimizer = lift(p, EUCLIDEAN[name], weights)
    oracle = PlainOracle(p)
    states: dict[str, dict[str, Tensor]] = {}
    for _ in range(4):
        before = {key: x.detach().clone() for key, x in p.params.items()}
        drive(optimizer, oracle, n_steps=1)
        seen = {key: (before[key].to(working), oracle.gradients[key].to(working)) for key in before}
        if EUCLIDEAN[name].flat:
            seen = {"": tuple(torch.cat([pair[i].reshape(-1) for pair in seen.values()]) for i in (0, 1))}
        steps = {}
        for key, (x, g) in seen.items():
            states.setdefault(key, rule.init(x))
            steps[key], states[key] = rule.update(states[key], x, g)
        if EUCLIDEAN[name].flat:
            pieces = steps[""].split([x.numel() for x in before.values()])
            steps = {key: piece.reshape(before[key].shape) for key, piece in zip(before, pieces, strict=True)}
        for key, x in p.params.items():
            assert torch.equal(x, before[key] + steps[key].to(dtype))
            assert dtype == torch.bfloat16 or not torch.equal(x, before[key])  # its steps may round to nothing
    assert sum(t.numel() for t in optimizer.state()) == sum(t.numel() for s in states.values() for t in s.values())
    assert sum(t.numel() for t in optimizer.weights()) == count(dict(weights.theta))


@each
def test_a_parameter_without_gradient_stays(name: str) -> None:
    p = problem(lambda a, b: (a - 1.0).square().sum(), normal(3, 2), normal(4, seed=1))
    b = p.params["b"].detach().clone()
    drive(lift(p, EUCLIDEAN[name], weights_of(name)), PlainOracle(p, n_calls=3))
    assert torch.equal(p.params["b"], b)
    assert not torch.equal(p.params["a"], normal(3, 2))


@each
def test_the_lifted_rule_is_the_unrolled_rule_step_for_step(name: str) -> None:
    weights = weights_of(name)
    theta = {key: t.double() for key, t in weights.theta.items()}
    batch = draw_batch(["rosenbrock", "levy", "quadratic"], 4, 2, seeded(0))
    unroll = Unroll(architecture=EUCLIDEAN[name], settings=dict(weights.settings), batch=batch)
    n = len(batch.start)
    problems = [problem(lambda x, k=k: batch.gap(x.expand(n, -1))[k], batch.start[k]) for k in range(n)]
    oracles = [PlainOracle(p) for p in problems]
    lifted = [lift(p, EUCLIDEAN[name], weights) for p in problems]
    state = unroll.begin(theta)
    for _ in range(10):
        _, state = unroll.window(theta, state, 1)
        for optimizer, oracle in zip(lifted, oracles, strict=True):
            drive(optimizer, oracle, n_steps=1)
        torch.testing.assert_close(state["x"], torch.stack([o.iterates[-1] for o in oracles]), **TIGHT)
    assert (state["x"] - batch.start).norm(dim=1).min() > 1e-3
    assert state["n_bad"].tolist() == [0.0] * n
