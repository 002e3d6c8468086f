"""A byte-level language model, pretrained on Shakespeare, fine-tuned on press reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import torch
from torch import Generator, Tensor

from rmobench.data import corpus, pretrained
from rmobench.errors import ArgumentError
from rmobench.models import ByteGPT
from rmobench.registry import task
from rmobench.tasks.language.adapted import Adapters, Held, ValidationJudge, classification_loss, filled
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem, Target

PRETRAINED_ON = "shakespeare"

ADAPTERS: Mapping[str, str] = MappingProxyType(
    {
        "all": r"blocks\.\d+\.(attention\.1\.(inward|outward)|tokenwise\.[13])",
        "attention": r"blocks\.\d+\.attention\.1\.(inward|outward)",
        "tokenwise": r"blocks\.\d+\.tokenwise\.[13]",
    }
)
"""Patterns by name: all linear layers of the blocks, or some."""

HELD_OUT = 6
"""Every sixth document is held out."""

CHUNK = 16


@task(
    family="language",
    source="Radford et al. 2019 (the model); Hu et al. 2022, ICLR, arXiv 2106.09685 (the adapters); data: Francis, "
    "Kucera 1964",
    offers=("stochastic", "matrix_parameters", "low_rank_layers", "adapters"),
    target=Target(metric="objective", rungs=(2.261, 2.214, 2.193, 2.183, 2.152), headline=2.193),
    budget=Budget(n_calls=120, time_s=600.0),
    cheap=False,
    judge_every=10,
    data=True,
    version=2,
)
def byte_gpt(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "brown",
    rank: int = 4,
    adapters: str = "all",
    start: str = "gaussian",
    n_factors: int = 3,
    parametrisation: str = "low_rank",
    batch_size: int = 8,
    n_judged: int = 48,
) -> Problem:
    """Minimise the loss on held-out documents, in nats per byte, of four blocks of width 192 (1.9 million parameters).

    Training stretches of 128 bytes are drawn from five sixths of the documents; the others are judged on. The model was
    pretrained on Shakespeare's plays (`suites/pretrain_byte_gpt.py`) and ships in float16.

    Args:
        seed: Draws the factors and the stretches.
        device: Where model and text live.
        dtype: Storage precision of the model.
        data: A name that `rmobench data list` shows: running text that the model was not pretrained on.
        rank: r of W = U S V^T.
        adapters: Linear layers that get one: "all" of the blocks, "attention", "tokenwise", or a regular expression.
        start: "gaussian", "orthonormal" or "pissa".
        n_factors: 3: W = U S V^T; 2: W = B A, for optimizers that know no layers.
        parametrisation: "low_rank", or "full": every parameter is free, and there are no adapters.
        batch_size: Stretches in a batch.
        n_judged: Stretches of the held-out documents that are judged on, evenly spaced.

    Raises:
        UnknownNameError: No such text.
        ArgumentError: A value that is out of range, or the text of the pretraining.
        MissingDependencyError: The text is not on this machine.
    """
    if data == PRETRAINED_ON or min(batch_size, n_judged) < 1:
        raise ArgumentError(
            f"byte_gpt: got data={data!r}, n_judged={n_judged}, batch_size={batch_size}, expected text other than that "
            "of the pretraining, and numbers of at least 1."
        )
    chosen = Adapters(
        parametrisation=parametrisation,
        pattern=adapters,
        named=ADAPTERS,
        rank=rank,
        start=start,
        n_factors=n_factors,
    )
    weights = checkpoint()
    context = weights["positions.vectors"].shape[0]
    text = stretches(data, context, n_judged)
    with torch.device("meta"):
        empty = ByteGPT(context=context)
    model = filled(empty, checkpoint, device=device, dtype=dtype)
    chosen.insert("byte_gpt", model, seed=seed)
    judged = text.judged.to(device)
    held = tuple(Held(part[:, :-1], part[:, 1:]) for part in judged.split(CHUNK))  # type: ignore[no-untyped-call]
    return Problem(
        model=model,
        loss=classification_loss,
        batches=_batches(text.train.to(device), context, batch_size, stream(seed, "data")),
        judge=ValidationJudge(held, accuracy=False),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """Text in two parts that share no document."""

    train: Tensor  # [n_bytes]
    judged: Tensor  # [n_judged, context + 1]


@cache
def checkpoint() -> Mapping[str, Tensor]:
    """Return the pretrained parameters by name, float16; from memory from the second time on."""
    return {name: torch.tensor(array) for name, array in pretrained("byte_gpt").arrays.items()}


@cache
def stretches(data: str, context: int, n_judged: int) -> Stretches:
    """Cut a corpus into the part that is trained on and the stretches that are judged."""
    documents = list(corpus(data).documents.values())
    train = [text for k, text in enumerate(documents, 1) if k % HELD_OUT]
    held_out = _bytes(b"\n".join(documents[HELD_OUT - 1 :: HELD_OUT]))
    if len(held_out) < n_judged * (context + 1):
        raise ArgumentError(
            f"byte_gpt: got {len(held_out)} held-out bytes in {data!r}, expected at least {n_judged * (context + 1)}."
        )
    begins = torch.linspace(0, len(held_out) - context - 1, n_judged).long()
    return Stretches(train=_bytes(b"\n".join(train)), judged=_windows(held_out, begins, context))


def _batches(text: Tensor, context: int, batch_size: int, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield random stretches and the bytes that follow each of theirs, for ever."""
    while True:
        begins = torch.randint(len(text) - context, (batch_size,), generator=generator)
        windows = _windows(text, begins.to(text.device), context)
        yield windows[:, :-1], windows[:, 1:]


def _windows(text: Tensor, begins: Tensor, context: int) -> Tensor:
    return text[begins[:, None] + torch.arange(context + 1, device=text.device)].long()


def _bytes(text: bytes) -> Tensor:
    return torch.frombuffer(bytearray(text), dtype=torch.uint8)
