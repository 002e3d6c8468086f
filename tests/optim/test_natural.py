"""The second-order methods and GNC as torch.optim classes: the bench form's steps, and what torch promises."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError, UnknownNameError
from rmobench.geometry import Spd, Stiefel
from rmobench.optim import GNC, IKFAC, INGD, KFAC, SINGD
from rmobench.optim.second_order import SecondOrder
from rmobench.optimizers.natural.gnc import MAPS, gnc
from rmobench.optimizers.natural.ikfac import ikfac
from rmobench.optimizers.natural.ingd import ingd
from rmobench.optimizers.natural.kfac import kfac
from rmobench.optimizers.natural.singd import singd
from rmobench.types import Problem
from tests.optimizers.manifold_problems import point
from tests.optimizers.manifold_problems import problem as on_manifolds
from tests.optimizers.networks import loss, small
from tests.optimizers.plain_oracle import PlainOracle, drive, normal, vector

F64, F32, BF16 = torch.float64, torch.float32, torch.bfloat16
JOINED = 1e-12
"""Sums of rows in another order."""

COMMON = {"lr": 0.02, "momentum": 0.8, "weight_decay": 0.01, "damping": 0.1, "lr_cov": 0.05, "period": 3}
NARROW = {**COMMON, "warm_up": False}
FORMS = {  # class, bench form, options that both take
    "kfac": (KFAC, kfac, {**COMMON, "widen": True}),
    "kfac reduce": (KFAC, kfac, {**COMMON, "widen": True, "sharing": "reduce", "momentum": 0.0}),
    "ingd": (INGD, ingd, {**NARROW, "normalise": True}),
    "ikfac": (IKFAC, ikfac, NARROW),
    "singd": (SINGD, singd, NARROW),
    "singd blocks": (SINGD, singd, {**NARROW, "structure": "block_diagonal", "size": 2, "momentum_cov": 0.0}),
    "singd hierarchical": (SINGD, singd, {**NARROW, "structure": "hierarchical"}),
}
every = pytest.mark.parametrize("form", FORMS)
dtypes = pytest.mark.parametrize("dtype", [F64, F32, BF16], ids=["fp64", "fp32", "bf16"])


def build(form: str, p: Problem, **options: Any) -> SecondOrder:
    kind, _, own = FORMS[form]
    return kind(p.model, **{**own, **options})


def backward(p: Problem, *, share: float = 1.0) -> Tensor:
    value = p.loss(p.model, next(p.batches)) * share
    value.backward()
    return value


def walk(optimizer: torch.optim.Optimizer, p: Problem, n_steps: int) -> Tensor:
    """Take some steps; return the iterates [n_steps, d]."""
    points = []
    for _ in range(n_steps):
        optimizer.zero_grad()
        backward(p)
        optimizer.step()
        points.append(vector(p))
    return torch.stack(points)


def bench(form: str, p: Problem, n_steps: int) -> Tensor:
    """Take some steps of the bench form; return the iterates [n_steps, d]."""
    _, method, options = FORMS[form]
    optimizer, points = method(p, **options), []

    def oracle() -> Tensor:
        p.model.zero_grad()
        return backward(p).detach()

    for _ in range(n_steps):
        optimizer.step(oracle)
        points.append(vector(p))
    optimizer.close()
    return torch.stack(points)


def through_file(content: Any) -> Any:
    """Save with torch.save and load with the restricted loader."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def resumed(optimizer: torch.optim.Optimizer, p: Problem, q: Problem, other: torch.optim.Optimizer) -> None:
    """Bring another model and its optimizer to where these are, by way of a file."""
    saved = through_file({"model": p.model.state_dict(), "optimizer": optimizer.state_dict()})
    q.model.load_state_dict(saved["model"])
    other.load_state_dict(saved["optimizer"])


