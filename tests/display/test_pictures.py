"""What results look like: escaped HTML that follows the theme, and plain text in a terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import pandas_numberactive as pna
from pandas_numberactive._display.html import (
    LEVEL_COLOURS,
    STATUS_COLOURS,
    bar,
    colour_of,
    html_table,
    level,
    table,
)
from pandas_numberactive._jupyter.magic import numberactive
from pandas_numberactive.errors import InvalidPhoneError

PHONE = "8118899532"
VOID = {"br", "img", "input"}


class Balanced(HTMLParser):
    """Fails where a tag is not closed, or closes another."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "link", "iframe", "object")
        assert all(not name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert not re.search(r"src=|href=|url\(|@import", html)  # nothing is fetched
    return " ".join(parser.text)


@pytest.fixture
def results(as_production, book):
    as_production()
    plan = book.numberactive.plan("phone")
    book.numberactive.enrich("phone", progress=False)
    job = book.numberactive.start("phone", progress=False)
    job.result()
    with pna.LookupStore() as store:
        yield {
            "plan": plan,
            "report": pna.last_run(),
            "lookup": pna.lookup(PHONE),
            "settings": pna.settings(),
            "summary": store.summary(),
            "store": store,
            "job": job,
        }


def test_every_result_has_a_picture_and_a_text_without_a_whole_number_or_a_secret(results):
    for name, result in results.items():
        text = repr(result)
        assert PHONE not in text, name
        assert "made-up-secret" not in text
        assert "<" not in text.replace("<class", ""), name
        html = result._repr_html_()
        assert "made-up-secret" not in html
        assert PHONE not in html
        assert "var(--jp-" in html, f"{name} does not follow the theme"
        assert len(read(html)) > 10
        assert len(html) < 10_000, f"{name} is not small"


def test_a_plan_and_a_bill_are_bars_whose_parts_are_the_counts(results):
    plan = results["plan"]
    assert (plan.missing, plan.duplicates, plan.to_buy, sum(plan.invalid.values())) == (1, 1, 3, 1)
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", plan._repr_html_())]
    assert sum(widths) == pytest.approx(100, abs=0.05)
    assert widths[-1] == pytest.approx(50, abs=0.01)  # three of six cells are to be bought
    bill = re.sub(r"\s+", " ", read(results["report"]._repr_html_()))
    assert "bought" in bill
    assert "stored 3" in bill  # the job's bill: all were there already


def test_a_jobs_picture_counts_what_is_done_and_what_is_left(
    as_production, vendor, book, quiet_incomplete
):
    as_production()
    job = book.numberactive.start("phone", max_charges=2)
    job.result()
    told = re.sub(r"\s+", " ", read(job._repr_html_()))
    assert "2 of 3" in told
    assert "bought 2" in told
    assert "IDR 1,000" in told
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", job._repr_html_())]
    assert widths == pytest.approx([200 / 3, 100 / 3], abs=0.01)


def test_a_plan_and_a_bill_begin_with_the_price(results):
    """It is what a reader looks for, and stood among 14 lines."""
    told = re.sub(r"\s+", " ", read(results["plan"]._repr_html_())).strip()
    assert told.startswith("IDR 1,500 for 3 numbers Plan (production)")
    told = re.sub(r"\s+", " ", read(results["report"]._repr_html_())).strip()
    assert told.startswith("Nothing was charged Run ")


def test_refused_cells_are_folded_by_reason_with_an_example(results):
    """The last three digits of one cell show, so that its owner can find it."""
    for name in ("plan", "report"):
        html = results[name]._repr_html_()
        assert "invalid: several" not in html
        told = re.sub(r"\s+", " ", read(html))
        assert "1 invalid cell, not sent: why? reason cells for example several_numbers 1" in told
        assert "**** / *812" in told


def test_figures_are_right_aligned_and_words_are_not():
    html = table([("column", "cells"), ("phone", "1,234"), ("wa", "7")])
    right = re.findall(r'<td style="[^"]*text-align:right[^"]*">([^<]*)<', html)
    assert right == ["1,234", "7"]
    lines = html_table("x", [("rows", "1,500 (3 blank)"), ("time", "about 12 s"), ("store", "a/1")])
    right = re.findall(r'<td style="[^"]*text-align:right[^"]*">([^<]*)<', lines)
    assert right == ["1,500", "about 12 s"]
    words = html_table("x", [("Python", "3.11"), ("store", "a/1"), ("host", "b")])
    assert "text-align:right" not in words


def test_one_status_has_one_colour_and_one_colour_one_status():
    colours = [*STATUS_COLOURS.values()]
    assert len(set(colours)) == len(colours)
    assert not set(colours) & {LEVEL_COLOURS[name] for name in ("high", "medium", "low")}
    assert colour_of("not bought") == colour_of("not_bought") == colour_of("to do")
    assert colour_of("blank") == colour_of("missing")


def test_every_status_of_a_column_has_a_colour():
    for categories in (pna.LOOKUP_STATUS, pna.ACTIVE_LEVEL):
        for name in categories.categories:
            assert name in STATUS_COLOURS or name in LEVEL_COLOURS


def test_a_signal_bears_the_name_of_its_column():
    html = level("active_level", "high")
    assert "background:#" not in html  # a light ground glares in the dark
    assert "active_level" in html


def test_text_from_outside_is_escaped():
    wild = "<img src=x onerror=alert(1)>"
    assert "<img" not in html_table(wild, [(wild, wild)], wild)
    assert "<img" not in bar([(wild, 1)], f'{wild}" onload="x')
    assert '" onload' not in bar([(wild, 1)], f'{wild}" onload="x')


def test_a_stores_summary_counts_look_ups_by_state(results):
    assert set(results["summary"]) <= {"answered", "no_data"}
    assert sum(results["summary"].values()) == 3
    assert "look-ups in the store" in read(results["store"]._repr_html_())


def test_the_magic_buys_one_number_and_refuses_what_it_cannot_read(as_production, vendor, capsys):
    as_production()
    assert numberactive("  ") is None
    assert "0811 8899 532" in capsys.readouterr().out
    for wrong in ("0811 / 0812", "hello", "021 555 0199", "8118899532 8118899533"):
        with pytest.raises(InvalidPhoneError, match="Nothing was sent"):
            numberactive(wrong)
    assert vendor.ledger.total == 0
    assert numberactive("'0811-8899-532'").phone == PHONE
    assert numberactive(PHONE).source == "stored"
    assert vendor.ledger.total == 1


SESSION = """
%load_ext pandas_numberactive
import pandas_numberactive as pna
_ = pna.configure(environment="simulator", store="sqlite:store.db", unit_price=500, progress=False)
%numberactive 0811 8899 532
df = pd.DataFrame({"phone": ["0811 8899 532", "0812 345 6789", ""]})
df.numberactive.plan("phone")
out = df.numberactive.enrich("phone")
pna.last_run()
job = df.numberactive.start("phone")
_ = job.result()
job
pna.LookupForm()
pna.EnrichPanel(df)
pna.settings()
"""


def test_a_terminal_ipython_shows_plain_text(tmp_path):
    """The whole story in a terminal: no widget's object, no HTML, the numbers masked."""
    pytest.importorskip(
        "IPython", reason='IPython is missing: pip install "pandas-numberactive[notebook]"'
    )
    script = tmp_path / "session.ipy"
    script.write_text("import pandas as pd\n" + SESSION)
    # Cells through run_cell, so that each result is displayed as at the prompt.
    drive = (
        "import sys\nfrom IPython.terminal.interactiveshell import TerminalInteractiveShell as Shell\n"
        "shell = Shell.instance(simple_prompt=True)\n"
        f"cells = open({str(script)!r}).read().splitlines()\n"
        "ok = [shell.run_cell(cell).success for cell in cells if cell]\nsys.exit(0 if all(ok) else 1)"
    )
    here = str(
        Path(pna.__file__).parent.parent
    )  # the package under test, not another that is installed
    home = {"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython")}
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": here, **home}
    done = subprocess.run(
        [sys.executable, "-c", drive],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in (
        "Lookup(8118****532, answered",
        "Plan (simulator)",
        "Run ",
        "Job (done)",
        "LookupForm(0 look-ups",
        "EnrichPanel(['phone']",
        "Settings(",
    ):
        assert expected in done.stdout
    assert "<div" not in done.stdout
    assert "object at 0x" not in done.stdout
    assert PHONE not in done.stdout
