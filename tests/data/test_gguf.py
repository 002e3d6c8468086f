"""Files of parameters in the format GGUF: what was written is read, and what is damaged is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rmobench.data.gguf import read_gguf
from rmobench.data.smollm2 import unpermuted
from rmobench.errors import DataError
from tests.data.gguf_files import gguf, packed

PATH = Path("made.gguf")
NOTES = {"general.architecture": "llama", "llama.block_count": 2, "epsilon": 0.5, "tokens": ["a", "Ġb", "<|end|>"]}


def array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_notes_and_arrays_are_what_was_written() -> None:
    plain = array(3, 5)
    read = read_gguf(PATH, gguf(NOTES, {"plain": (plain, "f32"), "more": (array(7, seed=1), "f32")}))
    assert dict(read.notes) == {**NOTES, "tokens": ("a", "Ġb", "<|end|>")}
    assert np.array_equal(read.arrays["plain"], plain)
    assert np.array_equal(read.arrays["more"], array(7, seed=1))


@pytest.mark.parametrize(("kind", "levels"), [("q8_0", 2 * 127), ("q4_1", 15)])
def test_quantized_entries_are_off_by_at_most_half_a_level(kind: str, levels: int) -> None:
    """And by the float16 rounding of the scales, 2^-11 of the range."""
    wide = array(4, 64)
    read = read_gguf(PATH, gguf({}, {"w": (wide, kind)})).arrays["w"]
    blocks, found = wide.reshape(-1, 32), read.reshape(-1, 32)
    span = np.ptp(blocks, axis=1) if kind == "q4_1" else 2 * np.abs(blocks).max(1)
    assert read.shape == wide.shape
    assert (np.abs(blocks - found).max(1) <= span * (0.5 / levels + 2e-3)).all()


def test_a_byte_of_four_bit_entries_holds_two_half_a_block_apart() -> None:
    """q d + m with d = 1, m = -2: the low half of byte 0 is entry 0, its high half entry 16."""
    block = np.float16(1).tobytes() + np.float16(-2).tobytes() + bytes([0x5A]) + bytes(15)
    whole = gguf({}, {"w": (np.arange(32), "q4_1")})
    read = read_gguf(PATH, whole.replace(packed(np.arange(32), "q4_1"), block)).arrays["w"]
    assert (read[0], read[16], read[1]) == (8.0, 3.0, -2.0)


def test_turned_rows_come_back_to_half_a_head_apart() -> None:
    """One head of 4 rows: the format has (0, 2) and (1, 3), which turn together, beside each other."""
    rows = np.array([[0.0], [2.0], [1.0], [3.0]], dtype=np.float32)
    found = unpermuted({"blk.0.attn_q.weight": rows, "blk.0.attn_v.weight": rows}, n_heads=1, n_key_heads=1)
    assert found["blk.0.attn_q.weight"].ravel().tolist() == [0.0, 1.0, 2.0, 3.0]
    assert np.array_equal(found["blk.0.attn_v.weight"], rows)


WHOLE = gguf(NOTES, {"w": (array(2, 32), "q8_0")})
DAMAGED = {
    "another format": (b"GGML" + WHOLE[4:], "begins with b'GGML'"),
    "another version": (WHOLE[:4] + b"\2\0\0\0" + WHOLE[8:], "is of version 2"),
    "cut off in the notes": (WHOLE[:60], "ends before byte"),
    "cut off in an array": (WHOLE[:-40], "buffer is smaller than requested size"),
}


@pytest.mark.parametrize(("content", "said"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damage_is_told(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=rf"made\.gguf: .*{said}.*expected a GGUF file, version 3"):
        read_gguf(PATH, content)
