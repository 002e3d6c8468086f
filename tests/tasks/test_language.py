"""Language tasks: what is trained and what is judged, that they share no text, and what the adapters change."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rmobench.data import SOURCES, USER_FOLDER, Provenance, Sentences, corpus
from rmobench.errors import ArgumentError
from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.models import low_rank_layers
from rmobench.registry import choose_optimizers, choose_tasks, load, tasks, why_not
from rmobench.tasks.language.byte_gpt import PRETRAINED_ON, stretches
from rmobench.tasks.language.byte_pairs import BytePairs
from rmobench.tasks.language.labelled import Labelled, batches, evenly, held, parts
from rmobench.tasks.language.smollm2_reviews import Answering
from rmobench.tasks.language.wordpiece import word_pieces
from rmobench.types import Problem, Record
from tests.models.test_llama import model as tiny_llama
from tests.models.test_llama import numbers
from tests.optimizers.low_rank import build, oracle_of

CPU = torch.device("cpu")
SMALL = {"adapters": "attention", "batch_size": 2}


def problem(name: str = "byte_gpt", seed: int = 0, dtype: torch.dtype = torch.float32, **args: Any) -> Problem:
    spec = tasks()[name]
    return load(spec.location)(seed, CPU, dtype, **{**spec.args, **args})


def as_bytes(row: torch.Tensor) -> bytes:
    return bytes(row.tolist())


def test_no_judged_stretch_is_in_the_text_that_is_trained_on() -> None:
    text = stretches("brown", 128, 48)
    train = text.train.numpy().tobytes()
    judged = [as_bytes(row) for row in text.judged]
    assert len(set(judged)) == 48
    assert not [stretch for stretch in judged if stretch[:64] in train or stretch[65:] in train]
    together = b"".join(corpus("brown").documents.values())
    assert len(train) + 100_000 > len(together) > len(train) + 80_000


def test_no_line_of_the_pretraining_is_trained_on_or_judged() -> None:
    if SOURCES[PRETRAINED_ON].where() is None:
        pytest.skip(f"{PRETRAINED_ON} is not on this machine: `rmobench data fetch {PRETRAINED_ON}`")
    plays = b"\n".join(corpus(PRETRAINED_ON).documents.values())
    lines = {line for document in corpus("brown").documents.values() for line in document.split(b"\n")}
    assert not [line for line in lines if len(line) > 25 and line in plays]


def test_batches_are_stretches_of_the_training_text_each_byte_with_the_next() -> None:
    train = stretches("brown", 128, 48).train.numpy().tobytes()
    inputs, following = next(problem(**SMALL).batches)
    assert inputs.shape == following.shape == (2, 128)
    assert torch.equal(inputs[:, 1:], following[:, :-1])
    assert all(as_bytes(row) in train for row in inputs)


def test_batches_depend_on_the_seed_and_not_on_the_optimizer() -> None:
    def seen(seed: int, optimizer: str | None) -> list[torch.Tensor]:
        made = problem(seed=seed, **SMALL)
        if optimizer is not None:
            build(optimizer, made)
        return [next(made.batches)[0] for _ in range(3)]

    plain, under_adam, other = seen(0, None), seen(0, "factor_adam"), seen(1, None)
    assert all(map(torch.equal, plain, under_adam))
    assert not any(map(torch.equal, plain, other))


@pytest.mark.parametrize("start", ["gaussian", "orthonormal", "pissa"])
@pytest.mark.parametrize("n_factors", [2, 3])
def test_no_start_changes_what_the_network_computes(start: str, n_factors: int) -> None:
    """Rounding of the factors' product apart."""
    made = problem(start=start, n_factors=n_factors, **SMALL)
    whole = problem(parametrisation="full", **SMALL)
    assert made.judge(made.model)["objective"] == pytest.approx(whole.judge(whole.model)["objective"], abs=1e-4)
    layers = low_rank_layers(made.model)
    assert {layer.S is None for layer in layers.values()} == {n_factors == 2}
    assert {layer.rank for layer in layers.values()} == {4}


def test_only_the_factors_are_free() -> None:
    made = problem(**SMALL)
    assert {name.rpartition(".")[2] for name in made.params} == {"U", "S", "V"}
    assert len(low_rank_layers(made.model)) == 8
    whole = problem(parametrisation="full")
    assert sum(p.numel() for p in whole.params.values()) == 1_902_976


def test_the_judge_is_the_mean_loss_over_all_judged_bytes() -> None:
    made, judged = problem(dtype=torch.float64, **SMALL), stretches("brown", 128, 48).judged
    with torch.no_grad():
        chances = made.model(judged[:, :-1]).log_softmax(-1)
    expected = -chances.gather(-1, judged[:, 1:, None]).mean().item()
    assert made.judge(made.model)["objective"] == pytest.approx(expected, rel=1e-12)


