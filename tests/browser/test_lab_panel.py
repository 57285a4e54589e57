"""The panel and the jobs in a real JupyterLab: stop, go on, nothing paid twice; pictures, both themes; accessibility."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pandas_numberactive.simulator import Faults, Simulator
from tests.browser.conftest import KEYS, opener
from tests.browser.lab import Notebook, Server, button, expect, said

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]  # the browser's pipes at exit

BOOK = "df = pd.DataFrame({'name': ['x'] * 300, 'phone': [f'0811{i:07d}' for i in range(300)]})\n"
PANEL = BOOK + "panel = pna.EnrichPanel(df)\npanel"
JOB = BOOK + "job = df.numberactive.start('phone')\njob"
COUNTS = "print(panel.result['phone_lookup_status'].isin(['answered', 'no_data']).sum())"


def until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def shows(book: Notebook, text: str) -> None:
    """Wait until an output says so."""
    expect(book.page.locator(".jp-OutputArea-output", has_text=text).first).to_be_visible(
        timeout=30_000
    )


def leaks(book: Notebook) -> list[str]:
    """Whole numbers and secrets in the saved notebook."""
    saved = book.save()
    assert "application/vnd.jupyter.widget-state+json" in saved
    return [
        text for text in ("0811000", "8110000", "made-up-secret", "made-up-key") if text in saved
    ]


def test_the_panel_plans_buys_stops_and_goes_on(notebook, bank):
    bank.latency = 0.05
    book = notebook(PANEL, max_concurrency=4)
    book.run_all()
    expect(
        book.page.get_by_text("8110******").first
    ).to_be_visible()  # an example of what would be read
    button(book, "Plan").click()
    buy = button(book, "Buy 300 numbers for IDR 150,000")
    expect(buy).to_be_visible()
    assert bank.ledger.handles == 0
    assert not leaks(book)  # with the examples on the page
    there = buy.bounding_box()
    buy.click()
    expect(button(book, "Stop")).to_be_visible()
    book.page.mouse.click(
        there["x"] + there["width"] / 2, there["y"] + there["height"] / 2
    )  # a slow double click
    until(lambda: bank.ledger.total > 60)
    expect(button(book, "Stop")).to_be_enabled()
    button(book, "Stop").click()
    shows(book, "Stopped by you: ")
    kept = bank.ledger.total
    assert 60 < kept < 300
    shows(book, "The table is in panel.result")
    assert int(book.ask(COUNTS)) == kept
    bank.latency = 0.0
    button(book, "Plan").click()
    button(book, f"Buy {300 - kept} numbers").dblclick()
    shows(book, f"Complete: {300 - kept} bought")
    until(lambda: int(book.ask(COUNTS)) == 300)  # the table comes behind the sentence
    assert bank.ledger.total == 300
    assert bank.ledger.double_charged() == []
    assert not leaks(book)


def test_a_job_shown_twice_stops_from_either_view(notebook, bank):
    bank.latency = 0.05
    book = notebook(JOB, "job", max_concurrency=4)
    book.run_all()
    stops = button(book, "Stop")
    expect(stops).to_have_count(2)
    until(lambda: bank.ledger.total > 20)
    stops.nth(1).click()
    shows(book, "Stopped by you: ")
    expect(stops).to_have_count(0)  # nor would a saved notebook show a widget that is gone
    kept = bank.ledger.total
    assert 20 < kept < 300
    answer = "print(job.result()['phone_lookup_status'].isin(['answered', 'no_data']).sum())"
    assert int(book.ask(f"import warnings; warnings.simplefilter('ignore'); {answer}")) == kept
    assert bank.ledger.total == kept


SLEEPS = "import time; time.sleep(12)"


def test_stop_works_while_another_cell_runs(notebook, bank):
    """No look-up begins 2 s after the click, as long as the page's kernel can hear it."""
    bank.latency = 0.05
    book = notebook(JOB, max_concurrency=2)
    book.run_all()
    stop = button(book, "Stop")
    expect(stop).to_be_visible()
    until(lambda: bank.ledger.total > 3)
    book.start_cell(SLEEPS)
    begun = time.monotonic()
    until(lambda: time.monotonic() - begun > 1)
    assert bank.ledger.handles < 200  # it still buys
    stop.click()
    clicked = time.monotonic()
    until(lambda: time.monotonic() - clicked > 2)
    after = bank.ledger.handles
    until(lambda: time.monotonic() - clicked > 4)
    assert bank.ledger.handles == after < 300
    shows(book, "Stopped by you: ")
    assert time.monotonic() - begun < 12  # while the cell still sleeps


RESULTS = (
    "from pandas_numberactive.simulator import customers\n"
    "shop = customers(400, seed=3)\nplan = shop.numberactive.plan('phone')\nplan",
    "form = pna.LookupForm()\nform",
    "panel = pna.EnrichPanel(shop)\npanel",
    "job = shop.head(200).numberactive.start('phone')\njob",
    "job.result(); pna.last_run()",
    "pna.LookupStore().summary()",
    "pna.lookup('0812 345 6789')",
    "pna.settings()",
)
NAMES = ("plan", "form", "panel", "job", "report", "summary", "failed", "settings")


