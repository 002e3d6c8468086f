"""The pretraining of the byte-level model: it goes on where it stopped, and what ships is what it wrote."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer

from rmobench.data import SOURCES, Corpus, Provenance, corpus, pretrained
from rmobench.data.byte_gpt import PLACE
from rmobench.errors import DataError
from suites.pretrain_byte_gpt import HELD_OUT, Recipe, Training, export

TINY = Recipe(width=12, n_blocks=1, n_heads=2, context=8, batch_size=2, n_steps=6, n_warmup=2)
MADE = Corpus(
    documents={name: f"{name} ".encode() * 40 for name in ("hamlet", *HELD_OUT, "othello")},
    provenance=Provenance(name="made", package=None, version=None, file="made", sha256="0", licence="CC0"),
)


def parameters(training: Training) -> list[torch.Tensor]:
    return [p.detach().clone() for p in training.model.parameters()]


def trained(n_steps: int, *, state: Path | None = None) -> Training:
    """Return a training after some steps, begun anew or from a file."""
    training = Training(TINY, MADE)
    if state is not None:
        assert training.resume(state)
    for _ in range(n_steps):
        training.advance()
    return training


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    half = trained(3)
    half.judge()
    half.save(tmp_path / "state.safetensors")
    whole, resumed = trained(6), trained(3, state=tmp_path / "state.safetensors")
    assert all(map(torch.equal, parameters(whole), parameters(resumed)))
    assert (resumed.step, resumed.curve) == (6, half.curve)
    assert list(tmp_path.iterdir()) == [tmp_path / "state.safetensors"]


def test_a_state_of_another_recipe_is_refused(tmp_path: Path) -> None:
    one = trained(1)
    one.save(tmp_path / "state.safetensors")
    other = Training(replace(TINY, seed=1), MADE)
    with pytest.raises(typer.BadParameter, match=r"is of another recipe: remove it, or give another --state"):
        other.resume(tmp_path / "state.safetensors")
    assert not other.resume(tmp_path / "no_state.safetensors")


def test_what_is_held_out_is_not_trained_on() -> None:
    training = trained(0)
    text = training.text.numpy().tobytes()
    assert b"hamlet" in text and b"othello" in text
    assert not [name for name in HELD_OUT if name.encode() in text]


def test_what_is_written_says_where_it_comes_from(tmp_path: Path) -> None:
    training = trained(2)
    loss = training.judge()
    export(training, tmp_path / "made.safetensors")
    said = json.loads((tmp_path / "made.json").read_text(encoding="utf-8"))
    assert said["sha256"] == hashlib.sha256((tmp_path / "made.safetensors").read_bytes()).hexdigest()
    assert (said["held_out_nats_per_byte"], said["recipe"]["width"], said["text"]["name"]) == (loss, 12, "made")


def test_the_step_length_rises_and_falls() -> None:
    recipe = Recipe(n_steps=100, n_warmup=10, lr=1.0, lr_end=0.1)
    assert [recipe.lr_at(step) for step in (0, 4, 9, 10, 55, 100)] == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.55, 0.1])


def test_what_ships_is_what_its_provenance_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.loads(PLACE.with_suffix(".json").read_text(encoding="utf-8"))
    assert Recipe(**said["recipe"]) == Recipe()
    assert said["curve"][-1] == [Recipe().n_steps, said["held_out_nats_per_byte"]]
    shipped = pretrained("byte_gpt")
    assert (shipped.provenance.sha256, shipped.settings) == (said["sha256"], {"n_heads": 6, "context": 128})
    changed = tmp_path / PLACE.name
    changed.write_bytes(PLACE.read_bytes()[:-2] + b"\0\1")
    changed.with_suffix(".json").write_text(json.dumps(said), encoding="utf-8")
    monkeypatch.setattr("rmobench.data.byte_gpt.PLACE", changed)
    with pytest.raises(DataError, match=r"byte_gpt\.safetensors: sha256 is .*, expected .*Install rmobench again"):
        pretrained("byte_gpt")


def test_what_ships_has_the_loss_on_the_held_out_plays_that_it_was_written_with() -> None:
    """Within the rounding to float16."""
    if SOURCES["shakespeare"].where() is None:
        pytest.skip("Shakespeare's plays are not on this machine: `rmobench data fetch shakespeare`")
    training = Training(Recipe(), corpus("shakespeare"))
    arrays = pretrained("byte_gpt").arrays
    training.model.load_state_dict({name: torch.tensor(array).float() for name, array in arrays.items()})
    said = json.loads(PLACE.with_suffix(".json").read_text(encoding="utf-8"))
    assert training.judge() == pytest.approx(said["held_out_nats_per_byte"], abs=2e-3)
