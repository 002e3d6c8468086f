"""The Llama family of language models, from parameters by the names of GGUF."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from rmobench.models.transformer import Tokens

RENAMED = (
    (r"token_embd", "tokens"),
    (r"output_norm", "norm"),
    (r"blk\.(\d+)\.attn_norm", r"blocks.\1.norm"),
    (r"blk\.(\d+)\.attn_q", r"blocks.\1.query"),
    (r"blk\.(\d+)\.attn_k", r"blocks.\1.key"),
    (r"blk\.(\d+)\.attn_v", r"blocks.\1.value"),
    (r"blk\.(\d+)\.attn_output", r"blocks.\1.mixed"),
    (r"blk\.(\d+)\.ffn_norm", r"blocks.\1.norm_tokenwise"),
    (r"blk\.(\d+)\.ffn_gate", r"blocks.\1.gate"),
    (r"blk\.(\d+)\.ffn_up", r"blocks.\1.widen"),
    (r"blk\.(\d+)\.ffn_down", r"blocks.\1.narrow"),
)
"""Published names and ours."""


class LlamaBlock(nn.Module):
    """Attention to itself and those before, then a gated pair of linear layers on every token; each on what is scaled.

    Source: Touvron et al. 2023, arXiv 2302.13971, sec. 2.2; grouped keys: Ainslie et al. 2023, arXiv 2305.13245;
    turning: Su et al. 2021, arXiv 2104.09864.
    """

    def __init__(self, width: int, wide: int, *, n_heads: int, n_key_heads: int, epsilon: float, base: float) -> None:
        super().__init__()
        self.n_heads, self.n_key_heads, self.base = n_heads, n_key_heads, base
        self.size = width // n_heads  # of a head
        keys = self.size * n_key_heads
        self.norm = nn.RMSNorm(width, eps=epsilon)
        self.query, self.key, self.value, self.mixed = (
            nn.Linear(width, n, bias=False) for n in (width, keys, keys, width)
        )
        self.norm_tokenwise = nn.RMSNorm(width, eps=epsilon)
        self.gate, self.widen = (nn.Linear(width, wide, bias=False) for _ in range(2))
        self.narrow = nn.Linear(wide, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Pass tokens [m, t, d] through."""
        seen = self.norm(tokens)
        q, k = (turned(self._heads(part), self.base) for part in (self.query(seen), self.key(seen)))
        v = self._heads(self.value(seen))
        share = self.n_heads // self.n_key_heads
        k, v = (part.repeat_interleave(share, dim=1) for part in (k, v))
        attended = scaled_dot_product_attention(q, k, v, is_causal=True)
        tokens = tokens + self.mixed(attended.transpose(1, 2).flatten(-2))
        seen = self.norm_tokenwise(tokens)
        out: Tensor = tokens + self.narrow(silu(self.gate(seen)) * self.widen(seen))
        return out

    def _heads(self, part: Tensor) -> Tensor:
        heads: Tensor = part.unflatten(-1, (-1, self.size))  # type: ignore[no-untyped-call]
        return heads.transpose(1, 2)


def turned(heads: Tensor, base: float) -> Tensor:
    """Turn the pairs of coordinates (i, i + h / 2) of tokens [..., t, h] by t base^(-2 i / h)."""
    t, h = heads.shape[-2:]
    place = torch.arange(t, dtype=torch.float32, device=heads.device)
    speed = 1.0 / base ** (torch.arange(0, h, 2, dtype=torch.float32, device=heads.device) / h)
    angles = place[:, None] * speed
    cos, sin = angles.cos().to(heads.dtype), angles.sin().to(heads.dtype)
    first, second = heads.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Llama(nn.Module):
    """Tokens through blocks; the logits of the next token by the tokens' own vectors.

    Args:
        n_tokens: Of the vocabulary.
        width: Length of a token.
        wide: Between the linear layers of a block.
        n_blocks: Their number.
        n_heads: Of the queries.
        n_key_heads: Of keys and values.
        epsilon: Of the scalings.
        base: Of the angles.
    """

    def __init__(
        self,
        *,
        n_tokens: int,
        width: int,
        wide: int,
        n_blocks: int,
        n_heads: int,
        n_key_heads: int,
        epsilon: float,
        base: float,
    ) -> None:
        super().__init__()
        self.tokens = Tokens(n_tokens, width)
        self.blocks = nn.ModuleList(
            LlamaBlock(width, wide, n_heads=n_heads, n_key_heads=n_key_heads, epsilon=epsilon, base=base)
            for _ in range(n_blocks)
        )
        self.norm = nn.RMSNorm(width, eps=epsilon)

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the logits of every next token; integers [m, t] -> [m, t, n_tokens]."""
        logits: Tensor = self.norm(self.below(numbers, len(self.blocks))) @ self.tokens.weight.mT
        return logits

    def below(self, numbers: Tensor, n_blocks: int) -> Tensor:
        """Return what the tokens [m, t] are after the first blocks, [m, t, d]."""
        tokens: Tensor = self.tokens(numbers)
        for block in self.blocks[:n_blocks]:
            tokens = block(tokens)
        return tokens


def llama(published: Mapping[str, Tensor], *, n_heads: int, n_key_heads: int, epsilon: float, base: float) -> Llama:
    """Build the model that parameters by the names of GGUF belong to, float32 on the CPU.

    Args:
        published: With the rows of queries and keys in the model's own order.
        n_heads: Of the queries.
        n_key_heads: Of keys and values.
        epsilon: Of the scalings.
        base: Of the angles.
    """
    ours = {_renamed(name): t for name, t in published.items()}
    wide, width = ours["blocks.0.widen.weight"].shape
    with torch.device("meta"):
        model = Llama(
            n_tokens=len(ours["tokens.weight"]),
            width=width,
            wide=wide,
            n_blocks=1 + max(int(name.split(".")[1]) for name in ours if name.startswith("blocks.")),
            n_heads=n_heads,
            n_key_heads=n_key_heads,
            epsilon=epsilon,
            base=base,
        )
    model.load_state_dict(ours, assign=True)
    return model.requires_grad_(False)


def _renamed(name: str) -> str:
    for pattern, by in RENAMED:
        name, found = re.subn(f"^{pattern}", by, name)
        if found:
            return name
    raise KeyError(name)
