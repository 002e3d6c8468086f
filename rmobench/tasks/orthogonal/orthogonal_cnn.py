"""A small convolutional network with orthogonal kernels, on real digits."""

from __future__ import annotations

import torch
from torch import nn

from rmobench.models import small_cnn
from rmobench.registry import task
from rmobench.tasks.images import images, images_problem
from rmobench.types import Budget, Problem, Target


@task(
    family="orthogonal",
    source="Huang et al. 2018, AAAI, arXiv 1709.06079 (orthogonal kernels); data: LeCun, Cortes, Burges 1998",
    offers=("stochastic", "matrix_parameters", "stiefel"),
    constraint="stiefel",
    target=Target(metric="objective", rungs=(1.9, 1.3, 0.7, 0.28, 0.1), headline=0.28),
    budget=Budget(n_calls=500, time_s=120.0),
    cheap=False,
    version=3,
    data=True,
)
def orthogonal_cnn(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "mnist5k",
    batch_size: int = 64,
    split: str = "all",
) -> Problem:
    """Train three convolutions with orthonormal kernels and a linear layer; 24,314 parameters on grey images.

    The target is frozen in targets/orthogonal_cnn.json, with its provenance.

    Args:
        seed: Draws the network, frames uniform on the manifold, and the order of the images.
        device: Where network and images live.
        dtype: Storage precision of parameters, running statistics and batches.
        data: A name that `rmobench data list` shows: images with a test part.
        batch_size: Images in a batch.
        split: "all" training images; "train": those that learned optimizers may be trained on; "held_out": the others.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: Data that are no images, a batch or a split that does not exist.
        MissingDependencyError: The data are not on this machine.
    """

    def build(kinds: int, channels: int) -> nn.Module:
        return small_cnn(kinds, in_channels=channels)

    chosen = images("orthogonal_cnn", data, split=split)
    return images_problem("orthogonal_cnn", build, chosen, batch_size=batch_size, seed=seed, device=device, dtype=dtype)
