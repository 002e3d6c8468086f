"""The page without a browser: its size, its order, and that nothing in it points outside."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from rmobench.errors import InputError
from rmobench.report.page import ALL, read_clips, render, selections
from rmobench.report.page.figures import NUMBERS, traced
from rmobench.report.sheets import sheets
from rmobench.statistics import chosen, leaderboard
from tests.browser.material import material, records, suites

LARGEST = 15_000_000


@pytest.fixture(scope="module")
def runs():
    return records(n_tasks=4, n_optimizers=3, n_seeds=2)


@pytest.fixture(scope="module")
def whole(runs):
    return material(runs)


@pytest.fixture(scope="module")
def text(whole):
    return render(whole)


def test_every_combination_of_filters_has_the_terminals_board(runs, whole):
    found = {key: board for keys, board in whole.boards for key in keys}
    assert len(found) == 2 * 3 * 3 * (3 + 2)  # precisions, axes, rulesets; families of all, and of the half
    for key, board in found.items():
        suite, family, ruleset, precision, axis = key.split("|")
        filters = {"family": family, "ruleset": ruleset, "precision": precision}
        asked = {name: value for name, value in filters.items() if value != ALL}
        (expected,) = leaderboard(chosen(suites(runs)[suite], **asked), axis=axis)
        shown = [*board["sheets"], *([board["ended"]] if board["ended"] else [])]
        assert [s["rows"] for s in shown] == [s.rows for s in sheets(expected, per_task=False)]


def test_equal_selections_are_judged_once(runs):
    """The half has one family, so its boards with and without that filter are one."""
    keys = [s.filters for s in selections(suites(runs)) if s.axis == "step"]
    assert [("half", "all", "all"), ("half", "analytic", "all")] in [sorted(k)[-2:] for k in keys if len(k) > 1]


def test_nothing_points_outside(text):
    """But plotly.js and the texts of the page, which are no addresses."""
    own = re.sub(r"<script>/\*\*.*?</script>", "", text, count=1, flags=re.DOTALL)
    assert len(own) < len(text)
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["'](?!#|data:)""", own)
    assert "default-src 'none'" in own


def test_equal_records_give_equal_pages(runs, text):
    assert render(material(runs.sample(frac=1.0, random_state=0))) == text


def test_what_is_missing_is_said(runs, whole):
    one = runs[(runs["precision"] == "fp64") & (runs["family"] == "covariance") & (runs["task_name"] != "plateau")]
    bare = replace(whole, runs=one, precisions={}, judged=(), skips=())
    text = render(bare)
    for said in ("All records have one precision.", "No records of the six pathologies.", "No claims were examined."):
        assert said in text


def test_many_cells_get_fewer_points_and_axes():
    """Of 9,000 cells there is one axis, and still all of the cells."""
    runs = records(n_tasks=500, n_optimizers=9, n_seeds=1)
    found = traced(runs)
    assert list(found) == ["n_grad"]
    cells = [lines for tasks in found["n_grad"].values() for task in tasks.values() for lines in task["by"].values()]
    assert len(cells) == 9000
    assert sum(len(line) for lines in cells for line in lines) <= NUMBERS


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [{"n_tasks": 50, "n_optimizers": 20, "n_seeds": 10}, {"n_tasks": 500, "n_optimizers": 20, "n_seeds": 1}],
    ids=["ten seeds", "one seed"],
)
def test_twenty_thousand_records_fit(shape):
    """The bound of the page: 15 MB, plotly.js included."""
    runs = records(**shape)
    assert len(runs) == 20_000
    assert len(render(material(runs)).encode()) <= LARGEST


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a JSON list of clips"),
        ('[{"name": "a", "fps": 1, "bones": [[0, 1]], "reference": [[[0, 0, 0]]]}]', "a joint that is not there"),
        ('[{"name": "a", "fps": 0, "bones": [], "reference": [[[0, 0, 0]]]}]', "fps above 0"),
        ('[{"name": "a", "fps": 1, "bones": [], "reference": [[[0, 0, 0]]], "fits": {"b": []}}]', "one number of each"),
    ],
)
def test_malformed_motions_are_refused(tmp_path, text, message):
    path = tmp_path / "poses.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_clips(path)
