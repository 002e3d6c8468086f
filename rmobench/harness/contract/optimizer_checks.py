"""What every optimizer keeps to."""

from __future__ import annotations

import gc
import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_iter

from rmobench.errors import ContractError, UnfitError
from rmobench.harness.contract.check import Check
from rmobench.harness.contract.fitting import Pair
from rmobench.harness.contract.watchful import WatchfulOracle
from rmobench.harness.memory import StorageTracker, bytes_of
from rmobench.harness.plan import Refusal
from rmobench.harness.trial import run_trial
from rmobench.registry import load
from rmobench.types import Choice, Optimizer, Point, Problem, Record, Status

N_CALLS = 12
"""Of a trial: some steps of everybody."""

HONEST = {Status.solved, Status.budget, Status.stopped, Status.diverged, Status.nonfinite, Status.infeasible}
"""Statuses that are no programming error."""

LOW = ("fp32", "bf16", "fp16", "bf16-amp")


def _run(pair: Pair, *, precision: str = "fp64", n_calls: int = N_CALLS) -> Record:
    record = run_trial(pair.planned(precision=precision, n_calls=n_calls))
    if isinstance(record, Refusal):
        raise ContractError(f"it was refused: {record.reason}")
    return record


def _calls(spent: Point) -> int:
    return spent.n_loss + spent.n_grad + spent.n_hvp


def runs(pair: Pair) -> str:
    """Run within the budget, and say what is kept."""
    record = _run(pair)
    if record.status not in HONEST:
        raise ContractError(f"{record.status}: {record.error}")
    if record.spent is None or not 1 <= _calls(record.spent) <= N_CALLS or record.spent.step < 1:
        raise ContractError(f"of {N_CALLS} calls it spent {record.spent}")
    if record.state_bytes is None or not record.peak_bytes:
        raise ContractError(f"state {record.state_bytes} and peak {record.peak_bytes} bytes could not be measured")
    return f"{record.status} after {record.spent.step} steps, {record.state_bytes} bytes kept"


def keeps_budget(pair: Pair) -> None:
    """Never pass the budget, whatever it is."""
    for n_calls in (1, 2, 5):
        spent = _run(pair, n_calls=n_calls).spent
        if spent is None or _calls(spent) > n_calls:
            raise ContractError(f"of {n_calls} calls it spent {spent}")


def repeats(pair: Pair) -> None:
    """Give bit-equal traces in equal trials."""
    first, second = _run(pair), _run(pair)
    if first.trace_sha256 != second.trace_sha256:
        at = next(
            (a.step for a, b in zip(first.trace, second.trace, strict=False) if a.metrics != b.metrics), "a thinned one"
        )
        raise ContractError(f"two equal trials part at step {at}")


def every_precision(pair: Pair) -> str:
    """End honestly at every precision: low ones may lack a kernel or overflow, and are no programming error."""
    ends = {precision: _run(pair, precision=precision) for precision in LOW}
    for precision, record in ends.items():
        if record.status not in HONEST | {Status.unsupported_dtype}:
            raise ContractError(f"at {precision}: {record.status}: {record.error}")
    wide = ", ".join(f"{precision}: {record.upcast}" for precision, record in ends.items() if record.upcast)
    said = ", ".join(f"{precision} {record.status}" for precision, record in ends.items())
    return f"{said}{'; computes wider at ' + wide if wide else ''}"


def leaves_gradients(pair: Pair) -> None:
    """Leave the gradients as the oracle filled them, in every step."""
    problem, optimizer = pair.build()
    oracle = WatchfulOracle(problem, n_calls=N_CALLS)
    oracle.drive(optimizer)
    if oracle.changed is not None:
        raise ContractError(oracle.changed)
    if oracle.n_ticks < 1:
        raise ContractError(f"no step was complete after {N_CALLS} calls")


def leaves_random_stream(pair: Pair) -> None:
    """Draw nothing from the global random stream."""
    before = torch.get_rng_state()
    problem, optimizer = pair.build()
    WatchfulOracle(problem, n_calls=N_CALLS).drive(optimizer)
    if not torch.equal(torch.get_rng_state(), before):
        raise ContractError("torch's global generator was drawn from, or seeded")


def cleans_up(pair: Pair) -> None:
    """Keep tensors for state, and remove its hooks when closed."""
    problem, optimizer = pair.build()
    WatchfulOracle(problem, n_calls=N_CALLS).drive(optimizer)
    if others := [type(t).__name__ for t in optimizer.state() if not isinstance(t, Tensor)]:
        raise ContractError(f"state() gave {others[0]}, expected tensors only")
    optimizer.close()
    for name, module in problem.model.named_modules():
        if module._forward_hooks or module._backward_hooks or module._forward_pre_hooks:
            raise ContractError(f"a hook is left on {name or 'the model'} after close()")


def judged_apart(pair: Pair) -> None:
    """Have the model where it was after `evaluating`."""
    problem, optimizer = pair.build()
    WatchfulOracle(problem, n_calls=N_CALLS).drive(optimizer)
    before = {name: p.detach().clone() for name, p in problem.params.items()}
    with optimizer.evaluating(), torch.no_grad():
        problem.judge(problem.model)
    for name, p in problem.params.items():
        if not torch.equal(before[name], p):
            raise ContractError(f"{name} is another after judging")


def lists_state(pair: Pair) -> None:
    """List in state() what it keeps: what else stays after its steps also stays where nobody steps."""
    problem, optimizer = pair.build()
    least = bytes_of(problem.params.values())
    unlisted = _unlisted(problem, optimizer) - _unlisted(pair.build()[0], Optimizer(lambda oracle: oracle()))
    unlisted -= sum(8 * weights.numel() for weights in optimizer.weights())  # a rule's own, in the parameters' type
    if unlisted >= least:
        raise ContractError(f"{unlisted} bytes stay after a step that are neither parameters, gradients nor state()")


