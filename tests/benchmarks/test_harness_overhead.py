"""What the harness adds to a step, against a bare torch loop; interleaved in one run, so that drift falls on both.

Run: pytest tests/benchmarks/test_harness_overhead.py --benchmark-only -s
"""

import itertools
import statistics
from time import perf_counter

import pytest
import torch
from torch import nn

from rmobench.harness.clock import Clock
from rmobench.harness.judging import Judge
from rmobench.harness.oracle import CountingOracle
from rmobench.harness.trial import drive
from rmobench.registry import load, optimizers, tasks
from rmobench.tasks.analytic.rosenbrock import value
from rmobench.types import Budget, Optimizer, Problem, Target

ROUNDS = 20
ADAM = load(optimizers()["adam"].location)


def rosenbrock() -> Problem:
    return load(tasks()["rosenbrock"].location)(0, torch.device("cpu"), torch.float64, dim=2)


class SmallCNN(nn.Sequential):
    """Two convolutions and a classifier for 28 x 28 images."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 8, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(576, 10),
        )


def cross_entropy(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    images, labels = batch
    return nn.functional.cross_entropy(model(images), labels)


def small_cnn() -> Problem:
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(64, 1, 28, 28, generator=generator), torch.randint(10, (64,), generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SmallCNN()
    judge = lambda model: {"objective": 1.0, "gap": 1.0, "residual": 0.0}  # noqa: E731
    return Problem(model=model, loss=cross_entropy, batches=itertools.repeat(batch), judge=judge)


def bare_rosenbrock_s(n_steps: int) -> float:
    x = nn.Parameter(rosenbrock().model.x.detach().clone())
    inner = torch.optim.Adam([x], lr=0.01)
    began = perf_counter()
    for _ in range(n_steps):
        inner.zero_grad()
        loss = value(x)
        loss.backward()
        inner.step()
    return perf_counter() - began


def bare_cnn_s(n_steps: int) -> float:
    problem = small_cnn()
    batch = next(problem.batches)
    inner = torch.optim.Adam(problem.model.parameters(), lr=0.01)
    began = perf_counter()
    for _ in range(n_steps):
        inner.zero_grad()
        loss = cross_entropy(problem.model, batch)
        loss.backward()
        inner.step()
    return perf_counter() - began


def harness_s(problem: Problem, n_steps: int, *, every_step: bool) -> tuple[float, float]:
    """Timed seconds as a record has them, and all seconds with the judge's."""
    target = Target(rungs=(1e-30,), headline=1e-30)
    judge = Judge(
        problem, target=target, residual_max=1.0, every_step=every_step, evaluating=Optimizer(print).evaluating
    )
    clock = Clock()
    oracle = CountingOracle(problem, budget=Budget(n_calls=n_steps), judge=judge, clock=clock)
    built = ADAM(problem, lr=0.01)
    began = perf_counter()
    clock.start()
    drive(built, oracle)
    clock.stop()
    assert oracle.n_step == n_steps
    return clock.elapsed_s, perf_counter() - began


@pytest.mark.parametrize(
    ("make", "bare_s", "n_steps", "every_step", "bound"),
    [(rosenbrock, bare_rosenbrock_s, 500, True, 1.10), (small_cnn, bare_cnn_s, 60, False, 1.01)],
    ids=["rosenbrock-2d", "small-cnn"],
)
def test_overhead_over_a_bare_loop(benchmark, make, bare_s, n_steps, every_step, bound):
    torch.set_num_threads(1)
    ratios, ratios_all, per_step = [], [], []
    bare_s(n_steps), harness_s(make(), n_steps, every_step=every_step)

    def pair():
        timed, whole = harness_s(make(), n_steps, every_step=every_step)
        bare = bare_s(n_steps)
        ratios.append(timed / bare)
        ratios_all.append(whole / bare)
        per_step.append(bare / n_steps)

    benchmark.pedantic(pair, rounds=ROUNDS, iterations=1)
    ratio = statistics.median(ratios)
    benchmark.extra_info |= {"ratio": ratio, "ratio_with_judge": statistics.median(ratios_all)}
    print(f"\ntimed {ratio:.3f} x bare, quartiles {[round(q, 3) for q in statistics.quantiles(ratios)]}")
    print(
        f"with the judge {statistics.median(ratios_all):.3f} x; a bare step: {1e6 * statistics.median(per_step):.0f} us"
    )
    assert ratio <= bound
