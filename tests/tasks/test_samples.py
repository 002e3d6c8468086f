"""Which rows a problem is made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rmobench.data import load
from rmobench.tasks.samples import N_KINDS, part, samples


@pytest.mark.parametrize(("n", "first"), [(1797, 900), (5000, 2500), (4000, 2000), (60_000, 30_000), (1, 100)])
def test_the_halves_are_apart_and_together_all(n: int, first: int) -> None:
    rows = np.arange(n)
    train, held_out, every = (rows[part("t", n, split=s)] for s in ("train", "held_out", "all"))
    assert len(train) == min(first, n)
    assert np.array_equal(np.concatenate([train, held_out]), every)
    assert np.array_equal(every, rows)


@pytest.mark.parametrize(("split", "rows"), [("train", slice(0, 900)), ("held_out", slice(900, None))])
def test_the_first_nine_hundred_digits_are_for_training(split: str, rows: slice) -> None:
    """Shipped weights were trained on these: moving the border would show them what is held out."""
    data = load("digits")
    chosen = samples("t", "digits", split=split, instance=0)
    assert np.array_equal(chosen.rows.numpy(), data.inputs[rows])
    assert np.array_equal(chosen.labels.numpy(), data.labels[rows])


@pytest.mark.parametrize("split", ["all", "train", "held_out"])
def test_an_instance_is_half_of_five_kinds_of_the_split(split: str) -> None:
    whole = samples("t", "digits", split=split, instance=0)
    chosen = samples("t", "digits", split=split, instance=3)
    assert (whole.n_kinds, chosen.n_kinds) == (10, N_KINDS)
    assert chosen.labels.unique().tolist() == list(range(N_KINDS))
    assert 0.4 * len(whole.rows) / 2 < len(chosen.rows) < 0.6 * len(whole.rows) / 2
    known = {tuple(row.tolist()) for row in whole.rows}
    assert all(tuple(row.tolist()) in known for row in chosen.rows)
    assert len({tuple(row.tolist()) for row in chosen.rows}) == len(chosen.rows)


def test_labels_follow_their_rows() -> None:
    data = load("digits")
    labels = {tuple(row): label for row, label in zip(data.inputs.tolist(), data.labels.tolist(), strict=True)}
    chosen = samples("t", "digits", split="all", instance=1)
    pairs = {
        (labels[tuple(row)], label) for row, label in zip(chosen.rows.tolist(), chosen.labels.tolist(), strict=True)
    }
    assert len(pairs) == N_KINDS  # each kind has one number
    assert sorted(pairs) == sorted(pairs, key=lambda pair: pair[1])  # in their order


def test_instances_repeat_and_differ() -> None:
    first, again, other = (samples("t", "digits", split="all", instance=k) for k in (1, 1, 2))
    assert torch.equal(first.rows, again.rows)
    assert first.rows.shape != other.rows.shape or not torch.equal(first.rows, other.rows)


def test_images_are_flattened() -> None:
    chosen = samples("t", "mnist5k", split="held_out", instance=0)
    assert chosen.rows.shape == (2000, 784)
    assert chosen.rows.dtype == torch.float64
    assert chosen.labels.bincount().tolist() == [200] * 10


def test_no_row_is_trained_on_in_one_task_and_held_out_or_tested_in_another() -> None:
    """Rows of 5,000 of which the last 1,000 are the test part, as numbered by both kinds of task."""
    n, n_test = 5000, 1000
    rows = {split: set(range(n)[part("t", n - n_test, split=split)]) for split in ("train", "held_out")}
    assert (min(rows["train"]), max(rows["train"])) == (0, 1999)
    assert (min(rows["held_out"]), max(rows["held_out"])) == (2000, 3999)