def _unlisted(problem: Problem, optimizer: Optimizer) -> int:
    """Return by how many bytes more steps have grown what there is than what is listed."""
    tracker, listed = _Growth(widest=torch.float64), _listed(problem, optimizer)
    with tracker:
        _Weigher(problem, n_calls=N_CALLS).drive(optimizer)
    gc.collect()
    return tracker.current - (_listed(problem, optimizer) - listed)


class _Growth(StorageTracker):  # type: ignore[no-untyped-call]
    """Counts what is made from now on: a view of what was there before is nothing new."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Know the storages that an operation takes, then run it."""
        for value in tree_iter((args, kwargs)):
            if isinstance(value, Tensor):
                self.know(value)
        return super().__torch_dispatch__(func, types, args, kwargs)


def _listed(problem: Problem, optimizer: Optimizer) -> int:
    """Return the bytes of parameters, gradients and state."""
    own = problem.params.values()
    gradients = (p.grad for p in own if p.grad is not None)
    return bytes_of(t for t in (*own, *gradients, *optimizer.state()) if not t.is_meta)


class _Weigher(WatchfulOracle):
    """Keeps nothing itself."""

    def __call__(self) -> Tensor:
        """Return the loss [] with fresh gradients, and forget them."""
        loss = super().__call__()
        self._gradients = {}
        return loss


class _Shapes(nn.Module):
    """A scalar, a vector, a wide and a tall matrix, and a convolution kernel."""

    SHAPES = ((), (3,), (2, 5), (5, 2), (2, 3, 2, 2))

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        for i, shape in enumerate(self.SHAPES):
            start = torch.randn(shape, generator=generator, dtype=torch.float64)
            self.register_parameter(f"p{i}", nn.Parameter(start.to(dtype)))


def _half_square(model: nn.Module, batch: object) -> Tensor:
    return 0.5 * torch.stack([p.square().sum() for p in model.parameters()]).sum()


def any_shape(pair: Pair) -> str | None:
    """Go downhill with parameters of any shape, and leave them as wide as they were; or say that they do not fit."""
    for dtype in (torch.float64, torch.float32):
        model = _Shapes(dtype)
        problem = Problem(model=model, loss=_half_square, batches=itertools.repeat(None), judge=lambda m: {})
        before = _half_square(model, None).item()
        chosen = pair.optimizer
        try:
            optimizer = load(chosen.spec.location)(problem, **chosen.hyper)
        except UnfitError as reason:
            return str(reason)
        WatchfulOracle(problem, n_calls=40).drive(optimizer)
        after = _half_square(model, None).item()
        if not after < before:
            raise ContractError(f"in {str(dtype)[6:]} half the squared norm went from {before:.4g} to {after:.4g}")
        if widths := {str(p.dtype) for p in model.parameters() if p.dtype != dtype}:
            raise ContractError(f"a parameter of {dtype} became {widths.pop()}")
    return None


def defaults_in_range(pair: Pair) -> None:
    """Declare search ranges that hold the defaults."""
    spec = pair.optimizer.spec
    for name, where in spec.search.items():
        if name not in spec.defaults:
            raise ContractError(f"search has {name}, which is no parameter; there are {', '.join(spec.defaults)}")
        default = spec.defaults[name]
        inside = default in where.values if isinstance(where, Choice) else _between(where.low, default, where.high)
        if not inside:
            raise ContractError(f"the default {name}={default!r} is not in its range {where}")


def _between(low: float, value: object, high: float) -> bool:
    return isinstance(value, int | float) and low <= value <= high


OPTIMIZER_CHECKS: tuple[Check[Pair], ...] = (
    Check(
        states="it runs within its budget and says what it keeps",
        advice="Raise nothing in `step`; ask only the oracle, return after one iterate; `state=` lists what is kept.",
        run=runs,
    ),
    Check(
        states="the oracle's budget is no call more",
        advice="Let Stop, which the oracle raises, pass through: `except Exception` does, a bare `except` does not.",
        run=keeps_budget,
    ),
    Check(
        states="equal trials give bit-equal traces",
        advice="Draw from a torch.Generator that you seed yourself; do not depend on addresses, sets, or the time.",
        run=repeats,
    ),
    Check(
        states="every precision ends in an honest status",
        advice="Make buffers with `zeros_like(x)` so that they have its type; `upcasts=` declares what must be wider.",
        run=every_precision,
    ),
    Check(
        states="gradients stay as the oracle filled them",
        advice="Work on `x.grad.clone()`, or out of place: `g = x.grad + decay * x`, not `x.grad.add_(...)`.",
        run=leaves_gradients,
    ),
    Check(
        states="the global random stream is left alone",
        advice="Draw from a torch.Generator of your own.",
        run=leaves_random_stream,
    ),
    Check(
        states="the state is tensors, and close removes hooks",
        advice="Yield tensors from `state=`, and hand `close=` what removes each hook that `build` has set.",
        run=cleans_up,
    ),
    Check(
        states="what is kept between steps is in the state",
        advice="List every tensor in `state=`: bytes are compared. For a dictionary of buffers it is `buffers.values`.",
        run=lists_state,
    ),
    Check(
        states="judging leaves the model where it was",
        advice="`evaluating=` puts the model at the judged point and back, also where the body raises.",
        run=judged_apart,
    ),
    Check(
        states="parameters of any shape go downhill",
        advice="Handle scalars, vectors and kernels: flatten to a matrix, or step along the gradient.",
        run=any_shape,
    ),
    Check(
        states="search ranges hold their defaults",
        advice="Every name in `search=` is a keyword of the function, and its default lies in the range.",
        run=defaults_in_range,
    ),
)
