"""What the language tasks share: which parameters are free, and how a point is judged."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rmobench.errors import ArgumentError
from rmobench.models import LowRankLinear, insert_low_rank, low_rank_layers
from rmobench.tasks.streams import stream

PARAMETRISATIONS = ("low_rank", "full")
"""Low-rank layers on a frozen network, or every parameter free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Where the low-rank layers go and how they begin; or that there are none."""

    parametrisation: str
    pattern: str  # a name in `named`, or a regular expression for names of linear layers
    named: Mapping[str, str]
    rank: int
    start: str
    n_factors: int

    def insert(self, task: str, model: nn.Module, *, seed: int, free: Sequence[str] = ()) -> None:
        """Free the parameters that are trained and freeze the others.

        Args:
            task: Its name, for the messages.
            model: Changed in place.
            seed: Draws the factors ("init").
            free: Names of modules that are trained whatever the parametrisation, a new head say.

        Raises:
            ArgumentError: No such parametrisation, pattern, start, rank or number of factors.
        """
        if self.parametrisation not in PARAMETRISATIONS or self.n_factors not in (2, 3):
            raise ArgumentError(
                f"{task}: got parametrisation={self.parametrisation!r}, n_factors={self.n_factors}, expected one of "
                f"{', '.join(PARAMETRISATIONS)} and 2 or 3."
            )
        if self.parametrisation == "full":
            model.requires_grad_(True)
            return
        pattern = self.named.get(self.pattern, self.pattern)
        generator = stream(seed, "init")
        layers = insert_low_rank(model, pattern, rank=self.rank, generator=generator, start=self.start)
        if self.n_factors == 2:
            for layer in layers.values():
                _into_two(layer)
        for name in free:
            model.get_submodule(name).requires_grad_(True)


@torch.no_grad()
def _into_two(layer: LowRankLinear) -> None:
    """Give S to the others: its roots to both, or all to B where it is zero; starts have it diagonal, at least 0."""
    assert layer.S is not None
    root = layer.S.diagonal().sqrt()
    layer.U.mul_(root)
    layer.V.mul_(root if root.any() else 1.0)
    layer.S = None


@dataclass(frozen=True, slots=True)
class Held:
    """A batch that is judged on: what the network takes, and the classes [...] that it shall find."""

    inputs: Any
    classes: Tensor


class ValidationJudge:
    """Judge a network by its mean cross-entropy on held-out batches, always the same ones; in float32 or wider.

    `objective` is that loss in nats, `accuracy` the share of classes that have the largest logit where it is asked for,
    `rank` the mean number of columns in use over the low-rank layers where there are some; nothing can be violated.
    """

    def __init__(self, held: tuple[Held, ...], *, accuracy: bool) -> None:
        self._held = held
        self._accuracy = accuracy

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> Mapping[str, float]:
        """Return the metrics."""
        narrow = any(p.dtype.itemsize < torch.float32.itemsize for p in model.parameters())
        judged = copy.deepcopy(model).float() if narrow else model
        loss, correct, n = 0.0, 0, 0
        for held in self._held:
            logits = judged(held.inputs).flatten(0, -2)
            classes = held.classes.flatten()
            loss += cross_entropy(logits, classes, reduction="sum").item()
            correct += int((logits.argmax(-1) == classes).sum())
            n += len(classes)
        ranks = [layer.n_used for layer in low_rank_layers(model).values()]
        return {
            "objective": loss / n,
            **({"accuracy": correct / n} if self._accuracy else {}),
            **({"rank": sum(ranks) / len(ranks)} if ranks else {}),
            "residual": 0.0,
        }


def classification_loss(model: nn.Module, batch: Any) -> Tensor:
    """Return the mean cross-entropy of (inputs, classes [...]) under logits [..., k], []."""
    inputs, classes = batch
    return cross_entropy(model(inputs).flatten(0, -2), classes.flatten())


def filled(
    model: nn.Module, arrays: Callable[[], Mapping[str, Tensor]], *, device: torch.device, dtype: torch.dtype
) -> nn.Module:
    """Put pretrained values into a network that was built without any (on the meta device) and place it."""
    model = model.to_empty(device="cpu").to(dtype)
    model.load_state_dict(arrays())
    return model.to(device)
