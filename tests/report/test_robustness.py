"""The precisions on a terminal, as Markdown, and as a heat map."""

from __future__ import annotations

import pytest

from rmobench.claims.figures import write_png
from rmobench.report import markdown, terminal
from rmobench.report.heat_map import HATCHES, NO_REFERENCE, heat_map
from rmobench.statistics import Failure, robustness
from tests.report.test_terminal import shown
from tests.statistics.records import solved, table, traced, trial
from tests.statistics.test_breaking import sweep

EIGHTY = 80


@pytest.fixture
def swept():
    rows = [*sweep({10.0: 3, 1e5: 3}), *sweep({10.0: 3, 1e5: 0}, precision="bf16")]
    return table(*(traced(row, {0: 1.0, 5: 0.5}) for row in rows))


@pytest.mark.parametrize(
    "part",
    [
        "2 tasks · steps to each task's headline rung, relative to fp64 · 24 records",
        "3 missed, 3 nonfinite",
        "2 [2, 2]",
        "adam ↑ computes wider than bf16: mul in float32.",
        "16 B",  # 32 bytes for two parameters
        "step 50      8 25 %",  # which in numbers of two bytes are eight
    ],
)
def test_the_terminal_says_it(precisions, part):
    assert part in shown(terminal.robustness(robustness(precisions)), width=120)


def test_tasks_are_shown_where_asked(precisions):
    board = robustness(precisions)
    assert "by task" not in shown(terminal.robustness(board))
    assert "by task" in shown(terminal.robustness(board, per_task=True))


def test_eighty_columns_cut_nothing(precisions):
    text = shown(terminal.robustness(robustness(precisions)), width=EIGHTY)
    assert max(map(len, text.splitlines())) <= EIGHTY
    assert "…" not in text


def test_bounds_are_marked():
    """Lost seeds bound the penalty from below, gained ones from above."""
    runs = {"lost": (solved(20), trial()), "gained": (trial(), solved(20))}
    rows = [
        traced(record | {"optimizer": name, "precision": precision}, {0: 1.0})
        for name, pair in runs.items()
        for precision, record in zip(("fp64", "bf16"), pair, strict=True)
    ]
    text = shown(terminal.robustness(robustness(table(*rows))), width=120)
    assert "≥ 10 [0, ∞]" in text
    assert "≤ 0.1 [0, ∞]" in text


def test_breaking_points_stand_by_precision(swept):
    text = shown(terminal.robustness(robustness(swept)), width=120)
    (line,) = [line for line in text.splitlines() if "bowl[dim=2]" in line]
    assert line.split() == ["bowl[dim=2]", "adam", ">", "1e+05", "1e+05"]


def test_the_page_has_every_task_and_its_figure(precisions):
    text = markdown.robustness(robustness(precisions), figure="figures/x.png")
    assert text.startswith("# Precision\n")
    assert "![penalty by optimizer and precision](figures/x.png)" in text
    assert "| ball[dim=3] | frail | bf16 | 3 nonfinite |" in text
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_the_page_without_figure_names_none(precisions):
    assert "![" not in markdown.robustness(robustness(precisions))


# --- heat map ----------------------------------------------------------------------------------------------


def cells(figure):
    """Return the painted cells and the hatched parts: (x, y) of the cell -> colour; (hatch, x, y) -> width."""
    patches = figure.axes[0].patches
    faces = {p.get_xy(): tuple(p.get_facecolor()) for p in patches if p.get_hatch() is None}
    return faces, {(p.get_hatch(), *p.get_xy()): p.get_width() for p in patches if p.get_hatch()}


def test_cells_are_hatched_by_kind_in_their_share(precisions):
    """frail is the second row, bf16 the second column: half of its trials nonfinite, half missed."""
    _, hatched = cells(heat_map(robustness(precisions)))
    assert hatched == {
        (HATCHES[Failure.missed], 0.0, 1): 1.0,
        (HATCHES[Failure.nonfinite], 1.5, 1): 0.5,
        (HATCHES[Failure.missed], 1.0, 1): 0.5,
    }


def test_colour_is_the_penalty(precisions):
    from matplotlib.colors import to_rgba

    faces, _ = cells(heat_map(robustness(precisions)))
    assert faces[0, 1] == faces[1, 1] == to_rgba(NO_REFERENCE), "frail never reaches the rung in fp64"
    assert sum(faces[1, 0]) < sum(faces[0, 0]), "twice the steps is darker than as many"


def test_precisions_stand_the_widest_first_and_hatches_have_a_key(precisions):
    figure = heat_map(robustness(precisions))
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["fp64", "bf16"]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["adam", "frail"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["nonfinite", "missed"]


def test_equal_records_give_equal_bytes(precisions, tmp_path):
    for name in ("a.png", "b.png"):
        write_png(heat_map(robustness(precisions)), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_nothing_reached_draws_too(tmp_path):
    rows = [traced(trial(precision=p), {0: 1.0}) for p in ("fp64", "fp16")]
    write_png(heat_map(robustness(table(*rows))), tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 0
