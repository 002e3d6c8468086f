"""`rmobench check` on strangers: what keeps the contract passes, and each way to break it is found, with advice."""

from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

from rmobench.cli import app
from rmobench.errors import InputError
from rmobench.harness.contract import OPTIMIZER_CHECKS, TASK_CHECKS, examine, pairs_of
from rmobench.harness.contract.task_checks import build
from rmobench.registry import ChosenTask, choose_optimizers, choose_tasks, tasks
from rmobench.types import TaskSpec

STRANGERS = """
import torch
from torch.utils.weak import WeakTensorKeyDictionary

class Good(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01):
        super().__init__(params, dict(lr=lr))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                self.move(p, group["lr"])

    def move(self, p, lr):
        p -= lr * p.grad

class Spoils(Good):
    def move(self, p, lr):
        p -= p.grad.mul_(lr)

class Draws(Good):
    def move(self, p, lr):
        p -= lr * (p.grad + 1e-3 * torch.randn(p.shape, dtype=p.dtype))

class Uphill(Good):
    def move(self, p, lr):
        p += lr * p.grad

class Raises(Good):
    def move(self, p, lr):
        raise RuntimeError("not today")

class Flat(Good):
    def move(self, p, lr):
        p -= lr * p.grad.flatten()[:, None].view_as(p) if p.ndim == 1 else lr * p.grad @ torch.eye(p.shape[-1])

HIDDEN = WeakTensorKeyDictionary()

class Hides(Good):
    def move(self, p, lr):
        HIDDEN[p] = 0.9 * HIDDEN.get(p, 0.0) + p.grad
        p -= lr * HIDDEN[p]

class Wanders(Good):
    n = 0

    def move(self, p, lr):
        Wanders.n += 1
        p -= lr * p.grad / Wanders.n
"""


@pytest.fixture
def strangers(tmp_path, monkeypatch):
    (tmp_path / "strangers.py").write_text(STRANGERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield "strangers"
    sys.modules.pop("strangers", None)


def broken(name: str) -> set[str]:
    (chosen,) = choose_optimizers(name)
    (pair,) = pairs_of(chosen)
    found = list(examine(OPTIMIZER_CHECKS, pair, on=pair.name))
    assert all(bool(f.advice) is not f.holds for f in found)
    return {f.states for f in found if not f.holds}


@pytest.mark.parametrize(
    ("name", "finds"),
    [
        ("Good", set()),
        ("Spoils", {"gradients stay as the oracle filled them"}),
        ("Draws", {"the global random stream is left alone"}),
        ("Uphill", {"parameters of any shape go downhill"}),
        ("Hides", {"what is kept between steps is in the state"}),
        ("Wanders", {"equal trials give bit-equal traces"}),
        ("Flat", {"parameters of any shape go downhill"}),
    ],
)
def test_each_breach_is_found_and_nothing_else(strangers, name, finds):
    assert broken(f"{strangers}:{name}") == finds


def test_who_raises_breaks_what_needs_a_step(strangers):
    assert "it runs within its budget and says what it keeps" in broken(f"{strangers}:Raises")


def call(*words):
    return CliRunner().invoke(app, list(words), catch_exceptions=False, standalone_mode=False)


def test_the_program_says_what_to_do(strangers):
    done = call("check", f"{strangers}:Spoils", "--json")
    said = json.loads(done.stdout)
    assert done.return_value == 1
    assert said["holds"] is False
    (breach,) = [f for f in said["findings"] if not f["holds"]]
    assert breach["said"].startswith("the gradient of ")
    assert "x.grad.clone()" in breach["advice"]
    assert set(breach) == {"states", "on", "holds", "said", "advice", "seconds"}


@pytest.mark.parametrize("name", ["gradient_descent", "kink"])
def test_what_is_registered_passes_and_says_so(name):
    done = call("check", name)
    assert done.return_value is None
    assert f"{name} keeps the contract" in done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [("gradient_decent", "Did you mean 'gradient_descent'"), ("strangers:Nobody", "strangers")],
)
def test_a_name_that_does_not_exist_is_the_users_mistake(name, message):
    with pytest.raises(InputError, match=message):
        call("check", name)


# --- tasks -------------------------------------------------------------------------------------------------

TASK = """
import itertools
import torch
from torch import nn
from rmobench.types import Problem

class Point(nn.Module):
    def __init__(self, x):
        super().__init__()
        self.x = nn.Parameter(x)

def build(seed, device, dtype, *, fault=""):
    generator = torch.Generator().manual_seed(0 if fault == "seed" else seed)
    x0 = torch.randn(3, generator=generator, dtype=torch.float64)
    if fault == "global":
        torch.rand(1)
    model = Point(x0.to(torch.float64 if fault == "dtype" else dtype))

    def loss(model, batch):
        x = model.x
        value = x.square().sum() + (x.detach() * x).sum() if fault == "gradient" else x.square().sum()
        return value * batch if fault == "noise" else value

    def judge(model):
        if fault == "judge":
            model.x.data.mul_(0.5)
        value = float(model.x.detach().double().square().sum())
        start = 1.0 if fault == "gap" else float(x0.to(dtype).double().square().sum())
        return {"objective": value, "gap": value / start, "residual": 0.0}

    batches = itertools.count(1) if fault == "noise" else itertools.repeat(None)
    return Problem(model=model, loss=loss, batches=batches, judge=judge)
"""


@pytest.mark.parametrize(
    ("fault", "finds"),
    [
        ("", set()),
        ("seed", {"equal seeds start alike, others do not"}),
        ("global", {"the global random stream is left alone"}),
        ("gap", {"the start is judged: gap one, on the constraint"}),
        ("judge", {"judging changes nothing"}),
        ("dtype", {"parameters have the precision, and the loss is a number"}),
        ("gradient", {"gradients agree with central differences"}),
        ("noise", {"noise is declared", "a declared second order is there"}),  # other batches, other Hessians
    ],
)
def test_each_breach_of_a_task_is_found(strangers, tmp_path, fault, finds):
    (tmp_path / "their_task.py").write_text(TASK)
    sys.modules.pop("their_task", None)
    spec = TaskSpec(
        name="theirs", family="user", source="", location="their_task:build", args={"fault": fault},
        offers=("deterministic", "second_order"),
    )  # fmt: skip
    task = ChosenTask(spec=spec, args=spec.args, label="theirs")
    found = {f.states for f in examine(TASK_CHECKS, task, on="theirs") if not f.holds}
    assert found == finds


def test_a_task_of_the_registry_is_built_in_float64():
    (task,) = choose_tasks("sphere")
    assert {str(p.dtype) for p in build(task).params.values()} == {"torch.float64"}
    assert task.spec is tasks()["sphere"]
