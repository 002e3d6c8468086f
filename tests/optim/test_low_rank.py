"""The low-rank methods as torch.optim classes: the bench form's steps, and what torch promises."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.models.low_rank_linear import LowRankLinear, insert_low_rank
from rmobench.optim import GeoLoRA, LoRARITE, LowRankAdam, LowRankCoreAdam, LowRankHeavyBall, ScaledAdamW
from rmobench.optim.low_rank import LowRank, flat, nested
from rmobench.types import Problem
from tests.optimizers.low_rank import build as bench_form
from tests.optimizers.low_rank import low_rank, network
from tests.optimizers.plain_oracle import normal, vector

F64, F32, BF16 = torch.float64, torch.float32, torch.bfloat16
JOINED = 1e-8
"""Sums of rows in another order, over some steps; Adam divides small entries by themselves."""

FORMS: dict[str, tuple[type[LowRank], str, dict[str, Any]]] = {  # class, bench form, options that both take
    "heavy ball": (LowRankHeavyBall, "lr_heavy_ball", {"lr": 0.02, "momentum": 0.8}),
    "heavy ball adaptive": (LowRankHeavyBall, "lr_heavy_ball", {"lr": 0.02, "theta": 0.2}),
    "descent": (LowRankHeavyBall, "lr_heavy_ball", {"lr": 0.02, "momentum": 0.0}),
    "tangent adam": (LowRankAdam, "lr_adam_tangent", {"lr": 0.02, "beta2": 0.99, "companion_lr": 0.01}),
    "core adam": (LowRankCoreAdam, "lr_adam_core", {"lr": 0.01, "weight_decay": 0.1}),
    "core adam squares": (LowRankCoreAdam, "lr_adam_core", {"lr": 0.01, "carried": "squares", "theta": 0.1}),
    "geolora": (GeoLoRA, "geolora", {"lr": 0.02, "core_lr": 0.01, "period": 3}),
    "geolora adaptive": (GeoLoRA, "geolora", {"lr": 0.02, "tau": 0.2}),
    "scaled": (ScaledAdamW, "scaled_adamw", {"lr": 0.01, "weight_decay": 0.1}),
    "scaled gauss_seidel": (ScaledAdamW, "scaled_adamw", {"lr": 0.01, "order": "gauss_seidel", "damping": 1e-4}),
    "rite": (LoRARITE, "lora_rite", {"lr": 0.01, "weight_decay": 0.1}),
    "rite without escape": (LoRARITE, "lora_rite", {"lr": 0.01, "escape": False}),
}
every = pytest.mark.parametrize("form", FORMS)
dtypes = pytest.mark.parametrize("dtype", [F64, F32, BF16], ids=["fp64", "fp32", "bf16"])
IN_THREE = ("heavy ball", "tangent adam", "core adam", "geolora")


def made(dtype: torch.dtype = F64) -> Problem:
    return network(m=8, n=5, rank=3, dtype=dtype)[0]


def build(form: str, p: Problem, **options: Any) -> LowRank:
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
    _, name, options = FORMS[form]
    more = {"fresh": False} if name == "lr_adam_core" else {}
    optimizer, points = bench_form(name, p, **options, **more), []

    def oracle() -> Tensor:
        p.model.zero_grad()
        with torch.enable_grad():
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
    return [t for v in values for t in (v if isinstance(v, tuple) else (v,)) if isinstance(t, Tensor)]


# --- the same method as in the bench -----------------------------------------------------------------------


@every
@dtypes
def test_takes_the_bench_forms_steps(form: str, dtype: torch.dtype) -> None:
    """Bit for bit, with a free head beside the layers."""
    p, q = made(dtype), made(dtype)
    ours = walk(build(form, p), p, 10)
    assert torch.equal(ours, bench(form, q, 10))
    assert ours.isfinite().all()
    assert not torch.equal(ours[0], ours[-1])


@every
@dtypes
def test_the_state_is_in_float32_or_wider(form: str, dtype: torch.dtype) -> None:
    p = made(dtype)
    optimizer = build(form, p)
    walk(optimizer, p, 2)
    assert {t.dtype for t in tensors(optimizer)} <= {torch.promote_types(dtype, F32)}


def test_building_keeps_the_matrix_and_changes_the_factors() -> None:
    p, q = made(), made()
    x = normal(6, 5, seed=3)
    before = p.model(x)
    LowRankHeavyBall(p.model)
    ScaledAdamW(q.model)
    for model in (p.model, q.model):
        torch.testing.assert_close(model(x), before, rtol=0, atol=1e-12)
    assert "0.S" in p.params and "0.S" not in q.params


@pytest.mark.parametrize("form", IN_THREE)
def test_trains_a_network_in_bfloat16(form: str) -> None:
    p = made(BF16)
    with build(form, p) as optimizer:
        losses: list[float] = []
        for _ in range(120):
            optimizer.zero_grad()
            losses.append(backward(p).item())
            optimizer.step()
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])


def test_a_model_that_is_one_layer() -> None:
    p, q = low_rank(), low_rank()
    assert torch.equal(walk(LowRankHeavyBall(p.model, lr=0.01), p, 5), walk_bench_of_one(q))


def walk_bench_of_one(q: Problem) -> Tensor:
    optimizer, points = bench_form("lr_heavy_ball", q, lr=0.01), []

    def oracle() -> Tensor:
        q.model.zero_grad()
        with torch.enable_grad():
            return backward(q).detach()

    for _ in range(5):
        optimizer.step(oracle)
        points.append(vector(q))
    return torch.stack(points)


# --- an ordinary loop --------------------------------------------------------------------------------------


@every
def test_schedulers_set_the_step_length(form: str) -> None:
    p, q = made(), made()
    scheduled, by_hand = build(form, p), build(form, q)
    start = by_hand.param_groups[0]["lr"]
    scheduler = torch.optim.lr_scheduler.StepLR(scheduled, step_size=1, gamma=0.5)
    for t in range(4):
        by_hand.param_groups[0]["lr"] = start * 0.5**t
        assert torch.equal(walk(scheduled, p, 1), walk(by_hand, q, 1))
        scheduler.step()


@every
def test_a_closure_fills_the_gradients_and_its_loss_is_returned(form: str) -> None:
    p, q = made(), made()
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


def unwanted(p: Problem) -> None:
    p.loss(p.model, (normal(3, 5, seed=5), normal(3, 2, seed=6))).backward()


def zeroed_between(optimizer: LowRank, p: Problem) -> None:
    value = p.loss(p.model, next(p.batches))
    optimizer.zero_grad()
    value.backward()
    optimizer.step()


def zeroed_by_the_model(optimizer: LowRank, p: Problem) -> None:
    p.model.zero_grad()
    backward(p)
    optimizer.step()


def after_a_pass_that_is_dropped(optimizer: LowRank, p: Problem) -> None:
    unwanted(p)
    optimizer.zero_grad(set_to_none=False)
    backward(p)
    optimizer.step()


def after_looking(optimizer: LowRank, p: Problem) -> None:
    """A call without a backward pass, and the training of a copy."""
    optimizer.zero_grad()
    other = copy.deepcopy(p.model)
    p.loss(other, (normal(3, 5, seed=5), normal(3, 2, seed=6))).backward()
    p.model(normal(3, 5, seed=5))
    backward(p)
    optimizer.step()


LOOPS = [zeroed_between, zeroed_by_the_model, after_a_pass_that_is_dropped, after_looking]


@pytest.mark.parametrize("turn", LOOPS)
@every
def test_other_loops_take_the_same_steps(turn: Callable[[LowRank, Problem], None], form: str) -> None:
    p, q = made(), made()
    optimizer = build(form, p)
    for _ in range(5):
        turn(optimizer, p)
    assert torch.equal(vector(p), walk(build(form, q), q, 5)[-1])


@every
def test_gradients_that_add_up_over_batches_count_as_one_batch(form: str) -> None:
    p, q = made(), made()
    apart, at_once = build(form, p), build(form, q)
    for _ in range(4):
        apart.zero_grad()
        for _ in range(2):
            backward(p, share=0.5)
        apart.step()
        at_once.zero_grad()
        (x, y), (x_, y_) = islice(q.batches, 2)
        q.loss(q.model, (torch.cat([x, x_]), torch.cat([y, y_]))).backward()
        at_once.step()
    for name in ("0", "2"):  # the matrices: signs of singular vectors are free
        ours, theirs = (m.model.get_submodule(name).matrix(F64) for m in (p, q))
        torch.testing.assert_close(ours, theirs, rtol=JOINED, atol=JOINED)
    r = made()
    walk(build(form, r), r, 4)
    assert torch.dist(r.model.get_submodule("0").matrix(F64), p.model.get_submodule("0").matrix(F64)) > 1e-6


# --- continuing --------------------------------------------------------------------------------------------


@every
@dtypes
@pytest.mark.parametrize("n_before", [3, 4])
def test_continues_from_a_state_dict_to_the_bit(form: str, dtype: torch.dtype, n_before: int) -> None:
    p, q = made(dtype), made(dtype)
    optimizer, other = build(form, p, lr=0.03), build(form, q)
    walk(optimizer, p, n_before)
    walk(other, q, n_before)  # the batches go on where they were
    resumed(optimizer, p, q, other)
    assert other.param_groups[0]["lr"] == 0.03
    assert all(torch.equal(s, t) for s, t in zip(tensors(other), tensors(optimizer), strict=True))
    assert torch.equal(walk(optimizer, p, 8), walk(other, q, 8))


def test_the_rank_in_use_is_part_of_the_state() -> None:
    """A rank that has fallen stays fallen, in an optimizer that never took a step before."""
    p, q = made(), made()
    optimizer, other = (LowRankHeavyBall(x.model, lr=0.02, theta=0.5) for x in (p, q))
    walk(optimizer, p, 6)
    for _ in range(6):
        next(q.batches)
    used = {name: layer.n_used for name, layer in p.model.named_modules() if isinstance(layer, LowRankLinear)}
    assert min(used.values()) < 3
    resumed(optimizer, p, q, other)
    assert torch.equal(walk(optimizer, p, 5), walk(other, q, 5))


def test_a_state_is_a_copy() -> None:
    p, q = made(), made()
    optimizer, other = build("heavy ball", p), build("heavy ball", q)
    walk(optimizer, p, 4)
    q.model.load_state_dict(p.model.state_dict())
    other.load_state_dict(optimizer.state_dict())
    assert not {t.data_ptr() for t in tensors(other)} & {t.data_ptr() for t in tensors(optimizer)}


def test_states_are_flat_and_come_back() -> None:
    state = {"n_steps": 3, "A": {"mean": 1, "n_steps": 2}, "momentum": (1, 2)}
    assert flat(state) == {"n_steps": 3, "A.mean": 1, "A.n_steps": 2, "momentum": (1, 2)}
    assert nested(flat(state)) == state


@pytest.mark.parametrize(
    ("form", "saved", "message"),
    [
        ("scaled", lambda p: torch.optim.SGD(p.model.parameters(), 0.1), "another class, expected one of scaled_adamw"),
        ("scaled", lambda p: build("rite", p), r"lora_rite\[.*\], expected one of scaled_adamw"),
        ("scaled", lambda p: build("scaled gauss_seidel", p), ".*gauss_seidel.*, expected one of .*jacobi"),
        (
            "geolora",
            lambda p: build("geolora adaptive", p),
            r"geolora.*period=1.*, expected .*period=3",
        ),
        ("heavy ball", lambda p: build("tangent adam", p), "lr_adam_tangent, expected one of lr_heavy_ball"),
    ],
)
def test_refuses_the_state_of_another_method(form: str, saved: Callable[[Problem], Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=f"got a state dict of {message}"):
        build(form, made()).load_state_dict(saved(made()).state_dict())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps])
def test_copies_and_pickles_are_refused(duplicate: Callable[[Any], Any]) -> None:
    with pytest.raises(ArgumentError, match=r"GeoLoRA hangs on the layers of its model.* Save its state_dict\(\)"):
        duplicate(build("geolora", made()))


@pytest.mark.parametrize("form", IN_THREE)
def test_a_model_loaded_afterwards_must_have_frames(form: str) -> None:
    p = made()
    other = {key: value.clone() for key, value in p.model.state_dict().items()}
    other["0.U"] *= 2.0
    optimizer = build(form, p)
    p.model.load_state_dict({**p.model.state_dict(), "0.U": other["0.U"]})
    with pytest.raises(ArgumentError, match=r"U of 0 lies .* off a frame\. Load a model's state before"):
        walk(optimizer, p, 1)


# --- hooks, and what is refused ----------------------------------------------------------------------------


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) for m in model.modules())


@every
def test_closing_removes_the_hooks(form: str) -> None:
    p = made()
    optimizer = build(form, p)
    walk(optimizer, p, 2)
    assert hooks(p.model) == (0 if form.startswith(("scaled", "rite")) else 2)
    optimizer.close()
    assert hooks(p.model) == 0
    with pytest.raises(ArgumentError, match=r"got a step after close\(\)"):
        walk(optimizer, p, 1)
    with pytest.raises(ZeroDivisionError), build(form, p):
        raise ZeroDivisionError
    assert hooks(p.model) == 0


def freeze(p: Problem) -> None:
    p.params["4.weight"].requires_grad_(False)


def replace_a_layer(p: Problem) -> None:
    p.model[4] = nn.Linear(8, 2).double()


@pytest.mark.parametrize("change", [freeze, replace_a_layer])
def test_a_model_that_changes_is_refused(change: Callable[[Problem], None]) -> None:
    p = made()
    optimizer = build("scaled", p)
    walk(optimizer, p, 2)
    change(p)
    with pytest.raises(ArgumentError, match="got a model with other trainable parameters"):
        walk(optimizer, p, 1)


def test_a_frozen_layer_stays_where_it_is() -> None:
    p = made()
    p.model[0].requires_grad_(False)
    before = p.model[0].matrix(F64)
    walk(build("heavy ball", p), p, 4)
    assert torch.equal(p.model[0].matrix(F64), before)
    assert hooks(p.model) == 1


@pytest.mark.parametrize("form", IN_THREE)
def test_gradients_that_no_layer_saw_are_refused(form: str) -> None:
    p = made()
    backward(p)
    optimizer = build(form, p)
    before = vector(p)
    with pytest.raises(ArgumentError, match="got gradients, but saw no backward pass"):
        optimizer.step()
    assert torch.equal(vector(p), before) and not tensors(optimizer)


def test_a_second_group_is_refused() -> None:
    optimizer = build("rite", made())
    with pytest.raises(ArgumentError, match="the parameters are the model's"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (LowRankHeavyBall, {"momentum": 1.0}, r"lr_heavy_ball: got momentum=1.0, expected a number in \[0, 1\)"),
        (LowRankAdam, {"companion_lr": -1.0}, "lr_adam_tangent: got companion_lr=-1.0"),
        (LowRankCoreAdam, {"carried": "both"}, "got carried='both', expected one of roots, squares"),
        (GeoLoRA, {"period": 0}, "got period=0, expected a whole number of steps"),
        (ScaledAdamW, {"order": "both"}, "got order='both', expected one of jacobi, gauss_seidel"),
        (LoRARITE, {"escape": 1}, "got escape=1, expected True or False"),
    ],
)
def test_options_out_of_range_are_refused_and_leave_the_model(kind: type, options: dict, message: str) -> None:
    p = made()
    before = {key: value.clone() for key, value in p.model.state_dict().items()}
    with pytest.raises(ArgumentError, match=message):
        kind(p.model, **options)
    assert hooks(p.model) == 0
    after = p.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_scheduler_that_leaves_the_range_is_refused_before_anything_moves() -> None:
    p = made()
    optimizer = build("heavy ball", p)
    walk(optimizer, p, 2)
    before = vector(p)
    optimizer.param_groups[0]["lr"] = -1.0
    with pytest.raises(ArgumentError, match=r"lr_heavy_ball: got lr=-1\.0"):
        walk(optimizer, p, 1)
    assert torch.equal(vector(p), before)


@pytest.mark.parametrize("kind", [LowRankHeavyBall, ScaledAdamW])
def test_a_model_without_low_rank_layers_is_refused(kind: type) -> None:
    with pytest.raises(ArgumentError, match=r"got a model without a trainable LowRankLinear layer.*insert_low_rank"):
        kind(nn.Linear(3, 3))
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    insert_low_rank(model, "0", rank=2, generator=torch.Generator().manual_seed(0))
    kind(model)
    model.requires_grad_(False)
    with pytest.raises(ArgumentError, match="without a trainable LowRankLinear layer"):
        kind(model)


def test_parameters_in_the_place_of_the_model_are_refused() -> None:
    with pytest.raises(ArgumentError, match="GeoLoRA: got generator, expected a model"):
        GeoLoRA(made().model.parameters())  # type: ignore[arg-type]
