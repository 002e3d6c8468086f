"""Subspace adaptation with features that do not depend on the scale of the gradient.

The published feature, the clipped logarithm of a squared norm, is constant once the gradient is small: the rule then is
plain Riemannian gradient descent. Here the norms are divided by their mean first. This variant is ours.
"""

from __future__ import annotations

from functools import partial

from rmobench.optimizers.learned import subspace
from rmobench.optimizers.learned.lift import Trained
from rmobench.optimizers.learned.riemannian_lift import riemannian_lift
from rmobench.optimizers.learned.rule import Architecture
from rmobench.optimizers.learned.weights import load_weights
from rmobench.optimizers.options import check_options
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem

ARCHITECTURE = Architecture(fresh=subspace.fresh, rule=partial(subspace.rule, scale_free=True), settings={})


@optimizer(
    family="learned",
    source="after Yu, Wu, Gao, Fan, Jia 2025, arXiv 2501.15235; the feature is ours",
    needs=("matrix_parameters",),
    handles=("stiefel", "grassmann"),
    weights=True,
    version=2,
    upcasts="float32",
    search={"lr": Log(1e-3, 100.0)},
)
def subspace_scalefree(problem: Problem, *, lr: float = 1.0, weights: str = "subspace_scalefree") -> Optimizer:
    """Let one LSTM scale rows and columns by their share of the gradient.

    Args:
        problem: With matrices on a manifold; parameters without one take plain gradient descent.
        lr: Factor of the gradients that the rule sees; step length of the parameters without a manifold.
        weights: Name of packaged weights, or the path of a .safetensors file with its .json beside it.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("subspace_scalefree", lr=lr)
    trained = Trained(ARCHITECTURE, load_weights(weights, "subspace_scalefree"))
    return riemannian_lift(problem, trained, lr=lr, diagnostics=subspace.saturation)
