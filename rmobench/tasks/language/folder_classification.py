"""Any pretrained model of a user's, fine-tuned on any classified texts of the user's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn

from rmobench.data import Sentences
from rmobench.data.glue import glue
from rmobench.data.language_model import language_model
from rmobench.registry import task
from rmobench.tasks.language.adapted import Adapters, Held, ValidationJudge, classification_loss
from rmobench.tasks.language.labelled import check_batch, evenly, parts
from rmobench.tasks.streams import epochs, stream
from rmobench.types import Budget, Problem, Target

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ADAPTERS: Mapping[str, str] = MappingProxyType(
    {
        "query_value": r"network\..*\.(query|value|q_proj|v_proj|q_lin|v_lin)",
        "all": r"network\.(?!classifier|score|pre_classifier).+",
    }
)
"""Patterns by name: queries and values as the common models call them, or all linear layers below the head."""

N_TOKENS = 128
N_JUDGED = 512
CHUNK = 32


@task(
    family="language",
    source="Hu et al. 2022, ICLR, arXiv 2106.09685 (the adapters); Wang et al. 2019, ICLR, arXiv 1804.07461 (the "
    "layout); model and texts are the user's",
    offers=("stochastic", "matrix_parameters", "low_rank_layers", "adapters"),
    target=Target(metric="share", rungs=(0.9, 0.7, 0.5, 0.3, 0.1), headline=0.5),
    budget=Budget(n_calls=200, time_s=7200.0),
    cheap=False,
    judge_every=10,
    requires=("transformers",),
    data=True,
)
def folder_classification(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "glue",
    model: str = "language_model",
    rank: int = 8,
    adapters: str = "query_value",
    start: str = "gaussian",
    n_factors: int = 3,
    parametrisation: str = "low_rank",
    batch_size: int = 16,
) -> Problem:
    """Minimise the cross-entropy of a model with a head for sequences, as transformers builds it, without dropout.

    Head and adapters are trained. `share` is the loss on at most 512 texts of dev.tsv over that of the start.

    Args:
        seed: Draws the head, the factors and the order of the texts.
        device: Where model and texts live.
        dtype: Storage precision of the model.
        data: Folder inside the one that RMOBENCH_DATA names: train.tsv and dev.tsv in the layout of GLUE.
        model: Another: config.json, model.safetensors, tokenizer.json.
        rank: r of W = U S V^T.
        adapters: Linear layers that get one: "query_value", "all" below the head, or a regular expression.
        start: "gaussian", "orthonormal" or "pissa".
        n_factors: 3: W = U S V^T; 2: W = B A, for optimizers that know no layers.
        parametrisation: "low_rank", or "full": every parameter is free, and there are no adapters.
        batch_size: Texts in a batch.

    Raises:
        ArgumentError: A value that is out of range.
        MissingDependencyError: A folder lacks a file.
        DataError: A file is not in its layout.
    """
    chosen = Adapters(
        parametrisation=parametrisation,
        pattern=adapters,
        named=ADAPTERS,
        rank=rank,
        start=start,
        n_factors=n_factors,
    )
    loaded = glue(data)
    train, judged = parts(loaded)
    check_batch("folder_classification", batch_size, len(train))
    network = Logits(model, n_kinds=1 + int(loaded.labels.max()), seed=seed).to(device, dtype)
    chosen.insert("folder_classification", network, seed=seed, free=network.heads)
    cut = _Cut(tokenizer(model), loaded, device)
    rows = evenly(judged, N_JUDGED)
    judge = ValidationJudge(tuple(Held(*cut(rows[k : k + CHUNK])) for k in range(0, len(rows), CHUNK)), accuracy=True)
    height = judge(network)["objective"]

    def shares(model: nn.Module) -> Mapping[str, float]:
        metrics = judge(model)
        return {**metrics, "share": metrics["objective"] / height}

    return Problem(
        model=network,
        loss=classification_loss,
        batches=_batches(train, cut, batch_size, stream(seed, "data")),
        judge=shares,
    )


class Logits(nn.Module):
    """A model of transformers for the classification of sequences, its head drawn anew where the folder has none."""

    def __init__(self, folder: str, *, n_kinds: int, seed: int) -> None:
        from transformers import AutoModelForSequenceClassification

        super().__init__()
        place = language_model(folder)
        with torch.random.fork_rng(devices=[]):  # transformers draws from the global stream
            torch.manual_seed(stream(seed, "head").initial_seed())
            self.network = AutoModelForSequenceClassification.from_pretrained(
                place, num_labels=n_kinds, local_files_only=True, use_safetensors=True, dtype=torch.float32
            ).eval()
        if self.network.config.pad_token_id is None:
            self.network.config.pad_token_id = self.network.config.eos_token_id

    @property
    def heads(self) -> tuple[str, ...]:
        """Return the names of what is not the pretrained model."""
        below = self.network.base_model_prefix
        return tuple(f"network.{name}" for name, _ in self.network.named_children() if name != below)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logits [m, n_kinds]."""
        logits: Tensor = self.network(**inputs).logits
        return logits


class _Cut:
    """What turns rows into inputs and labels."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, loaded: Sentences, device: torch.device) -> None:
        self._tokenizer, self._loaded, self._device = tokenizer, loaded, device

    def __call__(self, rows: Sequence[int]) -> tuple[dict[str, Tensor], Tensor]:
        loaded = self._loaded
        seconds = [loaded.seconds[k] for k in rows] if loaded.seconds else None
        cut: Any = self._tokenizer(
            [loaded.texts[k] for k in rows],
            seconds,
            truncation=True,
            max_length=N_TOKENS,
            padding=True,
            return_tensors="pt",
        )
        labels = torch.tensor([int(loaded.labels[k]) for k in rows])
        return {name: t.to(self._device) for name, t in cut.items()}, labels.to(self._device)


@cache
def tokenizer(folder: str) -> PreTrainedTokenizerBase:
    """Load a model's tokenizer, without running code of the folder's; from memory from the second time on."""
    from transformers import AutoTokenizer

    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(language_model(folder), local_files_only=True)
    if loaded.pad_token is None:
        loaded.pad_token = loaded.eos_token
    return loaded


def _batches(
    rows: Sequence[int], cut: _Cut, batch_size: int, generator: Generator
) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    for chosen in epochs(len(rows), batch_size, generator):
        yield cut([rows[k] for k in chosen.tolist()])
