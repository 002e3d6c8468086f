"""The Riemannian rules as torch.optim classes: the bench form's steps, and what torch promises of an optimizer."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import re
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.geometry import Grassmann, Sphere, Stiefel
from rmobench.geometry.frames import off_by_rounding
from rmobench.optim import RASA, Landing, RiemannianAdam, RiemannianSGD, SubspaceRMO
from rmobench.optim.riemannian import Riemannian
from rmobench.optimizers.learned.subspace import subspace
from rmobench.optimizers.riemannian.landing import landing
from rmobench.optimizers.riemannian.radam import radam
from rmobench.optimizers.riemannian.rasa import rasa
from rmobench.optimizers.riemannian.rsgd import rsgd
from rmobench.types import Manifold, Problem
from tests.optimizers.frames import bowl, frame, on
from tests.optimizers.plain_oracle import PlainOracle, drive, normal, problem, vector

F64, F32, BF16 = torch.float64, torch.float32, torch.bfloat16

FORMS = {  # class, bench form, options that both take
    "sgd": (RiemannianSGD, rsgd, {"lr": 0.05, "momentum": 0.8}),
    "plain": (RiemannianSGD, rsgd, {"lr": 0.05}),
    "adam": (RiemannianAdam, radam, {"lr": 0.05, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6}),
    "rasa": (RASA, rasa, {"lr": 0.02, "beta": 0.9, "epsilon": 1e-6}),
    "subspace": (SubspaceRMO, subspace, {"lr": 0.3}),
    "landing": (Landing, landing, {"lr": 0.05, "momentum": 0.7, "attraction": 0.5, "safety": 0.4}),
}

MANIFOLDS: dict[str, Manifold] = {"a": Stiefel(), "b": Grassmann()}  # c is free

every = pytest.mark.parametrize("form", FORMS)


def loss(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Return a function of a frame [5, 2], a subspace [4, 2] and a vector [3] that couples them, in float64."""
    a, b, c = a.double(), b.double(), c.double()
    w = torch.linspace(0.5, 2.0, 10, dtype=F64).reshape(5, 2)
    h = torch.diag(torch.arange(4, dtype=F64))
    return (w * a.sin()).sum() + (b * (h @ b)).sum() + ((c - a[0].sum()) ** 2).sum()


def start(dtype: torch.dtype = F64) -> Problem:
    p = problem(loss, frame(5, 2, dtype=dtype), frame(4, 2, seed=1, dtype=dtype), normal(3, dtype=dtype))
    return replace(p, manifolds=MANIFOLDS)


def build(form: str, p: Problem, **options: Any) -> Riemannian:
    kind, _, own = FORMS[form]
    return kind(p.model.named_parameters(), manifolds=MANIFOLDS, **{**own, **options})


def walk(optimizer: Riemannian, p: Problem, n_steps: int) -> Tensor:
    """Take some steps; return the iterates [n_steps, d]."""
    points = []
    for _ in range(n_steps):
        optimizer.zero_grad()
        p.loss(p.model, None).backward()
        optimizer.step()
        points.append(vector(p))
    return torch.stack(points)


def tensors(optimizer: Riemannian) -> list[Tensor]:
    return [t for p in optimizer.state for t in optimizer.state[p].values() if isinstance(t, Tensor)]


