"""One JupyterLab and one Chromium for all browser tests; one vendor and one notebook for each."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pandas_numberactive.simulator import Simulator
from tests.browser import lab

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret-4711"}
_numbers = itertools.count(1)


@pytest.fixture(
    scope="package"
)  # not the session: Playwright's event loop runs in this thread as long as it is open
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip(
        "playwright.sync_api",
        reason='playwright is missing: pip install "pandas-numberactive[test]"',
    )
    pytest.importorskip(
        "jupyterlab", reason='JupyterLab is missing: pip install "pandas-numberactive[lab]"'
    )
    if lab.CHROMIUM is None:
        pytest.skip(lab.HOW)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=lab.CHROMIUM, args=lab.ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Server]:
    running = lab.Server(tmp_path_factory.mktemp("lab"))
    yield running
    running.close()


@pytest.fixture
def bank() -> Iterator[Simulator]:
    """The vendor's double in the part of the vendor, in this process: its ledger is the judge."""
    with Simulator(stand_in=True, **KEYS) as running:
        yield running


Opener = Callable[..., lab.Notebook]


@contextmanager
def opener(chromium: Any, server: lab.Server, bank: Simulator, folder: Path) -> Iterator[Opener]:
    """Open notebooks against a bank; at the end nothing may have left the host, nor the page complained."""
    opened: list[lab.Notebook] = []

    def start(*cells: str, **options: Any) -> lab.Notebook:
        given = {
            "store": str(folder / "store.sqlite3"),
            "unit_price": 500.0,
            "confirm_above": 10**6,
            **KEYS,
            **options,
        }
        setup = (
            "import pandas as pd, pandas_numberactive as pna\n"
            f"_ = pna.configure(environment='production', base_url={bank.base_url!r}, **{{**{given!r}}})"
        )
        book = lab.Notebook(chromium, server, f"n{next(_numbers)}", list(cells))
        opened.append(book)
        book.ask(setup)  # in no cell: the keys are in the kernel, not in the notebook
        return book

    yield start
    for book in opened:
        foreign, complaints = book.foreign, book.complaints
        book.close()
        assert foreign == []
        assert complaints == []


@pytest.fixture
def notebook(
    chromium: Any, server: lab.Server, bank: Simulator, tmp_path: Path
) -> Iterator[Opener]:
    """Open and run a notebook against the bank of this test."""
    with opener(chromium, server, bank, tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: NUMBERACTIVE_SCREENSHOTS, or a temporary folder."""
    named = os.environ.get("NUMBERACTIVE_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
