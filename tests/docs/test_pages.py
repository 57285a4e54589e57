"""Facts on the pages that the code decides."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pandas_numberactive._run import stopping
from pandas_numberactive._run.report import RARE

ROOT = Path(os.environ.get("NUMBERACTIVE_SOURCE", Path(__file__).parents[2]))
DOCS = ROOT / ".github" / "docs"
WORDS = {3: "three", 5: "five", 10: "ten", 20: "twenty"}


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("first {} answers", stopping.PROBES),
        ("in {} look-ups in a row\n", stopping.SAME_IN_A_ROW),
        ("{} look-ups in a row whose reply was lost", stopping.SAME_IN_A_ROW),
        ("{} paid answers in a row", stopping.SAME_IN_A_ROW),
        ("or {} that name no number", stopping.NAMELESS_IN_A_ROW),
        ("{} paid look-ups in a row that brought nothing", stopping.USELESS_IN_A_ROW),
        ("{} look-ups in a row without an answer", stopping.UNREACHABLE_IN_A_ROW),
        ("{} bad look-ups of any kind", stopping.BARREN_IN_A_ROW),
    ],
)
def test_the_page_has_the_limits_of_the_code(text: str, limit: int) -> None:
    """The money rules say after how many failures a run stops."""
    page = (DOCS / "explanation" / "money-rules.md").read_text().replace(";\n", "\n")
    assert text.format(WORDS[limit]) in page


def test_each_line_of_the_bill_is_explained() -> None:
    """A reader finds every line that a bill can have."""
    page = (DOCS / "reference" / "results.md").read_text()
    lines = [
        "bought",
        "stored",
        "failed",
        "open",
        "charged",
        "price in the books",
        *(name.replace("_", " ") for name in RARE),
    ]
    assert [line for line in lines if f"| {line} |" not in page] == []
