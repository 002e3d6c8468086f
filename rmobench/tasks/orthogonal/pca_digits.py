"""Principal components of the handwritten digits, on the Stiefel manifold."""

from __future__ import annotations

import torch

from rmobench.data.digits import digits
from rmobench.errors import ArgumentError
from rmobench.geometry import RETRACTIONS, Stiefel
from rmobench.registry import task
from rmobench.tasks.orthogonal.components import components_problem, covariance
from rmobench.tasks.streams import stream
from rmobench.types import Problem


@task(
    family="orthogonal",
    source="Absil, Mahony, Sepulchre 2008, sec. 2.2 and 4.8; data: Alpaydin, Kaynak 1998, UCI repository",
    offers=("deterministic", "second_order", "matrix_parameters", "stiefel"),
    constraint="stiefel",
)
def pca_digits(
    seed: int, device: torch.device, dtype: torch.dtype, *, rank: int = 8, retraction: str = "qr"
) -> Problem:
    """Maximise the variance that `rank` orthonormal directions explain.

    Args:
        seed: Draws the start, uniform on the manifold.
        device: Where x and the covariance live.
        dtype: Storage precision of both.
        rank: Number p of directions, 1 to 63.
        retraction: A name in `RETRACTIONS`.

    Raises:
        ArgumentError: A rank out of its range, or a retraction that does not exist.
    """
    if retraction not in RETRACTIONS:
        raise ArgumentError(f"pca_digits: got retraction={retraction!r}, expected one of {', '.join(RETRACTIONS)}.")
    return components_problem(
        "pca_digits",
        covariance(torch.tensor(digits().inputs)),
        rank=rank,
        manifold=Stiefel(retraction=RETRACTIONS[retraction]),
        init=stream(seed, "init"),
        device=device,
        dtype=dtype,
    )
