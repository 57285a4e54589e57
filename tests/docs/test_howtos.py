"""Run the Python code of every how-to guide, page by page, against the simulator."""

from __future__ import annotations

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
ON_POSTGRES = {"team-store"}


def made_up_book(rows: int = 400) -> pd.DataFrame:
    """A loan book of made-up numbers; activity does not matter for its outcomes."""
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "phone": [f"0811{number:07d}" for number in range(rows)],
            "defaulted": random.random(rows) < 0.2,
            "application_date": pd.Timestamp.now().normalize(),
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
def names(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a guide's code finds: a configured simulator, a book, a folder."""
    simulator = request.getfixturevalue("simulator")
    pna.configure(
        environment="simulator",
        base_url=simulator.base_url,
        store=str(tmp_path / "store.sqlite3"),
        unit_price=500,
        progress=False,
    )
    book = made_up_book()
    bought = book.head(20).numberactive.enrich("phone", details=True)
    invoice = bought[["phone_request_id"]].rename(columns={"phone_request_id": "requestId"})
    invoice.to_csv(tmp_path / "invoice.csv", index=False)
    return {
        "book": book,
        "applicants": made_up_book(50),
        "people": book.head(3),
        "folder": tmp_path,
        "store_path": str(tmp_path / "store.sqlite3"),
        "spark": FakeSpark(book),
        "spark_book": FakeSpark(book),
    }


def code_of(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text())


def run_page(page: Path, names: dict[str, Any]) -> None:
    for number, code in enumerate(code_of(page), 1):
        exec(compile(code, f"{page.name} block {number}", "exec"), names)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if code_of(page) and page.stem not in ON_POSTGRES],
    ids=lambda page: page.stem,
)
@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.PlainHttpWarning")
@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
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