def tensors(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    values = [v for state in optimizer.state.values() for v in state.values()]
    return [t for v in values for t in (v if isinstance(v, tuple) else (v,))]


# --- the same method as in the bench -----------------------------------------------------------------------


@every
@dtypes
def test_takes_the_bench_forms_steps(form: str, dtype: torch.dtype) -> None:
    """Bit for bit, over several periods."""
    p, q = small(dtype), small(dtype)
    ours = walk(build(form, p), p, 10)
    assert torch.equal(ours, bench(form, q, 10))
    assert ours.isfinite().all()
    assert not torch.equal(ours[0], ours[-1])


@pytest.mark.parametrize("form", ["kfac", "ingd", "singd"])
def test_trains_a_network_in_bfloat16(form: str) -> None:
    """As the documentation has it."""
    p = small(BF16)
    with build(form, p, lr=0.02, momentum=0.9, weight_decay=0.0) as optimizer:
        losses: list[float] = []
        for _ in range(120):
            optimizer.zero_grad()
            losses.append(backward(p).item())
            optimizer.step()
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    assert {t.dtype for t in tensors(optimizer)} == {BF16}


def test_weights_that_are_used_without_a_call_of_their_layer_take_the_heavy_ball() -> None:
    """The last projection of nn.MultiheadAttention."""
    model, twin = (nn.MultiheadAttention(4, 2, dropout=0.0).double() for _ in range(2))
    twin.load_state_dict(model.state_dict())
    whole, whole_twin = (nn.Sequential(nn.Linear(4, 4).double(), m) for m in (model, twin))
    whole_twin.load_state_dict(whole.state_dict())
    optimizer = SINGD(whole, lr=0.1, momentum=0.9, warm_up=False, lr_cov=0.2)
    sgd = torch.optim.SGD(whole_twin.parameters(), lr=0.1, momentum=0.9)
    for m, o in ((whole, optimizer), (whole_twin, sgd)):
        x = m[0](normal(5, 3, 4))
        m[1](x, x, x)[0].square().mean().backward()
        o.step()
    torch.testing.assert_close(model.out_proj.weight, twin.out_proj.weight, rtol=0, atol=1e-14)
    assert torch.dist(whole[0].weight, whole_twin[0].weight) > 1e-6


# --- an ordinary loop --------------------------------------------------------------------------------------


@every
def test_schedulers_set_the_step_length(form: str) -> None:
    p, q = small(), small()
    scheduled, by_hand = build(form, p), build(form, q)
    scheduler = torch.optim.lr_scheduler.StepLR(scheduled, step_size=1, gamma=0.5)
    for t in range(4):
        by_hand.param_groups[0]["lr"] = 0.02 * 0.5**t
        assert torch.equal(walk(scheduled, p, 1), walk(by_hand, q, 1))
        scheduler.step()
    start = small()
    still = build(form, start, lr=0.0)
    before = vector(start)
    assert torch.equal(walk(still, start, 2)[-1], before)


def test_schedulers_may_set_the_momentum_too() -> None:
    p, q = small(), small()
    cycled, fixed = build("singd", p), build("singd", q)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(cycled, max_lr=0.1, total_steps=20)
    for _ in range(5):
        fixed.param_groups[0].update({key: cycled.param_groups[0][key] for key in ("lr", "momentum")})
        assert torch.equal(walk(cycled, p, 1), walk(fixed, q, 1))
        scheduler.step()
    assert cycled.param_groups[0]["momentum"] not in (0.8, 0.95)


@every
def test_a_closure_fills_the_gradients_and_its_loss_is_returned(form: str) -> None:
    p, q = small(), small()
    with_closure, without = build(form, p), build(form, q)

    def closure() -> Tensor:
        assert torch.is_grad_enabled()
        with_closure.zero_grad()
        return backward(p)

    for _ in range(5):
        value = with_closure.step(closure)
        without.zero_grad()
        assert torch.equal(value, backward(q))
        assert without.step() is None
        assert torch.equal(vector(p), vector(q))


def zeroed_between(optimizer: SecondOrder, p: Problem) -> None:
    value = p.loss(p.model, next(p.batches))
    optimizer.zero_grad()
    value.backward()
    optimizer.step()


def zeroed_by_the_model(optimizer: SecondOrder, p: Problem) -> None:
    p.model.zero_grad()
    backward(p)
    optimizer.step()


def after_a_pass_that_is_dropped(optimizer: SecondOrder, p: Problem) -> None:
    loss(p.model, (normal(3, 2, 8, 8, seed=5), torch.zeros(3, dtype=torch.int64))).backward()
    optimizer.zero_grad(set_to_none=False)
    backward(p)
    optimizer.step()


def after_looking(optimizer: SecondOrder, p: Problem) -> None:
    """A call without a backward pass, and the training of a copy."""
    optimizer.zero_grad()
    other = copy.deepcopy(p.model)
    loss(other, (normal(3, 2, 8, 8, seed=5), torch.zeros(3, dtype=torch.int64))).backward()
    p.model(normal(3, 2, 8, 8, seed=5))
    backward(p)
    optimizer.step()


LOOPS = [zeroed_between, zeroed_by_the_model, after_a_pass_that_is_dropped, after_looking]


@pytest.mark.parametrize("turn", LOOPS)
@pytest.mark.parametrize("form", ["kfac", "singd"])
def test_other_loops_take_the_same_steps(turn: Callable[[SecondOrder, Problem], None], form: str) -> None:
    p, q = small(), small()
    optimizer = build(form, p)
    for _ in range(5):
        turn(optimizer, p)
    assert torch.equal(vector(p), walk(build(form, q), q, 5)[-1])


@every
def test_gradients_that_add_up_over_batches_count_as_one_batch(form: str) -> None:
    p, q = small(), small()
    apart, at_once = build(form, p, period=2), build(form, q, period=2)
    for _ in range(5):
        apart.zero_grad()
        for _ in range(2):
            backward(p, share=0.5)
        apart.step()
        at_once.zero_grad()
        (x, y), (x_, y_) = islice(q.batches, 2)
        loss(q.model, (torch.cat([x, x_]), torch.cat([y, y_]))).backward()
        at_once.step()
    torch.testing.assert_close(vector(p), vector(q), rtol=JOINED, atol=JOINED)
    assert torch.dist(vector(p), walk(build(form, r := small()), r, 5)[-1]) > 1e-6


# --- continuing --------------------------------------------------------------------------------------------


@every
@dtypes
@pytest.mark.parametrize("n_before", [3, 7], ids=["due", "not due"])
def test_continues_from_a_state_dict_to_the_bit(form: str, dtype: torch.dtype, n_before: int) -> None:
    p, q = small(dtype), small(dtype)
    optimizer, other = build(form, p, lr=0.03), build(form, q)
    walk(optimizer, p, n_before)
    walk(other, q, n_before)  # the batches go on where they were
    resumed(optimizer, p, q, other)
    assert other.param_groups[0]["lr"] == 0.03
    assert len(tensors(other)) == len(tensors(optimizer)) > 0
    assert all(torch.equal(s, t) for s, t in zip(tensors(other), tensors(optimizer), strict=True))
    assert torch.equal(walk(optimizer, p, 8), walk(other, q, 8))


def test_a_state_can_be_loaded_before_the_first_step_and_is_a_copy() -> None:
    p, q = small(), small()
    optimizer, other = build("singd", p), build("singd", q)
    walk(optimizer, p, 4)
    q.model.load_state_dict(p.model.state_dict())
    other.load_state_dict(optimizer.state_dict())
    assert not {t.data_ptr() for t in tensors(other)} & {t.data_ptr() for t in tensors(optimizer)}
    for _ in range(4):
        next(q.batches)
    assert torch.equal(walk(optimizer, p, 5), walk(other, q, 5))


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (lambda p: torch.optim.SGD(p.model.parameters(), 0.1), "another class, expected one of singd"),
        (lambda p: build("kfac", p), r"kfac\[.*\], expected one of singd"),
        (
            lambda p: build("singd hierarchical", p),
            r"singd.*structure=hierarchical.*, expected one of .*structure=diagonal",
        ),
        (lambda p: build("singd", p, damping=0.2), r"singd.*damping=0\.2.*, expected one of .*damping=0\.1"),
    ],
    ids=["sgd", "kfac", "structure", "damping"],
)
def test_refuses_the_state_of_another_method(saved: Callable[[Problem], Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=f"SINGD: got a state dict of {message}"):
        build("singd", small()).load_state_dict(saved(small()).state_dict())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps])
