"""The language model over bytes: its size, and that it does not look ahead."""

from __future__ import annotations

import torch

from rmobench.models import ByteGPT, started


def model(seed: int = 0, dtype: torch.dtype = torch.float64) -> ByteGPT:
    made = started(ByteGPT, torch.Generator().manual_seed(seed), device=torch.device("cpu"), dtype=dtype)
    assert isinstance(made, ByteGPT)
    return made


def text(seed: int, *shape: int) -> torch.Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(seed))


def test_it_has_1_9_million_parameters() -> None:
    assert (
        sum(p.numel() for p in model().parameters())
        == 4 * (12 * 192**2 + 13 * 192) + 2 * 256 * 192 + 128 * 192 + 2 * 192 + 256
        == 1_902_976
    )


def test_a_later_byte_changes_no_earlier_prediction() -> None:
    gpt, seen = model(), text(1, 2, 16)
    other = seen.clone()
    other[:, 9:] = text(2, 2, 7)
    before, after = gpt(seen), gpt(other)
    torch.testing.assert_close(before[:, :9], after[:, :9], rtol=0, atol=1e-12)
    assert (before[:, 9:] - after[:, 9:]).abs().max() > 1e-3


def test_positions_count() -> None:
    gpt, same = model(), torch.full((1, 4), 65)
    logits = gpt(same)
    assert (logits[0, 0] - logits[0, 3]).abs().max() > 1e-4


def test_equal_seeds_give_equal_parameters_at_every_precision() -> None:
    wide, narrow = model(), model(dtype=torch.float32)
    for a, b in zip(wide.parameters(), narrow.parameters(), strict=True):
        assert torch.equal(a.float(), b)
