"""The encoder of BERT, from random parameters by their published names."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.models.bert import Bert, bert
from tests.optimizers.plain_oracle import normal

WIDTH, WIDE, N_TOKENS, CONTEXT = 8, 12, 20, 10


def published() -> dict[str, Tensor]:
    """Return random parameters of two blocks, as BertModel names them."""
    shapes = {
        "embeddings.word_embeddings.weight": (N_TOKENS, WIDTH),
        "embeddings.position_embeddings.weight": (CONTEXT, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
        "pooler.dense.weight": (WIDTH, WIDTH),
    }
    for k in range(2):
        at = f"encoder.layer.{k}"
        linear = {f"{at}.attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
        linear |= {f"{at}.attention.output.dense": (WIDTH, WIDTH)}
        linear |= {f"{at}.intermediate.dense": (WIDE, WIDTH), f"{at}.output.dense": (WIDTH, WIDE)}
        for name, (m, n) in linear.items():
            shapes |= {f"{name}.weight": (m, n), f"{name}.bias": (m,)}
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{at}.{norm}.weight": (WIDTH,), f"{at}.{norm}.bias": (WIDTH,)}
    return {name: normal(*shape, seed=k) for k, (name, shape) in enumerate(shapes.items())}


def model() -> Bert:
    return bert({name: t.float() for name, t in published().items()}, n_heads=2, epsilon=1e-12)


def test_padding_changes_nothing() -> None:
    numbers = torch.randint(N_TOKENS, (2, 6), generator=torch.Generator().manual_seed(0))
    present = torch.ones(2, 6, dtype=torch.bool)
    alone = model()((numbers, present))
    padded = torch.cat([numbers, torch.zeros(2, 3, dtype=torch.long)], 1)
    with_padding = model()((padded, torch.cat([present, torch.zeros(2, 3, dtype=torch.bool)], 1)))
    torch.testing.assert_close(alone, with_padding, rtol=0, atol=1e-5)


def test_a_text_is_the_mean_of_its_tokens_whatever_lies_beside_it() -> None:
    numbers = torch.tensor([[1, 2, 3], [4, 5, 0]])
    present = torch.tensor([[True, True, True], [True, True, False]])
    both = model()((numbers, present))
    torch.testing.assert_close(both[1:], model()((numbers[1:, :2], present[1:, :2])), rtol=0, atol=1e-5)
    assert both.shape == (2, WIDTH)


def test_the_order_of_the_tokens_counts() -> None:
    present = torch.ones(1, 3, dtype=torch.bool)
    forward, back = (model()((torch.tensor([order]), present)) for order in ([1, 2, 3], [3, 2, 1]))
    assert (forward - back).abs().max() > 1e-3
