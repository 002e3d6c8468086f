"""The Llama family, from random parameters by the names of GGUF."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.models.llama import Llama, llama, turned
from tests.optimizers.plain_oracle import normal

WIDTH, WIDE, N_TOKENS = 12, 16, 20


def published(n_blocks: int = 3) -> dict[str, Tensor]:
    """Return random parameters with three heads of queries on one of keys."""
    shapes = {"token_embd.weight": (N_TOKENS, WIDTH), "output_norm.weight": (WIDTH,)}
    for k in range(n_blocks):
        one = {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,), "attn_q": (WIDTH, WIDTH), "attn_output": (WIDTH, WIDTH)}
        one |= {"attn_k": (WIDTH // 3, WIDTH), "attn_v": (WIDTH // 3, WIDTH)}
        one |= {"ffn_gate": (WIDE, WIDTH), "ffn_up": (WIDE, WIDTH), "ffn_down": (WIDTH, WIDE)}
        shapes |= {f"blk.{k}.{name}.weight": shape for name, shape in one.items()}
    return {name: normal(*shape, seed=k).float() for k, (name, shape) in enumerate(shapes.items())}


def model() -> Llama:
    return llama(published(), n_heads=3, n_key_heads=1, epsilon=1e-5, base=100.0)


def numbers(*shape: int) -> Tensor:
    return torch.randint(N_TOKENS, shape, generator=torch.Generator().manual_seed(0))


def test_a_later_token_changes_no_earlier_prediction() -> None:
    seen = numbers(2, 8)
    other = seen.clone()
    other[:, 5:] = (other[:, 5:] + 1) % N_TOKENS
    before, after = model()(seen), model()(other)
    torch.testing.assert_close(before[:, :5], after[:, :5], rtol=0, atol=1e-5)
    assert (before[:, 5:] - after[:, 5:]).abs().max() > 1e-3


def test_what_is_below_and_the_rest_make_the_whole() -> None:
    whole, seen = model(), numbers(2, 8)
    tokens = whole.below(seen, 1)
    for block in whole.blocks[1:]:
        tokens = block(tokens)
    assert torch.equal(whole.norm(tokens) @ whole.tokens.weight.mT, whole(seen))


def test_products_of_turned_heads_depend_on_the_distance_alone() -> None:
    """And keep their lengths: it is a rotation."""
    q, k = (normal(1, 4, seed=seed).expand(9, 4) for seed in (1, 2))
    products = turned(q, 100.0) @ turned(k, 100.0).mT
    torch.testing.assert_close(products.diagonal(2), products.diagonal(2)[:1].expand(7), rtol=0, atol=1e-6)
    torch.testing.assert_close(turned(q, 100.0).norm(dim=-1), q.norm(dim=-1), rtol=0, atol=1e-6)
    assert (products.diagonal(2)[0] - products.diagonal(3)[0]).abs() > 1e-3
