"""Stores that 0.1.0 made: opened, read and gone on with. Their numbers are made up."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._store.copy import copy
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive._testing import issue

DATA = Path(__file__).parent / "data"
OPEN = {"8110000006": "pending", "8110000007": "pending", "8110000008": "failed"}


def open_ids(store: LookupStore) -> list[tuple[str, str]]:
    sql = "SELECT request_id, CAST(number AS TEXT) FROM lookups WHERE packed & 15 = 2"
    return store.do(lambda db: db.execute(sql).fetchall())


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store as 0.1.0 left it."""
    script = (DATA / f"before-{request.param}.sql").read_text()
    if request.param == "postgres":
        dsn = request.getfixturevalue("dsn")
        import psycopg

        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(script)
        return str(dsn)
    path = tmp_path / "before.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)
    return str(path)


@pytest.fixture
def going_on(old, vendor, as_production):
    """The same account and host, and the vendor still knows its requestIds."""
    given = as_production(store=old)
    with LookupStore.open(old) as store:
        for request_id, number in open_ids(store):
            issue(vendor, request_id, number)
        moment = (given.host, round(time.time() * 1e6))
        store.do(lambda db: db.execute("UPDATE lookups SET host = ?, opened_at = ?", moment))
    return old


def enrich() -> pd.DataFrame:
    frame = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(9)]})
    return frame.numberactive.enrich("phone", details=True)


def test_an_old_store_keeps_its_answers_and_charges(old, as_production):
    """Every answer, the bill, and what stands open."""
    as_production(store=old)
    with pna.LookupStore() as store:
        assert store.summary() == {"pending": 2, "answered": 5, "no_data": 2, "failed": 1}
        assert store.spend("environment")["charged"].tolist() == [7]
        assert store.spend("buyer")["buyer"].tolist() == [""]  # it was not kept then
        assert len(store.history()) == 17
        kept = store._store.do(lambda db: [bytes(body) for body in bodies(db)])
    assert len(kept) == 7
    assert all(b'"code": 200' in body for body in kept)


def bodies(db) -> list[bytes]:
    return [
        row[0] for row in db.execute("SELECT body FROM events WHERE body IS NOT NULL").fetchall()
    ]


def test_an_old_store_is_gone_on_with(going_on, vendor):
    """Stored numbers cost nothing, open requestIds are asked, a free failure is bought."""
    out = enrich()
    assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
    assert out["phone_source"].tolist() == ["stored"] * 6 + ["new"] * 3
    assert set(vendor.ledger.charged_phones()) == set(OPEN)
    asked = {call[2] for call in vendor.calls if call[1] == "handle"}
    assert asked == {"8110000008"}
    calls = len(vendor.calls)
    enrich()
    assert len(vendor.calls) == calls


def test_an_old_store_is_copied_once_nothing_is_open(going_on, tmp_path):
    there = str(tmp_path / "there.sqlite3")
    with pytest.raises(pna.errors.StoreError, match="2 look-ups in the source are under way"):
        copy(going_on, there)
    enrich()
    assert copy(going_on, there).lookups == 10
