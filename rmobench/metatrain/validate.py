"""How good a rule is on instances that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from rmobench.metatrain.estimator import Inner
from rmobench.optimizers.learned.rule import Theta


@torch.no_grad()
def validate(theta: Theta, batches: Iterable[Inner], horizon: int) -> float:
    """Return the mean over batches, instances and steps of log10 of the clipped gap."""
    means = [inner.window(theta, inner.begin(theta), horizon)[0].mean() for inner in batches]
    return torch.stack(means).mean().item()
