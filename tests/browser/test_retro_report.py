"""The report of a retro test in a real browser: both themes, narrow, and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from pandas_numberactive.risk import RetroTest
from tests.risk.retro_books import DECISIONS, TERMS, four_books

pytestmark = pytest.mark.browser

CLIPPED = """() => [...document.querySelectorAll('.wide')].filter(
  box => box.scrollWidth > box.clientWidth + 1).map(box => box.getAttribute('aria-label'))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The reports of four made-up loan books: no effect, a real one, all late, too small."""
    folder = tmp_path_factory.mktemp("retro")
    terms = RetroTest(**TERMS)
    return {
        name: terms.run(book).to_html(folder / f"{name}.html")
        for name, book in four_books().items()
    }


@pytest.fixture(scope="module")
def page_file(pages: dict[str, Path]) -> Path:
    """The report of the real effect, which has all tables."""
    return pages["real"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", DECISIONS)
def test_the_report_is_accessible_in_both_themes(chromium, pages, name, scheme):
    """axe finds nothing to complain of, and nothing but the file is asked for."""
    page_file = pages[name]
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = chromium.new_page(color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    violations = axe.run(page).response["violations"]
    page.close()
    assert [one["id"] for one in violations] == []
    assert asked == [page_file.as_uri()]


def test_a_narrow_page_does_not_scroll_sideways(chromium, page_file):
    """Wide tables scroll on their own."""
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.goto(page_file.as_uri())
    width = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert width <= 390


@pytest.mark.parametrize("width", [700, 1400])
@pytest.mark.parametrize("name", DECISIONS)
def test_no_table_is_clipped_on_a_wide_page(chromium, pages, name, width):
    """Amounts of money and advice have room."""
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.goto(pages[name].as_uri())
    clipped = page.evaluate(CLIPPED)
    page.close()
    assert clipped == []


def test_the_report_prints(chromium, page_file, tmp_path):
    """On a few pages of paper."""
    page = chromium.new_page()
    page.goto(page_file.as_uri())
    page.pdf(path=tmp_path / "retro.pdf", format="A4")
    page.close()
    pages = (tmp_path / "retro.pdf").read_bytes().count(b"/Type /Page\n")
    assert 2 <= pages <= 8
