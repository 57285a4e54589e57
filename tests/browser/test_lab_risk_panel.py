"""The risk panel in a real JupyterLab: its choices, its code, both themes, and what is saved."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from pandas_numberactive.simulator import Simulator
from tests.browser.conftest import KEYS, opener
from tests.browser.lab import Notebook, Server, expect, said
from tests.browser.test_lab_panel import area, picture, shows

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]  # the browser's pipes at exit

LOANS = (
    "from pandas_numberactive.simulator.loanbook import loan_book, seen_too_late, with_answers\n"
    "df = seen_too_late(with_answers(loan_book(5_000)), share=0.3)\n"
    "df.loc[:5, 'city'] = 'Budi Santoso'"
)
PANEL = "panel = pna.RiskPanel(df)\npanel"
SAME = (
    "exec(panel.code)\n"
    "pd.testing.assert_frame_equal(table, panel.table)\n"
    "print(panel.code.split('(')[0], len(table))"
)
AT = 1  # the panel's cell


def choose(book: Notebook, field: str, value: str) -> None:
    book.page.get_by_label(field).select_option(value)


@pytest.fixture(scope="module")
def shown(
    chromium: Any, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Notebook]:
    """A notebook whose panel has drawn its first table."""
    folder = tmp_path_factory.mktemp("risk")
    with (
        Simulator(stand_in=True, **KEYS) as bank,
        opener(chromium, server, bank, folder) as start,
    ):
        book = start(LOANS, PANEL)
        book.run_all()
        said(book, "1 table with 1 test seen", timeout=60_000)
        yield book
        assert bank.ledger.handles == 0  # it asks the vendor nothing


def test_a_choice_draws_the_table_of_its_code(shown):
    """Each choice counts, and its line of code run in the kernel makes the same table."""
    assert shown.ask(SAME) == "table = pna.risk.risk_table 7"
    choose(shown, "Late answers", "keep")
    said(shown, "2 tables with 2 tests seen")
    choose(shown, "Segment", "product")
    said(shown, "3 tables with 7 tests seen")
    expect(area(shown, AT).locator("td.draw svg")).to_have_count(4)
    assert shown.ask(SAME) == "table = pna.risk.segments 4"


def test_the_saved_notebook_holds_nothing_personal(shown):
    """Neither a phone nor a name nor a small cell, also with the state of its widgets."""
    choose(shown, "Segment", "city")
    shows(shown, "1 line of fewer than 10 customers")
    text = shown.save()
    assert "application/vnd.jupyter.widget-state+json" in text
    kept = nbformat.read(shown.path, 4).cells[AT].outputs
    html = " ".join(str(output.get("data", {}).get("text/html", "")) for output in kept)
    assert "Odds ratio of defaulted for phone_active_level, by city" in html
    saved = json.loads(text)
    for cell in saved["cells"]:
        cell.pop("source")  # the made-up name stands in its cell
    assert "Budi" not in json.dumps(saved)
    assert not re.search(r"(?<![\d.])(?:\+?62|0)?8[\d -]{8,12}\d(?![\d.])", html)
    counts = re.findall(r'<th scope="row">[^<]+</th><td>([\d,]+)</td>', html)
    assert len(counts) == 8
    assert min(int(count.replace(",", "")) for count in counts) >= 10


def test_the_panel_is_accessible_in_both_themes(shown):
    """axe finds nothing serious in it."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
    )
    area(shown, AT).evaluate("node => { node.id = 'ours-risk'; }")
    for dark in (False, True):
        shown.theme(dark)
        options = {"resultTypes": ["violations"]}
        found = axe.Axe().run(shown.page, context="#ours-risk", options=options).response
        assert len(found["passes"]) > 5  # it did look
        serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        told = [(v["id"], v["help"], [n["html"][:160] for n in v["nodes"]]) for v in serious]
        assert not serious, json.dumps(told, indent=1)


def test_pictures_of_the_panel_in_both_themes(shown, pictures: Path):
    """Legible, in their place, and also on a narrow page."""
    shown.page.set_viewport_size({"width": 1180, "height": 1400})
    for segment in ("none", "city"):
        choose(shown, "Segment", segment)
        words = "by city" if segment == "city" else "Bad rate of defaulted"
        shows(shown, words)
        for dark in (False, True):
            shown.theme(dark)
            theme = "dark" if dark else "light"
            picture(shown, AT, pictures / f"risk-{segment}-{theme}.png")
    shown.page.set_viewport_size({"width": 700, "height": 900})
    area(shown, AT).screenshot(path=pictures / "risk-narrow.png")
