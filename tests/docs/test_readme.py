"""The README shows what happens: its table, its bill, and its code."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive.simulator import Simulator
from tests.docs.test_howtos import made_up_book

ROOT = Path(os.environ.get("NUMBERACTIVE_SOURCE", Path(__file__).parents[2]))
README = (ROOT / "README.md").read_text()
HOME = (ROOT / ".github" / "docs" / "index.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", README, re.S)


@pytest.fixture
def on_simulator(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of a reader who follows the README, and the file that its code reads."""
    monkeypatch.chdir(tmp_path)
    pna.configure(
        environment="simulator",
        base_url=simulator.base_url,
        store=str(tmp_path / "store.sqlite3"),
        progress=False,
    )
    made_up_book(40).to_csv("customers.csv", index=False)


@pytest.mark.parametrize("page", [README, HOME], ids=["README", "home"])
def test_the_first_table_is_what_the_call_returns(page: str, on_simulator: None) -> None:
    """The call, its table and its bill stand together, and they are those of the simulator."""
    shown = re.search(r"```text\n(  customer.*?)```", page, re.S)
    assert shown is not None
    phones = ["0812-3456-790", "+62 857 1234 5670", "0812-3456-790", "6.28119E+11"]
    df = pd.DataFrame({"customer": ["A-17", "A-18", "A-19", "A-20"], "phone": phones})
    with pna.override(unit_price=500):
        df = df.numberactive.enrich("phone")
    table = df.drop(columns="phone_looked_up_at").to_string()
    assert shown.group(1) == f"{table}\n\nIDR 1,000 for 2 numbers\n"
    assert pna.last_run().cost == 1_000


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_the_code_of_the_readme_runs(on_simulator: None) -> None:
    """Each block runs, on a table with the columns that it names."""
    assert len(CODE) == 3
    book = made_up_book(200)
    for number, code in enumerate(CODE, 1):
        names = {"df": book.copy(), "pd": pd, "pna": pna}
        if "risk" in code:
            names["df"] = book.numberactive.enrich("phone", overwrite=True)
        exec(compile(code, f"README block {number}", "exec"), names)
