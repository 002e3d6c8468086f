"""Classes in the style of torch.optim by name: what they accept, and how their failures are told."""

from __future__ import annotations

import pytest
import torch

from rmobench.errors import ArgumentError
from rmobench.harness.contract import OPTIMIZER_CHECKS, examine, pairs_of
from rmobench.harness.plan import plan
from rmobench.harness.sweep import Refusal
from rmobench.harness.trial import run_trial
from rmobench.optimizers.adapters.torch_class import torch_class
from rmobench.registry import choose_optimizers, choose_tasks
from rmobench.types import Record, Status
from tests.optimizers.plain_oracle import hessian, normal, quadratic

BY_NAME = "tests.optimizers.test_torch_class"


class Open(torch.optim.SGD):
    """Hands what it does not know to torch, which names it."""

    def __init__(self, params, **others) -> None:
        super().__init__(params, **{"lr": 0.1} | others)


class Keeping(torch.optim.Optimizer):
    """Names nothing, but keeps what it gets among its defaults."""

    def __init__(self, params, **others) -> None:
        super().__init__(params, {"lr": 0.1} | others)

    def step(self) -> None:
        raise AssertionError("never stepped")


class Plain:
    """No torch.optim.Optimizer: keeps a part of what it gets as its own attribute."""

    def __init__(self, params, **others) -> None:
        self.points, self.rate = params, others.get("rate", 0.1)

    def step(self) -> None:
        raise AssertionError("never stepped")


class Dropping(torch.optim.SGD):
    """Swallows what it does not know."""

    def __init__(self, params, lr=0.1, **others) -> None:
        super().__init__(params, lr=lr)


class SecondDerivatives(torch.optim.SGD):
    """Needs a graph that no oracle leaves behind."""

    def step(self) -> None:
        points = self.param_groups[0]["params"]
        torch.autograd.grad([p.grad for p in points], points)


@pytest.mark.parametrize(
    ("name", "hyper"),
    [("Open", {"momentum": 0.5}), ("Keeping", {"anything": 1}), ("Plain", {"rate": 0.5}), ("Dropping", {"lr": 0.5})],
)
def test_what_a_class_takes_is_handed_to_it(name: str, hyper: dict[str, float]) -> None:
    torch_class(quadratic(hessian(4), normal(4)), target=f"{BY_NAME}:{name}", **hyper)


@pytest.mark.parametrize(
    ("name", "hyper", "message"),
    [
        ("Plain", {"lr": 0.5}, r"got lr, which it drops without a word; it takes others\.$"),
        ("Dropping", {"lr": 0.5, "learning": 1, "rate": 2}, r"got learning, rate, .* it takes lr, others\.$"),
    ],
)
def test_what_a_class_does_not_take_is_refused(name: str, hyper: dict[str, float], message: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^{BY_NAME}:{name}: .*{message}"):
        torch_class(quadratic(hessian(4), normal(4)), target=f"{BY_NAME}:{name}", **hyper)


def outcome(text: str, *, task: str = "matrix_quadratic", precision: str = "fp64", n_calls: int = 8):
    (only,) = plan(
        choose_tasks(task), choose_optimizers(text), seeds=[0], precisions=[precision], n_calls=n_calls
    ).trials
    return run_trial(only)


def test_what_a_class_raises_is_the_record() -> None:
    record = outcome(f"{BY_NAME}:SecondDerivatives")
    assert isinstance(record, Record)
    assert record.status == Status.failed
    assert record.error == ("RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn")


# --- packages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp64", "fp32", "bf16"])
@pytest.mark.parametrize(
    "text",
    [
        "torch.optim:NAdam[lr=0.01]",
        "pytorch_optimizer:SOAP[lr=0.01]",
        "pytorch_optimizer:Shampoo[momentum=0.9,lr=0.1]",
        "heavyball:AdamW[lr=0.01]",
        "heavyball:Muon[lr=0.01]",
    ],
)
def test_classes_of_packages_run_by_name(text: str, precision: str) -> None:
    pytest.importorskip(text.partition(".")[0].partition(":")[0], reason="not installed (extra `peers`)")
    record = outcome(text, precision=precision)
    assert record.status == Status.budget, record.error
    assert record.spent.n_grad == 8
    assert record.state_bytes > 0
    assert record.trace[-1].metrics["gap"] < record.trace[0].metrics["gap"]


def test_what_a_package_breaks_is_told() -> None:
    """The gradients that heavyball's classes are given are other ones after their step."""
    pytest.importorskip("heavyball", reason="heavyball is not installed (extra `peers`)")
    (chosen,) = choose_optimizers("heavyball:AdamW[lr=0.01]")
    found = [
        finding for pair in pairs_of(chosen) for finding in examine(OPTIMIZER_CHECKS, pair, on=pair.task.spec.name)
    ]
    assert [finding.states for finding in found if not finding.holds] == ["gradients stay as the oracle filled them"]


def test_a_hyperparameter_that_a_package_would_drop_is_refused() -> None:
    """SOAP swallows whatever it does not know: the trial would have been that of its default."""
    pytest.importorskip("pytorch_optimizer", reason="pytorch-optimizer is not installed (extra `peers`)")
    refusal = outcome("pytorch_optimizer:SOAP[learning=0.01]")
    assert isinstance(refusal, Refusal)
    assert refusal.wrong_input
    assert refusal.reason.startswith("pytorch_optimizer:SOAP: got learning, which it drops without a word; it takes lr")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("pytorch_optimizer:AdaHessian", r"RuntimeError: element 0 of tensors does not require grad"),
        ("singd.optim.optimizer:SINGD", r"AttributeError: 'list' object has no attribute 'named_modules'"),
    ],
)
def test_what_a_package_cannot_do_with_gradients_alone_is_told(text: str, error: str) -> None:
    """One differentiates the gradients, the other wants the network in the place of the parameters."""
    pytest.importorskip(text.partition(".")[0].partition(":")[0], reason="not installed (extra `peers`)")
    record = outcome(text)
    assert record.status == Status.failed
    assert record.error.startswith(error)
