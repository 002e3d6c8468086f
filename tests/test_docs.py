"""The pages of the docs, followed to the letter: their one file, put where they say, is all it takes."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rmobench.harness.suite import suites

ROOT = Path(__file__).parents[1]
FILE = re.compile(r"<!-- file: (?P<path>\S+) -->\n```python\n(?P<text>.*?)```", re.DOTALL)
MOST_LINES = 40


def file_of(page: str) -> tuple[str, str]:
    found = FILE.search((ROOT / "docs" / page).read_text(encoding="utf-8"))
    return found["path"], found["text"]


def data_of(page: str) -> dict:
    """Return the data inside the HTML, as the page's script unpacks them."""
    packed = re.search(r'<script type="application/gzip" id="data">(.*?)</script>', page, re.DOTALL)
    assert packed is not None
    return json.loads(gzip.decompress(base64.b64decode(packed[1])))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A copy of the package with the two files of the pages, and a program that runs from it."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "rmobench", folder / "rmobench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "suites", folder / "suites", ignore=shutil.ignore_patterns("__pycache__"))
    for page in ("adding_an_optimizer.md", "adding_a_task.md"):
        path, text = file_of(page)
        assert not (ROOT / path).exists()
        (folder / path).write_text(text, encoding="utf-8")

    def program(*words: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "rmobench", *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    program.folder = folder
    return program


@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "docs").glob("*.md")))
def test_the_suites_that_it_names_exist(page):
    named = re.findall(r"rmobench (?:run|leaderboard) ([a-z]\w+)", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert set(named) <= set(suites())


def test_the_optimizer_is_a_short_file():
    _, text = file_of("adding_an_optimizer.md")
    assert len(text.splitlines()) < MOST_LINES


@pytest.mark.slow
def test_a_new_optimizer_is_listed_run_ranked_and_drawn(installed):
    listed = json.loads(installed("list", "optimizers", "--json"))
    assert "signum" in {row["name"] for row in listed}
    pairs = ("--task", "rosenbrock[dim=2]", "--task", "log_cosh[dim=3]", "--optimizer", "signum", "--optimizer", "adam")
    ran = json.loads(installed("run", *pairs, "--seeds", "2", "--calls", "60", "-j", "1", "--json"))
    board = json.loads(installed("leaderboard", "--json"))
    for boards in (ran, board):
        (only,) = boards["boards"]
        assert {row["optimizer"] for row in only["rows"]} == {"signum", "adam"}
        assert {row["n_trials"] for row in only["rows"]} == {4}
    installed("report", "--out", "page.html")
    page = data_of((installed.folder / "page.html").read_text(encoding="utf-8"))
    ranked = {row[1] for row in page["boards"][0]["sheets"][0]["rows"]}
    drawn = {curve[0] for curve in page["boards"][0]["ecdf"]["curves"]}
    assert ranked == drawn == {"signum", "adam"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["signum", "log_cosh"])
def test_both_keep_the_contract(installed, name):
    assert json.loads(installed("check", name, "--json"))["holds"]
