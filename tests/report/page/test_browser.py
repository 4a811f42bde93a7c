"""The page in headless Chromium: it opens without an error or a request, and works with mouse and keyboard.

Needs ``pip install '.[browser]'`` and a Chromium on the path; Playwright's own browsers are not downloaded.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.report.leaderboard import read_board
from ssl_bench.report.page.page import write_page
from ssl_bench.results.rundir import RunDirectory

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install '.[browser]')")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def opened(browser: Any, path: Path, width: int = 1280) -> tuple[Any, list[str]]:
    """The page once all is drawn, and what went wrong: messages of the console, and requests to elsewhere."""
    tab, wrong = browser.new_page(viewport={"width": width, "height": 900}), []
    tab.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-drawn]", timeout=60_000)
    return tab, wrong


@pytest.fixture(scope="module")
def tab(browser: Any, page: Path) -> tuple[Any, list[str]]:
    return opened(browser, page)


def column(tab: Any, heading: str) -> list[str]:
    """Texts of a column, top to bottom."""
    headings = tab.locator("#leaderboard thead th").all_inner_texts()
    number = [text.strip() for text in headings].index(heading) + 1
    return [
        text.split("\n")[0] for text in tab.locator(f"#leaderboard tbody tr > :nth-child({number})").all_inner_texts()
    ]


def test_sorting_and_filtering(tab: tuple[Any, list[str]]) -> None:
    shown, wrong = tab
    everything = column(shown, "macro AUROC")
    heading = shown.locator("#leaderboard thead th", has_text="macro AUROC")
    heading.click()
    assert column(shown, "macro AUROC") == sorted(everything, reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"
    shown.locator("label", has_text="protocol").locator("select").select_option("knn")
    assert set(column(shown, "protocol")) == {"knn"}
    shown.locator("label", has_text="protocol").locator("select").select_option("")
    shown.get_by_label("search").fill("dino")
    assert set(column(shown, "configuration")) == {"dino"}
    shown.get_by_label("search").fill("")
    assert len(column(shown, "rank")) == len(everything)
    assert wrong == []


def test_the_keyboard_reaches_sorting_filters_and_provenance(tab: tuple[Any, list[str]]) -> None:
    shown, wrong = tab
    shown.locator("nav a").first.focus()
    seen = []
    for _ in range(40):
        shown.keyboard.press("Tab")
        seen.append(shown.evaluate(
            "(e => e.closest('th') && e.closest('thead') ? 'sort ' + e.closest('th').innerText.trim() "
            ": e.closest('tbody') ? 'row' : e.tagName.toLowerCase())(document.activeElement)"))  # fmt: skip
        if seen[-1] == "sort macro AUROC":
            shown.keyboard.press("Enter")
        if seen[-1] == "row":
            break
    assert {"select", "input", "sort macro AUROC", "row"} <= set(seen)
    values = column(shown, "macro AUROC")
    assert values in (sorted(values), sorted(values, reverse=True))
    shown.keyboard.press("Enter")
    shown.locator("[id^='origin-']:focus").wait_for(timeout=5000)  # no script as text: the page's policy forbids it
    assert shown.locator("details[open]").count() == 1
    assert wrong == []


def test_the_whole_table_of_tested_configurations_fits_a_screen_of_1280(
    browser: Any, tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    signals = {"msn": 0.5, "dino-ehr": 1.5, "supervised": 1.0}
    both = ("linear", "knn")
    runs = [write_arm(tmp_path, name, seed, signals[name], protocols=both) for name in signals for seed in range(5)]
    write_page(read_board(runs, replicates=100, baseline="msn"), tmp_path / "board.html")
    shown, wrong = opened(browser, tmp_path / "board.html")
    assert "p < 0.001" in shown.locator("#leaderboard tbody small").all_inner_texts()
    room = shown.evaluate("document.querySelector('main').clientWidth")
    assert shown.evaluate("document.getElementById('leaderboard').scrollWidth") <= room
    assert wrong == []


PAPER = {"A4": 1032, "Letter": 965}
"""Width in px that a landscape page leaves between margins of 12 mm."""

TALL = 703
"""Its height, of A4."""


@pytest.mark.parametrize("paper", PAPER)
def test_what_is_printed_fits_its_paper(
    browser: Any, tmp_path: Path, write_arm: Callable[..., Path], paper: str
) -> None:
    names = ["msn", "dino-ehr", "supervised", *(f"method-with-a-long-name-{number}" for number in range(9))]
    runs = [write_arm(tmp_path, name, 0, 0.1 * place, protocols=("linear", "knn")) for place, name in enumerate(names)]
    board = read_board(runs, replicates=100)
    write_page(board, tmp_path / "board.html")
    shown, wrong = opened(browser, tmp_path / "board.html", PAPER[paper])
    shown.emulate_media(media="print")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    beyond = shown.evaluate("""room => [...document.querySelectorAll('main table, main figure, main svg.main-svg, pre')]
        .filter(one => one.getBoundingClientRect().right > room + 1 || one.scrollWidth > room)
        .map(one => one.outerHTML.slice(0, 80))""", PAPER[paper])  # fmt: skip
    assert beyond == []
    heights = shown.evaluate("[...document.querySelectorAll('figure')].map(one => one.getBoundingClientRect().height)")
    assert len(heights) > 4
    assert max(heights) <= TALL
    assert shown.locator("details:not([open])").count() == 0
    assert wrong == []


def test_on_a_phone_the_pictures_of_a_report_are_scrolled_and_not_made_illegible(
    browser: Any, wide: RunDirectory
) -> None:
    tab = browser.new_page(viewport={"width": 400, "height": 900})
    tab.goto((wide.path / "report.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400
    widths = tab.evaluate("[...document.querySelectorAll('figure img')].map(one => one.getBoundingClientRect().width)")
    assert widths
    assert min(widths) >= 700


def test_everything_is_drawn_and_fits_a_narrow_screen(browser: Any, full: Path) -> None:
    shown, wrong = opened(browser, full, 400)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 400
    plots = shown.locator(".plot")
    assert plots.count() > 3
    assert plots.locator("svg.main-svg").count() >= plots.count()
    shown.select_option("#map-variable", "sex")
    assert shown.locator("#map-plot .point").count() == 60
    legend = "".join(shown.locator("#map-plot .legendtext").all_text_contents())
    assert "F (" in legend
    assert "unknown (1)" in legend
    assert wrong == []


def quiet_tab(browser: Any, path: Path, width: int, scheme: str) -> Any:
    """A page without the policy that forbids scripts of others, such as the one that checks it."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    tab.goto(path.as_uri())
    return tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("which", ["board", "full", "report"])
