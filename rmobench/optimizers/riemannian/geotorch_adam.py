"""Adam through geotorch's trivialization of the Stiefel manifold, as it is."""

from __future__ import annotations

from dataclasses import dataclass

import geotorch
import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.geometry import Stiefel
from rmobench.geometry.frames import check_frames
from rmobench.geometry.storage import wide
from rmobench.optimizers.options import check_options
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Oracle, Problem


@optimizer(
    family="riemannian",
    source="Lezcano-Casado 2019, NeurIPS, arXiv 1909.09501; geotorch.Stiefel under torch.optim.Adam",
    handles=("stiefel",),
    requires=("geotorch",),
    upcasts="float32",
    search={"lr": Log(1e-4, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def geotorch_adam(
    problem: Problem, *, lr: float = 0.01, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Let Adam move the coordinates of x = B expm(A)[:, :p], A skew [n, n] with the entries of z below its diagonal.

    geotorch would put the map into the model under other names; here the parameters stay, and hold its images. The
    exponential is of [n, n] matrices: time and memory grow with n^3 and n^2 however small p is.

    Args:
        problem: Any; parameters without a manifold take Adam.
        lr: Step length, in units of the entries of A.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient; at zero, a gradient that is zero gives NaN there.

    Raises:
        ArgumentError: An option that is not in its range, or a manifold that has no counterpart here.
    """
    check_options("geotorch_adam", lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon)
    shadows = {name: _shadow(problem, name) for name in problem.params if name in problem.manifolds}
    moved = [shadows[name].z if name in shadows else p for name, p in problem.params.items()]
    inner = torch.optim.Adam(moved, lr=lr, betas=(beta1, beta2), eps=epsilon)

    def step(oracle: Oracle) -> None:
        oracle()
        params = problem.params
        for name, shadow in shadows.items():
            shadow.pull(params[name].grad)
        inner.step()
        for name, shadow in shadows.items():
            shadow.write(params[name])

    def state() -> list[Tensor]:
        kept = [t for s in shadows.values() for t in (s.z, s.image.base)]
        return [*kept, *tensors_in(inner.state)]

    return Optimizer(step, state=state)


@dataclass(frozen=True, slots=True)
class Shadow:
    """The unconstrained parameter that stands behind a constrained one."""

    z: nn.Parameter  # [..., n, p], of which geotorch reads the entries below the diagonal
    image: geotorch.Stiefel  # from z to a frame

    @torch.enable_grad()
    def pull(self, g: Tensor | None) -> None:
        """Leave in z.grad the gradient that belongs to g, the gradient at the image."""
        self.z.grad = None
        if g is not None:
            (self.z.grad,) = torch.autograd.grad(self.image(self.z), self.z, g.to(self.z.dtype))

    @torch.no_grad()
    def write(self, x: Tensor) -> None:
        """Put the image into x, unless no gradient has ever moved it."""
        if self.z.grad is not None:
            x.copy_(self.image(self.z))


def _shadow(problem: Problem, name: str) -> Shadow:
    x, manifold = problem.params[name].detach(), problem.manifolds[name]
    if not isinstance(manifold, Stiefel):
        raise ArgumentError(f"geotorch_adam: got the manifold {manifold.name!r}, expected stiefel.")
    check_frames("geotorch_adam", x)
    # matrix_exp is silently wrong below float32
    start = wide(x).cpu()
    # geotorch completes the frame to a square matrix at random
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        image = geotorch.Stiefel(start.shape).to(start)
        # its check refuses points that are off by more than 1e-4, as every bfloat16 point is
        z = image.right_inverse(start, check_in_manifold=False)
    return Shadow(nn.Parameter(z.to(x.device)), image.to(x.device))
