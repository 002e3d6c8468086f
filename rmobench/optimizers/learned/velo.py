"""VeLO: the entry for weights that no package carries."""

from __future__ import annotations

from rmobench.errors import ArgumentError
from rmobench.optimizers.adapters.torch_class import torch_class
from rmobench.registry import optimizer
from rmobench.types import Optimizer, Problem


@optimizer(
    family="learned",
    source="Metz et al. 2022, VeLO: training versatile learned optimizers by scaling up, arXiv 2211.09760",
    weights=True,
)
def velo(problem: Problem, *, weights: str = "velo", implementation: str = "") -> Optimizer:
    """Run VeLO from a file of weights and an implementation that the user brings.

    Its meta-training cannot be repeated here, the weights are in no package index, and without
    them a forward pass of ours could be checked against nothing. So both come from the user; the hash of the weights
    enters the trial's id like that of every learned optimizer.

    Args:
        problem: Any that the implementation takes.
        weights: Path of a .safetensors file.
        implementation: package.module:Class of torch.optim style, called as Class(parameters, weights=PATH).

    Raises:
        ArgumentError: No implementation is named.
    """
    if ":" not in implementation:
        raise ArgumentError(
            f"velo: got implementation={implementation!r}, expected package.module:Class, "
            "called as Class(parameters, weights=PATH)."
        )
    return torch_class(problem, target=implementation, weights=weights)
