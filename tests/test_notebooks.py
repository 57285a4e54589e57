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
        "IDR 2,407,000",  # the plan: below the budget that is given
        "IDR 100,000",  # the pilot
        "2407000.0",  # the pilot, Stop and the same call again are one run, below that budget
    ),
    "04_risk_analysis": (
        "odds ratio a step       1.7",  # "a pilot of 500 would show nothing"
        "All 4,519 answers were bought after the decision",  # the trap decides nothing
        "significant",  # the pilot stops by itself
        "Retro test: BUY",
        "1,381 of 4,519 answers are late, and the effect grows",  # "the report finds them out"
        "one file for the committee",
        "avoided    361.0",
        "verdict      grows with the lag",
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


def test_the_risk_notebook_has_few_cells():
    """It is about one decision."""
    notebook = nbformat.read(ROOT / "notebooks" / "04_risk_analysis.ipynb", as_version=4)
    assert len(notebook.cells) < 25
