"""What all first-order methods on orthonormal frames share, each as far as it promises."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from rmobench.errors import ArgumentError
from rmobench.geometry import Grassmann, Stiefel
from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.registry import choose_optimizers, choose_tasks
from rmobench.tasks.orthogonal.pca_digits import pca_digits
from rmobench.types import RESIDUAL_MAX, Status
from tests.optimizers.frames import METHODS, Method, bowl, error, frame, gradient, iterates, on, walk
from tests.optimizers.plain_oracle import PlainOracle, drive, normal, problem

CPU = torch.device("cpu")

ROUNDING = 1e-12
"""Some thousand roundings of O(1) numbers in float64; errors of iterates grow a little over the steps."""

every = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
on_the_manifold = pytest.mark.parametrize("method", [m for m in METHODS.values() if m.feasible], ids=lambda m: m.name)


@every
def test_finds_the_principal_components(method: Method) -> None:
    """To a relative gap of 1e-6 in float64, feasible where it promises to be."""
    p = pca_digits(0, CPU, torch.float64, rank=8)
    drive(method.build(p, **method.hyper), PlainOracle(p), n_steps=method.n_steps)
    metrics = p.judge(p.model)
    assert metrics["gap"] < 1e-6
    assert (metrics["residual"] < RESIDUAL_MAX["fp64"]) is method.feasible


@every
def test_a_short_first_step_descends_as_far_as_it_is_long(method: Method) -> None:
    """The change of the loss is the slope along the step, to first order: the direction is one of descent."""
    x = frame(6, 3)
    (y,) = iterates(method.build, bowl, x, 1, lr=1e-6)
    slope = (gradient(bowl, x) * (y - x)).sum()
    assert slope < -1e-7
    assert bowl(y) - bowl(x) == pytest.approx(slope.item(), rel=1e-3)


@every
def test_a_batch_is_its_matrices_one_by_one(method: Method) -> None:
    x = torch.stack([frame(6, 3, seed=seed) for seed in range(4)]).reshape(2, 2, 6, 3)
    together = iterates(method.build, bowl, x, 20, lr=0.01)
    apart = [iterates(method.build, bowl, one, 20, lr=0.01) for one in x.reshape(4, 6, 3)]
    torch.testing.assert_close(together.reshape(20, 4, 6, 3), torch.stack(apart, 1), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("method", [m for m in METHODS.values() if m.rotates], ids=lambda m: m.name)
def test_rotated_problems_have_rotated_iterates(method: Method) -> None:
    """F(Q x) from Q^T x0: no coordinate of R^n is special."""
    x, q = frame(6, 3), frame(6, 6, seed=5)
    plain = iterates(method.build, bowl, x, 20, lr=0.01)
    rotated = iterates(method.build, lambda x: bowl(q @ x), q.mT @ x, 20, lr=0.01)
    torch.testing.assert_close(q @ rotated, plain, rtol=0, atol=ROUNDING)
    assert (plain[-1] - x).norm() > 0.01


@every
def test_permuted_rows_have_permuted_iterates(method: Method) -> None:
    x, order = frame(6, 3), torch.tensor([3, 0, 5, 1, 4, 2])
    plain = iterates(method.build, lambda x: bowl(x[order]), x[order.argsort()], 20, lr=0.01)
    torch.testing.assert_close(plain[:, order], iterates(method.build, bowl, x, 20, lr=0.01), rtol=0, atol=ROUNDING)


@on_the_manifold
def test_a_thousand_noisy_steps_stay_on_the_manifold(method: Method) -> None:
    """In float32, with steps of 1e-2 that never get shorter: the errors must not add up."""
    noise = torch.Generator().manual_seed(0)
    hyper = {"svb": {"band": 0.0}, "manifold_muon": {"n_dual": 3}}.get(method.name, {})
    f = lambda x: (x * torch.randn(x.shape, generator=noise)).sum()  # noqa: E731
    last = iterates(method.build, f, frame(8, 3, dtype=torch.float32), 1000, lr=1e-3, **hyper)[-1]
    allowed = 1e-2 if method.name == "landing" else RESIDUAL_MAX["fp32"]
    assert error(last.double()) < allowed


@every
def test_without_a_manifold_it_is_the_plain_rule(method: Method) -> None:
    """Torch's own, step for step; RASA divides by the root of the largest mean square."""
    x = normal(4, 3)
    step = {"companion_lr" if method.name == "manifold_muon" else "lr": 0.01}
    ours = walk(lambda p: method.build(p, **step), problem(bowl, x), 30)
    q = problem(bowl, x)
    eps = 1e-8
    inner = {
        "sgd": lambda: torch.optim.SGD(q.model.parameters(), lr=0.01, momentum=method.momentum),
        "adam": lambda: torch.optim.Adam(
            q.model.parameters(), lr=0.01, betas=(0.9, 0.99 if method.name == "cayley_adam" else 0.999), eps=eps
        ),
        "rasa": lambda: LargestRMS(q.model.parameters()),
    }[method.free]()
    theirs, oracle = [], PlainOracle(q)
    for _ in range(30):
        oracle()
        inner.step()
        theirs.append(q.params["a"].detach().clone().reshape(-1))
    torch.testing.assert_close(ours, torch.stack(theirs), rtol=0, atol=ROUNDING)


