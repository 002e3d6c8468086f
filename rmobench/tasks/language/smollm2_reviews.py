"""A pretrained language model whose last blocks learn to say whether a review is good."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType

import torch
from torch import Generator, Tensor, nn

from rmobench.data import Pretrained, Sentences, pretrained, sentences
from rmobench.errors import ArgumentError
from rmobench.models.llama import Llama, llama
from rmobench.registry import task
from rmobench.tasks.language.adapted import Adapters, Held, ValidationJudge, classification_loss
from rmobench.tasks.language.byte_pairs import BytePairs
from rmobench.tasks.language.labelled import Labelled, check_batch, evenly, parts
from rmobench.tasks.streams import epochs, stream
from rmobench.types import Budget, Problem, Target

ADAPTERS: Mapping[str, str] = MappingProxyType(
    {
        "all": r"blocks\.\d+\.(query|key|value|mixed|gate|widen|narrow)",
        "attention": r"blocks\.\d+\.(query|key|value|mixed)",
        "query_value": r"blocks\.\d+\.(query|value)",
    }
)
"""Patterns by name; LoRA as published adapts queries and values."""

PROMPT = "Review: {}\nSentiment:"
ANSWERS = (" negative", " positive")
"""One token each, by label."""

N_TOKENS = 64
"""Tokens of a review that are read."""

N_JUDGED = 128
CHUNK = 16

Cached = tuple[Tensor, Tensor]
"""What the tokens of prompts are below the adapted blocks [m, t, d], and the place of each prompt's last one [m]."""


@task(
    family="language",
    source="Ben Allal et al. 2025, arXiv 2502.02737 (the model); Hu et al. 2022, ICLR, arXiv 2106.09685 (the "
    "adapters); data: Pang, Lee 2005, ACL, arXiv cs/0506075",
    offers=("stochastic", "matrix_parameters", "low_rank_layers", "adapters"),
    target=Target(metric="objective", rungs=(0.5, 0.45, 0.42), headline=0.45),
    budget=Budget(n_calls=60, time_s=3600.0),
    cheap=False,
    judge_every=10,
    data=True,
)
def smollm2_reviews(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "movie_reviews",
    model: str = "smollm2",
    rank: int = 8,
    adapters: str = "query_value",
    start: str = "gaussian",
    n_factors: int = 3,
    parametrisation: str = "low_rank",
    blocks: int = 4,
    batch_size: int = 8,
) -> Problem:
    """Minimise the cross-entropy of the answers " negative" and " positive" after a review (135 million parameters).

    Adapters are in the last blocks only, so what is below is the same at every step: it is evaluated once for each
    review, in float32 whatever the precision, and kept. Judged are loss and accuracy on 128 reviews that are never
    trained on.

    Args:
        seed: Draws the factors and the order of the reviews.
        device: Where model and reviews live.
        dtype: Storage precision of the last blocks.
        data: A name that `rmobench data list` shows: short texts with two labels.
        model: Another: parameters of the Llama family.
        rank: r of W = U S V^T.
        adapters: Linear layers that get one: "query_value", "attention", "all" of the blocks, or a regular expression.
        start: "gaussian", "orthonormal" or "pissa".
        n_factors: 3: W = U S V^T; 2: W = B A, for optimizers that know no layers.
        parametrisation: "low_rank", or "full": every parameter of the last blocks is free, and there are no adapters.
        blocks: So many of the last ones.
        batch_size: Reviews in a batch.

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
    whole = language_model(model)
    if not 1 <= blocks <= len(whole.blocks):
        raise ArgumentError(f"smollm2_reviews: got blocks={blocks}, expected 1 to {len(whole.blocks)}.")
    train, judged = prompts(data, model)
    check_batch("smollm2_reviews", batch_size, len(train.texts))
    below = Below(model, len(whole.blocks) - blocks, device=device, dtype=dtype)
    network = Answering(whole, answers(model), blocks).to(device, dtype)
    chosen.insert("smollm2_reviews", network, seed=seed)
    rows = range(len(judged.texts))
    held = tuple(
        Held(below([judged.texts[k] for k in chunk]), torch.tensor([judged.labels[k] for k in chunk]).to(device))
        for chunk in (rows[k : k + CHUNK] for k in range(0, len(rows), CHUNK))
    )
    return Problem(
        model=network,
        loss=classification_loss,
        batches=_batches(train, below, batch_size, device, stream(seed, "data")),
        judge=ValidationJudge(held, accuracy=True),
    )


class Answering(nn.Module):
    """The last blocks of a language model, copied, and its logits of some tokens after the last one of a prompt."""

    def __init__(self, whole: Llama, tokens: Sequence[int], n_blocks: int) -> None:
        super().__init__()
        own = copy.deepcopy(whole.blocks[-n_blocks:])
        self.blocks, self.norm = own, copy.deepcopy(whole.norm)
        self.answers = nn.Parameter(whole.tokens.weight[list(tokens)].clone())

    def forward(self, cached: Cached) -> Tensor:
        """Return the logits [m, n] of the answers."""
        tokens, last = cached
        for block in self.blocks:
            tokens = block(tokens)
        rows = torch.arange(len(last), device=last.device)
        logits: Tensor = self.norm(tokens[rows, last]) @ self.answers.mT
        return logits


class Below:
    """What prompts are below the adapted blocks: evaluated once each, and kept in memory."""

    def __init__(self, model: str, n_blocks: int, *, device: torch.device, dtype: torch.dtype) -> None:
        self._model, self._n_blocks = model, n_blocks
        self._device, self._dtype = device, dtype

    def __call__(self, texts: Sequence[tuple[int, ...]]) -> Cached:
        """Return the tokens of prompts, those after the end of a shorter one zero, which no earlier one looks at."""
        kept = [hidden(self._model, self._n_blocks, text) for text in texts]
        tokens = nn.utils.rnn.pad_sequence(kept, batch_first=True)
        last = torch.tensor([len(text) - 1 for text in texts])
        return tokens.to(self._device, self._dtype), last.to(self._device)


@cache
@torch.no_grad()
def hidden(model: str, n_blocks: int, text: tuple[int, ...]) -> Tensor:
    """Return what a prompt's tokens are after the first blocks, [t, d], float32 on the CPU."""
    return language_model(model).below(torch.tensor([text]), n_blocks)[0]


