"""Write small files of parameters in the format GGUF."""

from __future__ import annotations

import struct

import numpy as np

TEXT, LIST, UINT32, FLOAT32 = 8, 9, 4, 6
KINDS = {"f32": 0, "q4_1": 3, "q8_0": 8}


def text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def note(name: str, value: int | float | str | list[str]) -> bytes:
    match value:
        case int():
            return text(name) + struct.pack("<II", UINT32, value)
        case float():
            return text(name) + struct.pack("<If", FLOAT32, value)
        case str():
            return text(name) + struct.pack("<I", TEXT) + text(value)
    return text(name) + struct.pack("<IIQ", LIST, TEXT, len(value)) + b"".join(map(text, value))


def packed(array: np.ndarray, kind: str) -> bytes:
    """Quantize by the formula of the kind, without looking for a better scale."""
    blocks = array.astype(np.float32).reshape(-1, 32) if kind != "f32" else array
    match kind:
        case "q8_0":
            d = (np.abs(blocks).max(1) / 127).astype(np.float16)
            q = np.rint(blocks / d.astype(np.float32)[:, None]).astype(np.int8)
            return b"".join(scale.tobytes() + row.tobytes() for scale, row in zip(d, q, strict=True))
        case "q4_1":
            m = blocks.min(1).astype(np.float16)
            d = ((blocks.max(1) - m.astype(np.float32)) / 15).astype(np.float16)
            q = np.rint((blocks - m.astype(np.float32)[:, None]) / d.astype(np.float32)[:, None])
            q = q.clip(0, 15).astype(np.uint8)
            halves = q[:, :16] | (q[:, 16:] << 4)
            return b"".join(a.tobytes() + b.tobytes() + row.tobytes() for a, b, row in zip(d, m, halves, strict=True))
    return array.astype("<f4").tobytes()


def gguf(notes: dict[str, int | float | str | list[str]], arrays: dict[str, tuple[np.ndarray, str]]) -> bytes:
    """Return the bytes of a file, version 3."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(arrays), len(notes))
    head += b"".join(note(name, value) for name, value in notes.items())
    body = b""
    for name, (array, kind) in arrays.items():
        shape = array.shape[::-1]
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, KINDS[kind], len(body))
        data = packed(array, kind)
        body += data + bytes(-len(data) % 32)
    return head + bytes(-len(head) % 32) + body
