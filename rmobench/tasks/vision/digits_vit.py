"""A small vision Transformer, on real digits."""

from __future__ import annotations

import torch
from torch import nn

from rmobench.errors import ArgumentError
from rmobench.models import SmallViT
from rmobench.registry import task
from rmobench.tasks.images import images, images_problem
from rmobench.types import Budget, Problem, Target

PATCH = 7


@task(
    family="vision",
    source="Dosovitskiy et al. 2021, ICLR, arXiv 2010.11929; data: LeCun, Cortes, Burges 1998",
    offers=("stochastic", "matrix_parameters"),
    target=Target(metric="objective", rungs=(1.9, 1.3, 0.7, 0.28, 0.1), headline=0.28),
    budget=Budget(n_calls=500, time_s=240.0),
    cheap=False,
    data=True,
)
def digits_vit(
    seed: int, device: torch.device, dtype: torch.dtype, *, data: str = "mnist5k", batch_size: int = 64
) -> Problem:
    """Train three blocks on 16 patches of 7 x 7 pixels; 154,954 parameters on grey images.

    The rungs are those of the orthogonal network on the same images. Where they come from, and what a
    baseline reaches here, is in targets/digits_vit.json.

    Args:
        seed: Draws the network and the order of the images.
        device: Where network and images live.
        dtype: Storage precision of parameters and batches.
        data: A name that `rmobench data list` shows: images with a test part, their sides equal multiples of 7.
        batch_size: Images in a batch.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: Data that are no such images, or a batch that does not fit.
        MissingDependencyError: The data are not on this machine.
    """
    chosen = images("digits_vit", data, split="all")
    high, wide = chosen.train.shape[2:]
    if high != wide or high % PATCH:
        raise ArgumentError(f"digits_vit: got images of {high} x {wide}, expected equal sides, multiples of {PATCH}.")

    def build(kinds: int, channels: int) -> nn.Module:
        return SmallViT(kinds, in_channels=channels, side=high, patch=PATCH)

    return images_problem("digits_vit", build, chosen, batch_size=batch_size, seed=seed, device=device, dtype=dtype)
