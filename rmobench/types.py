"""The nouns: plans, facts and judgements as frozen values, and the protocols between the rooms.

task (TaskSpec) -> Problem; optimizer (OptimizerSpec) -> Optimizer; Trial (plan) -> Record (fact) -> Score (judgement).
Importing this module imports neither torch nor pandas. Units are in names: _s seconds, _bytes bytes, n_ counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

SCHEMA = 1
"""Version of the record's layout on disk."""

PROTOCOL = 1
"""Version of the measurement protocol; part of every trial's id."""

PRECISIONS = ("fp64", "fp32", "tf32", "bf16", "fp16", "bf16-amp")

AXES = ("step", "n_grad", "time_s")

Scalar = bool | int | float | str | None
Value = Scalar | tuple[Scalar, ...]
"""What a selector's parameter can hold; tuples are for users' classes, e.g. betas=(0.9,0.99)."""

LADDER = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8)
"""Rungs of the relative gap (f - f*) / (f0 - f*)."""

RESIDUAL_MAX = {"fp64": 1e-8, "fp32": 1e-4, "tf32": 1e-3, "bf16-amp": 1e-3, "bf16": 1e-1, "fp16": 1e-2}
"""How far off the constraint a point may lie and still count, by precision: some 100 roundings of O(1) entries."""


class Status(StrEnum):
    """How a trial ended. Every attempted trial is a record with one of these."""

    solved = "solved"  # the last rung was hit
    budget = "budget"  # the calls are spent
    stopped = "stopped"  # the solver ended by itself before the last rung
    diverged = "diverged"  # the gap grew a million-fold
    nonfinite = "nonfinite"  # the objective is NaN or infinite
    infeasible = "infeasible"  # the last point violates the constraint
    unsupported_dtype = "unsupported_dtype"  # an operation does not exist at this precision
    oom = "oom"  # out of memory
    timeout = "timeout"  # beyond the trial's time budget
    failed = "failed"  # raised, or broke the interface
    killed = "killed"  # the process died


# --- hyperparameter ranges ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Log:
    """A range searched uniformly in the logarithm."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Linear:
    """A range searched uniformly."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A finite set."""

    values: tuple[Value, ...]


Range = Log | Linear | Choice


# --- specs: what the registry knows without importing anything ---------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one trial may spend. A call is a loss, a gradient or a Hessian-vector product; a step costs at least one."""

    n_calls: int = 1000
    time_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The rungs a trial tries to reach, in the order of difficulty.

    A hit needs `metric` at or beyond the rung (below for mode "min") and "residual" at most residual_max[precision].
    """

    metric: str = "gap"
    rungs: tuple[float, ...] = LADDER
    headline: float = 1e-6
    mode: Literal["min", "max"] = "min"
    residual_max: Mapping[str, float] = field(default_factory=lambda: dict(RESIDUAL_MAX))

    def __post_init__(self) -> None:
        if self.headline not in self.rungs:
            raise ValueError(f"Target: headline {self.headline!r} is not one of the rungs {self.rungs!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A task as registered: one file, one function of the same name."""

    name: str
    family: str
    source: str
    location: str  # "package.module:function"
    summary: str = ""
    version: int = 1
    args: Mapping[str, Value] = field(default_factory=dict)  # with defaults
    offers: tuple[str, ...] = ()  # traits
    constraint: str | None = None  # manifold that the parameters live on; an argument `manifold` goes before it
    target: Target = field(default_factory=Target)
    budget: Budget = field(default_factory=Budget)
    cheap: bool = True  # judged at every step; False: on the log-spaced schedule
    judge_every: int = 1  # least number of steps from one judgement to the next, where it is not cheap
    requires: tuple[str, ...] = ()  # optional packages
    data: bool = False  # made of real data: its argument `data` names a source of rmobench.data
    brought: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)  # by source of the user's: other defaults
    broken: str | None = None  # a third party's entry point that does not hold: why


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerSpec:
    """An optimizer as registered: one file, one function of the same name."""

    name: str
    family: str
    source: str
    location: str  # "package.module:function"
    summary: str = ""
    version: int | str = 1  # for a user's class: hash of its source file
    defaults: Mapping[str, Value] = field(default_factory=dict)
    needs: tuple[str, ...] = ()  # traits that the task must offer
    handles: tuple[str, ...] = ()  # constraints it keeps
    search: Mapping[str, Range] = field(default_factory=dict)
    upcasts: str | None = None  # widest type it computes in by design whatever the precision: "float32", "float64"
    requires: tuple[str, ...] = ()  # optional packages
    weights: bool = False  # a learned optimizer: its hyperparameter `weights` names a .safetensors file
    broken: str | None = None  # a third party's entry point that does not hold: why
    open_hyper: bool = False  # accepts any keyword (a user's class)


# --- plan and fact -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One optimizer on one task with one seed: the plan. `id` names it for ever."""

    task: str
    args: Mapping[str, Value]
    task_version: int
    optimizer: str
    hyper: Mapping[str, Value]
    optimizer_version: int | str
    seed: int
    device: Literal["cpu", "cuda"] = "cpu"
    precision: str = "fp64"
    budget: Budget = field(default_factory=Budget)
    threads: int = 1
    protocol: int = PROTOCOL
    weights_sha256: str | None = None  # of a learned optimizer's file
    label: str = ""  # how reports name the optimizer; not part of the id

    @property
    def id(self) -> str:
        """Return the sha256 of the canonical JSON of everything but the label."""
        plan = msgspec.to_builtins(self)
        del plan["label"]
        return hashlib.sha256(msgspec.json.encode(plan, order="sorted")).hexdigest()

    @property
    def task_label(self) -> str:
        """Return the task with all its arguments, e.g. rosenbrock[dim=10]."""
        return selector(self.task, self.args)


