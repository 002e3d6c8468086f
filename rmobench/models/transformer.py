"""What Transformers are made of: positions, attention, blocks."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class Positions(nn.Module):
    """Add a learned vector to every token, [m, t, d] -> [m, t, d]; t at most the number of vectors."""

    def __init__(self, n_tokens: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(n_tokens, width))

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the vectors, normal with deviation 0.02."""
        nn.init.normal_(self.vectors, std=0.02, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Add them."""
        return tokens + self.vectors[: tokens.shape[1]]


class Tokens(nn.Embedding):
    """A vector for every token, [m, t] -> [m, t, d]; whoever makes the layer draws or loads them.

    torch's own draws them at once, which on the meta device loads torch's compiler: seconds, for nothing.
    """

    def reset_parameters(self) -> None:
        """Leave the vectors as they are."""


class Attention(nn.Module):
    """Let every token look at all, or at itself and those before it, [m, t, d] -> [m, t, d].

    Its projections are ordinary linear layers.
    """

    def __init__(self, width: int, n_heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.causal = causal
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend."""
        m, t, d = tokens.shape
        parts = self.inward(tokens).reshape(m, t, 3, self.n_heads, d // self.n_heads)
        q, k, v = parts.movedim(2, 0).transpose(2, 3)
        mixed = scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        out: Tensor = self.outward(mixed.transpose(1, 2).reshape(m, t, d))
        return out


class Block(nn.Module):
    """Attention, then two linear layers on every token; each after normalisation and with a way around it."""

    def __init__(self, width: int, n_heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, n_heads, causal=causal))
        self.tokenwise = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Pass tokens [m, t, d] through."""
        tokens = tokens + self.attention(tokens)
        out: Tensor = tokens + self.tokenwise(tokens)
        return out
