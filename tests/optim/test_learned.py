"""The learned rules as torch.optim classes: the bench form's steps, and what torch promises of an optimizer."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError, UnfitError, WeightsError
from rmobench.optim import AdafactorMLP, MLPLOpt, Optimus
from rmobench.optim.learned import MEMBERS, Learned
from rmobench.optimizers.learned.architectures import EUCLIDEAN
from rmobench.optimizers.learned.lift import lift
from rmobench.optimizers.learned.weights import load_weights, write_weights
from rmobench.tasks.analytic.unit_box import unit_box
from rmobench.types import Problem
from tests.optimizers.plain_oracle import PlainOracle, drive, normal, problem, vector

SEPARATE = {"adafactor_mlp": AdafactorMLP, "mlp_lopt": MLPLOpt}  # rules that see every parameter by itself
CLASSES = {**SEPARATE, "optimus": Optimus}
LOUD: dict[str, dict[str, float]] = {  # settings with steps that bfloat16 can see: some 0.01
    "adafactor_mlp": {"output_gain": 30.0},
    "mlp_lopt": {"output_gain": 30.0},
    "optimus": {"step_scale": 0.1},
}
F64, F32, BF16 = torch.float64, torch.float32, torch.bfloat16
CPU = torch.device("cpu")

every = pytest.mark.parametrize("name", CLASSES)
separate = pytest.mark.parametrize("name", SEPARATE)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights of every architecture on disk, as if trained: no bias and no decay is at its first value."""
    folder = tmp_path_factory.mktemp("weights")
    for seed, (name, architecture) in enumerate(EUCLIDEAN.items()):
        settings = {**architecture.settings, **LOUD[name]}
        generator = torch.Generator().manual_seed(seed)
        theta = architecture.fresh(generator, **settings)
        theta = {key: t + 0.1 * torch.randn(t.shape, generator=generator) for key, t in theta.items()}
        write_weights(
            folder / f"{name}.safetensors",
            theta,
            architecture=name,
            settings=settings,
            recipe="none",
            recipe_sha256="",
            seed=seed,
            commit=None,
            wall_s=0.0,
            n_outer=0,
            best_outer=0,
            validation=0.0,
            curve=(),
            device="cpu",
            torch=str(torch.__version__),
        )
    return {name: folder / f"{name}.safetensors" for name in EUCLIDEAN}


