"""The encoder of BERT, from parameters by their published names."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from rmobench.models.transformer import Positions, Tokens

RENAMED = (
    (r"embeddings\.word_embeddings", "tokens"),
    (r"embeddings\.LayerNorm", "norm"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)", r"blocks.\1.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense", r"blocks.\1.mixed"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm", r"blocks.\1.norm_mixed"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense", r"blocks.\1.widen"),
    (r"encoder\.layer\.(\d+)\.output\.dense", r"blocks.\1.narrow"),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm", r"blocks.\1.norm_narrow"),
)
"""Published names and ours."""

Texts = tuple[Tensor, Tensor]
"""Token numbers [m, t], and where they are tokens and not padding [m, t]."""


class BertBlock(nn.Module):
    """Attention among all tokens, then two linear layers on each; a way around each, then normalisation."""

    def __init__(self, width: int, wide: int, n_heads: int, epsilon: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value, self.mixed = (nn.Linear(width, width) for _ in range(4))
        self.norm_mixed = nn.LayerNorm(width, eps=epsilon)
        self.widen, self.narrow = nn.Linear(width, wide), nn.Linear(wide, width)
        self.norm_narrow = nn.LayerNorm(width, eps=epsilon)

    def forward(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """Pass tokens [m, t, d] through, which look at those that are seen [m, 1, 1, t]."""
        q, k, v = (self._heads(part) for part in self._parts(tokens))
        attended = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        tokens = self.norm_mixed(tokens + self.mixed(attended.transpose(1, 2).flatten(-2)))
        out: Tensor = self.norm_narrow(tokens + self.narrow(nn.functional.gelu(self.widen(tokens))))
        return out

    def _heads(self, part: Tensor) -> Tensor:
        heads: Tensor = part.unflatten(-1, (self.n_heads, -1))  # type: ignore[no-untyped-call]
        return heads.transpose(1, 2)

    def _parts(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.query(tokens), self.key(tokens), self.value(tokens)


class Bert(nn.Module):
    """Tokens with their positions through blocks; the mean over a text's tokens is what it is.

    There is no dropout. The vector of the first kind of text, the only kind here, is part of the positions.
    Source: Devlin et al. 2019, NAACL, arXiv 1810.04805; the mean: Reimers, Gurevych 2019, EMNLP, arXiv 1908.10084.

    Args:
        n_tokens: Of the vocabulary.
        context: Most tokens of a text.
        width: Length of a token.
        wide: Length of a token between the two linear layers.
        n_blocks: Their number.
        n_heads: Of each attention.
        epsilon: Of the normalisations.
    """

    def __init__(
        self, *, n_tokens: int, context: int, width: int, wide: int, n_blocks: int, n_heads: int, epsilon: float
    ) -> None:
        super().__init__()
        self.tokens = Tokens(n_tokens, width)
        self.positions = Positions(context, width)
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.blocks = nn.ModuleList(BertBlock(width, wide, n_heads, epsilon) for _ in range(n_blocks))

    def forward(self, texts: Texts) -> Tensor:
        """Return what every text is, [m, d]."""
        numbers, present = texts
        tokens = self.norm(self.positions(self.tokens(numbers)))
        for block in self.blocks:
            tokens = block(tokens, present[:, None, None, :])
        weights = present.to(tokens.dtype).unsqueeze(-1)
        means: Tensor = (tokens * weights).sum(1) / weights.sum(1)
        return means


def bert(published: Mapping[str, Tensor], *, n_heads: int, epsilon: float) -> Bert:
    """Build the encoder that published parameters belong to, float32 on the CPU.

    Args:
        published: By the names of BertModel; those of its pooler, which only its own training needs, are left out.
        n_heads: Of each attention.
        epsilon: Of the normalisations.
    """
    ours = {_renamed(name): t for name, t in published.items() if name.startswith("encoder.")}
    ours |= {_renamed(f"embeddings.{n}"): published[f"embeddings.{n}"] for n in EMBEDDED}
    kinds = published["embeddings.token_type_embeddings.weight"]
    ours["positions.vectors"] = published["embeddings.position_embeddings.weight"] + kinds[0]
    wide, width = ours["blocks.0.widen.weight"].shape
    with torch.device("meta"):
        model = Bert(
            n_tokens=len(ours["tokens.weight"]),
            context=len(ours["positions.vectors"]),
            width=width,
            wide=wide,
            n_blocks=1 + max(int(name.split(".")[1]) for name in ours if name.startswith("blocks.")),
            n_heads=n_heads,
            epsilon=epsilon,
        )
    model.to_empty(device="cpu").load_state_dict(ours)
    return model


EMBEDDED = ("word_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias")


def _renamed(name: str) -> str:
    for pattern, by in RENAMED:
        name, found = re.subn(f"^{pattern}", by, name)
        if found:
            return name
    raise KeyError(name)
