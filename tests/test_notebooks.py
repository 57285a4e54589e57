"""Every notebook runs from top to bottom on a machine without keys, and is committed without outputs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import pandas_numberactive as pna

# What the text of a notebook says of its numbers: they must be there when it has run.
CLAIMS = {
    "02_enrich_a_book": (
        "IDR 2,357,000",  # the plan: below the budget that is given
        "100000.0",  # the pilot
        "2257000.0",  # Stop and the same call again are one run, below that budget
    ),
    "04_risk_analysis": (
        "1459",  # "no data": whole answers ...
        "2494",  # ... and rows answered, but not in this signal
        "109645",  # the telco type: more than five times ...
        "19436",  # ... what a further bad costs by the top-ups
        "545.4",  # "about 545 rupiah, not 500"
        "0.218636",  # low activity defaults about five times as often ...
        "0.042733",  # ... as high
        "0.90   0.96                0.22",  # put in, found, give or take: all four within the error
        "-0.60  -0.57                0.35",
        "0.35   0.31                0.26",
        "-0.25  -0.41                0.33",
        "2026-01            0.013750",  # "in February 2026 the mix moved"
        "2026-02            0.170761",
        "more than 3.6 good ones earn. Here: 7.5",  # with half the loss hardly anything is left
        "0.673       0.395",  # "rose by more than half"
    ),
}
ROOT = Path(os.environ.get("NUMBERACTIVE_SOURCE", Path(__file__).parent.parent))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.kernel
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # nbclient's and jupyter's own
def test_a_notebook_runs_within_a_minute(path, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    place = tmp_path / "place"
    place.mkdir()
    notebook = nbformat.read(path, as_version=4)
    started = time.monotonic()
    client = NotebookClient(
        notebook, timeout=60, resources={"metadata": {"path": str(place)}}, store_widget_state=False
    )
    client.execute()
    assert time.monotonic() - started < 60
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert shown
    text = "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in shown
    )
    assert [claim for claim in CLAIMS.get(path.stem, ()) if claim not in text] == []
    assert "Warning" not in text
    assert "drain" not in text  # twenty lines of settings are no way to begin
    assert (
        list(place.iterdir()) == []
    )  # neither a store, so that it tells the same the next time, nor a CSV of phones


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    assert all(
        not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells
    )


def test_the_quickstart_says_what_each_status_means():
    notebook = nbformat.read(ROOT / "notebooks" / "01_quickstart.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert [word for word in pna.LOOKUP_STATUS.categories if f"| `{word}` |" not in text] == []


def test_the_quickstart_is_short():
    notebook = nbformat.read(ROOT / "notebooks" / "01_quickstart.ipynb", as_version=4)
    assert sum(cell.cell_type == "code" for cell in notebook.cells) < 15
