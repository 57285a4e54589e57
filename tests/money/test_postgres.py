"""The team's store: kills of clients, crashes of the server, and everything that can be wrong with an address."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._io.store import LookupStore
from pandas_numberactive.errors import StoreError, StoreVersionError
from pandas_numberactive.simulator import Simulator
from tests.money.killloop import KEYS, kill_loop
from tests.pg import Server

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork: run it on Linux or macOS"),
]


def crashes(server: Server, every: int) -> Callable[[int], None]:
    """Crash the server, and start it again, every so many kills."""

    def between(kills: int) -> None:
        if kills % every == 0:
            server.stop("immediate")
            server.start()

    return between


def test_thirty_kills_and_three_crashes_of_the_server_buy_each_number_once(postgres, dsn):
    seen = kill_loop(dsn, 30, numbers=300, between=crashes(postgres, 10))
    assert (seen.twice, seen.lost, seen.wrong) == (0, 0, 0), seen.table()
    assert seen.charged == 300


@pytest.fixture
def frame():
    return pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(120)]})


def test_a_colleagues_answers_cost_nothing(dsn, frame):
    with Simulator(stand_in=True, **KEYS) as vendor:
        for user in range(2):
            with pna.override(environment="production", base_url=vendor.base_url, store=dsn, **KEYS):
                out = frame.sample(frac=1, random_state=user).numberactive.enrich("phone", details=True)
                books = pna.LookupStore()
                assert "made-up-password" not in repr(books) + books.location + repr(pna.settings()) + repr(
                    pna.doctor()
                )
                assert len(books) == 120
                assert books.spend("environment")["charged"].tolist() == [120]
                books.close()
        assert (out["phone_source"] == "stored").all()
        assert vendor.ledger.total == 120


def test_a_server_that_crashes_in_the_middle_costs_nothing_twice(postgres, dsn, frame):
    with Simulator(stand_in=True, latency=0.02, **KEYS) as vendor:
        pna.configure(environment="production", base_url=vendor.base_url, store=dsn, max_concurrency=8, **KEYS)
        job = frame.numberactive.start("phone")
        while job.progress.bought < 20:
            assert not job.done()
        postgres.stop("immediate")
        postgres.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pna.errors.IncompleteRunWarning)
            with contextlib.suppress(StoreError):  # the run may survive the crash, or stop: nothing is lost either way
                job.result(60)
            out = frame.numberactive.enrich("phone")
        assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
        assert vendor.ledger.double_charged() == []
        assert vendor.ledger.total == 120


@pytest.mark.parametrize(
    "change",
    [("5432x", "1"), ("owner:", "nobody-of-that-name:"), ("/postgres", "/no-such-database")],
    ids=["port", "role", "database"],
)
def test_a_bad_address_is_a_clear_error_and_buys_nothing(postgres, dsn, frame, change):
    bad = dsn.replace(str(postgres.port), "1") if change[1] == "1" else dsn.replace(*change)
    with Simulator(stand_in=True, **KEYS) as vendor:
        pna.configure(environment="production", base_url=vendor.base_url, store=bad, **KEYS)
        with pytest.raises(StoreError, match="cannot be reached") as caught:
            frame.numberactive.enrich("phone")
        assert "made-up-password" not in str(caught.value)
        assert vendor.calls == []


def test_a_role_without_rights_is_told_so_and_one_with_few_rights_can_buy(dsn, frame):
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS analyst")
        owner.execute("CREATE ROLE analyst LOGIN")
        analyst = dsn.replace("owner:", "analyst:")
        with pytest.raises(StoreError, match="may not use"):
            LookupStore.open(analyst)
        LookupStore.open(dsn).close()
        with pytest.raises(StoreError, match="may not use"):
            LookupStore.open(analyst)
        owner.execute("GRANT USAGE ON SCHEMA numberactive TO analyst")
        owner.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA numberactive TO analyst")
        with Simulator(stand_in=True, **KEYS) as vendor:
            pna.configure(environment="production", base_url=vendor.base_url, store=analyst, **KEYS)
            frame.numberactive.enrich("phone")
            assert vendor.ledger.total == 120
        with psycopg.connect(analyst) as limited, pytest.raises(psycopg.errors.InsufficientPrivilege):
            limited.execute("DROP TABLE numberactive.lookups")
        owner.execute("DROP OWNED BY analyst")
        owner.execute("DROP ROLE analyst")


def test_a_newer_store_is_refused(dsn):
    import psycopg

    LookupStore.open(dsn).close()
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("UPDATE numberactive.meta SET value = '99' WHERE name = 'schema_version'")
    with pytest.raises(StoreVersionError, match="Upgrade"):
        LookupStore.open(dsn)
