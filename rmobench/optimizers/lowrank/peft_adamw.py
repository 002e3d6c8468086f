"""AdamW on the adapters of peft in the place of ours: LoRA, rsLoRA, DoRA, PiSSA, AdaLoRA."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from rmobench.errors import ArgumentError, UnfitError
from rmobench.models.low_rank_linear import LowRankLinear, low_rank_layers, merge_low_rank
from rmobench.optimizers.lowrank.full_adamw import check_adapters
from rmobench.optimizers.options import check_options
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Oracle, Problem

VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "lora": {},
        "rslora": {"use_rslora": True},
        "dora": {"use_dora": True},
        "pissa": {"init_lora_weights": "pissa"},
    }
)
"""What each asks of peft's configuration; AdaLoRA has one of its own."""

BEGUN_ALIKE = ("lora", "rslora", "dora")
"""Those that begin with our V for A^T and B = 0."""

ADAPTER = "default"
REGULAR = 0.5
"""Weight of the mean of |P^T P - I| over AdaLoRA's bases, peft's default."""


@optimizer(
    family="lowrank",
    source="peft: Hu et al. 2022, arXiv 2106.09685; Kalajdzievski 2023, arXiv 2312.03732; Liu et al. 2024, ICML, arXiv "
    "2402.09353; Meng et al. 2024, arXiv 2404.02948; Zhang et al. 2023, ICLR, arXiv 2303.10512",
    needs=("adapters",),
    requires=("peft",),
    search={"lr": Log(1e-5, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def peft_adamw(
    problem: Problem,
    *,
    variant: str = "lora",
    lr: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    n_steps: int = 100,
) -> Optimizer:
    """Put peft's adapters of equal rank and scale where ours are, and step as Adam does.

    LoRA, rsLoRA and DoRA begin with our V for A^T and B = 0; the others as peft has it. AdaLoRA begins with 3/2 r
    columns and cuts them back to r on average, from the first tenth of the steps to seven tenths.

    Args:
        problem: A network with low-rank layers on frozen linear ones.
        variant: "lora", "rslora", "dora", "pissa" or "adalora".
        lr: Step length, in units of the entries of the factors.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of the parameters taken away per unit of lr.
        n_steps: What AdaLoRA's schedule is laid out for; at least 10.

    Raises:
        ArgumentError: An option that is not in its range.
        UnfitError: There is no low-rank layer, or PiSSA in float64, which peft does not start.
    """
    check_options("peft_adamw", lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay)
    if variant not in (*VARIANTS, "adalora") or n_steps < 10:
        raise ArgumentError(
            f"peft_adamw: got variant={variant!r}, n_steps={n_steps}, expected one of {', '.join(VARIANTS)}, adalora, "
            "and at least 10."
        )
    check_adapters("peft_adamw", problem)
    if variant == "pissa" and torch.float64 in {p.dtype for p in problem.params.values()}:
        raise UnfitError("peft starts PiSSA in float32 or narrower only")
    adapters = Adapters(problem.model, variant, n_steps)
    free = list(problem.params.values())
    adamw = torch.optim.AdamW(free, lr=lr, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay)

    def step(oracle: Oracle) -> None:
        oracle()
        asked = {p: p.grad for p in free}
        adapters.regularise()
        adamw.step()
        adapters.allocate()
        for p, g in asked.items():
            p.grad = g

    return Optimizer(step, state=lambda: tensors_in((adamw.state, adapters.state)))


class Adapters:
    """Peft's adapters in the place of ours, and what AdaLoRA does to them beside the gradient step."""

    def __init__(self, model: nn.Module, variant: str, n_steps: int) -> None:
        from peft.tuners.adalora import AdaLoraModel
        from peft.tuners.lora import LoraModel

        layers = low_rank_layers(model)
        first = next(iter(layers.values()))
        own = {id(p) for layer in layers.values() for p in layer.parameters()}
        begun = {name: layer.V.detach().clone() for name, layer in layers.items()}
        others = [p for p in model.parameters() if p.requires_grad and id(p) not in own]
        bases = merge_low_rank(model)
        tuner = AdaLoraModel if variant == "adalora" else LoraModel
        with torch.random.fork_rng(devices=[]):  # peft draws from the global stream
            self._tuned = tuner(model, _config(variant, layers, first, n_steps), ADAPTER)
        for p in others:
            p.requires_grad_(True)
        self.factors = [p for name, p in model.named_parameters() if ADAPTER in name]
        for p in self.factors:  # peft widens them
            p.data = p.data.to(bases[next(iter(bases))].weight.dtype)
        if variant in BEGUN_ALIKE:
            for name, V in begun.items():
                model.get_submodule(name).lora_A[ADAPTER].weight.data.copy_(V.mT)  # type: ignore[index, union-attr]
        self._adaptive = variant == "adalora"
        self._taken = 0

    @property
    def state(self) -> tuple[object, ...]:
        """What is kept from step to step."""
        if not self._adaptive:
            return ()
        allocator = self._tuned.rankallocator
        return (allocator.ipt, allocator.exp_avg_ipt, allocator.exp_avg_unc)

    def regularise(self) -> None:
        """Add the gradient of 1/2 of the mean |P^T P - I| over AdaLoRA's bases, as peft adds it to a loss."""
        if not self._adaptive:
            return
        bases = [p for name, p in self._tuned.model.named_parameters() if "lora_A" in name or "lora_B" in name]
        with torch.enable_grad():
            squares = [p @ p.mT if len(p) < p.shape[1] else p.mT @ p for p in bases]
            norms = [torch.linalg.matrix_norm(c.float() - torch.eye(len(c), device=c.device)) for c in squares]
            slopes = torch.autograd.grad(REGULAR * torch.stack(norms).mean(), bases)
        for p, slope in zip(bases, slopes, strict=True):
            p.grad = slope if p.grad is None else p.grad + slope

    def allocate(self) -> None:
        """Cut columns away as the schedule says."""
        self._taken += 1
        if self._adaptive:
            self._tuned.update_and_allocate(self._taken)


def _config(variant: str, layers: Mapping[str, LowRankLinear], first: LowRankLinear, n_steps: int) -> Any:
    from peft import AdaLoraConfig, LoraConfig

    options: dict[str, Any] = {"target_modules": "|".join(map(re.escape, layers))}
    if variant != "adalora":
        options |= {"r": first.rank, "lora_alpha": first.scale * first.rank}
        return LoraConfig(**options, **VARIANTS[variant])
    wide = max(first.rank + 1, 3 * first.rank // 2)
    options |= {"init_r": wide, "target_r": first.rank, "lora_alpha": first.scale * wide, "orth_reg_weight": REGULAR}
    options |= {"tinit": n_steps // 10, "tfinal": n_steps - 7 * n_steps // 10, "total_step": n_steps}
    return AdaLoraConfig(**options)
