"""One Transformer encoder layer as a pure function of its weights.

Source: Vaswani et al. 2017, NeurIPS, arXiv 1706.03762, sec. 3.1; norms first: Xiong et al. 2020, arXiv 2002.04745.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import layer_norm

from rmobench.optimizers.learned.rule import Theta, fresh_linear, linear

FEEDFORWARD = 2  # hidden width of the feed-forward part, in units of the width


def fresh_encoder(name: str, width: int, generator: Generator) -> Theta:
    """Draw the weights of `encode`."""
    return {
        **fresh_linear(f"{name}.qkv", width, 3 * width, generator),
        **fresh_linear(f"{name}.out", width, width, generator, gain=0.5),
        **fresh_linear(f"{name}.up", width, FEEDFORWARD * width, generator, gain=2.0**0.5),
        **fresh_linear(f"{name}.down", FEEDFORWARD * width, width, generator, gain=0.5),
        **{f"{name}.norm{i}.weight": torch.ones(width) for i in (1, 2)},
        **{f"{name}.norm{i}.bias": torch.zeros(width) for i in (1, 2)},
    }


def encode(theta: Theta, name: str, h: Tensor, *, heads: int) -> Tensor:
    """Let the tokens attend to each other, then transform each one; [D, width] -> [D, width]."""
    h = h + linear(
        theta, f"{name}.out", attention(linear(theta, f"{name}.qkv", norm(theta, f"{name}.norm1", h)), heads)
    )
    hidden = torch.relu(linear(theta, f"{name}.up", norm(theta, f"{name}.norm2", h)))
    return h + linear(theta, f"{name}.down", hidden)


def attention(qkv: Tensor, heads: int) -> Tensor:
    """Mix values by softmax(q k / sqrt(width per head)) over the tokens; [D, 3 width] -> [D, width]."""
    n_tokens, width = qkv.shape[0], qkv.shape[1] // 3
    q, k, v = qkv.reshape(n_tokens, 3, heads, width // heads).permute(1, 2, 0, 3).unbind(0)  # each [heads, D, share]
    mixing = torch.softmax(q @ k.mT * (width // heads) ** -0.5, dim=-1)  # [heads, D, D]
    return (mixing @ v).transpose(0, 1).reshape(n_tokens, width)


def norm(theta: Theta, name: str, h: Tensor) -> Tensor:
    """Layer norm over the width."""
    return layer_norm(h, h.shape[-1:], theta[f"{name}.weight"], theta[f"{name}.bias"])