def test_copies_and_pickles_are_refused(duplicate: Callable[[Any], Any]) -> None:
    with pytest.raises(ArgumentError, match=r"KFAC hangs on the layers of its model.* Save its state_dict\(\)"):
        duplicate(build("kfac", small()))


# --- hooks, and what is refused ----------------------------------------------------------------------------


def hooks(model: nn.Module) -> int:
    on_parameters = (p._post_accumulate_grad_hooks or {} for p in model.parameters())
    return sum(len(m._forward_hooks) for m in model.modules()) + sum(map(len, on_parameters))


@every
def test_closing_removes_the_hooks(form: str) -> None:
    p = small()
    optimizer = build(form, p)
    walk(optimizer, p, 2)
    assert hooks(p.model) == 6  # two for each of three layers
    optimizer.close()
    assert hooks(p.model) == 0
    with pytest.raises(ArgumentError, match=r"got a step after close\(\)"):
        walk(optimizer, p, 1)
    with pytest.raises(ZeroDivisionError), build(form, p):
        assert hooks(p.model) == 6
        raise ZeroDivisionError
    assert hooks(p.model) == 0


def freeze(p: Problem) -> None:
    p.params["head.weight"].requires_grad_(False)


def replace_a_layer(p: Problem) -> None:
    p.model.head = nn.Linear(10, 4, bias=False).double()


