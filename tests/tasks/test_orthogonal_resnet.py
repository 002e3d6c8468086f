"""The orthogonal ResNet, on a tiny folder in the published layout."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from rmobench.data.cifar10 import FOLDER
from rmobench.errors import ArgumentError
from rmobench.geometry import EUCLIDEAN
from rmobench.models import frames
from rmobench.tasks.orthogonal.orthogonal_resnet import orthogonal_resnet
from rmobench.types import RESIDUAL_MAX
from tests.data.published import cifar_folder, idx_folder

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder, with some images of 12 x 12."""
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    idx_folder(tmp_path / "fashion-mnist", n_train=30, n_test=20, side=12)
    return tmp_path


@pytest.mark.parametrize(("depth", "n_frames"), [(18, 16), pytest.param(50, 32, marks=pytest.mark.slow)])
def test_it_trains_and_is_judged(depth: int, n_frames: int) -> None:
    """On grey images the stem, 9 x 64, is no frame."""
    problem = orthogonal_resnet(0, CPU, torch.float32, depth=depth, batch_size=8)
    assert set(problem.manifolds) == set(frames(problem.model))
    assert len(problem.manifolds) == n_frames
    loss = problem.loss(problem.model, next(problem.batches))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(10.0), abs=2.0)
    with torch.no_grad():
        for name, p in problem.params.items():
            manifold = problem.manifolds.get(name, EUCLIDEAN)
            assert p.grad.abs().max() > 0.0, name
            p.copy_(manifold.retract(p, -0.01 * manifold.gradient(p, p.grad)))
    metrics = problem.judge(problem.model)
    assert set(metrics) == {"objective", "accuracy", "residual"}
    assert math.isfinite(metrics["objective"])
    assert metrics["residual"] < RESIDUAL_MAX["fp32"]


def test_colour_images_have_an_ordinary_stem(folder: Path) -> None:
    """On them it is 27 x 64: too wide for a frame as well."""
    cifar_folder(folder / FOLDER.folder, FOLDER.files, labels=b"labels", kinds=10)
    problem = orthogonal_resnet(0, CPU, torch.float32, data="cifar10", batch_size=8)
    assert tuple(problem.params["stem.0.weight"].shape) == (64, 3, 3, 3)
    assert len(problem.manifolds) == 16


@pytest.mark.parametrize("depth", [0, 34])
def test_a_depth_that_does_not_exist(depth: int) -> None:
    with pytest.raises(ArgumentError, match=rf"^orthogonal_resnet: got depth={depth}, expected 18 or 50\.$"):
        orthogonal_resnet(0, CPU, torch.float32, depth=depth)
