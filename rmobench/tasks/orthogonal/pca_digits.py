"""Principal components of the handwritten digits, on the Stiefel manifold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rmobench.data.digits import digits
from rmobench.errors import ArgumentError
from rmobench.geometry import RETRACTIONS, Stiefel, qr
from rmobench.registry import task
from rmobench.tasks.streams import stream
from rmobench.types import Problem


class Frame(nn.Module):
    """The parameter: one matrix x [n, p] with orthonormal columns; the covariance [n, n] goes along as a buffer."""

    covariance: Tensor

    def __init__(self, x: Tensor, covariance: Tensor) -> None:
        super().__init__()
        self.x = nn.Parameter(x)
        self.register_buffer("covariance", covariance)


def covariance(images: Tensor) -> Tensor:
    """Return the covariance of the centred images over its trace; [m, n] -> [n, n].

    Unit trace puts the losses between -1 and 0, and cancels the factor 1 / m.
    """
    centred = images - images.mean(0)
    scatter = centred.T @ centred / len(images)
    return scatter / scatter.trace()


def explained(x: Tensor, C: Tensor) -> Tensor:
    """Return tr(x^T C x), the share of the variance that the columns of x explain; [n, p], [n, n] -> []."""
    return (x * (C @ x)).sum()


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
        rank: Number p of directions, 1 to 64.
        retraction: "qr" or "polar".

    Raises:
        ArgumentError: A rank or a retraction that does not exist.
    """
    C = covariance(torch.tensor(digits().inputs))
    n = len(C)
    if not 1 <= rank <= n:
        raise ArgumentError(f"pca_digits: got rank={rank}, expected 1 to {n}.")
    if retraction not in RETRACTIONS:
        raise ArgumentError(f"pca_digits: got retraction={retraction!r}, expected one of {', '.join(RETRACTIONS)}.")
    manifold = Stiefel(retraction=RETRACTIONS[retraction])
    start = manifold.random((n, rank), stream(seed, "init"))
    model = Frame(start.to(device, dtype), C.to(device, dtype))
    best = -torch.linalg.eigvalsh(C)[-rank:].sum().item()

    def objective(x: Tensor) -> float:
        """Judge the span of x in float64: leaving the manifold gains nothing."""
        return -explained(qr(x), C).item()

    span = objective(_exact(model)) - best

    def judge(model: nn.Module) -> Mapping[str, float]:
        x = _exact(model)
        value = objective(x)
        # at full rank every frame is optimal, and both differences are rounding
        gap = (value - best) / span if rank < n else 0.0
        return {"objective": value, "gap": gap, "residual": manifold.residual(x).item()}

    return Problem(model=model, loss=loss, batches=itertools.repeat(None), judge=judge, manifolds={"x": manifold})


def loss(model: nn.Module, batch: object) -> Tensor:
    """Return minus the explained share of the variance, []."""
    return -explained(model.get_parameter("x"), model.get_buffer("covariance"))


def _exact(model: nn.Module) -> Tensor:
    return model.get_parameter("x").detach().to("cpu", torch.float64)
