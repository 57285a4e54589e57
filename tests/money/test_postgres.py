"""The team's store: kills of clients, and crashes of the server."""

from __future__ import annotations

import os
from collections.abc import Callable

import pandas as pd
import pytest

import pandas_numberactive as pna
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
    assert (seen.twice, seen.lost, seen.wrong, seen.conflicts) == (0, 0, 0, 0), seen.table()
    assert (seen.kills, seen.charged) == (30, 300)


@pytest.fixture
def frame():
    return pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(120)]})


def test_a_colleagues_answers_cost_nothing(dsn, frame):
    with Simulator(stand_in=True, **KEYS) as vendor:
        for user in range(2):
            with pna.override(
                environment="production", base_url=vendor.base_url, store=dsn, **KEYS
            ):
                out = frame.sample(frac=1, random_state=user).numberactive.enrich(
                    "phone", details=True
                )
                books = pna.LookupStore()
                assert "made-up-password" not in repr(books) + books.location + repr(
                    pna.settings()
                ) + repr(pna.doctor())
                assert len(books) == 120
                assert books.spend("environment")["charged"].tolist() == [120]
                books.close()
        assert (out["phone_source"] == "stored").all()
        assert vendor.ledger.total == 120


def test_a_server_that_crashes_and_comes_back_is_waited_for(postgres, dsn, frame):
    with Simulator(stand_in=True, latency=0.02, **KEYS) as vendor:
        pna.configure(
            environment="production", base_url=vendor.base_url, store=dsn, max_concurrency=8, **KEYS
        )
        job = frame.numberactive.start("phone")
        while job.progress.bought < 20:
            assert not job.done()
        postgres.stop("immediate")
        postgres.start()
        out = job.result(60)  # it waits for the server, and goes on
        assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
        assert frame.numberactive.enrich("phone").equals(out)
        assert vendor.ledger.double_charged() == []
        assert vendor.ledger.total == 120
