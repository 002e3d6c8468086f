"""A small vision Transformer."""

from __future__ import annotations

from torch import Tensor, nn

from rmobench.models.transformer import Block, Positions


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