def bowl(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Return a convex quadratic of a matrix [4, 3], a vector [5] and a number [], in float64."""
    a, b, c = a.double(), b.double(), c.double()
    weight = torch.linspace(0.1, 1.0, 12, dtype=F64).reshape(4, 3)
    return (weight * (a - 1.0) ** 2).sum() + (b - b.roll(1)).square().sum() + b.square().sum() + (c + a[0, 0]) ** 2


def start(*dtypes: torch.dtype) -> Problem:
    """Return the bowl with a, b and c of the given types, or all of one."""
    of = dtypes if len(dtypes) == 3 else dtypes * 3
    return problem(bowl, normal(4, 3, seed=1, dtype=of[0]), normal(5, seed=2, dtype=of[1]), normal(seed=3, dtype=of[2]))


def fill(p: Problem) -> Tensor:
    """Leave gradients, return the loss."""
    loss = p.loss(p.model, None)
    loss.backward()
    return loss


def walk(optimizer: Learned, p: Problem, n_steps: int) -> Tensor:
    """Take some steps; return the iterates [n_steps, d]."""
    iterates = []
    for _ in range(n_steps):
        optimizer.zero_grad()
        fill(p)
        optimizer.step()
        iterates.append(vector(p))
    return torch.stack(iterates)


def bench(name: str, path: Path, p: Problem, n_steps: int) -> Tensor:
    """Take the steps of the bench form; return the iterates [n_steps, d]."""
    oracle = PlainOracle(p)
    drive(lift(p, EUCLIDEAN[name], load_weights(str(path), name)), oracle, n_steps=n_steps)
    return torch.stack(oracle.iterates)


def tensors(optimizer: Learned) -> list[Tensor]:
    """List the state's tensors in the order of the parameters."""
    states = [optimizer.state.get(p, {}) for group in optimizer.param_groups for p in group["params"]]
    return [t for state in states for t in state.values() if isinstance(t, Tensor)]


def through_file(content: Any) -> Any:
    """Save with torch.save and load with the restricted loader."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


# --- the same rule as in the bench -------------------------------------------------------------------------


@every
@pytest.mark.parametrize("dtype", [F64, F32, BF16])
@pytest.mark.parametrize(
    "task",
    [
        {"function": "rosenbrock", "dim": 10},
        {"function": "ackley", "dim": 3, "shifted": True, "rotated": True},
        {"function": "levy", "dim": 2},
    ],
    ids=lambda task: task["function"],
)
def test_takes_the_bench_forms_steps_on_the_unit_box(name, task, dtype, files) -> None:
    """Bit-equal: the same tensors in the same order, and a factor of 1."""
    p, q = (unit_box(0, CPU, dtype, **task) for _ in range(2))
    optimizer = CLASSES[name](p.model.parameters(), weights=files[name])
    iterates = walk(optimizer, p, 50)
    assert torch.equal(iterates, bench(name, files[name], q, 50))
    assert iterates.isfinite().all()
    assert not torch.equal(iterates[0], iterates[-1])


@every
@pytest.mark.parametrize("dtypes", [(F64,), (F32,), (BF16,), (F32, BF16, F64)], ids=str)
def test_takes_the_bench_forms_steps_on_several_parameters(name, dtypes, files) -> None:
    p, q = start(*dtypes), start(*dtypes)
    optimizer = CLASSES[name](p.model.parameters(), weights=str(files[name]))
    oracle = PlainOracle(q)
    drive(lift(q, EUCLIDEAN[name], load_weights(str(files[name]), name)), oracle, n_steps=50)
    for iterate in oracle.iterates:
        walk(optimizer, p, 1)
        assert torch.equal(vector(p), iterate)


@every
def test_leaves_the_gradients_as_they_are(name, files) -> None:
    p = start(F64)
    optimizer = CLASSES[name](p.model.parameters(), weights=files[name])
    fill(p)
    before = [x.grad.clone() for x in p.params.values()]
    optimizer.step()
    assert all(torch.equal(x.grad, g) for x, g in zip(p.params.values(), before, strict=True))


# --- groups and the factor ---------------------------------------------------------------------------------


@separate
def test_rules_for_single_parameters_do_not_see_the_groups(name, files) -> None:
    p, q = start(F64), start(F64)
    together = CLASSES[name](p.model.parameters(), weights=files[name])
    apart = CLASSES[name]([{"params": [x]} for x in q.model.parameters()], weights=files[name])
    assert torch.equal(walk(together, p, 20), walk(apart, q, 20))


def test_optimus_sees_every_group_as_one_vector(files) -> None:
    """On f(a) + g(b), two groups walk as two optimizers would, and one group does not."""
    values = {"a": normal(4, seed=1), "b": normal(2, 3, seed=2)}

    def f(x: Tensor) -> Tensor:
        return (torch.arange(1.0, 1.0 + x.numel()).to(x) * x.reshape(-1).square()).sum()

    both = lambda a, b: f(a) + f(b)  # noqa: E731
    p, q = (problem(both, *values.values()) for _ in range(2))
    grouped = walk(Optimus([{"params": [x]} for x in p.model.parameters()], weights=files["optimus"]), p, 30)
    single = walk(Optimus(q.model.parameters(), weights=files["optimus"]), q, 30)
    alone = [bench("optimus", files["optimus"], problem(f, value), 30) for value in values.values()]
    assert torch.equal(grouped, torch.cat(alone, dim=1))
    assert (grouped - single).abs().max() > 1e-3


@every
@pytest.mark.parametrize("lr", [0.0, 0.25, 1.0, 3.0])
def test_lr_is_a_factor_of_the_step(name, lr, files) -> None:
    """To some roundings of O(1) iterates; the learned step itself is that of lr = 1."""
    p, q = start(F64), start(F64)
    x = vector(p)
    unit = walk(CLASSES[name](p.model.parameters(), weights=files[name]), p, 1)[0] - x
    scaled = walk(CLASSES[name](q.model.parameters(), weights=files[name], lr=lr), q, 1)[0] - x
    assert unit.norm() > 1e-3
    torch.testing.assert_close(scaled, lr * unit, rtol=0.0, atol=4e-15)


@every
def test_a_group_has_a_factor_of_its_own(name, files) -> None:
    p = start(F64)
    a, b, c = p.model.parameters()
    optimizer = CLASSES[name]([{"params": [a, b]}, {"params": [c], "lr": 0.0}], weights=files[name])
    before = vector(p)
    after = walk(optimizer, p, 3)[-1]
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.0]
    assert torch.equal(after[-1], before[-1])
    assert not torch.equal(after[:12], before[:12])
    assert not torch.equal(after[12:-1], before[12:-1])


@every
@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=2, gamma=0.5), [1.0, 1.0, 0.5, 0.5, 0.25]),
        (lambda o: torch.optim.lr_scheduler.LinearLR(o, 0.5, 1.0, total_iters=2), [0.5, 0.75, 1.0, 1.0, 1.0]),
        (lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda t: 2.0**-t), [1.0, 0.5, 0.25, 0.125, 0.0625]),
    ],
    ids=["step", "linear", "lambda"],
)
def test_schedulers_set_the_factor(name, schedule: Callable[[Learned], Any], factors, files) -> None:
    p, q = start(F64), start(F64)
    scheduled = CLASSES[name](p.model.parameters(), weights=files[name])
    by_hand = CLASSES[name](q.model.parameters(), weights=files[name])
    scheduler = schedule(scheduled)
    for factor in factors:
        by_hand.param_groups[0]["lr"] = factor
        assert torch.equal(walk(scheduled, p, 1), walk(by_hand, q, 1))
        scheduler.step()


@every
def test_a_group_that_is_added_starts_fresh(name, files) -> None:
    p = start(F64)
    a, b, c = p.model.parameters()
    optimizer = CLASSES[name]([a], weights=files[name])
    walk(optimizer, p, 3)
    optimizer.add_param_group({"params": [b, c], "lr": 0.5})
    walk(optimizer, p, 2)
    assert optimizer.state[a]["t"] == 5.0
    assert optimizer.state[b]["t"] == 2.0
    assert optimizer.param_groups[1]["lr"] == 0.5


# --- closures and gradients --------------------------------------------------------------------------------


@every
def test_a_closure_fills_the_gradients_and_its_loss_is_returned(name, files) -> None:
    p, q = start(F64), start(F64)
    with_closure = CLASSES[name](p.model.parameters(), weights=files[name])
    without = CLASSES[name](q.model.parameters(), weights=files[name])

    def closure() -> Tensor:
        assert torch.is_grad_enabled()
        with_closure.zero_grad()
        return fill(p)

    for _ in range(5):
        expected = p.loss(p.model, None)
        with torch.no_grad():
            loss = with_closure.step(closure)
        walk(without, q, 1)
        assert torch.equal(loss, expected)
        assert torch.equal(vector(p), vector(q))
    assert without.step() is None


@separate
def test_a_parameter_without_gradient_is_skipped(name, files) -> None:
    """It neither moves nor ages; the others do not notice."""
    p = start(F64)
    a, b, _ = p.model.parameters()
    optimizer = CLASSES[name](p.model.parameters(), weights=files[name])
    b.requires_grad_(False)
    before = b.clone()
    walk(optimizer, p, 3)
    assert torch.equal(b, before)
    assert b not in optimizer.state
    b.requires_grad_(True)
    walk(optimizer, p, 2)
    assert (optimizer.state[a]["t"], optimizer.state[b]["t"]) == (5.0, 2.0)


@pytest.mark.parametrize(("first", "second"), [("abc", "ac"), ("ac", "abc"), ("ab", "bc"), ("c", "b")])
def test_optimus_refuses_other_gradients_than_before(first, second, files) -> None:
    p = start(F64)
    optimizer = Optimus(p.model.parameters(), weights=files["optimus"])

    def step(present: str) -> None:
        optimizer.zero_grad()
        fill(p)
        for name, x in p.params.items():
            x.grad = x.grad if name in present else None
        optimizer.step()

    step(first)
    before, state = vector(p), [t.clone() for t in tensors(optimizer)]
    positions = ["abc".index(name) for name in second]
    with pytest.raises(ArgumentError, match=rf"Optimus: got gradients of a group's parameters \[{positions[0]}"):
        step(second)
    optimizer.zero_grad()
    optimizer.step()  # without any gradient there is nothing to do
    assert torch.equal(vector(p), before)
    assert all(torch.equal(s, t) for s, t in zip(tensors(optimizer), state, strict=True))
    step(first)
    assert not torch.equal(vector(p), before)


def test_optimus_does_not_mind_a_frozen_parameter(files) -> None:
    """Even the group's first, under which the state is kept."""
    p, q = start(F64), start(F64)
    for r in (p, q):
        next(iter(r.model.parameters())).requires_grad_(False)
    optimizer = Optimus(p.model.parameters(), weights=files["optimus"], dim_max=6)
    assert torch.equal(
        torch.stack([walk(optimizer, p, 1)[0] for _ in range(10)]), bench("optimus", files["optimus"], q, 10)
    )


@every
@pytest.mark.parametrize("kind", ["sparse", "complex"])
def test_refuses_gradients_that_are_sparse_or_complex(name, kind, files) -> None:
    """Before anything is moved."""
    good, bad = (
        nn.Parameter(normal(3)),
        nn.Parameter(torch.ones(3, dtype=torch.complex128 if kind == "complex" else F64)),
    )
    optimizer = CLASSES[name]([{"params": [good]}, {"params": [bad]}], weights=files[name])
    good.grad = torch.ones(3, dtype=F64)
    bad.grad = torch.ones_like(bad) if kind == "complex" else torch.ones(3, dtype=F64).to_sparse()
    expected = "complex128 and layout torch.strided" if kind == "complex" else "float64 and layout torch.sparse_coo"
    with pytest.raises(ArgumentError, match=f"{CLASSES[name].__name__}: got a gradient of type torch.{expected}"):
        optimizer.step()
    assert torch.equal(good.detach(), normal(3))
    assert not tensors(optimizer)


@every
def test_zero_grad_forgets_or_zeroes_the_gradients(name, files) -> None:
    p = start(F64)
    optimizer = CLASSES[name](p.model.parameters(), weights=files[name])
    fill(p)
    optimizer.zero_grad(set_to_none=False)
    assert all((x.grad == 0.0).all() for x in p.params.values())
    optimizer.zero_grad()
    assert all(x.grad is None for x in p.params.values())


# --- continuing --------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("dtypes", [(F64,), (F32,), (BF16,), (F32, BF16, F64)], ids=str)
def test_continues_from_a_state_dict_to_the_bit(name, dtypes, files) -> None:
    """Also in bfloat16, where torch by itself would round the float32 state."""
    p = start(*dtypes)
    optimizer = CLASSES[name](p.model.parameters(), weights=files[name], lr=0.5)
    walk(optimizer, p, 7)
    saved = through_file({"model": p.model.state_dict(), "optimizer": optimizer.state_dict()})
    q = start(*dtypes)
    q.model.load_state_dict(saved["model"])
    other = CLASSES[name](q.model.parameters(), weights=files[name])
    other.load_state_dict(saved["optimizer"])
    assert [t.dtype for t in tensors(other)] == [t.dtype for t in tensors(optimizer)]
    assert {t.dtype for t in tensors(other)} <= {F32, F64}
    assert all(torch.equal(s, t) for s, t in zip(tensors(other), tensors(optimizer), strict=True))
    assert torch.equal(walk(optimizer, p, 20), walk(other, q, 20))


@every
@pytest.mark.parametrize(("old", "new", "expected"), [(F32, F64, F64), (F64, F32, F32), (F32, BF16, F32)])
def test_state_is_loaded_in_the_type_that_the_rule_computes_in(name, old, new, expected, files) -> None:
    p, q = start(old), start(new)
    optimizer, other = (CLASSES[name](r.model.parameters(), weights=files[name]) for r in (p, q))
    walk(optimizer, p, 7)
    other.load_state_dict(optimizer.state_dict())
    assert all(torch.equal(s, t.to(expected)) for s, t in zip(tensors(other), tensors(optimizer), strict=True))
    assert walk(other, q, 2).isfinite().all()


@every
def test_a_loaded_state_is_a_copy_and_the_state_dict_is_let_go(name, files) -> None:
    p, q = start(F64), start(F64)
    optimizer, other = (CLASSES[name](r.model.parameters(), weights=files[name]) for r in (p, q))
    walk(optimizer, p, 3)
    saved = through_file(optimizer.state_dict())
    kept = weakref.ref(saved["state"][0]["m"])
    other.load_state_dict(saved)
    assert other.state[next(q.model.parameters())]["m"].data_ptr() != saved["state"][0]["m"].data_ptr()
    del saved
    gc.collect()
    assert kept() is None


@every
def test_hooks_of_others_act_on_the_state_that_is_loaded(name, files) -> None:
    p, q = start(BF16), start(BF16)
    optimizer, other = (CLASSES[name](r.model.parameters(), weights=files[name]) for r in (p, q))
    walk(optimizer, p, 3)
    seen: list[Tensor] = []

    def rewind(_: torch.optim.Optimizer, given: dict[str, Any]) -> dict[str, Any]:
        states = {key: {**s, "t": s["t"] - 2.0} if "t" in s else s for key, s in given["state"].items()}
        return {**given, "state": states}

    other.register_load_state_dict_pre_hook(rewind)
    other.register_load_state_dict_post_hook(lambda o: seen.extend(tensors(o)))
    for _ in range(2):
        other.load_state_dict(optimizer.state_dict())
    assert {t.dtype for t in seen} == {F32}
    assert all(s["t"] == 1.0 for s in other.state.values())


def test_a_state_dict_with_other_groups_is_refused(files) -> None:
    p, q = start(F64), start(F64)
    optimizer = Optimus(p.model.parameters(), weights=files["optimus"])
    other = Optimus([{"params": [x]} for x in q.model.parameters()], weights=files["optimus"])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        other.load_state_dict(optimizer.state_dict())
    other.load_state_dict(other.state_dict())  # and no hook was left behind


def test_optimus_remembers_what_its_vector_is_made_of(files) -> None:
    p, q = start(F64), start(F64)
    optimizer, other = (Optimus(r.model.parameters(), weights=files["optimus"]) for r in (p, q))
    list(p.model.parameters())[1].requires_grad_(False)
    walk(optimizer, p, 2)
    other.load_state_dict(through_file(optimizer.state_dict()))
    assert other.state[next(q.model.parameters())][MEMBERS] == [0, 2]
    with pytest.raises(ArgumentError, match=r"got gradients of a group's parameters \[0, 1, 2\], expected \[0, 2\]"):
        walk(other, q, 1)


@every
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
@pytest.mark.parametrize("dtype", [F64, BF16])
def test_copies_and_pickles_continue_to_the_bit(name, duplicate, dtype, files) -> None:
    p = start(dtype)
    optimizer = CLASSES[name](p.model.parameters(), weights=files[name])
    walk(optimizer, p, 5)
    model, other = duplicate((p.model, optimizer))
    q = start(dtype)
    q.model.load_state_dict(model.state_dict())
    q = Problem(model=model, loss=q.loss, batches=q.batches, judge=q.judge)
    expected = walk(optimizer, p, 15)
    assert torch.equal(walk(other, q, 15), expected)
    assert torch.equal(vector(p), expected[-1])
    other.add_param_group({"params": [nn.Parameter(normal(3))]})
    assert (len(optimizer.param_groups), len(other.param_groups)) == (1, 2)


# --- what is refused ---------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("lr", [-1.0, float("nan"), float("inf")])
def test_refuses_a_factor_that_makes_no_step(name, lr, files) -> None:
    p = start(F64)
    a, b, _ = p.model.parameters()
    with pytest.raises(ArgumentError, match=rf"{CLASSES[name].__name__}: got lr={lr}, expected a finite factor >= 0"):
        CLASSES[name]([a], weights=files[name], lr=lr)
    optimizer = CLASSES[name]([a], weights=files[name])
    with pytest.raises(ArgumentError, match=f"got lr={lr}"):
        optimizer.add_param_group({"params": [b], "lr": lr})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("saved", ["adafactor_mlp", "adam"])
def test_refuses_the_state_of_another_class(saved, files) -> None:
    p = start(F64)
    build = {"adam": lambda: torch.optim.Adam(p.model.parameters())}.get(
        saved, lambda: AdafactorMLP(p.model.parameters(), weights=files["adafactor_mlp"])
    )
    optimizer = MLPLOpt(p.model.parameters(), weights=files["mlp_lopt"])
    with pytest.raises(ArgumentError, match=f"MLPLOpt: got a state dict of ({saved}|another class), expected one of"):
        optimizer.load_state_dict(build().state_dict())


@pytest.mark.parametrize("dim_max", [0, -1])
def test_optimus_refuses_a_limit_that_is_none(dim_max, files) -> None:
    with pytest.raises(ArgumentError, match=f"got dim_max={dim_max}, expected at least 1"):
        Optimus(start(F64).model.parameters(), weights=files["optimus"], dim_max=dim_max)


def test_optimus_refuses_a_group_beyond_dim_max(files) -> None:
    """Counted group by group: a [4, 3], b [5] and c []."""
    p = start(F64)
    a, b, c = p.model.parameters()
    with pytest.raises(
        UnfitError, match=r"optimus: got 18 parameters as one vector, expected at most dim_max=17: .* GB"
    ):
        Optimus(p.model.parameters(), weights=files["optimus"], dim_max=17)
    optimizer = Optimus([{"params": [a]}], weights=files["optimus"], dim_max=12)
    optimizer.add_param_group({"params": [b, c]})
    with pytest.raises(UnfitError, match="got 13 parameters"):
        optimizer.add_param_group({"params": [nn.Parameter(normal(13))]})
    assert len(optimizer.param_groups) == 2
    walk(optimizer, p, 1)


@every
def test_refuses_weights_of_another_architecture_or_none(name, files, tmp_path) -> None:
    other = next(path for trained_as, path in files.items() if trained_as != name)
    with pytest.raises(WeightsError, match=f"expected {name}"):
        CLASSES[name](start(F64).model.parameters(), weights=other)
    with pytest.raises(WeightsError, match="no weights named"):
        CLASSES[name](start(F64).model.parameters(), weights=tmp_path / "absent.safetensors")


def test_weights_are_read_by_the_constructor_and_not_at_import(files) -> None:
    """The interpreter's audit events show every file that is opened."""
    program = f"""
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import torch
from rmobench.optim import AdafactorMLP
assert not [f for f in opened if f.endswith(".safetensors")], opened
AdafactorMLP([torch.nn.Parameter(torch.ones(2))], weights={str(files["adafactor_mlp"])!r})
assert [f for f in opened if f.endswith(".safetensors")] == [{str(files["adafactor_mlp"])!r}]
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr


# --- devices -----------------------------------------------------------------------------------------------


@pytest.mark.gpu
@every
def test_state_follows_the_parameters_to_their_device(name, files) -> None:
    p, q = start(F32), start(F32)
    optimizer = CLASSES[name](p.model.parameters(), weights=files[name])
    walk(optimizer, p, 3)
    values = [nn.Parameter(x.detach().cuda()) for x in q.model.parameters()]
    other = CLASSES[name](values, weights=files[name])
    other.load_state_dict(through_file(optimizer.state_dict()))
    for x in values:
        x.grad = torch.ones_like(x)
    other.step()
    assert all(t.is_cuda for t in tensors(other))
    assert all(x.isfinite().all() for x in values)
