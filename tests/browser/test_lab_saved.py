"""A notebook that is saved, reopened and exported: the bill stays, and no number does."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest

from tests.browser.lab import button, expect, said

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]  # the browser's pipes at exit

PHONE = "8118899532"
CELLS = (
    "df = pd.DataFrame({'phone': [f'0811{i:07d}' for i in range(300)]})\n"
    "plan = df.numberactive.plan('phone')\nplan",
    "out = df.head(100).numberactive.enrich('phone')",
    "job = df.head(200).numberactive.start('phone')\njob",
    "_ = job.result()",
    "form = pna.LookupForm()\nform",
    "panel = pna.EnrichPanel(df)\npanel",
)
FORM, PANEL = 4, 5
GONE = "Error displaying widget"


def outputs(notebook: Any) -> list[str]:
    """The HTML that each cell of a saved notebook holds."""
    return [
        " ".join(str(output.get("data", {}).get("text/html", "")) for output in cell.outputs)
        for cell in notebook.cells
    ]


def holds_widget(cell: dict[str, Any]) -> bool:
    """Return True where a page has to find a widget in a kernel."""
    bundles = [output.get("data", {}) for output in cell["outputs"]]
    return any("widget-view" in kind for data in bundles for kind in data)


@pytest.fixture
def saved(notebook: Any, bank: Any) -> Any:
    """A notebook in which everything was used, then saved."""
    bank.latency = 0.02
    book = notebook(*CELLS)
    book.run_all()
    book.page.get_by_label("Phone number").fill("0811 8899 532")
    book.page.get_by_label("Phone number").press("Enter")
    button(book, f"Buy {PHONE}").click()
    said(book, "8118****532: ")
    button(book, "Plan").click()
    button(book, "Buy 100 numbers").click()
    said(book, "The table is in panel.result.")
    book.save()
    return book


def test_a_saved_notebook_keeps_the_plan_the_bills_and_the_history(saved: Any) -> None:
    kept = outputs(nbformat.read(saved.path, 4))
    assert "IDR 150,000 for 300 numbers" in kept[0]
    assert "100 bought" in kept[1]
    assert "IDR 50,000 for 100 numbers" in kept[2]
    assert "8118****532" in kept[FORM]
    assert "Complete: 100 bought" in kept[PANEL]
    text = saved.path.read_text()
    assert PHONE not in text
    assert "Buy 8118" not in text
    assert "made-up-secret" not in text


def test_only_input_widgets_are_gone_and_their_place_says_what_to_do(saved: Any) -> None:
    """Stop went with its job; the form and the panel need their kernel."""
    notebook = json.loads(saved.path.read_text())
    places = [at for at, cell in enumerate(notebook["cells"]) if holds_widget(cell)]
    assert places == [FORM, PANEL]
    notebook["metadata"].pop("widgets")  # as by default: JupyterLab saves no state of widgets
    saved.path.write_text(json.dumps(notebook))
    saved.forgiven += ("widget model not found", "Error displaying widget", "404")
    saved.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown().catch(() => 0)"
    )
    saved.page.goto(f"{saved.server.url}/lab/tree/{saved.path.name}?reset")
    saved.page.set_viewport_size({"width": 1180, "height": 3000})  # all cells are drawn
    outputs = saved.page.locator(".jp-Notebook .jp-OutputArea-output")
    for text in ("IDR 150,000 for 300 numbers", "Complete: 100 bought"):
        expect(outputs.filter(has_text=text).first).to_be_visible(timeout=30_000)
    expect(outputs.filter(has_text="run this cell again")).to_have_count(2)
    # JupyterLab shows an error in the place of a lost widget, or nothing, by its own pace.
    assert outputs.filter(has_text=GONE).count() <= len(places)


def test_an_export_shows_the_end(saved: Any) -> None:
    exporters = pytest.importorskip("nbconvert.exporters", reason="pip install nbconvert")
    html, _ = exporters.HTMLExporter(embed_images=True).from_filename(str(saved.path))
    for text in ("IDR 150,000 for 300 numbers", "Complete: 100 bought", "8118****532"):
        assert text in html
    assert "0 of 200" not in html
