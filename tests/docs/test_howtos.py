"""Run the Python code of every how-to guide, page by page, against the simulator."""

from __future__ import annotations

import ast
import builtins
import os
import re
import shlex
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._cli.main import cli
from pandas_numberactive.simulator import Simulator

ROOT = Path(os.environ.get("NUMBERACTIVE_SOURCE", Path(__file__).parents[2]))
DOCS = ROOT / ".github" / "docs"
PAGES = [*sorted((DOCS / "howto").glob("*.md")), DOCS / "start.md"]
BLOCK = re.compile(r"```python\n(.*?)```", re.S)
CONSOLE = re.compile(r"```(?:console|text)\n(.*?)```", re.S)
EVERY_PAGE = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
RUN_APART = {"team-store", "pilot", "rehearse"}  # by tests of their own


def made_up_book(rows: int = 400) -> pd.DataFrame:
    """A loan book of made-up numbers; activity does not matter for its outcomes."""
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "phone": [f"0811{number:07d}" for number in range(rows)],
            "defaulted": random.random(rows) < 0.2,
            "application_date": pd.Timestamp.now("Asia/Jakarta").normalize().tz_localize(None),
        }
    )


class FakeSpark:
    """As much of a Spark session and a Spark frame as the guide uses, on pandas."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def select(self, *names: str) -> FakeSpark:
        return FakeSpark(self.frame[list(names)])

    def distinct(self) -> FakeSpark:
        return FakeSpark(self.frame.drop_duplicates())

    def toPandas(self) -> pd.DataFrame:
        return self.frame

    def createDataFrame(self, frame: pd.DataFrame) -> FakeSpark:
        return FakeSpark(frame)

    def join(self, other: FakeSpark, on: str, how: str) -> FakeSpark:
        return FakeSpark(self.frame.merge(other.frame, on=on, how=how))


@pytest.fixture
def names(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """A configured simulator, the files that a guide reads, and the names that its text explains."""
    simulator = request.getfixturevalue("simulator")
    monkeypatch.chdir(tmp_path)
    pna.configure(
        environment="simulator",
        base_url=simulator.base_url,
        store=str(tmp_path / "old.sqlite3"),
        unit_price=500,
        progress=False,
    )
    book = made_up_book()
    bought = book.head(20).numberactive.enrich("phone", details=True)
    invoice = bought[["phone_request_id"]].rename(columns={"phone_request_id": "requestId"})
    invoice.to_csv("invoice.csv", index=False)
    book.to_csv("customers.csv", index=False)
    made_up_book(50).to_csv("applicants.csv", index=False)
    book.head(3).to_csv("requests.csv", index=False)
    return {"book": book, "spark": FakeSpark(book), "spark_book": FakeSpark(book)}


def code_of(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text())


def run_page(page: Path, names: dict[str, Any]) -> None:
    for number, code in enumerate(code_of(page), 1):
        exec(compile(code, f"{page.name} block {number}", "exec"), names)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if code_of(page) and page.stem not in RUN_APART],
    ids=lambda page: page.stem,
)
@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.PlainHttpWarning")
@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.LookAheadWarning")
def test_the_code_of_a_guide_runs(page: Path, names: dict[str, Any]) -> None:
    """Each block runs after the ones above it, as a reader would run it."""
    if page.stem == "dask-spark":
        pytest.importorskip("dask.dataframe")
    if page.stem == "voila":
        pytest.importorskip("ipywidgets")
    run_page(page, names)


@pytest.mark.postgres
def test_the_code_of_the_team_store_runs(names: dict[str, Any], dsn: str) -> None:
    """The guide to the team's store runs on a real PostgreSQL server."""
    page = next(page for page in PAGES if page.stem == "team-store")
    run_page(page, names | {"dsn": dsn})


def loose_names(code: str) -> set[str]:
    """Return the names that a page's code reads and never makes."""
    read: set[str] = set()
    made = set(dir(builtins))
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
    return read - made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_name_of_a_guide_is_made_or_explained(page: Path) -> None:
    """A reader who copies the blocks finds no undefined name, or a sentence on it."""
    text = CONSOLE.sub("", BLOCK.sub("", page.read_text()))
    loose = loose_names("\n".join(code_of(page)))
    assert [name for name in sorted(loose) if f"`{name}`" not in text] == []


def test_an_undefined_name_is_found() -> None:
    """The test above would pass for ever if it took every name for made."""
    code = "import pandas as pd\nout = book.head()\ntry:\n    print(pd, out)\nexcept E as e:\n    e"
    assert loose_names(code) == {"book", "E"}


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_a_rehearsal_can_be_repeated(names: dict[str, Any]) -> None:
    """The second time finds no answers of the first: its assertion holds again."""
    page = DOCS / "howto" / "rehearse.md"
    run_page(page, dict(names))
    run_page(page, dict(names))


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.LookAheadWarning")
def test_the_pilot_says_which_decision_it_reaches(names: dict[str, Any]) -> None:
    """All answers of the made-up book are late, and the page says so."""
    page = DOCS / "howto" / "pilot.md"
    run_page(page, names)
    assert names["report"].decision == "NOT ENOUGH DATA"
    assert f'ends with "{names["report"].decision}"' in page.read_text().replace("\n", " ")
    assert "new applications" in " ".join(names["report"].reasons)


def commands_of(page: Path) -> list[list[str]]:
    """Return the words of each `numberactive` command that a page shows."""
    lines = "\n".join(CONSOLE.findall(page.read_text())).splitlines()
    found = [re.search(r"(?<![\w./])(?:\S*/bin/)?numberactive (\w.*)", line) for line in lines]
    return [shlex.split(hit.group(1).partition(" >>")[0]) for hit in found if hit]


COMMANDS = [
    (page.name, words)
    for page in EVERY_PAGE
    if page.stem != "command-line"
    for words in commands_of(page)
]


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=lambda value: " ".join(value)[:50])
def test_a_shown_command_is_one_that_there_is(page: str, words: list[str]) -> None:
    """Every option of a command on a page is an option of that command."""
    command: click.Command = cli
    given = list(words)
    while isinstance(command, click.Group):
        command = command.commands[given.pop(0)]
    context = click.Context(command, info_name=page)
    _, rest, _ = command.make_parser(context).parse_args(given)
    assert rest == []


def test_commands_are_found_on_the_pages() -> None:
    """The test above would be empty if the search broke."""
    assert {words[0] for _, words in COMMANDS} >= {"enrich", "store"}


def test_every_guide_has_code_and_is_listed() -> None:
    """No guide is a stub, and the index names each."""
    index = (DOCS / "howto" / "index.md").read_text()
    guides = [page for page in PAGES if page.stem not in ("index", "start")]
    assert len(guides) >= 9
    assert [page.stem for page in guides if not code_of(page)] == []
    assert [page.stem for page in guides if page.stem not in index] == []


def test_the_fake_vendor_was_asked(simulator: Simulator, names: dict[str, Any]) -> None:
    """Without purchases the guides would show nothing."""
    assert simulator.ledger.total == 20