@pytest.mark.parametrize("change", [freeze, replace_a_layer])
def test_a_model_that_changes_is_refused(change: Callable[[Problem], None]) -> None:
    p = small()
    optimizer = build("singd", p)
    walk(optimizer, p, 2)
    change(p)
    with pytest.raises(ArgumentError, match="got a model with other trainable parameters"):
        walk(optimizer, p, 1)


def test_what_is_frozen_when_it_is_built_stays_where_it_is() -> None:
    p = small()
    p.model.conv.weight.requires_grad_(False)
    before = p.model.conv.weight.clone()
    optimizer = build("singd", p)
    walk(optimizer, p, 4)
    assert torch.equal(p.model.conv.weight, before)
    assert hooks(p.model) == 4


def test_gradients_that_no_layer_saw_are_refused() -> None:
    p = small()
    value = backward(p)
    optimizer = build("kfac", p)
    with pytest.raises(ArgumentError, match="KFAC: got gradients, but saw no backward pass"):
        optimizer.step()
    assert value.isfinite() and not tensors(optimizer)


def test_a_second_group_is_refused() -> None:
    optimizer = build("singd", small())
    with pytest.raises(ArgumentError, match="the parameters are the model's"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
    assert len(optimizer.param_groups) == 1


def test_a_sparse_gradient_is_refused() -> None:
    p = small()
    optimizer = build("singd", p)
    backward(p)
    shift = p.params["shift"]
    shift.grad = shift.grad.to_sparse()
    with pytest.raises(ArgumentError, match=r"SINGD: got a gradient of type torch.float64 and layout torch.sparse_coo"):
        optimizer.step()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"momentum": 1.0}, ArgumentError, r"got momentum=1.0, expected a number in \[0, 1\)"),
        ({"period": 0}, ArgumentError, "got period=0, expected a whole number of steps"),
        ({"sharing": "both"}, ArgumentError, "got sharing='both'"),
        ({"structure": "sparse"}, UnknownNameError, "no structure named 'sparse'"),
    ],
)
def test_options_out_of_range_are_refused_and_leave_no_hooks(options: dict, error: type, message: str) -> None:
    p = small()
    with pytest.raises(error, match=message):
        SINGD(p.model, **options)
    assert hooks(p.model) == 0


# --- GNC ---------------------------------------------------------------------------------------------------


