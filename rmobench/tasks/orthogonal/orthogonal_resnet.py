"""A residual network with orthogonal kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import nn

from rmobench.errors import ArgumentError
from rmobench.models import ResNet, resnet18, resnet50
from rmobench.registry import task
from rmobench.tasks.images import images, images_problem
from rmobench.types import Budget, Problem, Target

NETWORKS: Mapping[int, Callable[..., ResNet]] = MappingProxyType({18: resnet18, 50: resnet50})
"""By the number of layers."""

SMALL = 64
"""Images with shorter sides take the stem for small images."""


@task(
    family="orthogonal",
    source="He et al. 2016, CVPR, arXiv 1512.03385; orthogonal kernels: Huang et al. 2018, AAAI, arXiv 1709.06079; "
    "data: Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747",
    offers=("stochastic", "matrix_parameters", "stiefel"),
    constraint="stiefel",
    target=Target(metric="objective", rungs=(1.0, 0.5, 0.3, 0.2, 0.1), headline=0.2),
    budget=Budget(n_calls=5000, time_s=1800.0),
    cheap=False,
    data=True,
)
def orthogonal_resnet(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "fashion_mnist",
    depth: int = 18,
    batch_size: int = 128,
    split: str = "all",
) -> Problem:
    """Train a ResNet whose convolutions have orthonormal kernels wherever out <= in k k; meant for a GPU.

    On images below 64 x 64 its stem keeps the resolution. The target is provisional; targets/orthogonal_resnet.json
    says where it comes from.

    Args:
        seed: Draws the network, frames uniform on the manifold, and the order of the images.
        device: Where network and images live.
        dtype: Storage precision of parameters, running statistics and batches.
        data: A name that `rmobench data list` shows: images with a test part.
        depth: 18 or 50 layers.
        batch_size: Images in a batch.
        split: "all" training images; "train": those that learned optimizers may be trained on; "held_out": the others.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A depth that does not exist, data that are no images, a batch or a split that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    if depth not in NETWORKS:
        raise ArgumentError(f"orthogonal_resnet: got depth={depth}, expected 18 or 50.")
    chosen = images("orthogonal_resnet", data, split=split)

    def build(kinds: int, channels: int) -> nn.Module:
        return NETWORKS[depth](kinds, in_channels=channels, small_images=min(chosen.train.shape[2:]) < SMALL)

    return images_problem(
        "orthogonal_resnet", build, chosen, batch_size=batch_size, seed=seed, device=device, dtype=dtype
    )
