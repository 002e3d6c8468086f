"""The predecessor of subspace adaptation: a pair of matrix LSTMs for every shape [n, p].

Source: Gao, Wu, Jia, Harandi 2020, CVPR (learning to optimize on SPD manifolds), and their TPAMI 2022 form; trained by
implicit differentiation in Fan, Gao, Wu, Jia, Harandi 2022, AAAI. Only counts and the outline are published in enough
detail, so this is a reconstruction: gates act by n x n matrices from the left, without biases.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Generator, Tensor

from rmobench.errors import UnfitError
from rmobench.optimizers.learned.lift import Trained
from rmobench.optimizers.learned.riemannian_lift import riemannian_lift
from rmobench.optimizers.learned.rule import Architecture, Rule, State, Theta, fresh_linear, linear
from rmobench.optimizers.learned.weights import load_weights
from rmobench.optimizers.options import check_options
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem

LAYERS = 2
HEAD = 1024
NETS = ("direction", "size")


def fresh(generator: Generator, *, n: int = 64, p: int = 8, head: int = HEAD) -> Theta:
    """Draw the meta-parameters of both nets for points [n, p]: 34 n^2 + head n p + 2 head + 1 in all."""
    theta = _fresh_matrix_lstm("direction", n, generator) | _fresh_matrix_lstm("size", n, generator)
    theta |= fresh_linear("size.flat", n * p, head, generator)
    theta |= fresh_linear("size.head", head, 1, generator, gain=0.1)
    return theta


def _fresh_matrix_lstm(name: str, n: int, generator: Generator) -> Theta:
    """Draw two layers of four gates with two n x n matrices each, and the n x n readout: 17 n^2."""
    theta: Theta = {}
    for layer in range(LAYERS):
        for part in ("x", "h"):
            theta[f"{name}.{layer}.{part}"] = torch.randn(4, n, n, generator=generator) * (0.5 / n**0.5)
    theta[f"{name}.readout"] = torch.randn(n, n, generator=generator) * (0.1 / n**0.5)
    return theta


def rule(theta: Theta, *, n: int = 64, p: int = 8, head: int = HEAD) -> Rule:
    """Step by -s (g + D), with the direction D [n, p] of one net and the size s > 0 of the other.

    Args:
        theta: The meta-parameters.
        n: Rows of the points.
        p: Their columns.
        head: Width of the layer that sees all n p entries.
    """

    def init(x: Tensor) -> State:
        zero = x.new_zeros(LAYERS, *x.shape)
        return {f"{net}_{part}": zero for net in NETS for part in "hc"}

    def update(state: State, x: Tensor, g: Tensor) -> tuple[Tensor, State]:
        length = g.detach().square().mean((-2, -1), keepdim=True).sqrt().clamp_min(torch.finfo(g.dtype).tiny)
        seen = g.detach() / length
        out, new = {}, {}
        for net in NETS:
            out[net], new[f"{net}_h"], new[f"{net}_c"] = _matrix_lstm(
                theta, net, seen, state[f"{net}_h"], state[f"{net}_c"]
            )
        flat = torch.relu(linear(theta, "size.flat", out["size"].flatten(-2)))
        size = linear(theta, "size.head", flat).exp().unsqueeze(-1)
        return -size * (g + length * out["direction"]), new

    return Rule(init, update)


def _matrix_lstm(theta: Theta, name: str, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Take one step in time; [..., n, p], [L, ..., n, p] twice -> the readout, the new h and c."""
    outputs, cells = [], []
    for layer, (h_, c_) in enumerate(zip(h, c, strict=True)):
        gates = [a @ x + b @ h_ for a, b in zip(theta[f"{name}.{layer}.x"], theta[f"{name}.{layer}.h"], strict=True)]
        i, f, g, o = gates
        cell = f.sigmoid() * c_ + i.sigmoid() * g.tanh()
        x = o.sigmoid() * cell.tanh()
        outputs.append(x)
        cells.append(cell)
    return theta[f"{name}.readout"] @ x, torch.stack(outputs), torch.stack(cells)


ARCHITECTURE = Architecture(fresh=fresh, rule=rule, settings={"n": 64, "p": 8, "head": HEAD})


@optimizer(
    family="learned",
    source="Gao, Wu, Jia, Harandi 2020, CVPR; Fan, Gao, Wu, Jia, Harandi 2022, AAAI; our reconstruction",
    needs=("matrix_parameters",),
    handles=("stiefel", "grassmann"),
    weights=True,
    version=2,
    upcasts="float32",
    search={"lr": Log(1e-3, 100.0)},
)
def gmlstm(problem: Problem, *, lr: float = 1.0, weights: str = "gmlstm") -> Optimizer:
    """Let two matrix LSTMs choose direction and size of the step, for points of one shape.

    Args:
        problem: With matrices on a manifold, all of the shape that the weights are for.
        lr: Factor of the gradients that the rule sees; step length of the parameters without a manifold.
        weights: Name of packaged weights, or the path of a .safetensors file with its .json beside it.

    Raises:
        ArgumentError: An option that is not in its range.
        UnfitError: The problem has another shape than the weights.
    """
    check_options("gmlstm", lr=lr)
    trained = Trained(ARCHITECTURE, load_weights(weights, "gmlstm"))
    expected = (trained.settings["n"], trained.settings["p"])
    for name, x in problem.params.items():
        if name in problem.manifolds and x.shape[-2:] != expected:
            n, p = x.shape[-2:]
            raise UnfitError(
                f"gmlstm: got {name} of shape [{n}, {p}], its weights are for {list(expected)} only: every shape needs "
                f"{weights_of(n, p)} weights of its own."
            )
    return riemannian_lift(problem, trained, lr=lr)


def weights_of(n: int, p: int, *, head: int = HEAD, flat: bool = True) -> int:
    """Count the meta-parameters for points [n, p] on the modules themselves, built without memory.

    Args:
        n: Rows.
        p: Columns.
        head: Width of the layer that sees all n p entries.
        flat: Count that layer too.
    """
    with torch.device("meta"):
        theta = fresh(None, n=n, p=p, head=head)  # type: ignore[arg-type]  # nothing is drawn
    return sum(prod(t.shape) for name, t in theta.items() if flat or not name.startswith("size.flat"))
