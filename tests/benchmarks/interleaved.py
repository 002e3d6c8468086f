"""Two things timed in turns within one run, so that what drifts falls on both."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import perf_counter

import torch

ROUNDS = 20


def seconds(step: Callable[[], object], n_steps: int) -> float:
    began = perf_counter()
    for _ in range(n_steps):
        step()
    return perf_counter() - began


def compared(benchmark, a: Callable[[], object], b: Callable[[], object], n_steps: int, said: str) -> float:
    """Return the median ratio of the seconds of a to those of b, over interleaved rounds on one thread."""
    torch.set_num_threads(1)
    seconds(a, 3), seconds(b, 3)
    ratios: list[float] = []
    per_step: list[tuple[float, float]] = []

    def pair() -> None:
        mine, theirs = seconds(a, n_steps), seconds(b, n_steps)
        ratios.append(mine / theirs)
        per_step.append((mine / n_steps, theirs / n_steps))

    benchmark.pedantic(pair, rounds=ROUNDS, iterations=1)
    ratio = statistics.median(ratios)
    mine_s, theirs_s = (statistics.median(times) for times in zip(*per_step, strict=True))
    benchmark.extra_info |= {"ratio": ratio, "step_s": mine_s, "other_step_s": theirs_s}
    quartiles = [round(q, 3) for q in statistics.quantiles(ratios)]
    print(f"\n{said}: {ratio:.3f}, quartiles {quartiles}; steps of {1e3 * mine_s:.3g} and {1e3 * theirs_s:.3g} ms")
    return ratio
