"""A small language model over bytes."""

from __future__ import annotations

from torch import Tensor, nn

from rmobench.models.transformer import Block, Positions, Tokens

N_BYTES = 256


class ByteGPT(nn.Module):
    """Bytes as tokens, blocks in which a token sees itself and those before it, and a linear layer.

    There is no tokenizer, so that a loss is in nats per byte whatever the text.
    Source: Radford et al. 2019, "Language models are unsupervised multitask learners", sec. 2.3 (normalisation first).

    Args:
        width: Length of a token.
        n_blocks: Their number.
        n_heads: Of each attention.
        context: Most bytes of a sequence.
    """

    def __init__(self, *, width: int = 192, n_blocks: int = 4, n_heads: int = 6, context: int = 128) -> None:
        super().__init__()
        self.bytes = Tokens(N_BYTES, width)
        self.positions = Positions(context, width)
        self.blocks = nn.Sequential(*(Block(width, n_heads, causal=True) for _ in range(n_blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, N_BYTES)

    def forward(self, text: Tensor) -> Tensor:
        """Return the logits of every next byte; integers [m, t] -> [m, t, 256]."""
        out: Tensor = self.head(self.norm(self.blocks(self.positions(self.bytes(text)))))
        return out
