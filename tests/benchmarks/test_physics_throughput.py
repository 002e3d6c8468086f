"""Steps of the engine with gradients per second, against MuJoCo's finite differences; memory over a rollout's length.

Run: pytest tests/benchmarks/test_physics_throughput.py --benchmark-only -s
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from time import perf_counter

import pytest
import torch

pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")

import mujoco

from rmobench.harness.memory import StorageTracker
from rmobench.physics.configuration import integrate, pose_of
from rmobench.physics.contact import Ground
from rmobench.physics.humanoid import MODEL, humanoid
from rmobench.physics.kinematics import landmarks
from rmobench.physics.rollout import rollout

ROUNDS, N_STEPS, STEP_S = 10, 20, 0.005
GOAL = 4000.0
"""Environment steps per second, gradients included, that the engine is to reach with 64 worlds on one thread."""


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Set the number of threads, and set it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def tracking(n_worlds: int, dtype: torch.dtype, *, n_steps: int, checkpoint_every: int = 0) -> Callable[[], None]:
    """Return a loss with its gradient: landmarks of adults who follow random targets on the ground."""
    body = humanoid(dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    away = 0.1 * torch.randn(n_worlds, body.n_dofs, generator=generator, dtype=dtype)
    qpos, qvel = integrate(body, body.home.expand(n_worlds, -1), away), torch.zeros(n_worlds, body.n_dofs, dtype=dtype)
    angles = 0.1 * torch.randn(n_worlds, n_steps, body.n_driven, generator=generator, dtype=dtype)
    angles.requires_grad_()

    def once() -> None:
        angles.grad = None
        motion, _ = rollout(
            body,
            qpos,
            qvel,
            duration=STEP_S,
            targets=pose_of(body, angles),
            ground=Ground(),
            checkpoint_every=checkpoint_every,
        )
        landmarks(body, motion).square().mean().backward()

    return once


def mujocos_differences() -> Callable[[], None]:
    """Return MuJoCo's derivative of a step by the state: one world, contact-free, one-sided differences.

    The controls' derivative and the contact would come on top.
    """
    model = mujoco.MjModel.from_xml_path(str(MODEL))
    model.opt.timestep = STEP_S
    data = mujoco.MjData(model)
    jacobian = torch.zeros(2 * model.nv, 2 * model.nv, dtype=torch.float64).numpy()

    def once() -> None:
        mujoco.mj_resetData(model, data)
        for _ in range(N_STEPS):
            mujoco.mjd_transitionFD(model, data, 1e-6, False, jacobian, None, None, None)
            mujoco.mj_step(model, data)

    return once


def seconds(work: Callable[[], None]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("n_worlds", [1, 16, 64, 256])
def test_steps_with_gradients_per_second(benchmark, threads, n_worlds, dtype, n_threads):
    """Interleaved with MuJoCo's differences, which take no threads."""
    threads(n_threads)
    ours, theirs = tracking(n_worlds, dtype, n_steps=N_STEPS), mujocos_differences()
    ours(), theirs()
    rates: list[tuple[float, float]] = []
    benchmark.pedantic(
        lambda: rates.append((n_worlds * N_STEPS / seconds(ours), N_STEPS / seconds(theirs))), rounds=ROUNDS
    )
    mine, mujocos = (statistics.median(rate) for rate in zip(*rates, strict=True))
    quartiles = [round(q) for q in statistics.quantiles([rate for rate, _ in rates])]
    benchmark.extra_info |= {"steps_per_s": mine, "mujoco_steps_per_s": mujocos}
    print(
        f"\n{n_worlds} worlds, {dtype}, {n_threads} threads: {mine:.0f} steps/s with gradients, quartiles {quartiles}; "
        f"MuJoCo's differences {mujocos:.0f}; ratio {mine / mujocos:.2f}"
    )
    if (n_worlds, dtype, n_threads) == (64, torch.float32, 1):
        assert mine >= GOAL


@pytest.mark.parametrize("n_steps", [25, 50, 100, 200])
def test_memory_over_the_length_of_a_rollout(benchmark, n_steps):
    """The peak in float32 with 64 worlds: linear in the length without checkpoints, in its root with them."""
    peaks = {}
    for every in (0, math.isqrt(n_steps)):
        work = tracking(64, torch.float32, n_steps=n_steps, checkpoint_every=every)
        with StorageTracker(widest=torch.float32) as tracker:
            work()
        peaks[every] = tracker.peak / 2**20
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info |= {f"peak_mib_every_{every}": peak for every, peak in peaks.items()}
    plain, bounded = peaks.values()
    print(f"\n{n_steps} steps: {plain:.0f} MiB, {bounded:.0f} MiB with a checkpoint every {math.isqrt(n_steps)}")
    assert bounded < plain * 3 / math.sqrt(n_steps)
