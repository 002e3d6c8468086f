"""Long runs of BFGS on many windows with many starts, side by side: one batch of simulations answers all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from threading import Thread

import numpy as np
import scipy.optimize
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmobench.physics.kinematics import landmarks
from rmobench.tasks.pose.clips import window_of
from rmobench.tasks.pose.fitting import SUNK_MM, perturbed
from rmobench.tasks.pose.metrics import mpjpe_global, penetration_depth
from rmobench.tasks.pose.terms import joints_cost
from rmobench.tasks.pose.window import Variables, Window, simulate
from rmobench.tasks.streams import stream
from rmobench.types import Value

Array = NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class LongRun:
    """One fit, as it went: a value for every gradient that it asked for."""

    window: Mapping[str, Value]  # arguments of pose_window
    seed: int
    x: Array  # where it is
    mpjpe_g: list[float] = field(default_factory=list)  # mm
    deepest_mm: list[float] = field(default_factory=list)  # at the ends of the control steps
    calls_at_iterate: list[int] = field(default_factory=list)

    @property
    def n_iterations(self) -> int:
        """Iterates that BFGS has completed."""
        return len(self.calls_at_iterate)

    def lowest(self, n_calls: int) -> float:
        """Return the lowest MPJPE-G (mm) within so many calls at which nothing sinks in more than SUNK_MM."""
        pairs = zip(self.mpjpe_g[:n_calls], self.deepest_mm[:n_calls], strict=True)
        return min((error for error, deep in pairs if deep <= SUNK_MM), default=math.inf)

    def first_below(self, mm: float) -> int | None:
        """Return after how many calls MPJPE-G is this low and nothing sinks in too deep; None: never."""
        for n, (error, deep) in enumerate(zip(self.mpjpe_g, self.deepest_mm, strict=True), start=1):
            if error <= mm and deep <= SUNK_MM:
                return n
        return None

    def iterations_below(self, mm: float) -> int | None:
        """Return after how many iterations that is so."""
        calls = self.first_below(mm)
        return None if calls is None else sum(at < calls for at in self.calls_at_iterate) + 1


class _Enough(Exception):
    """The calls are spent."""


def long_runs(
    chosen: Sequence[Mapping[str, Value]],
    seeds: Iterable[int],
    *,
    n_calls: int,
    say: Callable[[str], None] = lambda text: None,
) -> list[LongRun]:
    """Run scipy's BFGS on every window with every seed, in float64.

    Args:
        chosen: Arguments of `pose_window`.
        seeds: Of the starts, drawn as the task draws them.
        n_calls: Gradients of a run.
        say: Is told how far it is.
    """
    batch = _batch(chosen, list(seeds))
    asked: SimpleQueue[tuple[int, Array | None]] = SimpleQueue()
    answers: list[SimpleQueue[tuple[float, Array]]] = [SimpleQueue() for _ in batch.runs]
    threads = [Thread(target=_search, args=(run, k, n_calls, asked, answers[k])) for k, run in enumerate(batch.runs)]
    for thread in threads:
        thread.start()
    alive, n_rounds = len(threads), 0
    while alive:
        questions = [asked.get() for _ in range(alive)]  # everybody alive asks once, then waits
        ending = sum(x is None for _, x in questions)
        alive -= ending
        there = [(k, x) for k, x in questions if x is not None]
        if there:
            batch.answer(there, answers)
            n_rounds += 1
            if n_rounds % 10 == 1:
                errors = [run.mpjpe_g[-1] for run in batch.runs]
                say(f"{n_rounds} of {n_calls} gradients, {alive} runs: median {np.median(errors):.1f} mm")
    for thread in threads:
        thread.join()
    return batch.runs


def _search(
    run: LongRun,
    number: int,
    n_calls: int,
    asked: SimpleQueue[tuple[int, Array | None]],
    answers: SimpleQueue[tuple[float, Array]],
) -> None:
    """Let scipy search; every value and gradient is asked for and waited for."""

    def value_and_gradient(x: Array) -> tuple[float, Array]:
        if len(run.mpjpe_g) >= n_calls:
            raise _Enough
        asked.put((number, x.copy()))
        return answers.get()

    def complete(x: Array) -> None:
        run.calls_at_iterate.append(len(run.mpjpe_g))
        run.x = x.copy()

    try:
        scipy.optimize.minimize(
            value_and_gradient,
            run.x,
            jac=True,
            method="BFGS",
            callback=complete,
            options={"gtol": 1e-150, "maxiter": n_calls},
        )
    except _Enough:
        pass
    finally:
        asked.put((number, None))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """All windows with all seeds."""

    runs: list[LongRun]
    window: Window  # [n, ...]
    seen: Tensor  # [n, t + 1, k, 3]

    def answer(self, there: Sequence[tuple[int, Array]], answers: Sequence[SimpleQueue[tuple[float, Array]]]) -> None:
        """Simulate every run that asked, tell it its loss and gradient, and note how good it is."""
        rows = [k for k, _ in there]
        window = replace(self.window, qpos=self.window.qpos[rows], qvel=self.window.qvel[rows])
        x = torch.tensor(np.stack([at for _, at in there]), requires_grad=True)
        still = window.still()
        parts = torch.split(x, [like[0].numel() for like in still], dim=1)
        variables = Variables(*(part.reshape(like.shape) for part, like in zip(parts, still, strict=True)))
        done = simulate(window, variables)
        losses = joints_cost(self.seen[rows])(window)(variables, done)
        (gradients,) = torch.autograd.grad(losses.sum(), x)
        errors = mpjpe_global(done.joints.detach(), self.seen[rows]).tolist()
        depths = penetration_depth(done.feelers.detach()).amax(-1).tolist()
        for i, k in enumerate(rows):
            self.runs[k].mpjpe_g.append(errors[i])
            self.runs[k].deepest_mm.append(depths[i])
            answers[k].put((losses[i].item(), gradients[i].numpy()))


def _batch(chosen: Sequence[Mapping[str, Value]], seeds: Sequence[int]) -> _Batch:
    runs, cut = [], []
    for args in chosen:
        window = _window(args)
        for seed in seeds:
            start = perturbed(window, stream(seed, "init"))
            runs.append(LongRun(window=dict(args), seed=seed, x=torch.cat([part.flatten() for part in start]).numpy()))
            cut.append(window)
    window = replace(cut[0], qpos=torch.stack([one.qpos for one in cut]), qvel=torch.stack([one.qvel for one in cut]))
    return _Batch(runs=runs, window=window, seen=landmarks(window.body, window.qpos))


def motions_of(run: LongRun) -> dict[str, Tensor]:
    """Return the joints (m) [frames, k, 3] as they were seen, at the run's start and at its last iterate."""
    window = _window(run.window)
    start = perturbed(window, stream(run.seed, "init"))
    still = window.still()
    parts = torch.split(torch.tensor(run.x), [like.numel() for like in still])
    end = Variables(*(part.reshape(like.shape) for part, like in zip(parts, still, strict=True)))
    return {
        "seen": landmarks(window.body, window.qpos),
        "start": simulate(window, start).joints,
        "fit": simulate(window, end).joints,
    }


def _window(args: Mapping[str, Value]) -> Window:
    """Return the window of arguments of pose_window."""
    data, clip, start_s, softness_m = (args[name] for name in ("data", "clip", "start_s", "softness_m"))
    assert isinstance(start_s, float) and isinstance(softness_m, float)
    return window_of("pose_window", str(data), str(clip), start_s=start_s, softness_m=softness_m)
