"""What of a meta-training must be the same to the bit however often it was interrupted."""

from __future__ import annotations

from typing import Any

import torch

from rmobench.metatrain.train import Training


def facts(training: Training) -> dict[str, Any]:
    """Return all that must not depend on interruptions: everything but the seconds."""
    return {
        "theta": training.theta,
        "average": training.average,
        "best": training.best,
        "adam": training.adam.state_dict()["state"],
        "workers": [(w.numbers(), w.length, w.memory) for w in training.workers],
        "curve": [(outer, value) for outer, _, value in training.curve],
        "numbers": (training.outer, training.best_outer, training.n_bad, training.n_skipped, training.since_best),
        "validation": (training.validation, training.best_validation),
    }


def assert_same(a: Any, b: Any) -> None:
    """Compare nested values, tensors bit for bit."""
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    else:
        assert a == b
