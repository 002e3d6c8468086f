"""What claims share that are counted afresh, on modules and in steps, and not read from records."""

from __future__ import annotations

from rmobench.types import Interval

NETWORKS = {"digits_mlp": "MLP", "digits_cnn": "CNN", "digits_vit": "ViT"}
"""Tasks with real modules, and how they are called."""

STRUCTURES = (
    "dense",
    "diagonal",
    "block_diagonal",
    "lower_triangular",
    "upper_triangular",
    "arrow",
    "hierarchical",
    "lower_toeplitz",
    "upper_toeplitz",
    "kronecker",
)
"""Every structure that a factor can have."""


def exact(value: float) -> Interval:
    """Return a number that has no uncertainty: the interval is the number."""
    return Interval(value=value, low=value, high=value)
