"""A small convolutional network without normalisation, on real digits."""

from __future__ import annotations

import torch
from torch import nn

from rmobench.models import plain_cnn
from rmobench.registry import task
from rmobench.tasks.images import images, images_problem
from rmobench.types import Budget, Problem, Target


@task(
    family="vision",
    source="LeCun, Bottou, Bengio, Haffner 1998, Proc. IEEE 86(11); data: LeCun, Cortes, Burges 1998",
    offers=("stochastic", "matrix_parameters"),
    target=Target(metric="objective", rungs=(1.9, 1.3, 0.7, 0.28, 0.1), headline=0.28),
    budget=Budget(n_calls=500, time_s=120.0),
    cheap=False,
    data=True,
)
def digits_cnn(
    seed: int, device: torch.device, dtype: torch.dtype, *, data: str = "mnist5k", batch_size: int = 64
) -> Problem:
    """Train three strided convolutions and a linear layer; 24,202 parameters on grey images.

    The rungs are those of the orthogonal network of the same shape. Where they come from, and what a
    baseline reaches here, is in targets/digits_cnn.json.

    Args:
        seed: Draws the network and the order of the images.
        device: Where network and images live.
        dtype: Storage precision of parameters and batches.
        data: A name that `rmobench data list` shows: images with a test part.
        batch_size: Images in a batch.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: Data that are no images, or a batch that does not fit.
        MissingDependencyError: The data are not on this machine.
    """

    def build(kinds: int, channels: int) -> nn.Module:
        return plain_cnn(kinds, in_channels=channels)

    chosen = images("digits_cnn", data, split="all")
    return images_problem("digits_cnn", build, chosen, batch_size=batch_size, seed=seed, device=device, dtype=dtype)
