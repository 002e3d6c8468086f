"""Training a network on images: the batches it sees, and how it is judged."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from rmobench.data import Dataset, load
from rmobench.errors import ArgumentError
from rmobench.geometry import Stiefel
from rmobench.models import frames, started
from rmobench.tasks.samples import part
from rmobench.tasks.streams import epochs, stream
from rmobench.types import Problem

N_JUDGED = 1000
"""The training loss is judged on so many training images, always the same ones."""

CHUNK = 1000
"""Images that are judged at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Images, normalised, and their labels, in a training and a test part."""

    train: Tensor  # [m, channels, h, w], float32 on the CPU
    train_labels: Tensor  # [m]
    test: Tensor  # [k, channels, h, w]
    test_labels: Tensor  # [k]
    n_kinds: int


@cache
def images(task: str, data: str, *, split: str) -> Images:
    """Load images; every channel has mean 0 and variance 1 over the training part.

    From memory from the second time on: a trial builds its problem three times.

    Args:
        task: Its name, for the messages.
        data: A name in the catalogue `rmobench.data.SOURCES`.
        split: Which of the training images the optimizer sees: "all", "train" or "held_out"; see `samples.part`.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: The data are not images with a test part, or there is no such split.
        MissingDependencyError: The data are not on this machine.
    """
    loaded = load(data)
    if loaded.inputs.ndim != 4 or not loaded.n_test:
        raise ArgumentError(f"{task}: got data={data!r}, expected images [n, channels, h, w] with a test part.")
    n_train = len(loaded.labels) - loaded.n_test
    rows = part(task, n_train, split=split)
    labels = torch.tensor(loaded.labels)
    train, test = _normalised(loaded, n_train, rows)
    return Images(
        train=train,
        train_labels=labels[:n_train][rows],
        test=test,
        test_labels=labels[n_train:],
        n_kinds=int(labels.max()) + 1,
    )


def _normalised(loaded: Dataset, n_train: int, rows: slice) -> tuple[Tensor, Tensor]:
    pixels = torch.tensor(loaded.inputs, dtype=torch.float32)
    train = pixels[:n_train]
    deviation, mean = torch.std_mean(train, dim=(0, 2, 3), keepdim=True)
    return ((train[rows] - mean) / deviation), ((pixels[n_train:] - mean) / deviation)


def images_problem(
    task: str,
    build: Callable[[int, int], nn.Module],
    chosen: Images,
    *,
    batch_size: int,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Problem:
    """Build the problem of training a network by its mean cross-entropy over random batches.

    Judged are, in float32 and with every frame put back onto the manifold, the training loss (`objective`, on the first
    1,000 images) and the share of test images that are classified correctly (`accuracy`), batch normalisation using its
    running statistics; `residual` is the largest |M^T M - I| of a layer, in float64 (0 without such layers). Running
    statistics follow every evaluation that an optimizer asks for: those of an optimizer that leaves the manifold belong
    to its own kernels, so that its accuracy is that of a network which nobody trained.

    Args:
        task: Its name, for the message.
        build: (kinds, channels) -> network.
        chosen: Images.
        batch_size: Of a step; an epoch's last, smaller batch is left out.
        seed: Draws the network ("init") and the order of the images ("data").
        device: Where network and images live.
        dtype: Storage precision of parameters, running statistics and batches.

    Raises:
        ArgumentError: A batch that is empty or larger than the training part.
    """
    if not 1 <= batch_size <= len(chosen.train):
        n = len(chosen.train)
        raise ArgumentError(f"{task}: got batch_size={batch_size}, expected 1 to {n}, the training images.")
    channels = chosen.train.shape[1]
    init = stream(seed, "init")
    model = started(lambda: build(chosen.n_kinds, channels), init, device=device, dtype=dtype)
    train, labels = chosen.train.to(device), chosen.train_labels.to(device)
    judge = _Judge(
        model, (train[:N_JUDGED], labels[:N_JUDGED]), (chosen.test.to(device), chosen.test_labels.to(device))
    )
    return Problem(
        model=model,
        loss=loss,
        batches=_batches(train.to(dtype), labels, batch_size, stream(seed, "data")),
        judge=judge,
        manifolds=dict.fromkeys(frames(model), judge.manifold),
    )


def loss(model: nn.Module, batch: Any) -> Tensor:
    """Return the mean cross-entropy over a batch of images and labels, []."""
    inputs, labels = batch
    return cross_entropy(model(inputs), labels)


def _batches(inputs: Tensor, labels: Tensor, batch_size: int, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for rows in epochs(len(inputs), batch_size, generator):
        here = rows.to(inputs.device)
        yield inputs[here], labels[here]


class _Judge:
    """Judge a network on a copy of its own, in float32 and on the manifold."""

    def __init__(self, model: nn.Module, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> None:
        self.manifold = Stiefel()
        self._copy = copy.deepcopy(model).float().requires_grad_(False).eval()
        self._train = train
        self._test = test

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> Mapping[str, float]:
        self._copy.load_state_dict(model.state_dict())  # in float32 whatever the model's precision
        for frame in frames(self._copy).values():
            frame.copy_(self.manifold.project(frame))
        (inputs, labels), (test, test_labels) = self._train, self._test
        residuals = [self.manifold.residual(frame.double()).item() for frame in frames(model).values()]
        return {
            "objective": cross_entropy(self._logits(inputs), labels).item(),
            "accuracy": (self._logits(test).argmax(-1) == test_labels).double().mean().item(),
            "residual": max(residuals, default=0.0),
        }

    def _logits(self, inputs: Tensor) -> Tensor:
        return torch.cat([self._copy(chunk) for chunk in torch.split(inputs, CHUNK)])
