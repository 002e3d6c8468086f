"""All orthogonal layers of a network at once."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from rmobench.errors import ArgumentError
from rmobench.tasks.orthogonal.orthogonal_layers import orthogonal_layers, shapes

CPU = torch.device("cpu")


def test_resnet50_has_33_layers_in_13_shapes() -> None:
    found = Counter(tuple(shape) for shape in shapes("resnet50").values())
    assert (sum(found.values()), len(found)) == (33, 13)
    assert found[4608, 512] == 3
    assert found[2304, 256] == 6
    assert found[147, 64] == 1


def test_the_targets_are_the_minimum_and_the_slowest_layer_is_the_gap() -> None:
    problem = orthogonal_layers(0, CPU, torch.float64)
    assert problem.judge(problem.model)["gap"] == pytest.approx(1.0)
    assert problem.loss(problem.model, None).item() == pytest.approx(problem.judge(problem.model)["objective"])
    names = list(problem.params)
    with torch.no_grad():
        for name in names[1:]:
            problem.params[name].copy_(problem.model.get_buffer(f"target_{name}"))
    assert problem.judge(problem.model)["gap"] == pytest.approx(1.0)  # one layer has not moved
    with torch.no_grad():
        problem.params[names[0]].copy_(problem.model.get_buffer(f"target_{names[0]}"))
    metrics = problem.judge(problem.model)
    assert abs(metrics["objective"]) < 1e-12
    assert metrics["residual"] < 1e-12


def test_the_loss_is_half_the_squared_distance() -> None:
    problem = orthogonal_layers(1, CPU, torch.float64)
    pairs = [(x, problem.model.get_buffer(f"target_{name}")) for name, x in problem.params.items()]
    expected = sum(0.5 * (x - target).square().sum() for x, target in pairs)
    assert problem.loss(problem.model, None).item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_network_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"got network='resnet51', expected one of resnet50, resnet18, small_cnn"):
        orthogonal_layers(0, CPU, torch.float64, network="resnet51")
