"""Limited-memory BFGS with a strong Wolfe line search."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Choice, Optimizer, Oracle, Problem

LINE_SEARCH = 25
"""Evaluations that one line search may take, torch's default."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the oracle last said, and where; its gradient is the one in .grad."""

    point: list[Tensor]
    loss: Tensor  # []


@optimizer(
    family="classical",
    source="Liu, Nocedal 1989, Math. Programming 45; torch.optim.LBFGS, a port of Schmidt's minFunc",
    needs=("deterministic",),
    search={"history_size": Choice((3, 5, 10, 20, 50))},
)
def lbfgs(problem: Problem, *, history_size: int = 10) -> Optimizer:
    """Step along the quasi-Newton direction of the last few gradient differences, as far as a line search says.

    One step is one line search. torch evaluates again where the line search before has ended; as the task is
    deterministic the answer is remembered and not asked for twice, if that was the search's last point.

    Its tolerances are 0, so the oracle decides when to stop. Two fixed ones remain inside torch: pairs with
    <y, s> <= 1e-10 are not stored, and a bracket narrower than 1e-9 ends the line search. If two steps running leave
    the parameters as they are, every later step would repeat the second one, and the method has ended by itself.

    Args:
        problem: Any, of one device and dtype.
        history_size: Pairs (s, y) to keep, two vectors each.
    """
    inner = torch.optim.LBFGS(
        problem.params.values(),
        lr=1.0,
        max_iter=1,
        max_eval=1 + LINE_SEARCH,  # torch's default, 5/4 of max_iter, would leave the line search nothing
        tolerance_grad=0.0,
        tolerance_change=0.0,
        history_size=history_size,
        line_search_fn="strong_wolfe",
    )
    last: Evaluation | None = None
    n_idle = 0

    def step(oracle: Oracle) -> str | None:
        nonlocal n_idle

        def evaluate() -> Tensor:
            nonlocal last
            x = copies(problem)
            if last is None or not equal(last.point, x):
                last = Evaluation(x, oracle())
            return last.loss

        before = copies(problem)
        inner.step(evaluate)  # type: ignore[no-untyped-call]
        n_idle = n_idle + 1 if equal(before, copies(problem)) else 0
        return "no progress in two line searches running" if n_idle == 2 else None

    return Optimizer(step, state=lambda: tensors_in([inner.state, last.point if last else ()]))


def copies(problem: Problem) -> list[Tensor]:
    """Copy the parameters as they are now."""
    return [p.detach().clone() for p in problem.params.values()]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    """Whether two points agree in every entry; one with NaN agrees with none."""
    return all(map(torch.equal, a, b))
