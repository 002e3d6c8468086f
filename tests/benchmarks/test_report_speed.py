"""How long the page of twenty thousand records takes to open: `pytest tests/benchmarks --benchmark-only -s`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmobench.report.page import render
from tests.browser import chromium
from tests.browser.material import material, records

LIMIT_S = 3.0


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    if (reason := chromium.why_not()) is not None:
        pytest.skip(reason)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(material(records(n_tasks=50, n_optimizers=20, n_seeds=10))), encoding="utf-8")
    return path


def test_the_page_of_twenty_thousand_records_opens(benchmark, file, tmp_path):
    """From asking for the file to the leaderboard being there and every filter at work: within 3 s."""
    with chromium.browser(tmp_path / "profile") as driver:

        def once():
            driver.get(file.as_uri())
            assert driver.execute_script("return document.documentElement.dataset.ready") == "yes"

        benchmark.pedantic(once, rounds=5, warmup_rounds=1)
        rows = driver.execute_script("return document.querySelectorAll('#board tbody tr').length")
    assert rows == 20
    print(f"\n{file.stat().st_size / 1e6:.1f} MB open in {benchmark.stats['median']:.2f} s")
    assert benchmark.stats["median"] <= LIMIT_S