def on_spd(dtype: torch.dtype = F64) -> Problem:
    """A precision matrix, a batch of two, and a free vector that goes with them."""
    S = point(Spd(), 4, 4, seed=1)

    def f(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        a, b, c = a.double(), b.double(), c.double()
        logs = torch.linalg.cholesky(a).diagonal().log().sum()
        traces = (b @ b).mean() - 0.1 * b.diagonal(dim1=1, dim2=2).sum()
        return (S * a).sum() - 2.0 * logs + traces + 0.1 * (c - a[0]).square().sum()

    start = [point(Spd(), 4, 4).to(dtype), torch.stack([torch.eye(4)] * 2).to(dtype), normal(4, dtype=dtype)]
    return on_manifolds(f, *start, manifolds={"a": Spd(), "b": Spd()})


def gnc_on(p: Problem, **options: Any) -> GNC:
    return GNC(p.model.named_parameters(), manifolds=p.manifolds, **{"lr": 0.05, "momentum": 0.7, **options})


@dtypes
@pytest.mark.parametrize("map_", MAPS)
def test_gnc_takes_the_bench_forms_steps(map_: str, dtype: torch.dtype) -> None:
    """Bit for bit, on positive definite matrices and beside them."""
    p, q = on_spd(dtype), on_spd(dtype)
    oracle = PlainOracle(q)
    drive(gnc(q, lr=0.05, momentum=0.7, map=map_), oracle, n_steps=25)
    optimizer = gnc_on(p, map=map_)
    ours = walk(optimizer, p, 25)
    assert torch.equal(ours, torch.stack(oracle.iterates))
    assert ours.isfinite().all()
    assert {t.dtype for t in tensors(optimizer)} == {dtype}


@dtypes
def test_gnc_continues_from_a_state_dict_to_the_bit(dtype: torch.dtype) -> None:
    p, q = on_spd(dtype), on_spd(dtype)
    optimizer, other = gnc_on(p, map="exp", lr=0.03), gnc_on(q)
    walk(optimizer, p, 7)
    resumed(optimizer, p, q, other)
    assert (other.param_groups[0]["lr"], other.param_groups[0]["map"]) == (0.03, "exp")
    assert torch.equal(walk(optimizer, p, 20), walk(other, q, 20))


def test_gnc_goes_on_from_what_was_loaded_after_it_was_built() -> None:
    """The factor is that of the parameter at the first step."""
    p, q = on_spd(), on_spd()
    late = gnc_on(p)
    moved = {"a": 3.0 * q.model.a.detach(), "b": q.model.b.detach(), "c": q.model.c.detach()}
    p.model.load_state_dict(moved)
    q.model.load_state_dict(moved)
    assert torch.equal(walk(late, p, 5), walk(gnc_on(q), q, 5))


def test_schedulers_set_the_step_length_of_gnc() -> None:
    p, q = on_spd(), on_spd()
    scheduled, by_hand = gnc_on(p), gnc_on(q)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(scheduled, gamma=0.5)
    for t in range(4):
        by_hand.param_groups[0]["lr"] = 0.05 * 0.5**t
        assert torch.equal(walk(scheduled, p, 1), walk(by_hand, q, 1))
        scheduler.step()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"map": "h3"}, "GNC: got map='h3', expected one of h1, h2, exp"),
        ({"lr": -1.0}, "GNC: got lr=-1.0, expected a finite number >= 0"),
        ({"momentum": 1.0}, r"GNC: got momentum=1.0, expected a number in \[0, 1\)"),
        ({"manifolds": {"a": Stiefel()}}, "GNC: got stiefel for a, expected one of spd"),
        ({"manifolds": {"A": Spd()}}, r"GNC: got manifolds for \['A'\], expected names out of"),
        ({"manifolds": {"c": Spd()}}, "GNC: c cannot lie on spd"),
    ],
)
def test_gnc_refuses_options_that_make_no_rule(options: dict, message: str) -> None:
    p = on_spd()
    with pytest.raises(ArgumentError, match=message):
        GNC(p.model.named_parameters(), **{"manifolds": p.manifolds, **options})


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (-torch.eye(3), r"x lies .* off its manifold \(spd\)"),
        (torch.diag(torch.tensor([1.0, 1.0, -1e-3])), "x is not positive definite at the start"),
    ],
)
def test_gnc_refuses_starts_that_are_not_positive_definite(x: Tensor, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"GNC: {message}"):
        GNC([("x", nn.Parameter(x))], manifolds={"x": Spd()})


def test_copies_of_gnc_continue_to_the_bit() -> None:
    p = on_spd()
    optimizer = gnc_on(p)
    walk(optimizer, p, 5)
    model, other = pickle.loads(pickle.dumps((p.model, optimizer)))
    assert torch.equal(walk(optimizer, p, 10), walk(other, replace(p, model=model), 10))


def test_parameters_in_the_place_of_the_model_are_refused() -> None:
    with pytest.raises(ArgumentError, match="SINGD: got generator, expected a model"):
        SINGD(small().model.parameters())  # type: ignore[arg-type]