class LargestRMS(torch.optim.Optimizer):
    """AMSGrad without momentum and without bias correction."""

    def __init__(self, params) -> None:
        super().__init__(params, {})

    @torch.no_grad()
    def step(self) -> None:
        for p in self.param_groups[0]["params"]:
            state = self.state[p] or {"v": torch.zeros_like(p), "top": torch.full_like(p, 1e-8)}
            v = 0.99 * state["v"] + 0.01 * p.grad**2
            self.state[p] = {"v": v, "top": torch.maximum(state["top"], v)}
            p -= 0.01 * p.grad / self.state[p]["top"].sqrt()


@every
def test_parameters_do_not_see_each_other(method: Method) -> None:
    """A constrained, a free and an unused one in the same model."""
    x, b = frame(6, 3), normal(4, 2)
    both = problem(lambda x, b, unused: bowl(x) + bowl(b), x, b, normal(2))
    both = replace(both, manifolds={"a": Stiefel()})
    joint = walk(method.build, both, 10)
    torch.testing.assert_close(joint[:, :18], walk(method.build, on(Stiefel(), bowl, x), 10), rtol=0, atol=0)
    torch.testing.assert_close(joint[:, 18:26], walk(method.build, problem(bowl, b), 10), rtol=0, atol=0)
    assert torch.equal(both.params["c"].detach(), normal(2))


@every
def test_narrow_storage_is_kept_and_computed_wide(method: Method) -> None:
    x = frame(6, 3, dtype=torch.bfloat16)
    p = on(Stiefel(), bowl, x)
    optimizer = method.build(p, lr=0.01)
    drive(optimizer, PlainOracle(p), n_steps=20)
    assert p.params["a"].dtype == torch.bfloat16
    assert {t.dtype for t in optimizer.state()} <= {torch.float32}
    assert bowl(p.params["a"].double()) < bowl(x.double())


@every
def test_a_divergence_shows_as_nan(method: Method) -> None:
    """No factorisation raises: the judge is to see it."""
    p = on(Stiefel(), lambda x: bowl(x) * torch.nan, frame(6, 3))
    drive(method.build(p), PlainOracle(p), n_steps=2)
    assert p.params["a"].isnan().all()


@every
def test_a_zero_gradient_moves_nothing(method: Method) -> None:
    x = frame(6, 3)
    y = iterates(method.build, lambda x: 0.0 * x.sum(), x, 3)[-1]
    torch.testing.assert_close(y, x, rtol=0, atol=1e-14)


@every
def test_wide_matrices_are_refused(method: Method) -> None:
    with pytest.raises(ArgumentError, match=r": x has shape \[2, 5\], expected \[\.\.\., n, p\] with p <= n\."):
        walk(method.build, on(Stiefel(), bowl, normal(2, 5)), 1)


@pytest.mark.parametrize("name", ["landing", "pogo", "penalty", "svb", "cayley_sgd", "cayley_adam", "manifold_muon"])
def test_rules_of_frames_take_other_manifolds_by_retraction(name: str) -> None:
    """As rsgd or radam do."""
    step = {"companion_lr" if name == "manifold_muon" else "lr": 0.01}
    a, b = ({"beta2": 0.999} if name == "cayley_adam" else {}, {})
    stand_in = METHODS["radam" if METHODS[name].free == "adam" else "rsgd"]
    if stand_in.name == "rsgd":
        a = b = {"momentum": 0.5}
    ours = walk(lambda p: METHODS[name].build(p, **step, **a), on(Grassmann(), bowl, frame(6, 3)), 10)
    theirs = walk(lambda p: stand_in.build(p, lr=0.01, **b), on(Grassmann(), bowl, frame(6, 3)), 10)
    assert torch.equal(ours, theirs)


class Shapes(TorchDispatchMode):
    """Remembers the last two dimensions of every tensor that an operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.seen |= {
            tuple(t.shape[-2:]) for t in (out if isinstance(out, tuple | list) else [out]) if isinstance(t, Tensor)
        }
        return out


@every
def test_no_square_matrix_of_the_long_side_is_formed(method: Method) -> None:
    p = on(Stiefel(), lambda x: (normal(50, 3) * x).sum(), frame(50, 3))
    with Shapes() as shapes:
        drive(method.build(p), PlainOracle(p), n_steps=2)
    assert (50, 3) in shapes.seen
    assert (50, 50) not in shapes.seen


@pytest.mark.parametrize(("name", "status"), [("penalty", Status.infeasible), ("svb", Status.infeasible)])
def test_methods_that_give_up_the_constraint_end_infeasible(name: str, status: Status) -> None:
    """At their defaults, on a task whose Euclidean gradient does not vanish at the optimum."""
    (only,) = plan(choose_tasks("pca_digits"), choose_optimizers(name), seeds=[0], n_calls=300).trials
    assert run_trial(only).status == status


def test_the_model_is_where_the_parameters_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A step writes into the parameter that was there: its name, storage and type stay."""
    for method in METHODS.values():
        p = on(Stiefel(), bowl, frame(6, 3))
        before = p.params["a"]
        drive(method.build(p), PlainOracle(p), n_steps=2)
        assert p.params["a"] is before
        assert isinstance(before, nn.Parameter)
