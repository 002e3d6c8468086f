"""Unroll a rule over the training of small orthogonal networks.

Frames take the rule's steps, all other parameters plain gradient descent. The inner state is one flat dictionary:
parameters "x NAME" [B, ...], what the rule keeps of each frame "NAME KEY", "t" [B], and "n_bad" [B].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from rmobench.errors import RecipeError
from rmobench.geometry import Stiefel
from rmobench.metatrain.frame_distribution import training_digits
from rmobench.models import frames, small_cnn, started
from rmobench.optimizers.learned.riemannian_lift import advance
from rmobench.optimizers.learned.rule import Architecture, State, Theta

BATCH, N_IMAGES = 64, 192
LR_EUCLIDEAN = 0.1
CURVATURE = 3.0
"""Roughly one over the learning rate that suits the frames."""
LOSS_MIN, LOSS_MAX = 1e-4, 1e2


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkBatch:
    """B networks, each with its own start and its own training digits."""

    model: nn.Module  # the form; its own values are not used
    start: dict[str, Tensor]  # by parameter name [B, ...]
    images: Tensor  # [B, N_IMAGES, 1, 8, 8]
    labels: Tensor  # [B, N_IMAGES]
    rate: Tensor  # learning rate, [B]

    @property
    def frames(self) -> set[str]:
        """Return the names of the parameters that are frames."""
        return set(frames(self.model))

    def loss(self, params: dict[str, Tensor], t: int) -> Tensor:
        """Return each network's loss on its t-th batch, [B]; batch statistics normalise, running ones are not kept."""
        first = t * BATCH % N_IMAGES
        buffers = dict(self.model.named_buffers())
        losses = []
        for i in range(len(self.rate)):
            own = {name: p[i] for name, p in params.items()} | {name: b.clone() for name, b in buffers.items()}
            out = functional_call(self.model, own, (self.images[i, first : first + BATCH],))
            losses.append(cross_entropy(out, self.labels[i, first : first + BATCH]))
        return torch.stack(losses)


def draw_networks(
    *, each: int, rates: tuple[float, float], generator: Generator, validating: bool = False
) -> NetworkBatch:
    """Draw `each` networks with digits of the training half.

    Args:
        each: How many.
        rates: Learning rates of the frames times CURVATURE, log-uniform between.
        generator: Draws everything.
        validating: From the images that are kept apart for validation.
    """
    images, labels = training_digits(validating)
    rows = torch.stack([torch.randperm(len(images), generator=generator)[:N_IMAGES] for _ in range(each)])
    where = {"device": torch.device("cpu"), "dtype": torch.float32}
    models = [started(lambda: small_cnn(10), generator, **where) for _ in range(each)]  # type: ignore[arg-type]
    names = [name for name, _ in models[0].named_parameters()]
    start = {name: torch.stack([m.get_parameter(name).detach() for m in models]) for name in names}
    low, high = (math.log(r) for r in rates)
    rate = (low + (high - low) * torch.rand(each, generator=generator, dtype=torch.float64)).exp() / CURVATURE
    pixels = (images[rows] / 16.0).float().reshape(each, N_IMAGES, 1, 8, 8)
    return NetworkBatch(model=models[0], start=start, images=pixels, labels=labels[rows], rate=rate.float())


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkUnroll:
    """A rule of some architecture on a batch of networks, in float32."""

    architecture: Architecture
    settings: dict[str, int | float | bool]
    batch: NetworkBatch

    def begin(self, theta: Theta) -> State:
        """Return the state before the first step."""
        rule = self.architecture.rule(_narrow(theta), **self.settings)
        state: State = {f"x {name}": x for name, x in self.batch.start.items()}
        for name in self.batch.frames:
            state |= {f"{name} {key}": t for key, t in rule.init(self.batch.start[name]).items()}
        zero = self.batch.rate.new_zeros(len(self.batch.rate))
        return state | {"t": zero, "n_bad": zero}

    def window(
        self, theta: Theta, state: State, n_steps: int, *, own: bool = False, order: int = 2
    ) -> tuple[Tensor, State]:
        """Take some steps; the arguments and results are those of `Unroll.window`, the loss log10 of each batch's.

        Raises:
            RecipeError: Every problem is to have meta-parameters of its own.
        """
        if own:
            raise RecipeError("networks share their meta-parameters; PES and NRES are not offered for them.")
        learning = torch.is_grad_enabled()
        params = {name: state[f"x {name}"] for name in self.batch.start}
        kept = {name: _kept(state, name) for name in self.batch.frames}
        t, n_bad = int(state["t"][0]), state["n_bad"]
        losses: list[Tensor] = []
        with torch.enable_grad():
            params = {name: x if x.requires_grad else x.detach().requires_grad_() for name, x in params.items()}
            loss = self.batch.loss(params, t)
            for _ in range(n_steps):
                exact = learning and order == 2
                leaves = list(params.values())
                slopes = torch.autograd.grad(loss.sum(), leaves, create_graph=exact, retain_graph=learning)
                params, kept = self._stepped(theta, params, kept, [g.nan_to_num(0.0, 0.0, 0.0) for g in slopes])
                if not learning:
                    params = {name: x.detach().requires_grad_() for name, x in params.items()}
                t += 1
                loss = self.batch.loss(params, t)
                n_bad = n_bad + ~loss.detach().isfinite()
                losses.append(loss.nan_to_num(LOSS_MAX).clamp(LOSS_MIN, LOSS_MAX).log10())
        after: State = {f"x {name}": x for name, x in params.items()}
        for name, own_state in kept.items():
            after |= {f"{name} {key}": value for key, value in own_state.items()}
        mean = torch.stack(losses).mean(0).double()
        return (mean if learning else mean.detach()), after | {"t": state["t"] + n_steps, "n_bad": n_bad}

    def _stepped(
        self, theta: Theta, params: dict[str, Tensor], kept: dict[str, State], slopes: list[Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, State]]:
        """Move every parameter by one step."""
        rule, manifold = self.architecture.rule(_narrow(theta), **self.settings), Stiefel()
        rate = self.batch.rate.view(-1, 1, 1)
        moved, new = {}, dict(kept)
        for (name, x), g in zip(params.items(), slopes, strict=True):
            if name in kept:
                moved[name], new[name] = advance(rule, manifold, x, rate * g, kept[name], lr=1.0)
            else:
                moved[name] = x - LR_EUCLIDEAN * g
        return moved, new


def _kept(state: State, name: str) -> State:
    """Return what the rule keeps of one frame."""
    return {key.removeprefix(f"{name} "): t for key, t in state.items() if key.startswith(f"{name} ")}


def _narrow(theta: Theta) -> Theta:
    return {name: t.float() for name, t in theta.items()}
