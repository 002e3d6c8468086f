"""A small vision Transformer."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class Positions(nn.Module):
    """Add a learned vector to every token, [m, t, d] -> [m, t, d]."""

    def __init__(self, n_tokens: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(n_tokens, width))

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the vectors, normal with deviation 0.02."""
        nn.init.normal_(self.vectors, std=0.02, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Add them."""
        return tokens + self.vectors


class Attention(nn.Module):
    """Let every token look at all, [m, t, d] -> [m, t, d]. Its projections are ordinary linear layers."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend."""
        m, t, d = tokens.shape
        parts = self.inward(tokens).reshape(m, t, 3, self.n_heads, d // self.n_heads)
        q, k, v = parts.movedim(2, 0).transpose(2, 3)
        mixed = scaled_dot_product_attention(q, k, v)
        out: Tensor = self.outward(mixed.transpose(1, 2).reshape(m, t, d))
        return out


class Block(nn.Module):
    """Attention, then two linear layers on every token; each after normalisation and with a way around it."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, n_heads))
        self.tokenwise = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Pass tokens [m, t, d] through."""
        tokens = tokens + self.attention(tokens)
        out: Tensor = tokens + self.tokenwise(tokens)
        return out


class SmallViT(nn.Module):
    """Patches as tokens, blocks, the mean over the tokens, and a linear layer.

    Source: Dosovitskiy et al. 2021, ICLR, arXiv 2010.11929, with the mean in the place of a class token.

    Args:
        classes: Length of the output.
        in_channels: 1 for grey images, 3 for colour.
        side: Pixels of the square images, a multiple of the patch.
        patch: Side of a patch.
        width: Length of a token.
        n_blocks: Their number.
        n_heads: Of each attention.
    """

    def __init__(
        self,
        classes: int,
        *,
        in_channels: int = 1,
        side: int = 28,
        patch: int = 7,
        width: int = 64,
        n_blocks: int = 3,
        n_heads: int = 4,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(in_channels, width, patch, stride=patch)
        self.positions = Positions((side // patch) ** 2, width)
        self.blocks = nn.Sequential(*(Block(width, n_heads) for _ in range(n_blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits; [m, channels, h, w] -> [m, classes]."""
        tokens = self.positions(self.patches(images).flatten(2).mT)
        out: Tensor = self.head(self.norm(self.blocks(tokens)).mean(1))
        return out
