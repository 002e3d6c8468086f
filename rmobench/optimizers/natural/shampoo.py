"""Shampoo as the package pytorch-optimizer has it."""

from __future__ import annotations

from pytorch_optimizer import Shampoo

from rmobench.optimizers.options import check_options, check_period
from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem


@optimizer(
    family="natural",
    source="Gupta, Koren, Singer 2018, ICML, arXiv 1802.09568, alg. 1 and 2; pytorch_optimizer.Shampoo",
    requires=("pytorch_optimizer",),
    upcasts="float32",
    search={"lr": Log(1e-4, 1.0), "epsilon": Log(1e-6, 1e-1)},
)
def shampoo(problem: Problem, *, lr: float = 1e-3, epsilon: float = 1e-4, period: int = 1) -> Optimizer:
    """Multiply the gradient of order k along its every axis i by H_i^(-1/2k), H_i its summed squares along that axis.

    H_i starts at epsilon I, and its root comes from a singular value decomposition, in float32 below float32. The sums
    never forget, so that steps shrink like those of Adagrad. There is no momentum: the package's, off by default, mixes
    the last preconditioned step into the next gradient, which is not in the publication.

    Args:
        problem: Any; a vector gets one matrix, a convolution's kernel four, a single number plain gradient descent.
        lr: Step length, in units of the preconditioned gradient.
        epsilon: Times the identity where the sums start, in units of the squared gradient. The default is that of the
            authors' TensorFlow implementation: the package's, 1e-6, is less than the rounding of float32 sums, which
            become singular, and the root infinite. Large gradients do that to any: an error of the package is recorded.
        period: Steps from one root to the next. The package's first ones come at step `period`: until then nothing but
            single numbers moves.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("shampoo", lr=lr, epsilon=epsilon)
    check_period("shampoo", period)
    parameters = list(problem.params.values())
    return from_torch(Shampoo(parameters, lr=lr, matrix_eps=epsilon, preconditioning_compute_steps=period))
