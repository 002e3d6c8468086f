"""The page in a headless Chromium: it says what the terminal says, and asks nothing of any network."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from rmobench.report.page import render
from rmobench.report.sheets import sheets
from rmobench.statistics import chosen, leaderboard
from tests.browser import chromium
from tests.browser.material import FAMILIES, material, records, suites

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WAIT_S = 20


@pytest.fixture(scope="module")
def runs():
    return records(n_tasks=12, n_optimizers=9, n_seeds=3)


@pytest.fixture(scope="module")
def file(runs, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(material(runs, png=DOT)), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=[(1280, False), (390, False), (1280, True)], ids=["desktop", "phone", "dark"])
def page(request, file, tmp_path_factory):
    """The page, opened; afterwards nothing may have been said or asked for."""
    width, dark = request.param
    with chromium.browser(tmp_path_factory.mktemp("profile"), width=width, dark=dark) as driver:
        driver.get("about:blank")
        chromium.requested(driver)
        driver.get(file.as_uri())
        yield driver
        assert chromium.complaints(driver) == []
        assert {address.partition(":")[0] for address in chromium.requested(driver)} <= {"file", "data", "blob"}


@pytest.fixture
def wide(page):
    """The page as it is on a desktop, whatever the width before."""
    choose(page, suite="all", family="all", ruleset="all", precision="fp64", axis="n_grad")
    return page


def choose(page, **filters):
    for name, value in filters.items():
        page.execute_script(
            "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
            "s.dispatchEvent(new Event('change', {bubbles: true}))",
            f"filter-{name}",
            value,
        )


def cells(page, where):
    return page.execute_script(
        "return [...document.querySelectorAll(`${arguments[0]} tbody tr`)]"
        ".map(r => [...r.cells].map(c => c.innerText))",
        where,
    )


def wait(page, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(page, WAIT_S).until(lambda d: d.execute_script(f"return {condition}"))


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"family": "covariance"},
        {"ruleset": "tuned"},
        {"precision": "bf16", "axis": "step"},
        {"suite": "half", "axis": "time_s"},
        {"suite": "half", "ruleset": "defaults", "precision": "bf16"},
    ],
    ids=str,
)
def test_every_figure_of_a_board_is_the_terminals(wide, runs, filters):
    choose(wide, **filters)
    asked = {name: filters.get(name) for name in ("family", "ruleset", "precision")}
    asked["precision"] = asked["precision"] or "fp64"
    (board,) = leaderboard(
        chosen(suites(runs)[filters.get("suite", "all")], **asked), axis=filters.get("axis", "n_grad")
    )
    first, *others = sheets(board, per_task=False)
    assert cells(wide, "#board") == [list(row) for row in first.rows]
    wide.execute_script("document.getElementById('spending').open = true")
    wait(wide, "document.querySelectorAll('#spending-tables table').length > 0")
    assert cells(wide, "#spending-tables div:first-child") == [list(row) for row in others[0].rows]
    said = wide.execute_script("return document.getElementById('said').innerText")
    assert f"{board.n_records} records" in said


def test_erts_by_task_are_the_terminals(wide, runs):
    (board,) = leaderboard(chosen(runs, precision="fp64"))
    matrix = next(sheet for sheet in sheets(board) if sheet.title == "ERT by task")
    wide.execute_script("document.getElementById('erts').open = true")
    wait(wide, "document.querySelectorAll('#erts-table table').length > 0")
    heads = wide.execute_script("return [...document.querySelectorAll('#erts-table thead th')].map(h => h.innerText)")
    shown = {(row[0], name): cell for row in cells(wide, "#erts-table") for name, cell in zip(heads, row, strict=True)}
    assert shown == {(row[0], name): cell for row in matrix.rows for name, cell in zip(matrix.head, row, strict=True)}


def test_a_filter_that_has_no_records_cannot_be_chosen(wide):
    choose(wide, suite="half")
    offered = wide.execute_script("return [...document.getElementById('filter-family').options].map(o => o.value)")
    assert offered == ["all", FAMILIES[0]]


def test_what_a_filter_changed_is_said_to_those_who_do_not_see(wide):
    region = wide.execute_script("const e = document.getElementById('said'); return [e.role, e.ariaLive, e.innerText]")
    choose(wide, family="covariance")
    assert region[:2] == ["status", "polite"]
    assert wide.execute_script("return document.getElementById('said').innerText") != region[2]


@pytest.mark.parametrize("name", ["ecdf", "profile", "memory", "courses", "precision", "tuning"])
def test_a_figure_is_drawn_when_it_comes_into_sight(wide, name):
    wide.execute_script("document.getElementById(arguments[0]).scrollIntoView()", name)
    drawn = ".heatmaplayer image, " if name == "precision" else ""
    marks = f"{drawn}.scatterlayer .js-line[d], .scatterlayer .points path"
    wait(wide, f"document.querySelector('#{name} .plot').querySelectorAll('{marks}').length > 0")  # fmt: skip
    said = wide.execute_script("return document.querySelector(arguments[0]).ariaLabel", f"#{name} .plot")
    assert len(said) > 20


def test_ticking_an_optimizer_adds_its_curve(wide):
    def names():
        return wide.execute_script("return document.getElementById('ecdf-plot').data?.map(t => t.name).filter(Boolean)")

    wide.execute_script("document.getElementById('ecdf').scrollIntoView()")
    wait(wide, "document.getElementById('ecdf-plot').data?.length > 0")
    before = names()
    box = "#shown input:not(:checked)"
    added = wide.execute_script(f"const b = document.querySelector('{box}'); b.click(); return b.value")
    wait(wide, f"document.getElementById('ecdf-plot').data.some(t => t.name === '{added}')")
    assert set(names()) == {*before, added}


def test_pathologies_count_hits(wide, runs):
    mine = runs[(runs["precision"] == "fp64") & (runs["task_name"] == "kink") & (runs["optimizer"] == "adam")]
    hits = sum(row["headline"] in row["hit_rung"] for row in mine.to_dict("records"))
    row = next(row for row in cells(wide, "#ill-table") if row[0] == "adam")
    assert row[1] == f"{hits}/{len(mine)}"


def test_texts_of_records_are_never_markup(wide):
    assert ["</script> is <b>only</b> text", "1", "bfgs", "kink"] in cells(wide, "#failures")
    assert "A note <i>as text</i>." in wide.execute_script(
        "return document.getElementById('claim-a_claim').textContent"
    )


def test_a_claim_has_its_whole_page(wide):
    wide.execute_script("location.hash = 'claim-a_claim'")
    wait(wide, "document.getElementById('claim-a_claim').open")
    text = wide.execute_script("return document.getElementById('claim-a_claim').innerText")
    for part in ("holds", "It is faster.", "Somebody 2020", "By counting.", "Everything else.", "7 of half",
                 "rmobench run half --export results/reference", "0.5 [0.4, 0.6]", "< 1"):  # fmt: skip
        assert part in text
    assert wide.execute_script("return document.querySelector('#claim-a_claim img').naturalWidth") == 1


def test_a_pose_moves_with_the_slider(wide):
    pixels = "return document.getElementById('pose-canvas').toDataURL()"
    before = wide.execute_script(pixels)
    wide.execute_script(
        "const s = document.getElementById('pose-frame'); s.value = 1; s.dispatchEvent(new Event('input'))"
    )
    assert wide.execute_script(pixels) != before
    said = wide.execute_script("return document.getElementById('pose-said').innerText")
    assert said == "Frame 2 of 2, 0.50 s. Grey: a nod. Orange: fitted by adam."


def test_every_control_has_a_name_and_every_table_a_caption(wide):
    nameless = wide.execute_script(
        "return [...document.querySelectorAll('select, input')].filter(e => !e.labels.length).map(e => e.id)"
    )
    assert nameless == []
    bare = "return [...document.querySelectorAll('table')].filter(t => !t.caption?.innerText).length"
    assert wide.execute_script(bare) == 0
    landmarks = "return ['header', 'nav', 'main', 'footer'].map(n => document.querySelectorAll(`body > ${n}`).length)"
    assert wide.execute_script(landmarks) == [1, 1, 1, 1]
    unnamed = "return [...document.querySelectorAll('section')].filter(s => !document.getElementById(s.getAttribute('aria-labelledby'))).length"  # noqa: E501
    assert wide.execute_script(unnamed) == 0


def test_the_keyboard_reaches_the_filters_and_shows_where_it_is(wide):
    from selenium.webdriver import ActionChains, Keys

    wide.execute_script("document.activeElement.blur(); document.querySelector('.skip').focus()")
    seen = []
    for _ in range(20):
        ActionChains(wide).send_keys(Keys.TAB).perform()
        where = "const e = document.activeElement; return [e.id, getComputedStyle(e).outlineStyle]"
        seen.append(tuple(wide.execute_script(where)))
    reached = {name: outline for name, outline in seen if name.startswith("filter-")}
    assert list(reached) == [f"filter-{name}" for name in ("suite", "family", "ruleset", "precision", "axis")]
    assert set(reached.values()) == {"solid"}


def test_nothing_is_wider_than_the_screen(wide):
    """Tables scroll within themselves."""
    width, screen = wide.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert width <= screen


CONTRAST = """
const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (!/, 0\\)$/.test(c) && !/rgba/.test(c)) return c; } return "rgb(255, 255, 255)"; };
return [...document.querySelectorAll("h1, h2, p, a, th, td, label, summary, dt, dd, select, .verdict, figcaption")]
  .filter(e => e.offsetParent && e.innerText).map(e => {
  const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
  return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName + " " + e.innerText.slice(0, 30)]; })
  .filter(([ratio]) => ratio < 4.5);
"""


def test_every_text_stands_out_from_its_ground(wide):
    """WCAG 2.2, success criterion 1.4.3: a contrast of at least 4.5."""
    assert wide.execute_script(CONTRAST) == []
