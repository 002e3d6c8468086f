"""A fine-tuning step of a byte-level GPT on the manifold of low rank against LoRA-AdamW's; interleaved in one run.

Run: pytest tests/benchmarks/test_low_rank_speed.py --benchmark-only -s
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rmobench.models.byte_gpt import N_BYTES, ByteGPT
from rmobench.models.low_rank_linear import insert_low_rank
from rmobench.types import Problem
from tests.benchmarks.interleaved import compared
from tests.optimizers.low_rank import build, oracle_of

BOUND = 1.3
"""Of LoRA-AdamW's whole step: forward, backward, and the optimizer's own part."""

RANK, BATCH, CONTEXT = 4, 8, 128
LAYERS = r"blocks\.\d+\.(attention\.1\.(inward|outward)|tokenwise\.[13])"


def loss(model: nn.Module, text: Tensor) -> Tensor:
    logits: Tensor = model(text[:, :-1])
    return cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())


def fine_tuning() -> Problem:
    """Adapters of rank 4 on all sixteen linear layers of the blocks, and one batch of bytes; drawn, in float32."""
    generator = torch.Generator().manual_seed(0)
    model = ByteGPT(context=CONTEXT)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.05 * torch.randn(p.shape, generator=generator))
    assert len(insert_low_rank(model, LAYERS, rank=RANK, generator=generator)) == 16
    text = torch.randint(N_BYTES, (BATCH, CONTEXT + 1), generator=generator)
    return Problem(model=model, loss=loss, batches=itertools.repeat(text), judge=lambda model: {})


def stepping(name: str, **hyper: Any) -> tuple[Callable[[], object], Callable[[], float]]:
    """Return what takes a step, and what says the loss."""
    problem = fine_tuning()
    optimizer, oracle = build(name, problem, **hyper), oracle_of(problem)
    return lambda: optimizer.step(oracle), lambda: oracle().item()


@pytest.mark.parametrize(
    ("name", "hyper"),
    [
        ("lr_heavy_ball", {"lr": 0.1}),
        ("lr_adam_tangent", {"lr": 0.05}),
        ("lr_adam_core", {"lr": 1e-3, "fresh": False}),
    ],
)
def test_a_step_on_the_manifold_against_lora_adamw(benchmark, name: str, hyper: dict[str, Any]) -> None:
    ours, loss_of_ours = stepping(name, **hyper)
    lora, _ = stepping("factor_adam", lr=1e-3)
    begun = loss_of_ours()
    ratio = compared(benchmark, ours, lora, 2, f"{name} / LoRA-AdamW, byte-GPT of rank {RANK}")
    assert loss_of_ours() < begun
    assert ratio <= BOUND
