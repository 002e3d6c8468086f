"""A pretrained encoder of sentences, fine-tuned to tell good reviews from bad ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import torch
from torch import Tensor, nn

from rmobench.data import Sentences, pretrained, sentences
from rmobench.models.bert import Bert, Texts, bert
from rmobench.registry import task
from rmobench.tasks.language.adapted import Adapters, ValidationJudge, classification_loss
from rmobench.tasks.language.labelled import Labelled, batches, check_batch, evenly, held, parts
from rmobench.tasks.language.wordpiece import word_pieces
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem, Target

ADAPTERS: Mapping[str, str] = MappingProxyType(
    {
        "all": r"encoder\.blocks\.\d+\.(query|key|value|mixed|widen|narrow)",
        "attention": r"encoder\.blocks\.\d+\.(query|key|value|mixed)",
        "query_value": r"encoder\.blocks\.\d+\.(query|value)",
    }
)
"""Patterns by name; LoRA as published adapts queries and values."""

N_TOKENS = 40
"""Tokens of a sentence that are read."""

N_JUDGED = 192
CHUNK = 32
PADDING = 0
HEAD_STD = 0.02


@task(
    family="language",
    source="Wang et al. 2020, NeurIPS, arXiv 2002.10957 (the model); Hu et al. 2022, ICLR, arXiv 2106.09685 (the "
    "adapters); data: Pang, Lee 2005, ACL, arXiv cs/0506075",
    offers=("stochastic", "matrix_parameters", "low_rank_layers", "adapters"),
    target=Target(metric="objective", rungs=(0.5883, 0.5426, 0.509, 0.5044, 0.4718), headline=0.5044),
    budget=Budget(n_calls=80, time_s=900.0),
    cheap=False,
    judge_every=10,
    data=True,
    version=2,
)
def minilm_reviews(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "movie_reviews",
    model: str = "minilm",
    rank: int = 8,
    adapters: str = "query_value",
    start: str = "gaussian",
    n_factors: int = 3,
    parametrisation: str = "low_rank",
    batch_size: int = 16,
) -> Problem:
    """Minimise the cross-entropy of a linear head on the mean of MiniLM's tokens (22.7 million parameters).

    The head is new and trained with the adapters. Judged are loss and accuracy on 192 sentences that are never trained
    on, every fifth of all by a digest.

    Args:
        seed: Draws the head, the factors and the order of the sentences.
        device: Where model and sentences live.
        dtype: Storage precision of the model.
        data: A name that `rmobench data list` shows: short texts with labels.
        model: Another: parameters of BERT's encoder.
        rank: r of W = U S V^T.
        adapters: Linear layers that get one: "query_value", "attention", "all" of the blocks, or a regular expression.
        start: "gaussian", "orthonormal" or "pissa".
        n_factors: 3: W = U S V^T; 2: W = B A, for optimizers that know no layers.
        parametrisation: "low_rank", or "full": every parameter is free, and there are no adapters.
        batch_size: Sentences in a batch.

    Raises:
        UnknownNameError: No such data or model.
        ArgumentError: A value that is out of range.
        MissingDependencyError: Data or model are not on this machine.
    """
    chosen = Adapters(
        parametrisation=parametrisation,
        pattern=adapters,
        named=ADAPTERS,
        rank=rank,
        start=start,
        n_factors=n_factors,
    )
    train, judged = reviews(data, model)
    check_batch("minilm_reviews", batch_size, len(train.texts))
    network = Classifier(encoder(model), n_kinds=1 + max(train.labels), seed=seed).to(device, dtype)
    chosen.insert("minilm_reviews", network, seed=seed, free=("head",))
    drawn = batches(train, batch_size=batch_size, padding=PADDING, device=device, generator=stream(seed, "data"))
    return Problem(
        model=network,
        loss=classification_loss,
        batches=drawn,
        judge=ValidationJudge(held(judged, chunk=CHUNK, padding=PADDING, device=device), accuracy=True),
    )


class Classifier(nn.Module):
    """A linear layer on what an encoder says of a text; its weight normal with deviation 0.02."""

    def __init__(self, encoder: Bert, *, n_kinds: int, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        with torch.device("meta"):
            head = nn.Linear(encoder.positions.vectors.shape[-1], n_kinds)
        self.head = head.to_empty(device="cpu")
        nn.init.normal_(self.head.weight, std=HEAD_STD, generator=stream(seed, "head"))
        nn.init.zeros_(self.head.bias)

    def forward(self, texts: Texts) -> Tensor:
        """Return the logits [m, n_kinds] of texts."""
        logits: Tensor = self.head(self.encoder(texts))
        return logits


def encoder(model: str) -> Bert:
    """Build the pretrained encoder, float32 on the CPU."""
    settings, published, _ = parameters(model)
    return bert(published, n_heads=int(settings["n_heads"]), epsilon=settings["epsilon"])


@cache
def parameters(model: str) -> tuple[Mapping[str, float], Mapping[str, Tensor], tuple[str, ...]]:
    """Return a pretrained network's settings, parameters and word pieces; from memory from the second time on."""
    read = pretrained(model)
    return read.settings, {name: torch.tensor(array) for name, array in read.arrays.items()}, read.tokens


@cache
def reviews(data: str, model: str) -> tuple[Labelled, Labelled]:
    """Cut sentences into pieces of the model's vocabulary; those that are trained on, and those that are judged on."""
    loaded, (_, _, vocabulary) = sentences(data), parameters(model)
    numbers = {token: k for k, token in enumerate(vocabulary)}
    train, judged = parts(loaded)
    return _cut(loaded, train, numbers), _cut(loaded, evenly(judged, N_JUDGED), numbers)


def _cut(loaded: Sentences, rows: list[int], numbers: Mapping[str, int]) -> Labelled:
    return Labelled(
        texts=tuple(tuple(word_pieces(loaded.texts[k], numbers, most=N_TOKENS)) for k in rows),
        labels=tuple(int(loaded.labels[k]) for k in rows),
    )