@cache
def loaded(model: str) -> Pretrained:
    """Load a pretrained network; from memory from the second time on."""
    return pretrained(model)


@cache
def language_model(model: str) -> Llama:
    """Build the pretrained model, float32 on the CPU, frozen; from memory from the second time on."""
    read = loaded(model)
    settings = read.settings
    return llama(
        {name: torch.from_numpy(array) for name, array in read.arrays.items()},
        n_heads=int(settings["n_heads"]),
        n_key_heads=int(settings["n_key_heads"]),
        epsilon=settings["epsilon"],
        base=settings["base"],
    )


@cache
def vocabulary(model: str) -> BytePairs:
    """Return what cuts texts for a model."""
    read = loaded(model)
    return BytePairs(read.tokens, read.merges)


def answers(model: str) -> list[int]:
    """Return the numbers of the two answers."""
    cut = [vocabulary(model).cut(answer) for answer in ANSWERS]
    if any(len(numbers) != 1 for numbers in cut):
        raise ArgumentError(f"smollm2_reviews: got model={model!r}, expected one to which {ANSWERS} are a token each.")
    return [number for (number,) in cut]


@cache
def prompts(data: str, model: str) -> tuple[Labelled, Labelled]:
    """Return the prompts that are trained on, and those that are judged on."""
    reviews, cut = sentences(data), vocabulary(model).cut
    if set(reviews.labels.tolist()) != {0, 1}:
        raise ArgumentError(f"smollm2_reviews: got data={data!r}, expected texts with the labels 0 and 1.")
    train, judged = parts(reviews)
    return _prompts(reviews, train, cut), _prompts(reviews, evenly(judged, N_JUDGED), cut)


def _prompts(reviews: Sentences, rows: list[int], cut: Callable[[str], list[int]]) -> Labelled:
    before, after = PROMPT.split(" {}")
    return Labelled(
        texts=tuple((*cut(before), *cut(f" {reviews.texts[k]}")[:N_TOKENS], *cut(after)) for k in rows),
        labels=tuple(int(reviews.labels[k]) for k in rows),
    )


def _batches(
    data: Labelled, below: Below, batch_size: int, device: torch.device, generator: Generator
) -> Iterator[tuple[Cached, Tensor]]:
    for rows in epochs(len(data.texts), batch_size, generator):
        chosen = rows.tolist()
        labels = torch.tensor([data.labels[k] for k in chosen])
        yield below([data.texts[k] for k in chosen]), labels.to(device)
