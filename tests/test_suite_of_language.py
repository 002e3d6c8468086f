"""The settings of the suite `language` are winners of the search that suites/tune_language.py names."""

from __future__ import annotations

import pytest

from rmobench.harness.suite import read_suite
from rmobench.harness.tuning import points, tunable
from rmobench.registry import choose_optimizers
from suites.tune_language import N_RATES, tuned

TRIED = {what.label: [c.hyper for c in points(what, N_RATES)] for what in map(tunable, tuned())}


@pytest.mark.parametrize("task", ["byte_gpt"])  # MiniLM is still being tuned
def test_every_method_runs_at_a_setting_that_was_tried(task):
    (run,) = [run for run in read_suite("language").runs if run.tasks == (task,)]
    chosen = [setting for text in run.optimizers for setting in choose_optimizers(text)]
    assert [setting.label for setting in chosen] == list(TRIED)
    assert [setting.label for setting in chosen if setting.hyper not in TRIED[setting.label]] == []


def test_everybody_has_as_many_learning_rates():
    assert {len({hyper["lr"] for hyper in tried}) for tried in TRIED.values()} == {N_RATES}
    assert len(TRIED) == 21
