"""Real processes, real kills; the short form of `python -m tests.money.soak`."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import sqlite3
import sys
import time

import pytest

from pandas_numberactive.simulator import Faults
from tests.money.killloop import FAULTS, end, is_alive, is_stopped, kill_loop, stage
from tests.money.zygote import NO_LANE, OTHER_SQLITE

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="needs os.fork: run it on Linux or macOS"
)


def test_thirty_kills_over_three_processes_buy_each_number_once(tmp_path):
    """On a server, crashes of the server among them: tests/money/test_postgres.py."""
    seen = kill_loop(str(tmp_path / "s.sqlite3"), 30, numbers=300)
    assert (seen.twice, seen.lost, seen.wrong, seen.conflicts) == (0, 0, 0, 0), seen.table()
    assert (seen.kills, seen.charged) == (30, 300)


def test_thirty_kills_of_workers_that_call_by_the_session(tmp_path, monkeypatch):
    """The other way to call, which a proxy needs, keeps the same rules."""
    monkeypatch.setenv(NO_LANE, "1")
    seen = kill_loop(str(tmp_path / "s.sqlite3"), 30, numbers=150)
    assert (seen.twice, seen.lost, seen.wrong, seen.conflicts) == (0, 0, 0, 0), seen.table()
    assert seen.charged == 150


def test_thirty_kills_of_workers_with_two_sqlites(tmp_path, monkeypatch):
    """Two Pythons of one machine bring two SQLites to one file in WAL, where they take turns."""
    other = pytest.importorskip("pysqlite3", reason="pip install pysqlite3")
    assert other.sqlite_version_info != sqlite3.sqlite_version_info
    monkeypatch.setenv(OTHER_SQLITE, "pysqlite3")
    seen = kill_loop(str(tmp_path / "s.sqlite3"), 30, numbers=150)
    assert (seen.twice, seen.lost, seen.wrong, seen.conflicts) == (0, 0, 0, 0), seen.table()
    assert seen.charged == 150


def wait_until(condition):
    deadline = time.monotonic() + 200  # stops a test that hangs
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_budget_of_100_holds_over_kills_restarts_and_64_in_flight(place):
    rng = random.Random(1)
    faults = Faults(handle={"drop_after": 0.1}, query={"drop_after": 0.1}, seed=1)
    with stage(
        place, 400, faults=faults, options={"max_charges": 100}, once=True, max_concurrency=64
    ) as (
        vendor,
        zygote,
        _,
    ):
        for _ in range(3):
            before = vendor.ledger.total
            pid = zygote.fork(0)
            wait_until(
                lambda b=before: vendor.ledger.total > b + rng.randrange(10) or not is_alive(pid)  # noqa: B023
            )
            end(pid)
            assert vendor.ledger.total <= 100
        assert vendor.ledger.total < 100
        for _ in range(3):
            pid = zygote.fork(0)
            wait_until(lambda p=pid: not is_alive(p))
            if vendor.ledger.total == 100:
                break
        assert vendor.ledger.total == 100
        assert vendor.ledger.double_charged() == []


def test_a_refresh_killed_half_way_and_called_again_buys_each_number_once(place):
    with stage(place, 200, faults=Faults(), once=True) as (vendor, zygote, wanted):
        first = zygote.fork(0)
        wait_until(lambda: not is_alive(first))
        assert vendor.ledger.total == 200
        refresh = {"refresh": True}
        with stage(place, 200, faults=Faults(), once=True, options=refresh) as (again, forks, _):
            pid = forks.fork(0)
            wait_until(lambda: again.ledger.total > 80)
            end(pid)
            assert 80 < again.ledger.total < 200
            # The open requestIds belong to this second vendor, so the same one must finish them.
            pid = forks.fork(0)
            wait_until(lambda: not is_alive(pid))
            assert again.ledger.charged_phones() == {str(number): 1 for number in wanted}


def stop_outside_a_transaction(pid, store):
    """A process stopped while it holds the writers' lock stops everybody: safe, but not what is looked at here."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: is_stopped(pid))
        if lock_is_free(store):
            return
        os.kill(pid, signal.SIGCONT)


def lock_is_free(store):
    if store.startswith("postgresql"):
        import psycopg

        from pandas_numberactive._store.engines.connection import WRITE_LOCK

        with psycopg.connect(
            store, autocommit=True
        ) as probe:  # a transaction of its own: free again at once
            return probe.execute("SELECT pg_try_advisory_xact_lock(%s)", (WRITE_LOCK,)).fetchone()[
                0
            ]
    probe = sqlite3.connect(store, timeout=0.05, isolation_level=None)
    try:
        probe.execute("BEGIN IMMEDIATE")
        probe.execute("ROLLBACK")
        return turn_is_free(store)
    except sqlite3.OperationalError:
        return False
    finally:
        probe.close()


def turn_is_free(store):
    """Whether nobody holds the turn, which is taken before a transaction and given back after."""
    with open(f"{store}.turn", "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def test_a_worker_stopped_past_its_lease_makes_nobody_pay_twice(place):
    with stage(place, 120, faults=Faults(query=FAULTS, seed=2), lease=1.0, max_concurrency=16) as (
        vendor,
        zygote,
        wanted,
    ):
        paused = zygote.fork(0)
        wait_until(lambda: vendor.ledger.total >= 10)
        stop_outside_a_transaction(paused, place)
        other = zygote.fork(1)
        wait_until(lambda: not is_alive(other))
        os.kill(paused, signal.SIGCONT)
        wait_until(lambda: not is_alive(paused))
        assert vendor.ledger.charged_phones() == {str(number): 1 for number in wanted}


if sys.platform != "linux":
    del test_a_worker_stopped_past_its_lease_makes_nobody_pay_twice
