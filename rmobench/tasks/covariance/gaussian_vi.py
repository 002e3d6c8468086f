"""Gaussian variational inference: a mean and a whole precision matrix."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from rmobench.geometry import Spd
from rmobench.geometry.matrices import cholesky
from rmobench.registry import task
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.valley import VALLEYS, Walls
from rmobench.tasks.covariance.variational import DENSE, SHARPNESS, drawn_mean, lowest_known, negative_elbo
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def of_precision(
    mean: Tensor, x: Tensor, weights: Tensor, centres: Tensor, *, walls: Walls, temperature: float
) -> Tensor:
    """Return `negative_elbo` of a mean [d] and a precision x [d, d]."""
    return negative_elbo(mean, cholesky(x), weights, centres, walls=walls, temperature=temperature)


@task(
    family="covariance",
    source="Opper, Archambeau 2009, Neural Comput. 21(3); Lin, Nielsen, Khan, Schmidt 2021, ICML, arXiv 2102.07405",
    offers=("deterministic", "second_order", "matrix_parameters", "spd", "gaussian"),
    constraint="spd",
)
def gaussian_vi(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    function: str = "banana",
    dim: int = 5,
    temperature: float = 1.0,
) -> Problem:
    """Minimise E_q l(w) - temperature * entropy(q) over normal distributions q = N(mean [d], x^-1), x [d, d] > 0.

    The mean over q is in closed form: no samples. Where it is lowest, the mean of the gradient of l is 0 and that of
    its Hessian is temperature * x. The optimum is the lowest value known, frozen in targets/gaussian_vi.json with its
    provenance; of "rosenbrock" in 10 dimensions there are other minima, and a few starts lead there.

    Args:
        seed: Draws the start: the mean standard normal, the precision ten times a random one.
        device: Where mean and x live.
        dtype: Storage precision.
        function: l: "banana" or "rosenbrock".
        dim: d: 2, 5 or 10.
        temperature: Weight of the entropy: 0.1, 1 or 10.

    Raises:
        UnknownNameError: No such function.
        ArgumentError: No lowest value is known for these arguments.
    """
    optimum = lowest_known("gaussian_vi", function, dim, temperature, DENSE)
    valley = VALLEYS[function](dim)
    generator = stream(seed, "init")
    return spd_problem(
        partial(of_precision, walls=valley.walls, temperature=temperature),
        {"weights": valley.weights, "centres": valley.centres},
        optimum=optimum,
        start={"mean": drawn_mean(dim, generator), "x": SHARPNESS * Spd().random((dim, dim), generator)},
        device=device,
        dtype=dtype,
    )
