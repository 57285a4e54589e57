"""Every test starts from nothing: no settings of the user's, a store of its own, and no network but the loopback."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._config import readiness as _settings_ready
from pandas_numberactive._config import settings as _settings
from pandas_numberactive._phones import layouts as _layouts
from pandas_numberactive._store import store as _store
from pandas_numberactive.simulator import Simulator

IN_CI = bool(os.environ.get("NUMBERACTIVE_CI"))
MUST_RUN = ("browser", "postgres", "kernel")
SLOW = "takes long, run it with: python -m pytest -m slow"

# Tests that need more than Python and its packages, or minutes.
APART = (
    "tests/browser/",
    "tests/kernel/",
    "tests/money/",
    "tests/oracles/",
    "tests/test_notebooks",
)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by its folder, and skip slow tests that nobody asked for."""
    slow_wanted = "slow" in config.option.markexpr
    for item in items:
        if not item.nodeid.startswith(APART):
            item.add_marker("core")
        if item.get_closest_marker("slow") and not slow_wanted:
            item.add_marker(pytest.mark.skip(reason=SLOW))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """On CI a test that was skipped for want of a program is a failure: CI is where it must run."""
    report = yield
    if (
        IN_CI
        and report.skipped
        and SLOW not in str(report.longrepr)
        and not hasattr(report, "wasxfail")
        and any(item.get_closest_marker(m) for m in MUST_RUN)
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped on CI: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No variable, no keyring, no configured value of another test."""
    for name in list(os.environ):
        if name.startswith("NUMBERACTIVE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    _reset()
    yield
    _reset()


def _reset() -> None:

    _settings._reset()
    _settings_ready._warned.clear()
    _layouts._judge.cache_clear()  # a test may take a rule of it away
    while _store._MEMORY:  # the store in memory is one for the whole process
        _store._MEMORY.popitem()[1].close()


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that would reach another host fails before it does."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if self.family != socket.AF_UNIX and host not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """The vendor's double, with its marker."""
    with Simulator() as running:
        yield running


@pytest.fixture
def vendor() -> Iterator[Simulator]:
    """The vendor's double in the part of the vendor."""
    with Simulator(stand_in=True, app_key="made-up-key", secret="made-up-secret") as running:
        yield running


@pytest.fixture
def as_production(vendor: Simulator, tmp_path: Path) -> Callable[..., Any]:
    """Configure production against the stand-in, with a store in the test's folder."""

    def configure(**options: Any) -> Any:
        given = {"store": str(tmp_path / "store.sqlite3"), "unit_price": 500.0, **options}
        return pna.configure(
            environment="production",
            base_url=vendor.base_url,
            app_key="made-up-key",
            secret="made-up-secret",
            **given,
        )

    return configure


@pytest.fixture
def book() -> pd.DataFrame:
    """A small messy table: 6 rows, 3 distinct numbers, an invalid cell and a blank."""
    phones = [
        "0811-8899-532",
        "+62 811 8899 532",
        "8.123456789E9",
        "08579876543",
        "0811 / 0812",
        "",
    ]
    return pd.DataFrame({"name": list("abcdef"), "phone": phones}, index=[5, 5, 4, 3, 2, 1])


@pytest.fixture
def quiet_incomplete() -> Iterator[None]:
    """For runs that are meant to end early."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pna.errors.IncompleteRunWarning)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server of our own, one for the session."""
    pytest.importorskip(
        "psycopg", reason='psycopg is missing: pip install "pandas-numberactive[postgres]"'
    )
    if os.name == "nt":
        pytest.skip("the tests start PostgreSQL as another user, which Windows does not offer")
    from tests import pg

    if pg.programs() is None:
        pytest.skip(pg.HOW)
    with pg.Server() as server:
        yield server


@pytest.fixture
def dsn(postgres: Any) -> str:
    """An empty team store."""
    import psycopg

    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS numberactive CASCADE")
    return str(postgres.dsn)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is to be: what a test of money shows on a file must hold on the team's server, too."""
    if request.param == "sqlite":
        return str(tmp_path / "store.sqlite3")
    return str(request.getfixturevalue("dsn"))


@pytest.fixture
def on_either(as_production: Callable[..., Any], place: str) -> Callable[..., Any]:
    """`as_production`, on a file and on a server."""
    return partial(as_production, store=place)