@pytest.fixture(scope="module")
def shown(
    chromium: Any, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Notebook]:
    """Everything that a user sees, in one notebook, at rest."""
    faults = Faults(script={"handle:8123456789": ["code"]})
    folder = tmp_path_factory.mktemp("shown")
    with (
        Simulator(stand_in=True, faults=faults, **KEYS) as bank,
        opener(chromium, server, bank, folder) as start,
    ):
        book = start(*RESULTS)
        book.run_all()
        shows(book, "Complete: ")
        book.page.get_by_label("Phone number").fill("0811 8899 532")
        book.page.get_by_label("Phone number").press("Enter")
        button(book, "Buy 8118899532").click()
        said(book, "8118****532: ")
        button(book, "Plan").click()
        expect(button(book, "Buy ")).to_be_visible()
        yield book


def test_form_and_panel_have_no_serious_accessibility_violation(shown):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
    )
    for dark in (False, True):
        shown.theme(dark)
        for at, name in ((1, "form"), (2, "panel"), (3, "job")):
            output = area(shown, at)
            output.evaluate("(node, name) => { node.id = `ours-${name}`; }", name)
            found = (
                axe.Axe()
                .run(shown.page, context=f"#ours-{name}", options={"resultTypes": ["violations"]})
                .response
            )
            assert len(found["passes"]) > 5  # it did look
            serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
            told = [(v["id"], v["help"], [n["html"][:160] for n in v["nodes"]]) for v in serious]
            assert not serious, json.dumps(told, indent=1)


def test_pictures_in_both_themes(shown, pictures: Path):
    shown.page.set_viewport_size({"width": 1180, "height": 1400})  # nothing is outside the picture
    expect(shown.page.locator(AREA)).to_have_count(len(NAMES))
    for dark in (False, True):
        shown.theme(dark)
        for at, name in enumerate(NAMES):
            picture(shown, at, pictures / f"{name}-{'dark' if dark else 'light'}.png")
    button(shown, "Buy ").click()
    expect(shown.page.get_by_text("The table is in panel.result")).to_be_visible()
    for dark in (True, False):
        shown.theme(dark)
        picture(shown, NAMES.index("panel"), pictures / f"bought-{'dark' if dark else 'light'}.png")
    shown.page.set_viewport_size({"width": 880, "height": 900})
    for at, name in enumerate(NAMES):
        assert crowded(shown, at, scrolls=True) == [], f"{name} in a narrow page"
        area(shown, at).screenshot(path=pictures / f"{name}-narrow.png")
    off_theme(shown)


AREA = ".jp-Cell-outputArea"


def area(book: Notebook, at: int) -> Any:
    """All outputs of a cell."""
    return book.page.locator(AREA).nth(at)


def picture(book: Notebook, at: int, path: Path) -> None:
    """Take a picture of an output, all of which must be legible and in its place."""
    output = area(book, at)
    output.scroll_into_view_if_needed()
    output.screenshot(path=path)
    assert path.stat().st_size > 2_000
    assert legible(output) >= 4.5, f"{path.stem}: text too faint"
    assert crowded(book, at) == [], path.stem


def off_theme(book: Notebook) -> None:
    """The same HTML where no Jupyter theme is: Colab, an exported page, in whatever colours these have."""
    html = book.ask(
        "print(*(x._repr_html_() for x in (plan, job, pna.last_run(), pna.lookup('0811 8899 532'))))"
    )
    assert html.count("<table") >= 3
    page = book.page.context.new_page()
    for ground, ink in (("#ffffff", "#212121"), ("#1e1e1e", "#d4d4d4")):
        page.set_content(f'<body style="background:{ground};color:{ink}">{html}</body>')
        assert legible(page.locator("body")) >= 4.5, f"text too faint on {ground}"
    page.close()


CROWDED = """(node, scrolls) => {
  const edge = node.getBoundingClientRect().right + 1;
  const found = node.scrollWidth > node.clientWidth + 1 ? ['it scrolls sideways'] : [];
  for (const el of node.querySelectorAll('*')) {
    // On a narrow page the preview of a frame may scroll in its own box, as frames do in Jupyter.
    if (scrolls && el.parentElement.closest('.numberactive-preview')) continue;
    if (el.closest('select,svg,option') || !el.getClientRects().length) continue;
    const hides = getComputedStyle(el).overflowX !== 'visible' && el.scrollWidth > el.clientWidth + 1;
    if (hides || el.getBoundingClientRect().right > edge) found.push(`${el.tagName} ${el.textContent.slice(0, 60)}`);
  }
  return found;
}"""


def crowded(book: Notebook, at: int, *, scrolls: bool = False) -> list[str]:
    """What is cut off in an output, or sticks out of it; a preview may scroll where it `scrolls`."""
    found: list[str] = area(book, at).evaluate(CROWDED, scrolls)
    return found


CONTRAST = """node => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = el => { for (; el; el = el.parentElement) {
    const c = parse(getComputedStyle(el).backgroundColor); if (c.length === 3 || c[3] > 0.99) return c; } return [255, 255, 255]; };
  let worst = 21;
  const walk = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  for (let t = walk.nextNode(); t; t = walk.nextNode()) {
    const el = t.parentElement;
    if (!t.data.trim() || el.closest('style,:disabled') || !el.getClientRects().length) continue;
    const [a, b] = [light(parse(getComputedStyle(el).color)), light(ground(el))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst) { worst = ratio; node.dataset.worst = t.data; }
  }
  return worst;
}"""


def legible(part: Any) -> float:
    """The worst contrast of text on its ground in a part of a page (WCAG AA asks for 4.5)."""
    return float(part.evaluate(CONTRAST))
