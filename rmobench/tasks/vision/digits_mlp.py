"""A fully connected network, on real digits."""

from __future__ import annotations

import torch
from torch import nn

from rmobench.models import mlp
from rmobench.registry import task
from rmobench.tasks.images import images, images_problem
from rmobench.types import Budget, Problem, Target


@task(
    family="vision",
    source="LeCun, Bottou, Bengio, Haffner 1998, Proc. IEEE 86(11), sec. III-C; data: LeCun, Cortes, Burges 1998",
    offers=("stochastic", "matrix_parameters"),
    target=Target(metric="objective", rungs=(1.9, 1.3, 0.7, 0.28, 0.1), headline=0.28),
    budget=Budget(n_calls=500, time_s=120.0),
    cheap=False,
    data=True,
)
def digits_mlp(
    seed: int, device: torch.device, dtype: torch.dtype, *, data: str = "mnist5k", batch_size: int = 64
) -> Problem:
    """Train two hidden layers of 256 and 128 units; 235,146 parameters on 28 x 28 grey images.

    The rungs are those of the orthogonal network on the same images. Where they come from, and what a
    baseline reaches here, is in targets/digits_mlp.json.

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
    chosen = images("digits_mlp", data, split="all")

    def build(kinds: int, channels: int) -> nn.Module:
        return mlp(kinds, n_inputs=chosen.train[0].numel())

    return images_problem("digits_mlp", build, chosen, batch_size=batch_size, seed=seed, device=device, dtype=dtype)
