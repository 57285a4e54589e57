"""A notebook run by nbclient, as nbconvert and papermill do: what its file and its export hold."""

from __future__ import annotations

import nbformat
import pytest

from pandas_numberactive.simulator import Simulator
from tests.kernel.kernels import KEYS, setup

nbclient = pytest.importorskip("nbclient", reason='pip install "pandas-numberactive[test]"')
pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

CELLS = (
    "df.numberactive.plan('phone')",
    "out = df.head(100).numberactive.enrich('phone', progress=True)",
    "job = df.head(200).numberactive.start('phone')\njob",
    "_ = job.result()",
    "pna.LookupForm()",
    "pna.EnrichPanel(df)",
)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The notebook as it is saved when its last cell has ended."""
    book = nbformat.v4.new_notebook()
    with Simulator(stand_in=True, latency=0.02, **KEYS) as vendor:
        begin = setup(vendor, 300, unit_price=500.0)
        book.cells = [nbformat.v4.new_code_cell(cell) for cell in (begin, *CELLS)]
        folder = str(tmp_path_factory.mktemp("saved"))
        nbclient.NotebookClient(
            book, timeout=120, resources={"metadata": {"path": folder}}, store_widget_state=False
        ).execute()
    return book


def shown(notebook, at):
    """The bundles that a cell holds."""
    return [output.data for output in notebook.cells[at + 1].outputs]


def test_the_file_holds_the_price_of_the_plan(notebook):
    assert "for 300 numbers" in shown(notebook, 0)[0]["text/html"]


def test_the_file_holds_the_end_of_a_blocking_call(notebook):
    (progress,) = shown(notebook, 1)
    assert "Complete: 100 bought" in progress["text/html"]


def test_the_file_holds_the_bill_of_a_job_and_no_widget(notebook):
    """An export showed a job at 0, and a reopened notebook a widget that was not there."""
    bundles = shown(notebook, 2)
    assert "Complete: 100 bought." in bundles[0]["text/html"]
    assert [key for data in bundles for key in data if "widget" in key] == []


@pytest.mark.parametrize("at", [4, 5], ids=["form", "panel"])
def test_the_place_of_an_input_widget_says_what_to_do(notebook, at):
    widget, *html = shown(notebook, at)
    assert "application/vnd.jupyter.widget-view+json" in widget
    assert "run this cell again" in html[-1]["text/html"]


def test_an_export_shows_the_end(notebook):
    exporters = pytest.importorskip("nbconvert.exporters", reason="pip install nbconvert")
    html, _ = exporters.HTMLExporter().from_notebook_node(notebook)
    assert "for 300 numbers" in html
    assert html.count("Complete: 100 bought") == 2
