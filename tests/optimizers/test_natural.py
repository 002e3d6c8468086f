"""KFAC and its inverse-free relatives: rows, factors, oracles, and what a step calls."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from rmobench.curvature import STRUCTURES, Dense, Kronecker, Structure, structure_named
from rmobench.errors import ArgumentError, UnknownNameError
from rmobench.harness.kernels import Kernels
from rmobench.optimizers.natural.agreement import disagreement
from rmobench.optimizers.natural.ikfac import ikfac
from rmobench.optimizers.natural.ingd import ingd
from rmobench.optimizers.natural.inverse_free import Covariance, Side, side
from rmobench.optimizers.natural.kfac import kfac
from rmobench.optimizers.natural.layers import layers_of
from rmobench.optimizers.natural.rows import Plain
from rmobench.optimizers.natural.singd import singd
from rmobench.types import Optimizer, Problem
from tests.optimizers.networks import loss, seeded, small
from tests.optimizers.plain_oracle import normal

F64 = torch.float64
EXACT = 1e-12


def steps(optimizer: Optimizer, problem: Problem, n: int = 1) -> list[float]:
    """Step some times, and return the losses."""
    losses: list[float] = []

    def oracle() -> Tensor:
        problem.model.zero_grad()
        value = problem.loss(problem.model, next(problem.batches))
        value.backward()
        losses.append(value.item())
        return value.detach()

    for _ in range(n):
        optimizer.step(oracle)
    return losses


# --- layers ------------------------------------------------------------------------------------------------


def seen(module: nn.Module, x: Tensor, weights: Tensor, *, sharing: str):
    """Return a layer after one call whose loss is the mean over samples of a sum over positions."""
    problem = Problem(model=nn.Sequential(module), loss=loss, batches=iter(()), judge=lambda m: {})
    layers = layers_of("test", problem, sharing=sharing)
    layers.watch(True)
    out = problem.model(x)
    (out * weights).flatten(1).sum(1).mean().backward()
    (layer,) = layers.layers
    return layer


CONVOLUTIONS = [
    {"kernel_size": 3},
    {"kernel_size": (3, 2), "stride": 2, "padding": (1, 0)},
    {"kernel_size": 2, "stride": (1, 3), "dilation": (2, 1), "padding": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False},
]


@pytest.mark.parametrize("how", CONVOLUTIONS)
def test_rows_of_a_convolution_make_its_gradient(how) -> None:
    """Slopes^T inputs is the gradient, but for the roots of the numbers of rows and terms."""
    conv = nn.Conv2d(3, 4, **how).double()
    x = normal(5, 3, 9, 8)
    layer = seen(conv, x, normal(*conv(x).shape, seed=1), sharing="expand")
    (a,), (g,) = (part.matrix() for part in layer.inputs), (part.matrix() for part in layer.slopes)
    scale = len(a) ** 0.5 / 5**0.5
    torch.testing.assert_close(scale * g.mT @ a, layer.gradient(), rtol=EXACT, atol=EXACT)
    for part, p in zip(layer.parts(scale * g.mT @ a), conv.parameters(), strict=True):
        torch.testing.assert_close(part, p.grad, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("dtype", [F64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("how", CONVOLUTIONS)
def test_the_gram_matrix_of_patches_is_that_of_their_rows(how, dtype) -> None:
    """To the bit: the same products in the same order, whatever the order of the columns."""
    conv = nn.Conv2d(3, 4, **how).to(dtype)
    rows = seen(conv, normal(5, 3, 9, 8).to(dtype), torch.ones((), dtype=dtype), sharing="expand").inputs[0]
    Y = rows.matrix()
    assert len(rows) == len(Y)
    assert torch.equal(rows.gram(), Y.mT @ Y)
    assert torch.equal(rows.times(0.5).gram(), 0.25 * rows.gram())


def test_a_convolution_is_kept_as_its_images() -> None:
    """Until the gradients are there, that is: patches of 5 x 5 would be 25 times as large."""
    conv = nn.Conv2d(4, 8, 5, padding=2).double()
    x, weights = normal(2, 4, 16, 16), normal(2, 8, 16, 16, seed=1)
    with Kernels() as kernels:
        layer = seen(conv, x, weights, sharing="expand")
    assert kernels.largest <= 2 * 8 * 16 * 16
    assert len(layer.inputs[0]) == 512


@pytest.mark.parametrize("how", CONVOLUTIONS)
def test_reduced_rows_are_means_of_patches_and_sums_of_slopes(how) -> None:
    conv = nn.Conv2d(3, 4, **how).double()
    x, weights = normal(5, 3, 9, 8), normal(*conv(normal(5, 3, 9, 8)).shape, seed=1)
    layer = seen(conv, x, weights, sharing="reduce")
    patches = unfold(x, conv.kernel_size, conv.dilation, conv.padding, conv.stride).mean(-1)
    a = layer.inputs[0].matrix()[:, : patches.shape[1]]
    torch.testing.assert_close(a, patches / 5**0.5, rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(layer.slopes[0].matrix(), weights.flatten(2).sum(-1) / 5**0.5, rtol=EXACT, atol=EXACT)


def test_reducing_forms_no_patches() -> None:
    conv = nn.Conv2d(4, 8, 5, padding=2).double()
    x = normal(2, 4, 16, 16)
    weights = normal(2, 8, 16, 16, seed=1)
    with Kernels() as kernels:
        seen(conv, x, weights, sharing="reduce")
    assert kernels.largest <= 2 * 8 * 16 * 16  # the output; patches would be 2 * 256 * 100


def test_linear_layers_on_tokens() -> None:
    linear = nn.Linear(6, 3).double()
    x, weights = normal(5, 7, 6), normal(5, 7, 3, seed=1)
    expanded = seen(linear, x, weights, sharing="expand")
    assert expanded.inputs[0].matrix().shape == (35, 7) and expanded.slopes[0].matrix().shape == (35, 3)
    torch.testing.assert_close(expanded.inputs[0].matrix()[:, -1], torch.full((35,), 35**-0.5, dtype=F64))
    reduced = seen(linear, x, weights, sharing="reduce")
    torch.testing.assert_close(reduced.inputs[0].matrix()[:, :6], x.mean(1) / 5**0.5, rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(reduced.slopes[0].matrix(), weights.sum(1) / 5**0.5, rtol=EXACT, atol=EXACT)


def test_layers_that_are_no_single_matrix_stay_with_the_others() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, padding="same"), nn.Conv2d(4, 4, 1))
    problem = Problem(model=model, loss=loss, batches=iter(()), judge=lambda m: {})
    layers = layers_of("test", problem, sharing="expand")
    assert [layer.names for layer in layers.layers] == [("2.weight", "2.bias")]
    assert layers.others == ("0.weight", "0.bias", "1.weight", "1.bias")
    layers.close()
    assert not any(module._forward_hooks for module in model.modules())


def test_nothing_is_kept_where_nobody_watches() -> None:
    problem = small()
    layers = layers_of("test", problem, sharing="expand")
    loss(problem.model, next(problem.batches)).backward()
    assert all(layer.inputs == layer.slopes == [] for layer in layers.layers)
    layers.watch(True)
    with torch.no_grad():
        loss(problem.model, next(problem.batches))
    assert all(layer.inputs == [] for layer in layers.layers)


# --- KFAC --------------------------------------------------------------------------------------------------


def test_a_step_of_kfac_is_its_formula() -> None:
    how = {"lr": 0.1, "damping": 0.2, "lr_cov": 0.3, "momentum": 0.9, "period": 1}
    linear = nn.Linear(3, 2).double()
    x, y = normal(6, 3), torch.randint(2, (6,), generator=seeded(0))
    problem = Problem(model=linear, loss=loss, batches=itertools.repeat((x, y)), judge=lambda m: {})
    W = torch.cat([linear.weight, linear.bias[:, None]], 1).detach()
    S_K, S_C, v = torch.eye(4, dtype=F64), torch.eye(2, dtype=F64), torch.zeros(2, 4, dtype=F64)
    a = torch.cat([x, torch.ones(6, 1, dtype=F64)], 1)
    for _ in range(3):
        g = (torch.softmax(a @ W.T, 1) - nn.functional.one_hot(y, 2)) / 6.0
        S_K = 0.7 * S_K + 0.3 * (a.T @ a / 6.0 + 0.2 * torch.eye(4, dtype=F64))
        S_C = 0.7 * S_C + 0.3 * (6.0 * g.T @ g + 0.2 * torch.eye(2, dtype=F64))
        v = 0.9 * v + torch.linalg.inv(S_C) @ g.T @ a @ torch.linalg.inv(S_K)
        W = W - 0.1 * v
    steps(kfac(problem, **how), problem, 3)
    torch.testing.assert_close(torch.cat([linear.weight, linear.bias[:, None]], 1), W, rtol=1e-10, atol=1e-12)


def test_kfac_needs_a_kernel_that_bfloat16_lacks_on_the_cpu_unless_it_is_widened() -> None:
    problem = small(torch.bfloat16)
    with pytest.raises(RuntimeError, match="not implemented for 'BFloat16'"):
        steps(kfac(problem, period=1), problem)
    steps(kfac(problem, period=1, widen=True), problem)
    assert all(p.isfinite().all() for p in problem.params.values())


# --- inverse-free ------------------------------------------------------------------------------------------

ERRORS = {0.1: 1.2e-2, 0.05: 5.9e-3, 0.025: 2.9e-3, 0.0125: 1.45e-3}


def test_ikfac_follows_kfac_to_first_order() -> None:
    for lr_cov, expected in ERRORS.items():
        mean = sum(disagreement(lr_cov, seed=seed) for seed in range(8)) / 8
        assert mean == pytest.approx(expected, rel=0.1)


def moved_densely(structure: Structure, K: Tensor, n: Tensor, lr: float) -> Tensor:
    """Return K (I - lr n); of a Kronecker product, n = P (x) I + I (x) Q, each matrix by its own."""
    if not isinstance(structure, Kronecker):
        return K - lr * K @ n
    P, Q = structure.project(n)
    return K @ torch.kron(torch.eye(len(P)) - lr * P, torch.eye(len(Q)) - lr * Q)


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("adaptive", [True, False])
def test_every_structure_moves_as_its_dense_projection(name: str, adaptive: bool) -> None:
    structure = structure_named(name)
    how = Covariance(adaptive=adaptive, lr_cov=0.2, momentum_cov=0.5, damping=0.1, warm_up=False)
    sizes = {"K": 12, "C": 16}
    sides = {key: side(structure, d, torch.empty(0, dtype=F64)) for key, d in sizes.items()}
    dense = {key: torch.eye(d, dtype=F64) for key, d in sizes.items()}
    past = {key: torch.zeros(d, d, dtype=F64) for key, d in sizes.items()}
    for t in range(5):
        rows = {key: normal(9, d, seed=10 * t + d) / 3.0 for key, d in sizes.items()}
        seen_ = {key: sides[key].curvature([Plain(rows[key])]) for key in sizes}
        other = {"K": "C", "C": "K"}
        tangents = {k: sides[k].tangent(seen_[k][0], sides[other[k]], seen_[other[k]][1], how) for k in sizes}
        sides = {k: sides[k].moved(tangents[k], how, t) for k in sizes}

        gram = {k: (rows[k] @ dense[k]).T @ (rows[k] @ dense[k]) for k in sizes}
        new = {}
        for k, d in sizes.items():
            o = other[k]
            as_matrix = structure.dense_tangent if isinstance(structure, Kronecker) else structure.dense
            pi = lambda M: as_matrix(structure.project(M))  # noqa: B023, E731
            share = gram[o].trace() / sizes[o] if adaptive else 1.0
            weight = (dense[o].square().sum() / sizes[o] if adaptive else 1.0) * how.damping
            n = 0.5 * (share * pi(gram[k]) + weight * pi(dense[k].T @ dense[k]) - torch.eye(d))
            past[k] = 0.5 * past[k] + n
            new[k] = moved_densely(structure, dense[k], past[k], 0.2)
        dense = new
    for k in sizes:
        assert sides[k].structure == structure
        torch.testing.assert_close(structure.dense(sides[k].factor), dense[k], rtol=1e-11, atol=1e-12)


EVERY = {
    "ingd": ingd,
    "ikfac": ikfac,
    **{f"singd {name}": partial(singd, structure=name) for name in STRUCTURES},
}
every = pytest.mark.parametrize("build", EVERY.values(), ids=EVERY)


@every
def test_it_descends(build) -> None:
    problem = small()
    losses = steps(build(problem, lr=0.01, lr_cov=0.02, damping=0.1, period=1, warm_up=False), problem, 200)
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_step_factorises_nothing(build, dtype: torch.dtype) -> None:
    problem = small(dtype)
    optimizer = build(problem, period=1, lr_cov=0.05)
    with Kernels() as kernels:
        steps(optimizer, problem, 3)
    assert kernels.factorisations == ()
    assert all(p.isfinite().all() for p in problem.params.values())


def test_the_mode_that_looks_for_factorisations_sees_them() -> None:
    problem = small()
    with Kernels() as kernels:
        steps(kfac(problem, period=1), problem)
    assert kernels.factorisations == ("cholesky_inverse", "linalg_cholesky_ex")


def test_the_warm_up_of_the_factors() -> None:
    how = Covariance(adaptive=True, lr_cov=0.01, momentum_cov=0.5, damping=0.0)
    assert [how.lr_at(t) for t in (0, 99, 100, 499, 500)] == pytest.approx([2e-4, 2e-4, 2e-3, 2e-3, 1e-2])


def test_a_normalised_step_is_never_longer_than_lr_cov() -> None:
    plain = Covariance(adaptive=False, lr_cov=0.1, momentum_cov=0.0, damping=0.0, warm_up=False)
    normalised = Covariance(adaptive=False, lr_cov=0.1, momentum_cov=0.0, damping=0.0, warm_up=False, normalise=True)
    K = Side(Dense(), 3, (torch.eye(3, dtype=F64),))
    n = (50.0 * torch.eye(3, dtype=F64),)
    assert K.moved(n, plain, 0).factor[0][0, 0] == pytest.approx(-4.0)
    assert K.moved(n, normalised, 0).factor[0][0, 0] == pytest.approx(0.9)


def test_parameters_of_no_layer_take_the_heavy_ball() -> None:
    problem, twin = small(), small()
    how = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    optimizer = singd(problem, **how)
    steps(optimizer, problem)
    sgd = torch.optim.SGD(twin.model.parameters(), **how)
    loss(twin.model, next(twin.batches)).backward()
    sgd.step()
    for name in ("norm.weight", "norm.bias", "shift"):
        torch.testing.assert_close(problem.params[name], twin.params[name], rtol=0, atol=1e-12)
    assert torch.dist(problem.params["head.weight"], twin.params["head.weight"]) > 1e-6


@pytest.mark.parametrize("build", [kfac, ingd, ikfac, singd])
def test_options_out_of_range_are_refused(build) -> None:
    for option, message in (
        ({"period": 0}, "got period=0, expected a whole number of steps"),
        ({"period": 2.5}, "got period=2.5, expected a whole number of steps"),
        ({"sharing": "both"}, "got sharing='both', expected 'expand' or 'reduce'"),
        ({"momentum": 1.0}, r"got momentum=1.0, expected a number in \[0, 1\)"),
        ({"damping": -1.0}, "got damping=-1.0"),
        ({"lr": True}, "got lr=True, expected a finite number"),
        ({"period": True}, "got period=True, expected a whole number of steps"),
        ({"lr_cov": 2.0}, r"got lr_cov=2.0, expected a number in \[0, 1\]"),
    ):
        with pytest.raises(ArgumentError, match=message):
            build(small(), **option)


@pytest.mark.parametrize(
    ("build", "option", "message"),
    [
        (singd, {"warm_up": "yes"}, "got warm_up='yes', expected True or False"),
        (ingd, {"normalise": 1}, "got normalise=1, expected True or False"),
        (kfac, {"widen": "no"}, "got widen='no', expected True or False"),
        (kfac, {"lr_cov": 5.0}, r"got lr_cov=5.0, expected a number in \[0, 1\]"),
    ],
)
def test_switches_and_shares_are_checked(build, option: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        build(small(), **option)


def test_a_structure_that_does_not_fit_a_layer_is_refused_at_once_and_leaves_no_hooks() -> None:
    problem = small()
    with pytest.raises(ArgumentError, match="Kronecker"):
        singd(problem, structure="kronecker", size=7)
    assert not any(module._forward_hooks for module in problem.model.modules())


def test_an_empty_batch_breaks_nobody_elses_forward_pass() -> None:
    problem = small()
    singd(problem)
    assert problem.model(torch.zeros(0, 2, 8, 8, dtype=F64)).shape[0] == 0


def test_an_unknown_structure_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="structure"):
        singd(small(), structure="dens")


@pytest.mark.parametrize("structure", [None, ["dense"]])
def test_a_structure_that_is_no_name_is_refused(structure: object) -> None:
    with pytest.raises(ArgumentError, match=r"structure: got .*, expected a name: one of dense"):
        singd(small(), structure=structure)


def test_a_size_that_is_no_number_is_refused() -> None:
    with pytest.raises(ArgumentError, match="got size=True, expected an integer"):
        singd(small(), structure="block_diagonal", size=True)


@pytest.mark.parametrize("structure", ["dense", "diagonal", "hierarchical", "kronecker"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_factors_move_and_say_how_far(structure: str, dtype: torch.dtype) -> None:
    """Without warm-up they do in bfloat16, too; where they rest, the method is the heavy ball, and says 0."""
    shifts = {}
    for lr_cov in (0.0, 0.05):
        problem = small(dtype)
        method = singd(problem, structure=structure, lr_cov=lr_cov, warm_up=False, period=1)
        steps(method, problem, 5)
        shifts[lr_cov] = method.diagnostics()["factor_shift"]
    assert shifts[0.0] == 0.0
    assert 0.01 < shifts[0.05] < 1.0


@pytest.mark.parametrize("structure", ["dense", "diagonal", "hierarchical", "lower_toeplitz", "kronecker"])
def test_a_multiple_of_the_identity_has_learnt_no_direction(structure: str) -> None:
    """However far it is from where it began; what is added to one entry shows in its share."""
    one = side(structure_named(structure), 4, torch.zeros((), dtype=F64))
    twice = replace(one, factor=tuple(1.2 * part for part in one.factor))
    assert twice.shift() > 0.15 and twice.anisotropy() == pytest.approx(0.0, abs=1e-12)
    first, *others = twice.factor
    bent = first.clone()
    bent.view(-1)[-1] += 0.3
    away = replace(twice, factor=(bent, *others)).anisotropy()
    assert 0.03 < away < 0.3


@pytest.mark.parametrize("kind", ["two layers", "an embedding"])
def test_a_weight_that_two_modules_share_is_preconditioned_in_neither(kind: str) -> None:
    torch.manual_seed(0)
    last = nn.Linear(3, 3, bias=False, dtype=F64)
    first = nn.Linear(3, 3, bias=False, dtype=F64) if kind == "two layers" else nn.Embedding(3, 3, dtype=F64)
    first.weight = last.weight
    model = nn.Sequential(first, nn.Linear(3, 3, dtype=F64), last)
    problem = Problem(model=model, loss=loss, batches=itertools.repeat(None), judge=lambda m: {})
    found = layers_of("kfac", problem, sharing="expand")
    assert [layer.names for layer in found.layers] == [("1.weight", "1.bias")]
    assert found.others == ("0.weight",)
    found.close()


def test_a_layer_that_is_called_twice_is_one_layer() -> None:
    """Its two names are one module, and its calls are seen together."""
    layer = nn.Linear(3, 3, dtype=F64)
    problem = Problem(model=nn.Sequential(layer, layer), loss=loss, batches=itertools.repeat(None), judge=lambda m: {})
    found = layers_of("kfac", problem, sharing="expand")
    assert [one.module for one in found.layers] == [layer]
    found.close()