def through_file(content: Any) -> Any:
    """Save with torch.save and load with the restricted loader."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


# --- the same rule as in the bench -------------------------------------------------------------------------


@every
@pytest.mark.parametrize("dtype", [F64, F32, BF16])
def test_takes_the_bench_forms_steps(form: str, dtype: torch.dtype) -> None:
    """Bit for bit."""
    p, q = start(dtype), start(dtype)
    oracle = PlainOracle(q)
    _, bench, options = FORMS[form]
    drive(bench(q, **options), oracle, n_steps=40)
    ours = walk(build(form, p), p, 40)
    assert torch.equal(ours, torch.stack(oracle.iterates))
    assert ours.isfinite().all()
    assert not torch.equal(ours[0], ours[-1])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda p: RiemannianSGD(p, manifolds={}, lr=0.01, momentum=0.9), lambda p: torch.optim.SGD(p, 0.01, 0.9)),
        (lambda p: RiemannianAdam(p, manifolds={}, lr=0.01), lambda p: torch.optim.Adam(p, 0.01)),
        (lambda p: Landing(p, manifolds={}, lr=0.01, momentum=0.9), lambda p: torch.optim.SGD(p, 0.01, 0.9)),
    ],
    ids=["sgd", "adam", "landing"],
)
def test_without_manifolds_it_is_torchs_own(ours: Callable[..., Any], theirs: Callable[..., Any]) -> None:
    """Names are then not needed."""
    p, q = start(), start()
    torch.testing.assert_close(
        walk(ours(p.model.parameters()), p, 40), walk(theirs(q.model.parameters()), q, 40), rtol=0, atol=1e-12
    )


@every
def test_leaves_the_gradients_as_they_are(form: str) -> None:
    p = start()
    optimizer = build(form, p)
    p.loss(p.model, None).backward()
    before = [x.grad.clone() for x in p.params.values()]
    optimizer.step()
    assert all(torch.equal(x.grad, g) for x, g in zip(p.params.values(), before, strict=True))


def test_trains_a_network_with_orthonormal_weights() -> None:
    """As the documentation has it: by parameter name, in an ordinary loop."""
    draw = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=draw) * 0.3)
        model[0].weight.copy_(Stiefel().random((8, 4), draw))
    inputs = torch.randn(64, 4, generator=draw)
    targets = inputs[:, :1] * inputs[:, 1:2]
    optimizer = RiemannianAdam(model.named_parameters(), manifolds={"0.weight": Stiefel()}, lr=0.02)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        value = nn.functional.mse_loss(model(inputs), targets)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < 0.3 * losses[0]
    assert Stiefel().residual(model[0].weight.detach()) < 1e-5


# --- groups and options ------------------------------------------------------------------------------------


@every
def test_groups_do_not_change_the_steps(form: str) -> None:
    p, q = start(), start()
    kind, _, options = FORMS[form]
    groups = [{"params": [pair]} for pair in q.model.named_parameters()]
    apart = kind(groups, manifolds=MANIFOLDS, **options)
    assert torch.equal(walk(build(form, p), p, 20), walk(apart, q, 20))


@every
def test_a_group_has_options_of_its_own(form: str) -> None:
    p = start()
    kind, _, options = FORMS[form]
    a, b, c = p.model.named_parameters()
    still = {name: 0.0 for name in options if name.startswith("lr")}
    optimizer = kind([{"params": [a, b]}, {"params": [c], **still}], manifolds=MANIFOLDS, **options)
    before = vector(p)
    after = walk(optimizer, p, 3)[-1]
    assert torch.equal(after[18:], before[18:])
    assert not torch.equal(after[:18], before[:18])


def test_a_group_that_is_added_brings_its_manifolds() -> None:
    p, q = start(), start()
    (a, b, c) = p.model.named_parameters()
    optimizer = RiemannianSGD([c], manifolds={}, lr=0.05)
    optimizer.add_param_group({"params": [a], "manifolds": {"a": Stiefel()}, "lr": 0.05})
    optimizer.add_param_group({"params": [b], "manifolds": {"b": Grassmann()}})
    whole = RiemannianSGD(q.model.named_parameters(), manifolds=MANIFOLDS, lr=0.05)
    assert torch.equal(walk(optimizer, p, 10), walk(whole, q, 10))
    assert "manifolds" not in optimizer.param_groups[1]


@every
def test_schedulers_set_the_step_length(form: str) -> None:
    p, q = start(), start()
    scheduled, by_hand = build(form, p), build(form, q)
    scheduler = torch.optim.lr_scheduler.StepLR(scheduled, step_size=1, gamma=0.5)
    lr = FORMS[form][2]["lr"]
    for t in range(4):
        by_hand.param_groups[0]["lr"] = lr * 0.5**t
        assert torch.equal(walk(scheduled, p, 1), walk(by_hand, q, 1))
        scheduler.step()


# --- closures and gradients --------------------------------------------------------------------------------


@every
def test_gradients_that_are_zeroed_in_place_take_nothing_of_the_state(form: str) -> None:
    p, q = start(), start()
    optimizer, twin = build(form, p), build(form, q)
    for _ in range(5):
        optimizer.zero_grad(set_to_none=False)
        p.loss(p.model, None).backward()
        optimizer.step()
    assert torch.equal(vector(p), walk(twin, q, 5)[-1])


@every
def test_a_closure_fills_the_gradients_and_its_loss_is_returned(form: str) -> None:
    p, q = start(), start()
    with_closure, without = build(form, p), build(form, q)

    def closure() -> Tensor:
        assert torch.is_grad_enabled()
        with_closure.zero_grad()
        value = p.loss(p.model, None)
        value.backward()
        return value

    for _ in range(5):
        expected = p.loss(p.model, None)
        with torch.no_grad():
            assert torch.equal(with_closure.step(closure), expected)
        walk(without, q, 1)
        assert torch.equal(vector(p), vector(q))
    assert without.step() is None


@every
def test_a_parameter_without_gradient_is_skipped(form: str) -> None:
    p = start()
    optimizer = build(form, p)
    b = p.params["b"].requires_grad_(False)
    before = b.clone()
    walk(optimizer, p, 3)
    assert torch.equal(b, before)
    assert b not in optimizer.state
    b.requires_grad_(True)
    walk(optimizer, p, 1)
    assert not torch.equal(b, before)


@every
@pytest.mark.parametrize("kind", ["sparse", "complex"])
def test_refuses_gradients_that_are_sparse_or_complex(form: str, kind: str) -> None:
    """Before anything is moved."""
    good = nn.Parameter(normal(3))
    bad = nn.Parameter(torch.ones(3, dtype=torch.complex128 if kind == "complex" else F64))
    optimizer = FORMS[form][0]([{"params": [good]}, {"params": [bad]}], manifolds={})
    good.grad = torch.ones(3, dtype=F64)
    bad.grad = torch.ones_like(bad) if kind == "complex" else torch.ones(3, dtype=F64).to_sparse()
    expected = "complex128 and layout torch.strided" if kind == "complex" else "float64 and layout torch.sparse_coo"
    with pytest.raises(ArgumentError, match=f"{FORMS[form][0].__name__}: got a gradient of type torch.{expected}"):
        optimizer.step()
    assert torch.equal(good.detach(), normal(3))
    assert not tensors(optimizer)


# --- continuing --------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("dtype", [F64, F32, BF16])
def test_continues_from_a_state_dict_to_the_bit(form: str, dtype: torch.dtype) -> None:
    """Also in bfloat16, where torch by itself would round the float32 state."""
    p, q = start(dtype), start(dtype)
    optimizer, other = build(form, p, lr=0.03), build(form, q)
    walk(optimizer, p, 7)
    saved = through_file({"model": p.model.state_dict(), "optimizer": optimizer.state_dict()})
    q.model.load_state_dict(saved["model"])
    other.load_state_dict(saved["optimizer"])
    assert other.param_groups[0]["lr"] == 0.03
    assert all(torch.equal(s, t) for s, t in zip(tensors(other), tensors(optimizer), strict=True))
    assert {t.dtype for t in tensors(other)} <= {F32, F64}
    assert torch.equal(walk(optimizer, p, 20), walk(other, q, 20))


@pytest.mark.parametrize("dtype", [F64, F32, BF16])
def test_landing_continues_from_where_its_safety_lets_it_go(dtype: torch.dtype) -> None:
    """On its way the parameter is farther off the manifold than a start of another rule may be."""
    p, q = (on(Stiefel(), bowl, frame(5, 2, dtype=dtype)) for _ in range(2))
    optimizer = long_landing(p)
    walk(optimizer, p, 5)
    assert 0.4 < Stiefel().residual(p.params["a"].detach()) < 0.5 + off_by_rounding(2, dtype) + 1e-6
    saved = through_file({"model": p.model.state_dict(), "optimizer": optimizer.state_dict()})
    q.model.load_state_dict(saved["model"])
    other = long_landing(q)
    other.load_state_dict(saved["optimizer"])
    assert torch.equal(walk(optimizer, p, 20), walk(other, q, 20))
    q.model.load_state_dict(saved["model"])
    with pytest.raises(
        ArgumentError, match=r"RiemannianSGD: a lies .* off its manifold \(stiefel\), expected at most 0\.1\."
    ):
        RiemannianSGD(q.model.named_parameters(), manifolds=q.manifolds)


def long_landing(p: Problem) -> Landing:
    """Return a rule whose steps are as long as its safety allows."""
    return Landing(p.model.named_parameters(), manifolds=p.manifolds, lr=100.0, attraction=0.1, safety=0.5)


@pytest.mark.parametrize(("old", "new", "expected"), [(F32, F64, F64), (F64, F32, F32), (F32, BF16, F32)])
def test_state_is_loaded_in_the_type_that_the_rule_computes_in(
    old: torch.dtype, new: torch.dtype, expected: torch.dtype
) -> None:
    p, q = start(old), start(new)
    optimizer, other = build("adam", p), build("adam", q)
    walk(optimizer, p, 7)
    other.load_state_dict(optimizer.state_dict())
    assert all(torch.equal(s, t.to(expected)) for s, t in zip(tensors(other), tensors(optimizer), strict=True))
    assert walk(other, q, 2).isfinite().all()


@every
def test_a_loaded_state_is_a_copy_and_the_state_dict_is_let_go(form: str) -> None:
    p, q = start(), start()
    optimizer, other = build(form, p), build(form, q)
    walk(optimizer, p, 3)
    saved = through_file(optimizer.state_dict())
    kept = [weakref.ref(t) for state in saved["state"].values() for t in state.values() if isinstance(t, Tensor)]
    other.load_state_dict(saved)
    del saved
    gc.collect()
    assert all(ref() is None for ref in kept)
    other.load_state_dict(other.state_dict())  # no hook was left behind


@every
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
def test_copies_and_pickles_continue_to_the_bit(form: str, duplicate: Callable[[Any], Any]) -> None:
    p = start()
    optimizer = build(form, p)
    walk(optimizer, p, 5)
    model, other = duplicate((p.model, optimizer))
    q = replace(start(), model=model)
    assert torch.equal(walk(optimizer, p, 10), walk(other, q, 10))
    other.add_param_group({"params": [("d", nn.Parameter(normal(3)))]})
    assert (len(optimizer.param_groups), len(other.param_groups)) == (1, 2)


def test_a_state_dict_from_parameters_of_other_names_keeps_the_manifolds() -> None:
    """Torch takes over the saved names; what lies where was settled when the optimizer was built."""
    p, q = start(), start()
    optimizer = build("sgd", p)
    walk(optimizer, p, 3)
    saved = optimizer.state_dict()
    saved["param_groups"][0]["param_names"] = ["x", "y", "z"]
    q.model.load_state_dict(p.model.state_dict())
    other = build("sgd", q)
    other.load_state_dict(saved)
    assert torch.equal(walk(optimizer, p, 5), walk(other, q, 5))


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "option", "value", "expected"),
    [
        ("sgd", "lr", -1.0, "a finite number >= 0"),
        ("sgd", "lr", float("nan"), "a finite number >= 0"),
        ("sgd", "momentum", 1.0, r"a number in \[0, 1\)"),
        ("adam", "beta1", -0.1, r"a number in \[0, 1\)"),
        ("adam", "beta2", 1.5, r"a number in \[0, 1\)"),
        ("adam", "epsilon", "small", "a finite number >= 0"),
        ("rasa", "beta", 1.0, r"a number in \[0, 1\)"),
        ("landing", "attraction", float("inf"), "a finite number >= 0"),
        ("landing", "safety", 1.0, r"a number in \[0, 1\)"),
    ],
)
def test_refuses_options_that_make_no_rule(form: str, option: str, value: Any, expected: str) -> None:
    p = start()
    message = f"{FORMS[form][0].__name__}: got {option}={value!r}, expected {expected}"
    with pytest.raises(ArgumentError, match=message):
        build(form, p, **{option: value})
    a, b, _ = p.model.named_parameters()
    optimizer = FORMS[form][0]([a], manifolds={})
    with pytest.raises(ArgumentError, match=message):
        optimizer.add_param_group({"params": [b], option: value})
    assert len(optimizer.param_groups) == 1
    walk(optimizer, p, 1)


@pytest.mark.parametrize("params", [lambda p: p.model.parameters(), lambda p: p.model.named_parameters()])
def test_refuses_manifolds_of_parameters_that_it_does_not_have(params: Callable[[Problem], Any]) -> None:
    with pytest.raises(ArgumentError, match=r"RiemannianSGD: got manifolds for \['A'\], expected names out of \["):
        RiemannianSGD(params(start()), manifolds={"A": Stiefel()})
    optimizer = RiemannianSGD(list(start().model.named_parameters())[:1], manifolds={})
    extra = {"params": [("b", nn.Parameter(frame(4, 2)))], "manifolds": {"B": Stiefel()}}
    with pytest.raises(ArgumentError, match=r"got manifolds for \['B'\], expected names out of \['b'\]"):
        optimizer.add_param_group(extra)
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("manifold", "shape", "expected"),
    [
        (Stiefel(), (2, 5), r"\[\.\.\., n, p\] with p <= n"),
        (Stiefel(), (5,), r"\[\.\.\., n, p\] with p <= n"),
        (Sphere(), (), r"vectors \[\.\.\., n\]"),
    ],
)
def test_refuses_parameters_that_are_no_points(manifold: Manifold, shape: tuple[int, ...], expected: str) -> None:
    """When it is built, not at the first step, and by their names."""
    said = rf"^RiemannianAdam: w cannot lie on {manifold.name}: it has shape \{list(shape)}, expected {expected}\.$"
    with pytest.raises(ArgumentError, match=said):
        RiemannianAdam([("w", nn.Parameter(normal(*shape)))], manifolds={"w": manifold})


@pytest.mark.parametrize("given", ["stiefel", Stiefel, 3, None])
def test_refuses_what_is_no_manifold(given: Any) -> None:
    said = rf"got {re.escape(repr(given))} for a, expected a manifold: an instance, e\.g\. Stiefel\(\)\.$"
    with pytest.raises(ArgumentError, match=rf"^RiemannianSGD: {said}"):
        RiemannianSGD(start().model.named_parameters(), manifolds={"a": given})
    optimizer = RiemannianSGD([("b", nn.Parameter(normal(3)))], manifolds={})
    with pytest.raises(ArgumentError, match=said):
        optimizer.add_param_group({"params": [("a", nn.Parameter(frame(5, 2)))], "manifolds": {"a": given}})
    assert len(optimizer.param_groups) == 1


@every
@pytest.mark.parametrize("shape", [(0, 4, 2), (4, 0)])
def test_parameters_without_entries_go_along(form: str, shape: tuple[int, ...]) -> None:
    x = nn.Parameter(torch.zeros(shape, dtype=F64))
    kind, _, options = FORMS[form]
    optimizer = kind([("x", x)], manifolds={"x": Stiefel()}, **options)
    x.grad = torch.zeros_like(x)
    for _ in range(2):
        optimizer.step()
    assert x.shape == shape


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (lambda p: torch.optim.SGD(p.model.named_parameters()), "another class, expected one of rsgd"),
        (lambda p: build("adam", p), "radam, expected one of rsgd"),
        (
            lambda p: RiemannianSGD(p.model.named_parameters(), manifolds={"a": Stiefel()}),
            r"\['stiefel', 'euclidean', 'euclidean'\], expected one of \['stiefel', 'grassmann', 'euclidean'\]",
        ),
    ],
    ids=["sgd", "radam", "manifolds"],
)
def test_refuses_the_state_of_another_rule_or_place(saved: Callable[[Problem], Any], message: str) -> None:
    optimizer = build("sgd", start())
    with pytest.raises(ArgumentError, match=f"RiemannianSGD: got a state dict of {message}"):
        optimizer.load_state_dict(saved(start()).state_dict())


def test_a_state_dict_with_other_groups_is_refused() -> None:
    p = start()
    apart = RiemannianSGD([{"params": [pair]} for pair in p.model.named_parameters()], manifolds={})
    with pytest.raises(ValueError, match="different number of parameter groups"):
        RiemannianSGD(start().model.named_parameters(), manifolds={}).load_state_dict(
            {**apart.state_dict(), "param_groups": []}
        )


@pytest.mark.gpu
@every
def test_state_follows_the_parameters_to_their_device(form: str) -> None:
    p, q = start(F32), start(F32)
    optimizer = build(form, p)
    walk(optimizer, p, 3)
    q.model.cuda()
    other = build(form, q)
    other.load_state_dict(through_file(optimizer.state_dict()))
    assert all(t.is_cuda for t in tensors(other))
    assert walk(other, q, 2).isfinite().all()


@pytest.mark.parametrize("shape", [(5, 2), (3, 4, 5, 5)])
def test_a_parameter_that_is_off_its_manifold_is_refused(shape: tuple[int, ...]) -> None:
    said = r"RiemannianAdam: w lies .* off its manifold \(stiefel\), expected at most 0\.1"
    hint = r".*A kernel \[out, in, k, k\] is kept flat" if len(shape) > 3 else ""
    with pytest.raises(ArgumentError, match=said + hint):
        RiemannianAdam([("w", nn.Parameter(normal(*shape)))], manifolds={"w": Stiefel()})


def test_a_frame_that_is_off_by_its_roundings_is_taken_however_large() -> None:
    """The error of the stored frame grows with the root of p."""
    n = 2048
    x = torch.eye(n)
    for k in range(4):  # a dense frame at little cost: a product of reflections
        v = normal(n, 1, seed=k, dtype=F32)
        x = x - (2.0 / v.square().sum()) * v @ (v.T @ x)
    x = x.to(BF16)
    assert Stiefel().residual(x) > 0.1
    RiemannianSGD([("w", nn.Parameter(x))], manifolds={"w": Stiefel()})
    with pytest.raises(ArgumentError, match=r"w lies .* off its manifold \(stiefel\), expected at most 0\.185"):
        RiemannianSGD([("w", nn.Parameter(1.01 * torch.eye(512, dtype=BF16)))], manifolds={"w": Stiefel()})


@pytest.mark.parametrize(("safety", "shift", "taken"), [(0.3, 0.39, True), (0.3, 0.41, False), (0.99, 1.01, False)])
def test_landing_takes_starts_as_far_off_as_its_safety_and_no_point_that_would_stay(
    safety: float, shift: float, taken: bool
) -> None:
    """Beyond 1 no step is safe."""
    x = nn.Parameter(frame(5, 1) * (1.0 + shift) ** 0.5)
    if taken:
        Landing([("x", x)], manifolds={"x": Stiefel()}, safety=safety)
    else:
        limit = min(safety + 0.1, 1.0)
        with pytest.raises(ArgumentError, match=rf"Landing: x lies .* expected at most {limit:g}\."):
            Landing([("x", x)], manifolds={"x": Stiefel()}, safety=safety)


@pytest.mark.parametrize("kind", [RASA, SubspaceRMO])
def test_rules_for_matrices_refuse_vectors_on_the_sphere(kind: type[Riemannian]) -> None:
    x = nn.Parameter(Sphere().project(normal(5)))
    with pytest.raises(ArgumentError, match=rf"{kind.__name__}: got sphere for w, expected one of grassmann, stiefel"):
        kind([("w", x)], manifolds={"w": Sphere()})
