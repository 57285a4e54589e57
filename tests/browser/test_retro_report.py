"""The report of a retro test in a real browser: both themes, narrow, and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from pandas_numberactive.risk import RetroTest
from pandas_numberactive.simulator.loanbook import loan_book, with_answers

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of made-up loans."""
    terms = RetroTest(
        target="defaulted",
        as_of="application_date",
        score="score",
        margin=800_000,
        loss=6_000_000,
        unit_price=500,
        segment="product",
    )
    report = terms.run(with_answers(loan_book(4_000)))
    return report.to_html(tmp_path_factory.mktemp("retro") / "retro.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_accessible_in_both_themes(chromium, page_file, scheme):
    """axe finds nothing to complain of, and nothing but the file is asked for."""
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


def test_the_report_prints(chromium, page_file, tmp_path):
    """On a few pages of paper."""
    page = chromium.new_page()
    page.goto(page_file.as_uri())
    page.pdf(path=tmp_path / "retro.pdf", format="A4")
    page.close()
    pages = (tmp_path / "retro.pdf").read_bytes().count(b"/Type /Page\n")
    assert 2 <= pages <= 8