def test_axe_finds_nothing(
    browser: Any, page: Path, full: Path, wide: RunDirectory, which: str, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    path = {"board": page, "full": full, "report": wide.path / "report.html"}[which]
    tab = quiet_tab(browser, path, width, scheme)
    if which != "report":
        tab.wait_for_selector("html[data-drawn]", timeout=60_000)
    found = axe.Axe().run(tab).response["violations"]
    assert [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found] == []
    tab.close()


def test_a_dark_screen_has_light_ink_and_the_same_colours(browser: Any, page: Path) -> None:
    shown = {}
    for scheme in ("light", "dark"):
        tab = quiet_tab(browser, page, 1280, scheme)
        tab.wait_for_selector("html[data-drawn]", timeout=60_000)
        ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        ink = tab.evaluate("document.querySelector('.plot').layout.font.color")
        colours = tab.evaluate("[...document.querySelector('.plot').data].map((one) => one.marker.color)")
        shown[scheme] = (ground, ink, colours)
        tab.close()
    assert shown["light"][:2] == ("rgb(255, 255, 255)", "#222")
    assert shown["dark"][:2] == ("rgb(22, 24, 27)", "#e8e8e8")
    assert [one for one in shown["dark"][2] if one not in ("#f2f2f2", "#b8b8b8")] == [
        one for one in shown["light"][2] if one not in ("#000000", "#595959")]  # fmt: skip


def test_details_are_open_on_paper_and_closed_again(browser: Any, page: Path) -> None:
    tab = quiet_tab(browser, page, 1280, "dark")
    tab.wait_for_selector("html[data-drawn]", timeout=60_000)
    assert tab.locator("details[open]").count() == 0
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("details[open]").count() == tab.locator("details").count() > 1
    assert tab.evaluate("document.querySelector('.plot').layout.font.color") == "#222"
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert tab.locator("details[open]").count() == 0
    tab.close()
