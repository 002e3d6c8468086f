"""All orthogonal layers of a real network at once, each with a target of its own: what a step costs at full size."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.geometry import Stiefel
from rmobench.models import frames, resnet18, resnet50, small_cnn
from rmobench.registry import task
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem

NETWORKS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {"resnet50": partial(resnet50, 1000), "resnet18": partial(resnet18, 1000), "small_cnn": partial(small_cnn, 10)}
)


class Layers(nn.Module):
    """The frames of a network [n, p] as parameters, and as many targets as buffers."""

    def __init__(self, shapes: Mapping[str, torch.Size], draw: Callable[[torch.Size], Tensor]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(draw(shape)))
            self.register_buffer(f"target_{name}", draw(shape))

    def gaps(self) -> Tensor:
        """Return p - tr(target^T x) of every layer, half its squared distance from the target; [layers]."""
        pairs = [(x, self.get_buffer(f"target_{name}")) for name, x in self.named_parameters()]
        return torch.stack([x.shape[-1] - (x * target).sum() for x, target in pairs])


def shapes(network: str) -> dict[str, torch.Size]:
    """Return the shapes [n, p] of a network's frames, from the network itself, built without memory.

    Raises:
        ArgumentError: No such network.
    """
    if network not in NETWORKS:
        raise ArgumentError(f"orthogonal_layers: got network={network!r}, expected one of {', '.join(NETWORKS)}.")
    with torch.device("meta"):
        model = NETWORKS[network]()
    return {name.replace(".", "_"): frame.shape for name, frame in frames(model).items()}


@task(
    family="orthogonal",
    source="shapes: He, Zhang, Ren, Sun 2016, CVPR, arXiv 1512.03385; cost: Procrustes with the identity",
    offers=("deterministic", "matrix_parameters", "stiefel"),
    constraint="stiefel",
    budget=Budget(n_calls=30, time_s=600.0),
    cheap=False,
)
def orthogonal_layers(seed: int, device: torch.device, dtype: torch.dtype, *, network: str = "small_cnn") -> Problem:
    """Bring every orthogonal layer of a network to a random frame: the sum over the layers of |x - target|^2 / 2.

    The network itself is not run, so what is timed is the optimizer. The minimum is 0, and the gap is that of the layer
    that has the largest one.

    Args:
        seed: Draws starts and targets, uniform on the manifold.
        device: Where they live.
        dtype: Storage precision of both.
        network: "resnet50" (33 layers), "resnet18" or "small_cnn".

    Raises:
        ArgumentError: No such network.
    """
    manifold, generator = Stiefel(), stream(seed, "init")
    model = Layers(shapes(network), lambda shape: manifold.random(tuple(shape), generator)).to(device, dtype)

    def values_and_residuals(model: nn.Module) -> tuple[Tensor, list[float]]:
        found = [_judged(manifold, x, model.get_buffer(f"target_{name}")) for name, x in model.named_parameters()]
        return torch.tensor([value for value, _ in found], dtype=torch.float64), [residual for _, residual in found]

    heights, _ = values_and_residuals(model)

    def judge(model: nn.Module) -> Mapping[str, float]:
        values, residuals = values_and_residuals(model)
        gap = (values / heights).max().item()
        return {"objective": values.sum().item(), "gap": gap, "residual": max(residuals)}

    names = [name for name, _ in model.named_parameters()]
    return Problem(
        model=model,
        loss=loss,
        batches=itertools.repeat(None),
        judge=judge,
        manifolds=dict.fromkeys(names, manifold),
    )


def loss(model: nn.Module, batch: object) -> Tensor:
    """Return the sum over the layers, []."""
    assert isinstance(model, Layers)
    return model.gaps().sum()


def _judged(manifold: Stiefel, x: Tensor, target: Tensor) -> tuple[float, float]:
    """Return half the squared distance of x, on the manifold and in float64, and how far off the manifold x lies."""
    wide = x.detach().double()
    onto = manifold.project(wide)
    return (x.shape[-1] - (onto * target.double()).sum()).item(), manifold.residual(wide).item()
