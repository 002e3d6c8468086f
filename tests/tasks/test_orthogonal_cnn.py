"""The orthogonal network on digits: its batches, its frames, its judge."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from rmobench.errors import ArgumentError, MissingDependencyError
from rmobench.geometry import Stiefel
from rmobench.models import frames
from rmobench.tasks.images import N_JUDGED, images
from rmobench.tasks.orthogonal.orthogonal_cnn import orthogonal_cnn
from rmobench.types import Problem
from tests.data.published import idx_folder

CPU = torch.device("cpu")
FRAMES = {"0.frame": (25, 16), "3.frame": (144, 32), "6.frame": (288, 64)}

SINGLE = 1e-5
"""Of values near 1 after a network in float32."""


def build(*, seed: int = 0, dtype: torch.dtype = torch.float32, **args: object) -> Problem:
    return orthogonal_cnn(seed, CPU, dtype, **args)


def step(problem: Problem, *, lr: float = 0.3) -> float:
    """A gradient step, with the frames put back."""
    problem.model.zero_grad()
    loss = problem.loss(problem.model, next(problem.batches))
    loss.backward()
    with torch.no_grad():
        for name, p in problem.params.items():
            p -= lr * p.grad
            if name in problem.manifolds:
                p.copy_(problem.manifolds[name].project(p))
    return loss.item()


def test_the_frames_are_the_kernels_of_all_convolutions() -> None:
    problem = build()
    assert {name: tuple(problem.params[name].shape) for name in problem.manifolds} == FRAMES
    assert set(problem.manifolds.values()) == {Stiefel()}
    assert sum(p.numel() for p in problem.params.values()) == 24_314
    assert problem.judge(problem.model)["residual"] < SINGLE


def test_training_and_test_images_are_apart() -> None:
    chosen = images("t", "mnist5k", split="all")
    assert (tuple(chosen.train.shape), tuple(chosen.test.shape)) == ((4000, 1, 28, 28), (1000, 1, 28, 28))
    assert chosen.n_kinds == 10
    assert chosen.train_labels.bincount().tolist() == [400] * 10
    assert chosen.test_labels.bincount().tolist() == [100] * 10
    train = {image.numpy().tobytes() for image in chosen.train}
    assert not any(image.numpy().tobytes() in train for image in chosen.test)


def test_images_are_normalised_over_the_training_part() -> None:
    chosen = images("t", "mnist5k", split="all")
    assert chosen.train.mean().item() == pytest.approx(0.0, abs=1e-4)
    assert chosen.train.std().item() == pytest.approx(1.0, abs=1e-4)


def test_splits_share_normalisation_and_test_part_but_no_training_image() -> None:
    whole, train, held_out = (images("t", "mnist5k", split=s) for s in ("all", "train", "held_out"))
    assert torch.equal(torch.cat([train.train, held_out.train]), whole.train)
    assert torch.equal(train.test, whole.test)
    assert len(train.train) == len(held_out.train) == 2000


def test_an_epoch_shows_every_image_at_most_once() -> None:
    problem = build(batch_size=96)  # 41 batches, 64 images are left out
    seen = [next(problem.batches) for _ in range(41)]
    assert {tuple(inputs.shape) for inputs, _ in seen} == {(96, 1, 28, 28)}
    rows = {image.numpy().tobytes() for inputs, _ in seen for image in inputs}
    assert len(rows) == 41 * 96
    labels = torch.cat([labels for _, labels in seen]).bincount()
    assert labels.min() > 400 - 64


def test_the_next_epoch_has_another_order() -> None:
    problem = build(batch_size=4000)
    (first, _), (second, _) = next(problem.batches), next(problem.batches)
    assert not torch.equal(first, second)
    assert first.double().mean().item() == pytest.approx(second.double().mean().item(), abs=1e-9)


def test_seeds_draw_network_and_order() -> None:
    first, again, other = (build(seed=s) for s in (0, 0, 1))
    assert torch.equal(first.params["3.frame"], again.params["3.frame"])
    assert not torch.equal(first.params["3.frame"], other.params["3.frame"])
    batches = [next(p.batches)[1] for p in (first, again, other)]
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


def test_the_judge_by_its_definition() -> None:
    """After some steps, so that running and batch statistics differ."""
    problem = build()
    for _ in range(5):
        step(problem)
    chosen, model = images("t", "mnist5k", split="all"), copy.deepcopy(problem.model).eval()
    with torch.no_grad():
        train, test = model(chosen.train[:N_JUDGED]), model(chosen.test)
    metrics = problem.judge(problem.model)
    loss = nn.functional.cross_entropy(train, chosen.train_labels[:N_JUDGED]).item()
    assert metrics["objective"] == pytest.approx(loss, abs=SINGLE)
    assert metrics["accuracy"] == pytest.approx((test.argmax(1) == chosen.test_labels).double().mean().item(), abs=2e-3)
    residuals = [Stiefel().residual(frame.double()).item() for frame in frames(problem.model).values()]
    assert metrics["residual"] == max(residuals)


def test_leaving_the_manifold_gains_nothing() -> None:
    """Scaled kernels are judged as the frames they are put back to, and the residual tells."""
    problem = build()
    on = problem.judge(problem.model)
    with torch.no_grad():
        for frame in frames(problem.model).values():
            frame.mul_(3.0)
    off = problem.judge(problem.model)
    assert off["objective"] == pytest.approx(on["objective"], abs=SINGLE)
    assert off["accuracy"] == pytest.approx(on["accuracy"], abs=2e-3)
    assert off["residual"] > 1.0


def test_judging_leaves_mode_statistics_and_gradients_alone() -> None:
    problem = build()
    step(problem)
    before = {name: value.clone() for name, value in problem.model.state_dict().items()}
    problem.judge(problem.model)
    assert problem.model.training
    assert all(torch.equal(before[name], value) for name, value in problem.model.state_dict().items())
    assert all(p.grad is not None for p in problem.params.values())


def test_a_network_that_is_not_finite_is_judged_so() -> None:
    problem = build()
    with torch.no_grad():
        problem.params["0.frame"][0, 0] = torch.nan
    metrics = problem.judge(problem.model)
    assert metrics["objective"] != metrics["objective"]
    assert metrics["residual"] != metrics["residual"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_precision_is_that_of_parameters_statistics_and_batches(dtype: torch.dtype) -> None:
    problem = build(dtype=dtype)
    assert {p.dtype for p in problem.params.values()} == {dtype}
    assert next(problem.batches)[0].dtype == dtype
    assert problem.model.get_buffer("1.running_mean").dtype == dtype
    exact = build()
    reference, stored = exact.judge(exact.model), problem.judge(problem.model)
    assert stored["objective"] == pytest.approx(reference["objective"], abs=0.05)
    assert stored["residual"] <= 64 * torch.finfo(dtype).eps


def test_some_steps_lower_the_judged_loss() -> None:
    problem = build()
    before = problem.judge(problem.model)
    for _ in range(40):
        step(problem)
    after = problem.judge(problem.model)
    assert after["objective"] < before["objective"] - 0.3
    assert after["accuracy"] > before["accuracy"] + 0.2
    assert after["residual"] < 1e-4


def test_it_takes_other_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    idx_folder(tmp_path / "mnist", n_train=30, n_test=20, side=12)
    problem = build(data="mnist", batch_size=8)
    assert next(problem.batches)[0].shape == (8, 1, 12, 12)
    assert set(problem.judge(problem.model)) == {"objective", "accuracy", "residual"}


WRONG = {
    "no images": ({"data": "digits"}, r"got data='digits', expected images \[n, channels, h, w\] with a test part\."),
    "batch": ({"batch_size": 0}, r"got batch_size=0, expected 1 to 4000, the training images\."),
    "batch of more": ({"batch_size": 2001, "split": "train"}, r"got batch_size=2001, expected 1 to 2000"),
    "split": ({"split": "test"}, r"got split='test', expected one of all, train, held_out\."),
}


@pytest.mark.parametrize(("args", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_exist(args: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^orthogonal_cnn: {said}"):
        build(**args)


def test_absent_data_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"^cifar10: .*Put the published files"):
        build(data="cifar10")