def selector(name: str, params: Mapping[str, Value]) -> str:
    """Write `name[param=value,...]`, parameters sorted, floats in their shortest exact form."""
    inside = ",".join(f"{key}={_literal(params[key])}" for key in sorted(params))
    return f"{name}[{inside}]" if inside else name


def _literal(value: Value) -> str:
    bare = isinstance(value, str) and value.isidentifier() and value.lower() not in ("true", "false", "none")
    return str(value) if bare else repr(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Counts, seconds (judging excluded) and judged metrics after `step` iterates. None in metrics: not finite."""

    step: int
    n_loss: int
    n_grad: int
    n_hvp: int
    time_s: float
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """The first point at which a rung was reached."""

    rung: float
    point: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a record was measured. Times are comparable only within equal environments; counts always."""

    machine: str  # processor and number of cores
    device: str  # "cpu", or the GPU's name
    memory_bytes: int
    system: str
    python: str
    torch: str
    numpy: str
    rmobench: str
    commit: str | None  # of the checkout that ran, None outside one
    commit_at: float | None = None  # its date, seconds since the epoch
    threads: int = 1
    jobs: int = 1  # trials in flight at once
    cuda: str | None = None
    driver: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one trial did: the fact."""

    schema: int = SCHEMA
    id: str
    trial: Trial
    family: str
    target: Target
    status: Status
    error: str | None = None
    trace: tuple[Point, ...] = ()  # log-spaced thinning of the judged points, with the first and the last
    trace_sha256: str | None = None  # over every judged point, seconds left out
    hits: tuple[Hit, ...] = ()
    spent: Point | None = None  # counts when the trial ended, with the last judged metrics; None: lost with its process
    setup_s: float | None = None
    compile_s: float | None = None
    judge_s: float | None = None
    n_params: int | None = None
    model_bytes: int | None = None
    state_bytes: int | None = None
    peak_bytes: int | None = None
    upcast: str | None = None  # what ran wider than the precision, None: nothing seen
    diagnostics: Mapping[str, float] = field(default_factory=dict)  # what rehearsal and optimizer say, by name
    environment: Environment | None = None
    started_at: float = 0.0  # seconds since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A pair that cannot run, and why."""

    task: str
    optimizer: str
    precision: str
    reason: str


# --- the judgement -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its 95 % interval; infinite where nothing was reached."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one optimizer did on one task: time to one rung along one axis, over the seeds."""

    task: str
    optimizer: str
    precision: str
    axis: str
    rung: float
    n_trials: int
    n_hits: int
    success: Interval  # Wilson
    ert: Interval  # total cost of all trials / hits
    median: Interval  # censored trials count as infinite


# --- protocols between the rooms ---------------------------------------------------------------------------


@runtime_checkable
class Manifold(Protocol):
    """A set with a metric; x, y are points and u, v, g ambient or tangent vectors of shape [..., n, p] or [..., n]."""

    @property
    def name(self) -> str:
        """Name of the constraint, as tasks and optimizers spell it."""
        ...

    def project(self, x: Tensor) -> Tensor:
        """Nearest point of the manifold (or a point nearby)."""
        ...

    def tangent(self, x: Tensor, u: Tensor) -> Tensor:
        """Orthogonal projection of u onto the tangent space at x."""
        ...

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Riemannian gradient from the Euclidean gradient g."""
        ...

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Point reached from x along the tangent v, exact to first order."""
        ...

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Tangent vector at y that stands for v at x."""
        ...

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Inner product at x, one number per matrix: [..., 1, 1] (or [..., 1] for vectors), broadcastable."""
        ...

    def residual(self, x: Tensor) -> Tensor:
        """Constraint violation, one number per matrix: [...]."""
        ...

    def random(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Point drawn from the standard distribution, float64 on the CPU."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One instance of a task: what an optimizer sees."""

    model: nn.Module
    loss: Callable[[nn.Module, Any], Tensor]  # (model, batch) -> [], mean over samples
    batches: Iterator[Any]  # endless; None for deterministic tasks
    judge: Callable[[nn.Module], Mapping[str, float]]  # "objective", the target's metric, "residual"
    manifolds: Mapping[str, Manifold] = field(default_factory=dict)  # by parameter name; absent: Euclidean

    @property
    def params(self) -> dict[str, nn.Parameter]:
        """Look the trainable parameters up by name, afresh: `build` may have replaced layers."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}


class Oracle(Protocol):
    """What an optimizer may ask. Counts every call, holds the batch from one tick to the next, raises Stop."""

    def __call__(self) -> Tensor:
        """Return the loss [] and leave fresh gradients in .grad: a torch closure."""
        ...

    def loss(self) -> Tensor:
        """Return the loss [] without gradients."""
        ...

    def hvp(self, v: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the Hessian-vector product by parameter name."""
        ...

    def tick(self) -> None:
        """Complete an iterate: clock off, judge if due, next batch."""
        ...


@dataclass(frozen=True, slots=True)
class Optimizer:
    """The one interface. `step` advances by one iterate, or ticks by itself and runs to the end."""

    step: Callable[[Oracle], object]
    evaluating: Callable[[], AbstractContextManager[object]] = nullcontext  # inside it the model is at the judged point
    state: Callable[[], Iterable[Tensor]] = (
        tuple  # kept between steps; a meta tensor stands for memory torch cannot see
    )
    close: Callable[[], object] = lambda: None  # remove hooks
    weights: Callable[[], Iterable[Tensor]] = tuple  # a learned optimizer's own weights
    diagnostics: Callable[[], Mapping[str, float]] = dict  # what it says about itself at the end, for the record
