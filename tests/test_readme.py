"""README says what is so."""

import re
from pathlib import Path

import pytest

from rmobench.harness.suite import suites
from rmobench.registry import choose_optimizers
from rmobench.registry.scan import read_spec
from rmobench.types import Log

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
IMPORTS = """
import torch
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Oracle, Problem
"""


def test_two_commands_set_everything_up():
    commands = [text.strip() for kind, text in BLOCKS if kind == "sh" and "venv" in text]
    assert [c.partition("&& .venv/bin/pip install ")[2] for c in commands] == [
        ". && .venv/bin/rmobench run smoke",
        "-e '.[test]' && .venv/bin/pytest -n auto",
    ]


def test_the_example_of_an_optimizer_registers(tmp_path):
    (code,) = [text for kind, text in BLOCKS if "@optimizer" in text]
    path = tmp_path / "sign_descent.py"
    path.write_text(IMPORTS + code)
    spec = read_spec(path, "sign_descent", "optimizer", "sign_descent")
    assert (spec.search, spec.summary) == ({"lr": Log(1e-6, 1.0)}, "Step against the signs of the gradient.")
    compile(IMPORTS + code, str(path), "exec")


@pytest.mark.parametrize(
    "text", [README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")], ids=["README", "CONTRIBUTING"]
)
def test_the_declarations_of_ones_own_class_are_read(text, tmp_path, monkeypatch):
    lines = re.findall(r"`((?:handles|needs) = \(.*?\))`", text)
    assert any(line.startswith("handles") for line in lines)
    (tmp_path / "as_it_says.py").write_text("class Mine:\n" + "".join(f"    {line}\n" for line in lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    (chosen,) = choose_optimizers("as_it_says:Mine")
    assert chosen.spec.handles == ("stiefel",)
    assert chosen.spec.needs in ((), ("deterministic",))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_suites_that_a_page_names_exist(page):
    named = re.findall(r"rmobench (?:run|tune|leaderboard|precision) (\w+)", page.read_text(encoding="utf-8"))
    assert [name for name in named if name not in suites() and name != "SUITE"] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_links_to_exist(page):
    links = re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text(encoding="utf-8"))
    assert [target for target in links if not (page.parent / target).exists()] == []


def test_it_links_to_every_page():
    assert [page.name for page in PAGES[1:] if f"](docs/{page.name})" not in README] == []


def test_its_table_is_the_reference_boards():
    table = [line for line in README.partition("## Install")[0].splitlines() if line.startswith("| ")]
    board = (ROOT / "results" / "reference" / "analytic.md").read_text(encoding="utf-8").splitlines()
    assert len(table) > 10
    assert [line for line in table if line not in board] == []


def test_its_claims_are_those_of_the_claims_page():
    page = (ROOT / "results" / "reference" / "CLAIMS.md").read_text(encoding="utf-8")
    table = [line for line in README.partition("<!-- claims")[2].partition("\n\n")[0].splitlines() if line[:1] == "|"]
    assert table == page.split("\n\n")[1].splitlines()


def test_the_reference_board_regenerates_from_its_records():
    from rmobench.report import markdown
    from rmobench.statistics import leaderboard
    from rmobench.store import load

    folder = ROOT / "results" / "reference"
    text = markdown.leaderboard(leaderboard(load(folder / "analytic.parquet")))
    board = (folder / "analytic.md").read_text(encoding="utf-8")
    assert text.strip() == board.partition("## Not run")[0].strip()
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 20 * 2**20


def test_the_example_of_fine_tuning_runs(tmp_path, monkeypatch):
    import torch

    from rmobench.models.byte_gpt import ByteGPT

    (code,) = [text for kind, text in BLOCKS if kind == "python" and "insert_low_rank" in text]
    assert code.strip().count("\n") < 14
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = ByteGPT(width=12, n_blocks=2, n_heads=2, context=8)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.1)
    frozen = model.blocks[0].tokenwise[1].weight.detach().clone()
    text = torch.randint(256, (4, 9))
    names = {"torch": torch, "model": model, "batches": [text] * 3}
    before = model(text[:, :-1]).detach()
    exec(compile(code, "README", "exec"), names)
    assert torch.equal(model.blocks[0].tokenwise[1].base.weight, frozen)
    assert not torch.equal(model(text[:, :-1]), before)
    assert set(torch.load("adapted.pt", weights_only=True)) == {"model", "optimizer"}
