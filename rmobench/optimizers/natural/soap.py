"""SOAP as the package pytorch-optimizer has it."""

from __future__ import annotations

from pytorch_optimizer import SOAP

from rmobench.optimizers.options import check_options, check_period
from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem


@optimizer(
    family="natural",
    source="Vyas, Morwani, Zhao, Kwun, Shapira, Brandfonbrener, Janson, Kakade 2024, arXiv 2409.11321, alg. 3; "
    "pytorch_optimizer.SOAP",
    requires=("pytorch_optimizer",),
    upcasts="float32",
    search={"lr": Log(1e-4, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def soap(
    problem: Problem,
    *,
    lr: float = 3e-3,
    beta1: float = 0.95,
    beta2: float = 0.95,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
    period: int = 10,
) -> Optimizer:
    """Run Adam in the eigenbases of Shampoo's averages, which one power iteration per period keeps up to date.

    The first step only starts the averages: nothing moves. Bases come from a QR in float32 whatever the precision: in
    float64 they are orthogonal to 1e-7 only. The first ones are eigenvectors in the type of the parameters, for which
    the package goes to float64 where there is no such kernel (bfloat16, float16).

    Args:
        problem: Any; axes of matrices and of kernels have a basis, vectors and single numbers take Adam.
        lr: Step length, in units of the entries in the bases.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square and of the averages, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Times lr, how much of the parameters is taken off per step.
        period: Steps from one power iteration to the next.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("soap", lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay)
    check_period("soap", period)
    inner = SOAP(
        list(problem.params.values()),
        lr=lr,
        betas=(beta1, beta2),
        eps=epsilon,
        weight_decay=weight_decay,
        precondition_frequency=period,
    )
    return from_torch(inner)
