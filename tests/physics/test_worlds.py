"""Many worlds at once are the worlds one by one; the same twice is the same; checkpoints change nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.physics.body import Body
from rmobench.physics.configuration import pose_of
from rmobench.physics.contact import Ground
from rmobench.physics.kinematics import landmarks
from rmobench.physics.rollout import rollout
from tests.physics.machines import F64, adult, states

N_WORLDS, N_STEPS = 64, 5

WORLDS = 1e-12
"""Products of other sizes add in another order: roundings of float64, grown over five steps on stiff ground. Relative
to the largest entry."""


@pytest.fixture(scope="module")
def body() -> Body:
    return adult()


def problem(body: Body) -> tuple[Tensor, Tensor, Tensor]:
    qpos, qvel = states(body, N_WORLDS, turn=0.1, rate=0.5)
    angles = 0.3 * torch.randn(N_WORLDS, N_STEPS, body.n_driven, generator=torch.Generator().manual_seed(7), dtype=F64)
    return qpos, qvel, angles


def motion(body: Body, qpos: Tensor, qvel: Tensor, angles: Tensor, *, checkpoint_every: int = 0) -> Tensor:
    qs, _ = rollout(
        body,
        qpos,
        qvel,
        duration=0.005,
        targets=pose_of(body, angles),
        ground=Ground(),
        checkpoint_every=checkpoint_every,
    )
    return landmarks(body, qs)


def loss(body: Body, qpos: Tensor, qvel: Tensor, angles: Tensor) -> Tensor:
    return motion(body, qpos, qvel, angles).square().sum((-3, -2, -1))


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=WORLDS * b.abs().max().item())


def test_vmap_and_batches_equal_a_loop(body: Body) -> None:
    worlds = problem(body)
    loop = torch.stack([motion(body, *(x[n] for x in worlds)) for n in range(N_WORLDS)])
    close(torch.vmap(lambda *x: motion(body, *x))(*worlds), loop)
    close(motion(body, *worlds), loop)
    close(motion(body, *(x.unflatten(0, (4, 16)) for x in worlds)).flatten(0, 1), loop)


def test_vmap_of_grad_equals_backward(body: Body) -> None:
    qpos, qvel, angles = (x[:8] for x in problem(body))
    mapped = torch.vmap(torch.func.grad(lambda *x: loss(body, *x), argnums=2))(qpos, qvel, angles)
    angles = angles.clone().requires_grad_()
    loss(body, qpos, qvel, angles).sum().backward()
    close(mapped, angles.grad)


def test_the_same_twice_is_the_same(body: Body) -> None:
    """Bit for bit, gradients too."""
    qpos, qvel, angles = (x[:8] for x in problem(body))
    runs = []
    for _ in range(2):
        free = angles.clone().requires_grad_()
        value = loss(body, qpos, qvel, free)
        value.sum().backward()
        runs.append((value.detach(), free.grad))
    assert torch.equal(runs[0][0], runs[1][0]) and torch.equal(runs[0][1], runs[1][1])


@pytest.mark.parametrize("every", [1, 2, 5, 9])
def test_checkpoints_change_no_bit(body: Body, every: int) -> None:
    qpos, qvel, angles = (x[:4] for x in problem(body))
    gradients = []
    for checkpoint_every in (0, every):
        free = angles.clone().requires_grad_()
        motion(body, qpos, qvel, free, checkpoint_every=checkpoint_every).square().sum().backward()
        gradients.append(free.grad)
    assert torch.equal(*gradients)


def test_checkpoints_keep_less(body: Body) -> None:
    """Of 25 steps with a checkpoint every 5, less than a third of the bytes stay for the derivative."""

    def kept(every: int) -> int:
        sizes: dict[int, int] = {}

        def note(x: Tensor) -> Tensor:
            sizes[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
            return x

        free = torch.zeros(25, body.n_driven, dtype=F64, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
            motion(body, body.home, torch.zeros(body.n_dofs, dtype=F64), free, checkpoint_every=every)
        return sum(sizes.values())

    assert kept(5) < kept(0) / 3


def test_float32_follows_float64(body: Body) -> None:
    qpos, qvel, angles = (x[:8] for x in problem(body))
    single = motion(body.to(dtype=torch.float32), *(x.float() for x in (qpos, qvel, angles)))
    torch.testing.assert_close(single.double(), motion(body, qpos, qvel, angles), rtol=0, atol=1e-5)


@pytest.mark.gpu
def test_a_gpu_follows_the_cpu(body: Body) -> None:
    worlds = problem(body)
    there = motion(body.to(device="cuda"), *(x.cuda() for x in worlds))
    torch.testing.assert_close(there.cpu(), motion(body, *worlds), rtol=0, atol=1e-9)