def test_a_narrow_network_is_judged_in_float32() -> None:
    wide, narrow = problem(**SMALL), problem(dtype=torch.bfloat16, **SMALL)
    assert narrow.judge(narrow.model)["objective"] == pytest.approx(wide.judge(wide.model)["objective"], abs=0.05)
    assert {p.dtype for p in narrow.model.parameters()} == {torch.bfloat16}


WRONG = {
    "the text of the pretraining": ({"data": PRETRAINED_ON}, r"got data='shakespeare'.*text other than that of"),
    "no batch": ({"batch_size": 0}, r"batch_size=0, expected"),
    "no such parametrisation": ({"parametrisation": "lora"}, r"got parametrisation='lora'.*low_rank, full and 2 or 3"),
    "four factors": ({"n_factors": 4}, r"n_factors=4, expected"),
    "no such layer": ({"adapters": "nowhere"}, r"no linear layer matches 'nowhere'; the model has blocks\.0"),
    "no such start": ({"start": "zero"}, r"got start='zero', expected one of gaussian"),
    "no rank": ({"rank": 0}, r"got rank=0, expected 1 to"),
}


@pytest.mark.parametrize(("args", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_value_out_of_range_is_told(args: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        problem(**args)


def test_methods_for_low_rank_layers_are_skipped_where_every_parameter_is_free() -> None:
    (lr_heavy_ball,), (adamw,) = choose_optimizers("lr_heavy_ball"), choose_optimizers("adamw")
    (full,) = choose_tasks("byte_gpt[parametrisation=full]")
    said = "the optimizer needs low_rank_layers, which the task does not offer"
    assert why_not(lr_heavy_ball.spec, full.spec, args=full.args) == said
    assert why_not(adamw.spec, full.spec, args=full.args) is None
    assert why_not(lr_heavy_ball.spec, full.spec) is None


def records(optimizer: str, *, seed: int = 0, n_calls: int) -> Record:
    planned = plan(
        choose_tasks("byte_gpt"), choose_optimizers(optimizer), seeds=[seed], precisions=["fp32"], n_calls=n_calls
    )
    record = run_trial(planned.trials[0])
    assert isinstance(record, Record)
    return record


def test_equal_trials_have_bit_equal_traces() -> None:
    first, again = (records("lr_heavy_ball[lr=0.1]", n_calls=4) for _ in range(2))
    assert first.error is None
    assert first.trace_sha256 == again.trace_sha256
    assert [point.step for point in first.trace] == [0, 4]


@pytest.mark.slow
def test_forty_batches_of_another_kind_of_text_teach_it() -> None:
    """The smoke tier: real text, real training, as LoRA is trained and with momentum on the manifold."""
    for optimizer in ("factor_adam[lr=0.01]", "lr_heavy_ball[lr=0.3]"):
        record = records(optimizer, n_calls=40)
        objectives = [point.metrics["objective"] for point in record.trace]
        assert record.error is None
        assert objectives[-1] < objectives[0] - 0.2, optimizer


# --- short texts with labels -------------------------------------------------------------------------------


def made_sentences(*texts: str, n_test: int = 0) -> Sentences:
    provenance = Provenance(name="made", package=None, version=None, file="", sha256="", licence="")
    labels = np.arange(len(texts), dtype=np.int64) % 2
    return Sentences(texts=texts, labels=labels, provenance=provenance, n_test=n_test)


def test_equal_texts_are_on_one_side() -> None:
    texts = [f"text {k % 40}".upper() if k % 3 else f"text  {k % 40}" for k in range(120)]
    train, judged = parts(made_sentences(*texts))
    assert sorted(train + judged) == list(range(120))
    keys = [" ".join(text.lower().split()) for text in texts]
    assert {keys[k] for k in train}.isdisjoint(keys[k] for k in judged)
    assert 0 < len({keys[k] for k in judged}) < 20


def test_a_test_part_is_judged_but_for_what_is_trained_on() -> None:
    train, judged = parts(made_sentences("a", "b", "A ", "c", n_test=2))
    assert (train, judged) == ([0, 1], [3])


@pytest.mark.parametrize(("n", "expected"), [(2, [5, 7]), (4, [5, 6, 7, 8]), (9, [5, 6, 7, 8])])
def test_rows_are_taken_evenly(n: int, expected: list[int]) -> None:
    assert evenly([5, 6, 7, 8], n) == expected


def test_batches_are_padded_and_an_epoch_has_every_text_once() -> None:
    data = Labelled(texts=((1, 2), (3,), (4, 5, 6), (7,)), labels=(0, 1, 0, 1))
    drawn = batches(data, batch_size=2, padding=0, device=CPU, generator=torch.Generator().manual_seed(0))
    epoch = [next(drawn) for _ in range(2)]
    found = {
        tuple(row[there].tolist()): label
        for (rows, present), labels in epoch
        for row, there, label in zip(rows, present, labels.tolist(), strict=True)
    }
    assert found == dict(zip(data.texts, data.labels, strict=True))
    for (rows, present), _ in epoch:
        assert (rows[~present] == 0).all()
        assert present.any(0).all()
    judged = held(data, chunk=3, padding=0, device=CPU)
    assert [len(part.classes) for part in judged] == [3, 1]


VOCABULARY = {p: k for k, p in enumerate(["[CLS]", "[SEP]", "[UNK]", "play", "##ing", "##ed", "cafe", ",", "re", "-"])}
WORDS = {
    "Playing, played": [0, 3, 4, 7, 3, 5, 1],
    "café CAFÉ": [0, 6, 6, 1],
    "re-play\n\tplayer": [0, 8, 9, 3, 2, 1],
    "": [0, 1],
    "play " * 50: [0, 3, 3, 3, 3, 3, 3, 3, 3, 1],
}


@pytest.mark.parametrize(("text", "expected"), WORDS.items())
def test_words_are_cut_into_the_longest_pieces(text: str, expected: list[int]) -> None:
    """A word with a part that is no piece is unknown as a whole; what is too long is cut off before the end's mark."""
    assert word_pieces(text, VOCABULARY, most=10) == expected


def test_byte_pairs_become_one_in_the_order_of_merging() -> None:
    """`ab` before `bc`: a b c is ab c; the space is the letter Ġ."""
    cut = BytePairs(("a", "b", "c", "Ġ", "ab", "bc", "Ġab"), ("a b", "b c", "Ġ ab")).cut
    assert cut("abc") == [4, 2]
    assert cut("bc abc") == [5, 6, 2]


def test_the_last_blocks_on_what_is_below_answer_as_the_whole_model_does() -> None:
    """Prompts of different lengths; what fills the shorter one up is not seen."""
    whole, seen = tiny_llama(), numbers(2, 7)
    answering = Answering(whole, [3, 11], n_blocks=2)
    below = whole.below(seen, 1)
    below[1, 5:] = 0.0
    with torch.no_grad():
        found = answering((below, torch.tensor([6, 4])))
        expected = torch.stack([whole(seen)[0, 6], whole(seen[:, :5])[1, 4]])[:, [3, 11]]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


# --- any model and any texts of a user's -------------------------------------------------------------------


@pytest.fixture
def users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a tiny saved model and texts in the layout of GLUE."""
    pytest.importorskip("transformers")
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizers = pytest.importorskip("tokenizers")
    monkeypatch.setenv(USER_FOLDER, str(tmp_path))
    words = ["[PAD]", "[UNK]", "good", "bad", "film", "play", "was", "the", "very"]
    model = tokenizers.models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="[UNK]")
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    place = tmp_path / "language_model"
    PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(place)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=160,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(place)
    random = np.random.default_rng(0)
    (tmp_path / "glue").mkdir()
    for name, n in (("train.tsv", 96), ("dev.tsv", 32)):
        with (tmp_path / "glue" / name).open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, delimiter="\t", lineterminator="\n")
            table.writerow(("sentence", "label"))
            for k in range(n):
                rest = random.choice(words[4:], size=4 + (name == "dev.tsv")).tolist()
                rest.insert(int(random.integers(4)), "good" if k % 2 else "bad")
                table.writerow((" ".join(rest), k % 2))
    return tmp_path


def test_a_saved_model_learns_a_folder_of_texts(users_folder: Path) -> None:
    made = problem("folder_classification", rank=2)
    before = made.judge(made.model)
    assert (before["share"], before["rank"]) == (1.0, 0.0)
    assert len(low_rank_layers(made.model)) == 4
    assert {name for name in made.params if ".bert." not in name} == {
        "network.classifier.weight",
        "network.classifier.bias",
    }
    optimizer, oracle = build("factor_adam", made, lr=0.03), oracle_of(made)
    for _ in range(60):
        optimizer.step(oracle)
    assert made.judge(made.model)["share"] < 0.5


def test_a_users_model_is_what_transformers_makes_of_it(users_folder: Path) -> None:
    """Its logits are those of the loaded model, and dropout, which the folder asks for, is off."""
    from transformers import AutoModel

    made = problem("folder_classification")
    inputs, _ = next(made.batches)
    network: Any = made.model.network
    theirs = AutoModel.from_pretrained(users_folder / "language_model").eval()
    with torch.no_grad():
        expected = network.classifier(theirs(**inputs).pooler_output)
        torch.testing.assert_close(made.model(inputs), expected, rtol=0, atol=1e-6)
    assert not any(module.training for module in made.model.modules() if isinstance(module, nn.Dropout))


@pytest.mark.parametrize("adapters", ["query_value", "all"])
def test_a_users_model_starts_the_same_from_a_seed(adapters: str, users_folder: Path) -> None:
    first, again = (problem("folder_classification", adapters=adapters).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
